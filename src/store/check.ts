// Reads a whole store and lists what contradicts itself: rows that cannot be read, index rows without what they point to,
// counters that do not count, segments nobody owns; of a member of a group its log as well (`check-log.ts`). A store that this
// program wrote and that nobody changed has none.
//
// It reads every value once, in key order, a slice at a time with a fresh reader for each, so that it holds neither memory
// nor freed pages: only the names and segments of all queues are kept. Nobody may write meanwhile, since a commit between
// two slices would look like a contradiction.

import type { EpochMs } from "../base/brands.js";
import type { Cache } from "../cache/model.js";
import type { Queue } from "../queue/model.js";
import type { Topic } from "../topic/model.js";
import { checkCacheSegment } from "./check-caches.js";
import { checkDrains } from "./check-draining.js";
import { checkLog } from "./check-log.js";
import { checkSegment } from "./check-segment.js";
import { checkStoreRows, namesOf } from "./check-store-rows.js";
import { checkTopicSegment } from "./check-topics.js";
import { CheckWalk, type Contradiction, keyAfter, prefixAfter } from "./check-walk.js";
import {
  deadLetterSourceKey,
  nodeKey,
  queueKey,
  segmentPrefix,
  segmentPrefixLength,
  u64At,
} from "./keys.js";
import type { Store } from "./store.js";
import { tables } from "./tables.js";

export interface CheckReport {
  /** The first ones, at most `contradictionsMax`. */
  readonly contradictions: readonly Contradiction[];
  readonly contradictionCount: number;
  readonly queueCount: number;
  readonly topicCount: number;
  readonly cacheCount: number;
  /** Of queues. */
  readonly messageCount: number;
  readonly rowCount: number;
  /** Of a member of a group. */
  readonly log?: LogReport;
}

interface LogReport {
  readonly recordCount: number;
  /** True when the state is a copy that was being taken: it is whole, and can be checked, once more of the log is applied. */
  readonly isStateUnfinished: boolean;
}

/** Checks a store that nobody writes to, and the log beside it if there is one. */
export async function checkStore(store: Store): Promise<CheckReport> {
  return await new StoreCheck(store).run();
}

/** The report as text for a person, with a line for each contradiction. */
export function renderCheckReport(report: CheckReport): string {
  const count = (value: number, noun: string): string =>
    `${value.toLocaleString("en-US")} ${noun}${value === 1 ? "" : "s"}`;
  const read = [
    [
      count(report.queueCount, "queue"),
      ...(report.topicCount === 0 ? [] : [count(report.topicCount, "topic")]),
      ...(report.cacheCount === 0 ? [] : [count(report.cacheCount, "cache")]),
      count(report.messageCount, "message"),
      `${count(report.rowCount, "row")} read.`,
    ].join(", "),
    ...(report.log === undefined
      ? []
      : [`${count(report.log.recordCount, "record")} of the log read.`]),
    ...(report.log?.isStateUnfinished === true ? [unfinishedState] : []),
  ].join("\n");
  if (report.contradictionCount === 0) return `${read}\nNo contradictions.\n`;
  const lines = report.contradictions.map(({ row, sentence }) => `${row}: ${sentence}`);
  const left = report.contradictionCount - lines.length;
  if (left > 0) lines.push(`And ${left.toLocaleString("en-US")} more.`);
  return `${read}\n${count(report.contradictionCount, "contradiction")}:\n${lines.join("\n")}\n`;
}

const unfinishedState =
  "The state is a copy that was being taken and is not whole yet, so it was not checked. The node goes on with it when it runs.";

/** Who a segment belongs to. */
interface Owner {
  /** Of the queue's row: its settings are read again when its segment is met, since all of them may be too many to keep. */
  readonly key: string;
  readonly name: string;
  hasCounters: boolean;
  readonly kind: "queue" | "topic" | "cache";
}

class StoreCheck {
  readonly #walk: CheckWalk;
  readonly #owners = new Map<string, Owner>();
  readonly #garbage = new Set<string>();
  #queueCount = 0;
  #topicCount = 0;
  #cacheCount = 0;
  #messageCount = 0;
  /** No row can tell of a later instant: every record carries the last one. */
  #lastInstant = Number.MAX_SAFE_INTEGER;

  constructor(store: Store) {
    this.#walk = new CheckWalk(store);
  }

  async run(): Promise<CheckReport> {
    const log = await this.#checkLog();
    if (log?.isStateUnfinished !== true) await this.#checkState();
    const { contradictions, contradictionCount, rowCount } = this.#walk;
    return {
      contradictions,
      contradictionCount,
      queueCount: this.#queueCount,
      topicCount: this.#topicCount,
      cacheCount: this.#cacheCount,
      messageCount: this.#messageCount,
      rowCount,
      ...(log !== undefined && { log }),
    };
  }

