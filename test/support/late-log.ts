// A log that commits when the test says so: what a group does while other zones are slow. Records become stored, committed and
// applied one step at a time, and only what is applied reaches the store.

import type { CommitLog, CommitPosition, RecordProgress } from "../../src/engine/commit-log.js";
import { LeadershipLost } from "../../src/engine/commit-log.js";
import type { RowChange, Store } from "../../src/store/store.js";

interface Taken {
  readonly seq: number;
  readonly changes: readonly RowChange[];
  readonly progress: RecordProgress;
  state: "taken" | "stored" | "committed";
}

export class LateLog implements CommitLog {
  readonly epoch = 3;
  readonly beginsAt: CommitPosition = { epoch: 3, seq: 7 };
  readonly recordBytesMax: number;
  /** Whether the lease proves that nobody else leads. */
  hasLease = true;
  readonly #store: Store;
  readonly #taken: Taken[] = [];
  #lastSeq = 7;

  constructor(store: Store, recordBytesMax = 1_048_576) {
    this.#store = store;
    this.recordBytesMax = recordBytesMax;
  }

  append(changes: readonly RowChange[], progress: RecordProgress): void {
    if (this.#taken.some(({ state }) => state === "taken"))
      throw new Error("A record came before the last one was stored.");
    this.#lastSeq += 1;
    this.#taken.push({ seq: this.#lastSeq, changes, progress, state: "taken" });
  }

  mayAnswer(): boolean {
    return this.hasLease;
  }

  /** Records that were taken and are not applied. */
  get states(): readonly string[] {
    return this.#taken.map(({ state }) => state);
  }

  get changeCounts(): readonly number[] {
    return this.#taken.map(({ changes }) => changes.length);
  }

  /** The record that was taken last is on this node's disk. */
  async store(): Promise<void> {
    const record = this.#find("taken");
    record.state = "stored";
    record.progress.stored();
    await turns();
  }

  /** The oldest record that is not committed is. */
  async commit(): Promise<void> {
    const record = this.#find("stored");
    record.state = "committed";
    record.progress.committed({ epoch: this.epoch, seq: record.seq });
    await turns();
  }

  /** The oldest record is applied. */
  async apply(): Promise<void> {
    const [record] = this.#taken;
    if (record?.state !== "committed") throw new Error("The oldest record is not committed.");
    await this.#store.commit(record.changes);
    this.#taken.shift();
    record.progress.applied();
    await turns();
  }

  /** One step of any record that can take one, by turns, so that records are in all states at once; false when none can. */
  async someStep(turn: number): Promise<boolean> {
    const steps: (() => Promise<void>)[] = [];
    if (this.states.includes("taken")) steps.push(() => this.store());
    if (this.states.includes("stored")) steps.push(() => this.commit());
    if (this.states[0] === "committed") steps.push(() => this.apply());
    await steps[turn % steps.length]?.();
    return steps.length > 0;
  }

  /** Everything that was taken, and what follows from it. */
  async finishAll(): Promise<void> {
    await turns();
    while (this.#taken.length > 0) {
      if (this.states.includes("taken")) await this.store();
      else if (this.states.includes("stored")) await this.commit();
      else await this.apply();
    }
  }

  /** The record that was taken last found no room. */
  async refuse(error: Error): Promise<void> {
    const record = this.#find("taken");
    this.#taken.splice(this.#taken.indexOf(record), 1);
    record.progress.failed(error);
    await turns();
  }

  async loseLeadership(): Promise<void> {
    for (const { progress } of this.#taken.splice(0)) {
      progress.failed(new LeadershipLost("as the test asked for"));
    }
    await turns();
  }

  #find(state: Taken["state"]): Taken {
    const record = this.#taken.find((each) => each.state === state);
    if (record === undefined) throw new Error(`No record is only ${state}.`);
    return record;
  }
}

/** Long enough for everything that is set off at once to have happened. */
export async function turns(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) {
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }
}
