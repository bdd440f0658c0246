// Reads on a node that follows: the same handlers as the leader's, over the state that this node has applied. A command is
// decided as everywhere and answered at once, and whatever it would have changed is forgotten: a replica's state changes by
// records only.

import type { EpochMs } from "../base/brands.js";
import type { Clock } from "../base/clock.js";
import type { Ids } from "../base/ids.js";
import type { RecordCorrupt } from "../base/record-corrupt.js";
import type { Command, Decision, WaitingCommand } from "../engine/command.js";
import { Engine, type Wait } from "../engine/engine.js";
import { StateView } from "../engine/state-view.js";
import type { CommandRunner } from "../rpc/command-runner.js";
import { notLeader } from "../rpc/leader-faults.js";
import { QueueState } from "../store/queue-state.js";
import type { Store } from "../store/store.js";

export interface ReplicaReaderParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly ids: Ids;
  /** Up to where the state is that the reads of this turn see. */
  readonly appliedInView: () => number | undefined;
  readonly corruptRowPassed: (corrupt: RecordCorrupt) => void;
}

export class ReplicaReader implements CommandRunner {
  readonly keepsNothing = true;
  readonly #parts: ReplicaReaderParts;
  readonly #view: StateView;
  readonly #transaction: QueueState;
  #seenSeq = 0;
  #stateTime = 0 as EpochMs;

  constructor(parts: ReplicaReaderParts) {
    this.#parts = parts;
    this.#view = new StateView(parts.store, parts.corruptRowPassed);
    this.#transaction = new QueueState(this.#view);
  }

  /** Never before the last instant that the state knows of, whatever this node's clock says. */
  get now(): EpochMs {
    return Math.max(this.#parts.clock.now(), this.#stateTime) as EpochMs;
  }

  /** The last record whose effects an answer given here has shown. */
  get seenSeq(): number {
    return this.#seenSeq;
  }

  async execute<Outcome, Rejection>(
    command: Command<Outcome, Rejection>,
  ): Promise<Decision<Outcome, Rejection>> {
    this.#lookAnew();
    try {
      const stamp = { now: this.now, ids: this.#parts.ids };
      return command.decide(this.#transaction, stamp);
    } finally {
      this.#view.overlay.rollBack();
      this.#view.woken.clear();
    }
  }

  /** Receives are the leader's. */
  executeOrWait<Outcome, Rejection>(
    _command: WaitingCommand<Outcome, Rejection>,
  ): Wait<Outcome, Rejection> {
    return { decision: Promise.reject(notLeader()), cancel: () => false };
  }

  /**
   * Everything that a command reads is of one moment, and it is known of which record that is. Whoever applies records hears later
   * that they are readable, so its word would be of an earlier one.
   */
  #lookAnew(): void {
    this.#parts.store.refresh();
    const seq = this.#parts.appliedInView() ?? 0;
    if (seq === this.#seenSeq) return;
    this.#seenSeq = seq;
    // Rows that are kept decoded are of the state of before.
    this.#view.discard();
    this.#stateTime = Engine.lastInstant(this.#parts.store);
  }
}
