// The view of undeliverable messages of the rows: which rows go together. Part of the topics' view (`topic-state.ts`).

import type { EpochMs, Sequence } from "../base/brands.js";
import type { Topic, TopicMessage } from "../topic/model.js";
import type {
  RedriveOrder,
  Undeliverable,
  UndeliverableAmount,
  UndeliverableRecord,
} from "../topic/undeliverable-model.js";
import type {
  OrderedRedrive,
  UndeliverableDue,
  UndeliverableTransaction,
} from "../topic/undeliverable-view.js";
import { endOfPrefix, segmentPrefix, segmentPrefixLength, u64At } from "./keys.js";
import { endOfNumbers } from "./push-keys.js";
import type { RowAccess } from "./row-access.js";
import { tables } from "./tables.js";
import { idBytes } from "./topic-keys.js";
import {
  redriveMarkKey,
  redriveMarksPrefix,
  redriveOrderByte,
  redriveOrderKey,
  undeliverableDueByte,
  undeliverableDueKey,
  undeliverableKey,
  undeliverableMessageKey,
  undeliverableRecordKey,
  undeliverablesPrefix,
  undeliverableTotalKey,
} from "./undeliverable-keys.js";

type Segment = Pick<Topic, "slot" | "segment">;

const prefixOf = ({ slot, segment }: Segment): string => segmentPrefix(slot, segment);

/** Of what a subscription that ended has left: before every instant that a clock tells, and every place. */
const atOnce = 0 as EpochMs;
const noPlace = 0 as Sequence;

const segmentAt = (key: string, at: number): Segment => ({
  slot: key.charCodeAt(at) * 256 + key.charCodeAt(at + 1),
  segment: u64At(key, at + 2) as Topic["segment"],
});

const idAt = (key: string, at: number): Buffer =>
  Buffer.from(key.slice(at, at + idBytes), "latin1");

export class UndeliverableRows implements UndeliverableTransaction {
  readonly #rows: RowAccess;

  constructor(rows: RowAccess) {
    this.#rows = rows;
  }

  total(topic: Segment): UndeliverableAmount | undefined {
    const key = undeliverableTotalKey(prefixOf(topic));
    return this.#rows.getReadable(tables.undeliverableTotal, key);
  }

  record(topic: Segment, id: Buffer): UndeliverableRecord | undefined {
    const key = undeliverableRecordKey(prefixOf(topic), id);
    return this.#rows.getReadable(tables.undeliverableRecord, key);
  }

  find(topic: Segment, id: Buffer, sequence: Sequence): Undeliverable | undefined {
    const key = undeliverableKey(prefixOf(topic), id, sequence);
    return this.#rows.getReadable(tables.undeliverable, key);
  }

  message(topic: Segment, id: Buffer, sequence: Sequence): TopicMessage | undefined {
    const key = undeliverableMessageKey(prefixOf(topic), id, sequence);
    return this.#rows.getReadable(tables.undeliverableMessage, key);
  }

