// A store that a check finds nothing wrong with, and what a test needs to plant a contradiction into it: the rows as they are,
// found by the bodies of messages, and what the check says after one was written or removed.

import { expect } from "vitest";
import type { EpochMs, Sequence } from "../../src/base/brands.js";
import type {
  Counters,
  Delivery,
  Group,
  Member,
  Message,
  Place,
  Queue,
} from "../../src/queue/model.js";
import { checkStore } from "../../src/store/check.js";
import {
  countersKey,
  deliveryKey,
  groupKey,
  messageKey,
  queueKey,
  segmentPrefix,
} from "../../src/store/keys.js";
import type { Store } from "../../src/store/store.js";
import { type Table, tables } from "../../src/store/tables.js";
import { EngineHarness } from "./engine-harness.js";
import { putRow, removeValue, temporaryStore } from "./temporary-store.js";

/** What a test does to a store before its last check without contradictions. */
export type Build = (harness: EngineHarness) => Promise<void>;

export class PlantedStore {
  readonly store: Store;
  readonly queue: Queue;
  /** Of the queue's segment. */
  readonly prefix: string;
  /** The last instant of the store. */
  readonly now: EpochMs;

  private constructor(store: Store, queueName: string, now: number) {
    this.store = store;
    this.now = now as EpochMs;
    this.queue = this.row(tables.queue, queueKey("default", queueName));
    this.prefix = segmentPrefix(this.queue.slot, this.queue.segment);
  }

  /** A store on disk about one queue, checked, with nobody using it. */
  static async of(queueName: string, build: Build): Promise<PlantedStore> {
    const store = temporaryStore();
    const harness = await EngineHarness.start({ store });
    await build(harness);
    await harness.check();
    await harness.engine.stop();
    return new PlantedStore(store, queueName, harness.clock.now());
  }

  row<Row>(table: Table<Row>, key: string): Row {
    const bytes = this.store.get(key);
    if (bytes === undefined) throw new Error(`The ${table.name} row to damage is not there.`);
    return table.decode(key, bytes);
  }

  async put<Row>(table: Table<Row>, key: string, row: Row): Promise<void> {
    await putRow(this.store, table, key, row);
  }

  /** Removes one value that is there, leaving its chunks. */
  async remove(key: string): Promise<void> {
    if (this.store.keys(key, `${key}\x00`, 1).length === 0)
      throw new Error("The value to remove is not there.");
    await removeValue(this.store, key);
  }

  get counters(): Counters {
    return this.row(tables.counters, countersKey(this.prefix));
  }

  async changeCounters(change: Partial<Counters>): Promise<void> {
    await this.put(tables.counters, countersKey(this.prefix), { ...this.counters, ...change });
  }

  message(body: string): Message {
    for (const { key, bytes } of this.store.range(`${this.prefix}m`, `${this.prefix}n`)) {
      const message = tables.message.decode(key, bytes);
      if (message.content.body.toString("utf8").startsWith(body)) return message;
    }
    throw new Error(`There is no message "${body}".`);
  }

  place(body: string): Sequence {
    return this.message(body).sequence;
  }

  async changeMessage(body: string, change: Partial<Message>): Promise<void> {
    const message = this.message(body);
    await this.put(tables.message, messageKey(this.prefix, message.sequence), {
      ...message,
      ...change,
    });
  }

  delivery(body: string): Delivery {
    return this.row(tables.delivery, deliveryKey(this.prefix, this.place(body)));
  }

  async changeDelivery(body: string, change: Partial<Delivery>): Promise<void> {
    const delivery = this.delivery(body);
    await this.put(tables.delivery, deliveryKey(this.prefix, delivery.sequence), {
      ...delivery,
      ...change,
    });
  }

  /** The end of a lease or delay. */
  until(body: string): EpochMs {
    const { state } = this.delivery(body);
    if (state.kind === "returned") throw new Error(`"${body}" is neither leased nor delayed.`);
    return state.until;
  }

  /** Where a visible message of a standard queue stands. */
  standing(body: string): Member {
    const { sequence, arrivedAt } = this.message(body);
    const key = deliveryKey(this.prefix, sequence);
    if (this.store.get(key) === undefined)
      return { place: { at: arrivedAt, order: sequence }, sequence };
    const { state } = this.row(tables.delivery, key);
    if (state.kind !== "returned") throw new Error(`"${body}" is not visible.`);
    return { place: state.place, sequence };
  }

  group(id: string): Group {
    return this.row(tables.group, groupKey(this.prefix, id));
  }

  async changeGroup(id: string, change: Partial<Group>): Promise<void> {
    await this.put(tables.group, groupKey(this.prefix, id), { ...this.group(id), ...change });
  }

  /** What the check says, a line each. */
  async lines(): Promise<string[]> {
    const report = await checkStore(this.store);
    expect(report.contradictionCount).toBe(report.contradictions.length);
    return report.contradictions.map(({ row, sentence }) => `${row}: ${sentence}`);
  }
}

export const placeOf = (at: number, order: number): Place => ({
  at: at as EpochMs,
  order: order as Sequence,
});

/** A contradiction: what is planted, and what the check says of it, no more and no less. */
export type PlantedCase = readonly [
  title: string,
  plant: (planted: PlantedStore) => Promise<void>,
  expected: readonly RegExp[],
];

/** Plants it and expects the lines, in any order. */
export async function expectLines(
  planted: PlantedStore,
  plant: PlantedCase[1],
  expected: readonly RegExp[],
): Promise<void> {
  await plant(planted);
  const lines = await planted.lines();
  const unsaid = expected.filter((pattern) => !lines.some((line) => pattern.test(line)));
  expect({ unsaid, lines, count: lines.length }).toMatchObject({
    unsaid: [],
    count: expected.length,
  });
}
