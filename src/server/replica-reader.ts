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
  /** Grows with everything that is applied to the store. */
  readonly appliedSeq: () => number;
  readonly corruptRowPassed: (corrupt: RecordCorrupt) => void;
}

export class ReplicaReader implements CommandRunner {
  readonly keepsNothing = true;
  readonly #parts: ReplicaReaderParts;
  readonly #view: StateView;
  readonly #transaction: QueueState;
  #seenSeq: number | undefined;
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

  /** Rows that are kept decoded are of the state of before. */
  #lookAnew(): void {
    const seq = this.#parts.appliedSeq();
    if (seq === this.#seenSeq) return;
    this.#seenSeq = seq;
    this.#view.discard();
    this.#parts.store.refresh();
    this.#stateTime = Engine.lastInstant(this.#parts.store);
  }
}