  *from(topic: Segment, id: Buffer, sequence: Sequence): Iterable<Undeliverable> {
    const prefix = prefixOf(topic);
    const first = undeliverableKey(prefix, id, sequence);
    const end = endOfNumbers(undeliverablesPrefix(prefix, id));
    for (const { row } of this.#rows.range(tables.undeliverable, first, end)) yield row;
  }

  *dues(): Iterable<UndeliverableDue> {
    const end = endOfPrefix(undeliverableDueByte);
    for (const { key } of this.#rows.range(tables.undeliverableDue, undeliverableDueByte, end)) {
      const idStart = 9 + segmentPrefixLength;
      const sequence = u64At(key, idStart + idBytes) as Sequence;
      yield {
        ...segmentAt(key, 9),
        at: u64At(key, 1) as EpochMs,
        subscription: idAt(key, idStart),
        sequence: sequence === noPlace ? undefined : sequence,
      };
    }
  }

  order({ slot, segment }: Segment, id: Buffer): RedriveOrder | undefined {
    return this.#rows.getReadable(tables.redriveOrder, redriveOrderKey(slot, segment, id));
  }

  *ordersAfter(last: OrderedRedrive | undefined): Iterable<OrderedRedrive> {
    const from =
      last === undefined
        ? redriveOrderByte
        : redriveOrderKey(last.slot, last.segment, last.subscription);
    const end = endOfPrefix(redriveOrderByte);
    for (const { key } of this.#rows.range(tables.redriveOrder, from, end)) {
      if (key === from) continue;
      yield { ...segmentAt(key, 1), subscription: idAt(key, 1 + segmentPrefixLength) };
    }
  }

  isMarked(topic: Segment, id: Buffer, sequence: Sequence): boolean {
    const key = redriveMarkKey(prefixOf(topic), id, sequence);
    return this.#rows.get(tables.redriveMark, key) !== undefined;
  }

  *marks(topic: Segment, id: Buffer): Iterable<Sequence> {
    const prefix = redriveMarksPrefix(prefixOf(topic), id);
    for (const { key } of this.#rows.range(tables.redriveMark, prefix, endOfNumbers(prefix))) {
      yield u64At(key, prefix.length) as Sequence;
    }
  }

  putTotal(topic: Segment, total: UndeliverableAmount): void {
    this.#rows.put(tables.undeliverableTotal, undeliverableTotalKey(prefixOf(topic)), total);
  }

  putRecord(topic: Segment, id: Buffer, record: UndeliverableRecord): void {
    const key = undeliverableRecordKey(prefixOf(topic), id);
    this.#rows.put(tables.undeliverableRecord, key, record);
  }

  removeRecord(topic: Segment, id: Buffer): void {
    const key = undeliverableRecordKey(prefixOf(topic), id);
    this.#rows.remove(tables.undeliverableRecord, key, false);
  }

  insert(topic: Segment, id: Buffer, kept: Undeliverable, message: TopicMessage): void {
    const prefix = prefixOf(topic);
    const { sequence, givenUpAt } = kept;
    this.#rows.put(tables.undeliverable, undeliverableKey(prefix, id, sequence), kept);
    const messageKey = undeliverableMessageKey(prefix, id, sequence);
    this.#rows.put(tables.undeliverableMessage, messageKey, message);
    const dueKey = undeliverableDueKey(givenUpAt, topic.slot, topic.segment, id, sequence);
    this.#rows.put(tables.undeliverableDue, dueKey, true);
  }

  remove(topic: Segment, id: Buffer, { sequence, givenUpAt }: Undeliverable): void {
    const prefix = prefixOf(topic);
    this.#rows.remove(tables.undeliverable, undeliverableKey(prefix, id, sequence), true);
    const messageKey = undeliverableMessageKey(prefix, id, sequence);
    this.#rows.remove(tables.undeliverableMessage, messageKey, true);
    this.#rows.remove(tables.redriveMark, redriveMarkKey(prefix, id, sequence), false);
    this.removeDue({ ...topic, at: givenUpAt, subscription: id, sequence });
  }

  removeDue({ at, slot, segment, subscription, sequence = noPlace }: UndeliverableDue): void {
    const key = undeliverableDueKey(at, slot, segment, subscription, sequence);
    this.#rows.remove(tables.undeliverableDue, key, false);
  }

  putOrder({ slot, segment }: Segment, id: Buffer, order: RedriveOrder): void {
    this.#rows.put(tables.redriveOrder, redriveOrderKey(slot, segment, id), order);
  }

  removeOrder({ slot, segment }: Segment, id: Buffer): void {
    this.#rows.remove(tables.redriveOrder, redriveOrderKey(slot, segment, id), false);
  }

  mark(topic: Segment, id: Buffer, sequence: Sequence): void {
    this.#rows.put(tables.redriveMark, redriveMarkKey(prefixOf(topic), id, sequence), true);
  }

  /** Of one that ends: there may be many, so they are left to be swept, in steps. */
  removeSubscription(topic: Segment, id: Buffer): void {
    if (this.record(topic, id) === undefined) return;
    this.removeOrder(topic, id);
    const { slot, segment } = topic;
    const key = undeliverableDueKey(atOnce, slot, segment, id, noPlace);
    this.#rows.put(tables.undeliverableDue, key, true);
  }
}
