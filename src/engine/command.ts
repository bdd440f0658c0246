// What the engine runs: a command is one decision, made in one go, answered when what it saw and changed is safe.

import type { EpochMs, WaitPlace } from "../base/brands.js";
import type { Stamp } from "../queue/stamp.js";
import type { StateTransaction } from "../topic/view.js";

/** What a decision came to. A rejection leaves no trace. */
export type Decision<Outcome, Rejection> =
  | { readonly kind: "accepted"; readonly outcome: Outcome }
  | { readonly kind: "rejected"; readonly rejection: Rejection };

/**
 * A decision that found nothing and would look again when `queue` is woken or at `until`. What it recorded on the way
 * (leases that ended, places it need not look at again) is kept.
 */
export interface NothingYet {
  readonly kind: "nothing_yet";
  readonly queue: WaitPlace;
  readonly until: EpochMs | undefined;
}

interface CommandBase {
  /** For metrics and logs. */
  readonly name: string;
  /** About how many bytes its changes take, for the engine's bound. */
  readonly bytes: number;
  /** True when it stores something new: refused while the storage is full. Receives, deletes and clean-up are not. */
  readonly isGrowing: boolean;
  /**
   * True when it only looks things up: answered as soon as the rows that it read are committed, which mostly they are, although
   * others are still on their way.
   */
  readonly isLookup?: boolean;
  /** True for clean-up of our own that callers rely on, as giving messages back: never refused while the store works. */
  readonly isOwed?: boolean;
}

export interface Command<Outcome, Rejection> extends CommandBase {
  decide(transaction: StateTransaction, stamp: Stamp): Decision<Outcome, Rejection>;
  /**
   * Told the outcome of an accepted command right before its caller is. Of all commands in the order in which they were decided,
   * so that who keeps up with the state in memory misses nothing. Must not throw.
   */
  committed?(outcome: Outcome): void;
  /** Whether an accepted one is answered at once, though a crash may undo it: whoever asks for that has said so. */
  answersWhenDecided?(outcome: Outcome): boolean;
}

/** Where and how long a command waits. */
export interface Waited {
  /** By number, so that a wait never carries over to a queue recreated under the same name. */
  readonly queue: WaitPlace;
  /** 0: not at all. */
  readonly waitMs: number;
}

/** A command that may wait for something to be there. */
export interface WaitingCommand<Outcome, Rejection> extends CommandBase {
  locate(transaction: StateTransaction, stamp: Stamp): Decision<Waited, Rejection>;
  decide(
    transaction: StateTransaction,
    stamp: Stamp,
    waited: Waited,
  ): Decision<Outcome, Rejection> | NothingYet;
  /** The answer when the wait ends with nothing. */
  empty(): Outcome;
}

/** Why the engine itself did not run a command, or cannot tell what became of it. */
export type RefusalKind =
  | "commit_backlog"
  | "storage_full"
  | "shutting_down"
  | "too_many_waiting"
  /** This node does not lead its group, or cannot prove it. Nothing was done. */
  | "not_leader"
  /** The only one after which something may have been done: another leader may commit what this one could not. */
  | "outcome_unknown";

export class EngineRefusal extends Error {
  override readonly name = "EngineRefusal";
  readonly kind: RefusalKind;
  readonly retryAfterMs: number;
  constructor(kind: RefusalKind, message: string, retryAfterMs: number) {
    super(message);
    this.kind = kind;
    this.retryAfterMs = retryAfterMs;
  }
}