  async #checkLog(): Promise<LogReport | undefined> {
    const rows = this.#walk.store.memberRows;
    if (rows === undefined) return undefined;
    const { recordCount, member } = await checkLog(this.#walk, rows);
    return {
      recordCount,
      isStateUnfinished: member !== undefined && member.appliedSeq < member.wholeFrom,
    };
  }

  async #checkState(): Promise<void> {
    this.#checkTime();
    await this.#checkQueues();
    await this.#checkTopics();
    await this.#checkCaches();
    await this.#checkGarbage();
    await this.#checkSegments();
    this.#checkOwnersSeen();
    await checkStoreRows({ walk: this.#walk, lastInstant: this.#lastInstant });
  }

  #checkTime(): void {
    const time = this.#walk.find(tables.node, nodeKey("time"));
    if (typeof time === "number") this.#lastInstant = time;
  }

  async #checkQueues(): Promise<void> {
    const numbers = new Set<number>();
    const segments = new Set<number>();
    await this.#walk.walk("\x80", "\x81", (scanned) => {
      const names = namesOf(scanned.key, 2);
      if (names === undefined) {
        this.#walk.layout(scanned.key);
        return undefined;
      }
      const name = `queue ${names.join("/")}`;
      this.#queueCount += 1;
      const { row } = this.#walk.read(scanned, tables.queue, () => name);
      if (row !== undefined) this.#addQueue(row, name, numbers, segments);
      return undefined;
    });
  }

  #addQueue(queue: Queue, name: string, numbers: Set<number>, segments: Set<number>): void {
    if (numbers.has(queue.number)) {
      this.#walk.report(name, `Its number ${queue.number} is also another queue's.`);
    }
    numbers.add(queue.number);
    if (segments.has(queue.segment)) {
      this.#walk.report(name, `Its segment ${queue.segment} is also another queue's.`);
    }
    segments.add(queue.segment);
    if (queue.slot >= slotEnd) this.#walk.report(name, `Its slot ${queue.slot} is out of range.`);
    if (this.#isInFuture(queue.createdAt) || this.#isInFuture(queue.updatedAt)) {
      this.#walk.report(name, "It was created or updated after the last instant of the store.");
    }
    this.#checkRedrive(queue, name);
    const { namespace } = queue;
    this.#owners.set(segmentPrefix(queue.slot, queue.segment), {
      key: queueKey(namespace, queue.name),
      name,
      hasCounters: false,
      kind: "queue",
    });
  }

  async #checkTopics(): Promise<void> {
    await this.#walk.walk("\x8b", "\x8c", (scanned) => {
      const names = namesOf(scanned.key, 2);
      if (names === undefined) {
        this.#walk.layout(scanned.key);
        return undefined;
      }
      const name = `topic ${names.join("/")}`;
      this.#topicCount += 1;
      const { row } = this.#walk.read(scanned, tables.topic, () => name);
      if (row !== undefined) this.#addTopic(row, scanned.key, name);
      return undefined;
    });
    // What is left of topics that were deleted goes step by step.
    for (const key of this.#walk.store.keys("\x8f", "\x90", endedTopicsMax)) {
      this.#garbage.add(key.slice(1));
    }
  }

  #addTopic(topic: Topic, key: string, name: string): void {
    if (topic.slot >= slotEnd) this.#walk.report(name, `Its slot ${topic.slot} is out of range.`);
    if (this.#isInFuture(topic.createdAt) || this.#isInFuture(topic.updatedAt)) {
      this.#walk.report(name, "It was created or updated after the last instant of the store.");
    }
    const prefix = segmentPrefix(topic.slot, topic.segment);
    const other = this.#owners.get(prefix);
    if (other !== undefined) {
      this.#walk.report(name, `Its segment ${topic.segment} is also that of ${other.name}.`);
    }
    this.#owners.set(prefix, { key, name, hasCounters: false, kind: "topic" });
    checkDrains(this.#walk, topic, name);
  }

  async #checkCaches(): Promise<void> {
    await this.#walk.walk("\xa0", "\xa1", (scanned) => {
      const names = namesOf(scanned.key, 2);
      if (names === undefined) {
        this.#walk.layout(scanned.key);
        return undefined;
      }
      const name = `cache ${names.join("/")}`;
      this.#cacheCount += 1;
      const { row } = this.#walk.read(scanned, tables.cache, () => name);
      if (row !== undefined) this.#addCache(row, scanned.key, name);
      return undefined;
    });
  }

  #addCache({ slot, segment }: Cache, key: string, name: string): void {
    if (slot >= slotEnd) this.#walk.report(name, `Its slot ${slot} is out of range.`);
    const prefix = segmentPrefix(slot, segment);
    const other = this.#owners.get(prefix);
    if (other !== undefined) {
      this.#walk.report(name, `Its segment ${segment} is also that of ${other.name}.`);
    }
    // A new one has no counters until something is written to it.
    this.#owners.set(prefix, { key, name, hasCounters: true, kind: "cache" });
  }

  /** The reverse, a source that names another queue, is found with the row. */
  #checkRedrive({ namespace, name: source, settings }: Queue, name: string): void {
    const target = settings.redrive?.deadLetterQueue;
    if (target === undefined) return;
    const key = deadLetterSourceKey(namespace, target, source);
    if (this.#walk.find(tables.deadLetterSource, key) === undefined) {
      this.#walk.report(name, `It sends its dead letters to ${target}, and no row there says so.`);
    }
  }

  async #checkGarbage(): Promise<void> {
    await this.#walk.walk("\x81", "\x82", (scanned) => {
      if (scanned.key.length !== 1 + segmentPrefixLength) {
        this.#walk.layout(scanned.key);
        return undefined;
      }
      const prefix = scanned.key.slice(1);
      this.#walk.read(scanned, tables.garbage, () => segmentName(prefix));
      this.#garbage.add(prefix);
      const owner = this.#owners.get(prefix);
      if (owner !== undefined) {
        this.#walk.report(owner.name, `Its ${segmentName(prefix)} is marked as garbage.`);
      }
      return undefined;
    });
  }

  async #checkSegments(): Promise<void> {
    let from: string | undefined = "\x00";
    while (from !== undefined) {
      const [key]: readonly string[] = this.#walk.store.keys(from, "\x80", 1);
      if (key === undefined) return;
      if (key.length <= segmentPrefixLength) {
        this.#walk.layout(key);
        from = keyAfter(key);
        continue;
      }
      const prefix = key.slice(0, segmentPrefixLength);
      const owner = this.#owners.get(prefix);
      if (owner !== undefined) await this.#checkSegment(prefix, owner);
      else if (!this.#garbage.has(prefix)) {
        this.#walk.report(
          segmentName(prefix),
          "It belongs to no queue, topic or cache and is not marked as garbage.",
        );
      }
      from = prefixAfter(prefix);
      await this.#walk.endSlice();
    }
  }

  async #checkTopicSegment(prefix: string, owner: Owner): Promise<void> {
    const topic = this.#walk.find(tables.topic, owner.key);
    if (topic === undefined || topic === "unreadable") return;
    owner.hasCounters = await checkTopicSegment({
      walk: this.#walk,
      prefix,
      topic,
      name: owner.name,
      lastInstant: this.#lastInstant,
    });
  }

  async #checkCacheSegment(prefix: string, { key, name }: Owner): Promise<void> {
    const cache = this.#walk.find(tables.cache, key);
    if (cache === undefined || cache === "unreadable") return;
    await checkCacheSegment({ walk: this.#walk, prefix, cache, name });
  }

  async #checkSegment(prefix: string, owner: Owner): Promise<void> {
    if (owner.kind === "topic") {
      await this.#checkTopicSegment(prefix, owner);
      return;
    }
    if (owner.kind === "cache") {
      await this.#checkCacheSegment(prefix, owner);
      return;
    }
    const queue = this.#walk.find(tables.queue, owner.key);
    if (queue === undefined || queue === "unreadable") return;
    const checked = await checkSegment({
      walk: this.#walk,
      prefix,
      queue,
      queueName: owner.name,
      lastInstant: this.#lastInstant,
    });
    owner.hasCounters = checked.hasCounters;
    this.#messageCount += checked.messageCount;
  }

  /** A queue without any row in its segment was not met on the way. */
  #checkOwnersSeen(): void {
    for (const { name, hasCounters } of this.#owners.values()) {
      if (!hasCounters) this.#walk.report(name, "It has no counters.");
    }
  }

  #isInFuture(instant: EpochMs): boolean {
    return instant > this.#lastInstant;
  }
}

const slotEnd = 0x4000;
/** Topics that were deleted and are known not to be strays; they go within seconds. */
const endedTopicsMax = 100_000;
const segmentName = (prefix: string): string =>
  `segment ${u64At(prefix, 2)} in slot ${prefix.charCodeAt(0) * 256 + prefix.charCodeAt(1)}`;
