// The view of attempts to deliver of the rows: which rows go together. Part of the topics' view (`topic-state.ts`).

import type { EpochMs } from "../base/brands.js";
import type { AttemptRecord, KeptAttempt } from "../topic/attempts-model.js";
import type { AttemptsDue, AttemptTransaction } from "../topic/attempts-view.js";
import type { Topic } from "../topic/model.js";
import {
  attemptRecordKey,
  attemptsDueByte,
  attemptsDueKey,
  keptAttemptKey,
  lastAttemptKey,
} from "./attempt-keys.js";
import { endOfPrefix, segmentPrefix, segmentPrefixLength, u64At } from "./keys.js";
import type { RowAccess } from "./row-access.js";
import { tables } from "./tables.js";

type Segment = Pick<Topic, "slot" | "segment">;

const prefixOf = ({ slot, segment }: Segment): string => segmentPrefix(slot, segment);

/** Before every instant that a clock tells: what ended is swept at once. */
const atOnce = 0 as EpochMs;

export class AttemptRows implements AttemptTransaction {
  readonly #rows: RowAccess;

  constructor(rows: RowAccess) {
    this.#rows = rows;
  }

  record(topic: Segment, id: Buffer): AttemptRecord | undefined {
    return this.#rows.getReadable(tables.attemptRecord, attemptRecordKey(prefixOf(topic), id));
  }

  attempt(topic: Segment, id: Buffer, number: number): KeptAttempt | undefined {
    return this.#rows.getReadable(tables.keptAttempt, keptAttemptKey(prefixOf(topic), id, number));
  }

  lastOf(topic: Segment, id: Buffer, messageId: Buffer): number | undefined {
    const key = lastAttemptKey(prefixOf(topic), id, messageId);
    return this.#rows.getReadable(tables.lastAttempt, key);
  }

  *attemptsDue(): Iterable<AttemptsDue> {
    const end = endOfPrefix(attemptsDueByte);
    for (const { key } of this.#rows.range(tables.attemptsDue, attemptsDueByte, end)) {
      yield {
        at: u64At(key, 1) as EpochMs,
        slot: key.charCodeAt(9) * 256 + key.charCodeAt(10),
        segment: u64At(key, 11) as Topic["segment"],
        subscription: Buffer.from(key.slice(9 + segmentPrefixLength), "latin1"),
      };
    }
  }

  putRecord(
    topic: Segment,
    id: Buffer,
    record: AttemptRecord,
    previous: AttemptRecord | undefined,
  ): void {
    this.#rows.put(tables.attemptRecord, attemptRecordKey(prefixOf(topic), id), record);
    if (previous?.dueAt === record.dueAt) return;
    if (previous !== undefined) this.#removeDue(topic, id, previous.dueAt);
    const key = attemptsDueKey(record.dueAt, topic.slot, topic.segment, id);
    this.#rows.put(tables.attemptsDue, key, true);
  }

  removeRecord(topic: Segment, id: Buffer, { dueAt }: AttemptRecord): void {
    this.#rows.remove(tables.attemptRecord, attemptRecordKey(prefixOf(topic), id), false);
    this.#removeDue(topic, id, dueAt);
  }

  #removeDue({ slot, segment }: Segment, id: Buffer, at: EpochMs): void {
    this.#rows.remove(tables.attemptsDue, attemptsDueKey(at, slot, segment, id), false);
  }

  putAttempt(topic: Segment, id: Buffer, number: number, attempt: KeptAttempt): void {
    const prefix = prefixOf(topic);
    this.#rows.put(tables.keptAttempt, keptAttemptKey(prefix, id, number), attempt);
    this.#rows.put(tables.lastAttempt, lastAttemptKey(prefix, id, attempt.messageId), number);
  }

  removeAttempt(topic: Segment, id: Buffer, number: number): void {
    const prefix = prefixOf(topic);
    const attempt = this.attempt(topic, id, number);
    if (attempt !== undefined && this.lastOf(topic, id, attempt.messageId) === number) {
      const key = lastAttemptKey(prefix, id, attempt.messageId);
      this.#rows.remove(tables.lastAttempt, key, false);
    }
    this.#rows.remove(tables.keptAttempt, keptAttemptKey(prefix, id, number), false);
  }

  removeAttemptsDue({ at, subscription, ...topic }: AttemptsDue): void {
    this.#removeDue(topic, subscription, at);
  }

  /** Of one that ends: there may be thousands, so they are left to be swept, in steps. */
  removeSubscription(topic: Segment, id: Buffer): void {
    const record = this.record(topic, id);
    if (record !== undefined) this.putRecord(topic, id, { ...record, dueAt: atOnce }, record);
  }
}
