// Records attempts to deliver, and lists them. A settlement writes its attempts in its own command, so that what is recorded and
// what became of a message are always in step, and no other flush is waited for.

import { after, type EpochMs, hours, type Sequence } from "../base/brands.js";
import { accept } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import type { AttemptEnd, AttemptRecord, KeptAttempt } from "./attempts-model.js";
import type { AttemptsDue } from "./attempts-view.js";
import type { Subscription, Topic, TopicMessage } from "./model.js";
import type { TopicDecided } from "./rejections.js";
import { type FoundSubscription, findSubscription, subscriptionNotFound } from "./topic-name.js";
import type { StateTransaction, TopicTransaction } from "./view.js";

const attemptLimits = {
  keepMs: hours(24),
  keptMax: 10_000,
  responseBytesMax: 1_024,
  errorBytesMax: 1_024,
  /** Old ones that a new one takes away: more than it adds, so that they do not pile up. */
  removedPerNew: 2,
  /** Attempts that one step of clean-up removes, and records it looks at. */
  sweptMax: 500,
  recordsMax: 100,
  /** Attempts that one page looks at; those that show no attempt are passed over. */
  examinedMax: 1_000,
} as const;

/** How a message ended, or one attempt to deliver it. */
export interface Attempted extends Omit<KeptAttempt, "messageId" | "sequence" | "before"> {
  readonly message: Pick<TopicMessage, "messageId" | "sequence">;
}

type NewAttempt = Pick<Attempted, "message" | "attempt" | "error" | "end"> & Partial<Attempted>;

/** What a settlement or a hand-over knows of an attempt; the rest is that of one that took no time. */
export function recordAttempt(
  { attempts }: Pick<TopicTransaction, "attempts">,
  topic: Topic,
  { id }: Pick<Subscription, "id">,
  attempted: NewAttempt,
  { now }: Stamp,
): void {
  const { message, response = "", error, ...told } = attempted;
  const stored = attempts.record(topic, id);
  const record: AttemptRecord = stored ?? {
    first: 1,
    next: 1,
    dueAt: after(now, attemptLimits.keepMs),
  };
  const { messageId, sequence } = message;
  const number = record.next;
  attempts.putAttempt(topic, id, number, {
    startedAt: now,
    durationMs: 0,
    statusCode: undefined,
    nextAt: undefined,
    ...told,
    messageId,
    sequence,
    response: cutTo(response, attemptLimits.responseBytesMax),
    error: cutTo(error, attemptLimits.errorBytesMax),
    before: attempts.lastOf(topic, id, messageId),
  });
  const first = forget(attempts, topic, id, { ...record, next: number + 1 }, now);
  attempts.putRecord(topic, id, { ...record, first, next: number + 1 }, stored);
}

/** Takes away what is too much, or too old; says which is the first one left. */
function forget(
  attempts: TopicTransaction["attempts"],
  topic: Pick<Topic, "slot" | "segment">,
  id: Buffer,
  { first, next }: AttemptRecord,
  now: EpochMs,
): number {
  let left = first;
  // The one that was just made stays.
  for (let count = attemptLimits.removedPerNew; count > 0 && left < next - 1; count -= 1) {
    if (next - left <= attemptLimits.keptMax && !isOld(attempts.attempt(topic, id, left), now)) {
      break;
    }
    attempts.removeAttempt(topic, id, left);
    left += 1;
  }
  return left;
}

/** One that cannot be read is nothing to keep. */
const isOld = (attempt: KeptAttempt | undefined, now: EpochMs): boolean =>
  attempt === undefined || after(attempt.startedAt, attemptLimits.keepMs) <= now;

/** Whether a success is among those that the topic wants: by the message alone, so that whoever asks finds the same. */
export const isSampled = (messageId: Buffer, percent: number): boolean =>
  messageId.readUInt32BE(12) % 100 < percent;

export function isSuccessRecorded(
  { settings }: Pick<Topic, "settings">,
  kind: Subscription["kind"],
  messageId: Buffer,
): boolean {
  const wanted = settings.deliveryLogging.find((each) => each.kind === kind);
  return wanted !== undefined && isSampled(messageId, wanted.successSamplePercent);
}

export const endOf = (outcome: "dead_lettered" | "given_up" | "undeliverable"): AttemptEnd =>
  outcome === "dead_lettered" ? "dead_lettered" : "given_up";

/** As many whole characters as fit. */
export function cutTo(text: string, bytesMax: number): string {
  const bytes = Buffer.from(text, "utf8");
  if (bytes.length <= bytesMax) return text;
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes.subarray(0, bytesMax), {
    stream: true,
  });
}

// ---- for those who ask ---------------------------------------------------------------------------------------------------

export interface ListAttempts {
  readonly id: Buffer;
  /** Undefined: of all messages. */
  readonly messageId: Buffer | undefined;
  /** Those before this number; undefined: from the newest. */
  readonly before: number | undefined;
  readonly countMax: number;
}

export interface AttemptPage {
  /** Newest first. */
  readonly attempts: readonly KeptAttempt[];
  /** Where the next page begins; undefined: there is none. */
  readonly next: number | undefined;
}

export function decideListAttempts(
  { topics }: StateTransaction,
  { id, messageId, before, countMax }: ListAttempts,
  { now }: Stamp,
): TopicDecided<AttemptPage> {
  const found = findSubscription(topics, id);
  if (found === undefined) return subscriptionNotFound(id);
  const attempts: KeptAttempt[] = [];
  let examined = 0;
  for (const [number, attempt] of newestFirst(topics, found, messageId, before)) {
    if (attempts.length === countMax || examined === attemptLimits.examinedMax) {
      return accept({ attempts, next: number + 1 });
    }
    examined += 1;
    if (attempt === undefined || attempt.attempt === 0) continue;
    if (isOld(attempt, now)) break;
    attempts.push(kept(attempt));
  }
  return accept({ attempts, next: undefined });
}

/** With their numbers; of one message, those that are found from its last one. */
function* newestFirst(
  { attempts }: Pick<TopicTransaction, "attempts">,
  { topic, subscription: { id } }: FoundSubscription,
  messageId: Buffer | undefined,
  before = Number.MAX_SAFE_INTEGER,
): Iterable<readonly [number: number, attempt: KeptAttempt | undefined]> {
  const record = attempts.record(topic, id);
  if (record === undefined) return;
  if (messageId === undefined) {
    for (let at = Math.min(record.next, before) - 1; at >= record.first; at -= 1) {
      yield [at, attempts.attempt(topic, id, at)];
    }
    return;
  }
  // A page of one message goes on from the attempt it ended before, which names the ones before it.
  const last = attempts.lastOf(topic, id, messageId);
  let at = last === undefined ? undefined : Math.min(last, before - 1);
  while (at !== undefined && at >= record.first) {
    const attempt: KeptAttempt | undefined = attempts.attempt(topic, id, at);
    if (attempt === undefined || !attempt.messageId.equals(messageId)) return;
    yield [at, attempt];
    at = attempt.before;
  }
}

/** A copy: the bytes of a row that was read are good for this command only. */
const kept = (attempt: KeptAttempt): KeptAttempt => ({
  ...attempt,
  messageId: Buffer.from(attempt.messageId),
});

/** The last that is known of a message. */
export function lastAttempt(
  { attempts }: Pick<TopicTransaction, "attempts">,
  topic: Topic,
  id: Buffer,
  messageId: Buffer,
): (KeptAttempt & { readonly sequence: Sequence }) | undefined {
  const number = attempts.lastOf(topic, id, messageId);
  return number === undefined ? undefined : attempts.attempt(topic, id, number);
}

// ---- clean-up ------------------------------------------------------------------------------------------------------------

/** One step: attempts that are too old, and those of subscriptions that have ended. */
export function decideSweepAttempts(
  { topics }: StateTransaction,
  { now }: Stamp,
): TopicDecided<{ readonly hasMore: boolean }> {
  const due: AttemptsDue[] = [];
  for (const each of topics.attempts.attemptsDue()) {
    if (each.at > now) break;
    if (due.length === attemptLimits.recordsMax) break;
    due.push(each);
  }
  let left: number = attemptLimits.sweptMax;
  for (const each of due) {
    if (left <= 0) return accept({ hasMore: true });
    left -= sweepRecord(topics, each, left, now);
  }
  return accept({ hasMore: due.length === attemptLimits.recordsMax });
}

/** Says what it cost. */
function sweepRecord(
  topics: TopicTransaction,
  due: AttemptsDue,
  countMax: number,
  now: EpochMs,
): number {
  const { attempts } = topics;
  const { subscription: id } = due;
  const record = attempts.record(due, id);
  if (record?.dueAt !== due.at) {
    attempts.removeAttemptsDue(due);
    return 1;
  }
  const isEnded = topics.subscription(due, id) === undefined;
  let { first } = record;
  let oldest: KeptAttempt | undefined;
  for (let left = countMax; left > 0 && first < record.next; left -= 1) {
    oldest = attempts.attempt(due, id, first);
    if (!isEnded && !isOld(oldest, now)) break;
    attempts.removeAttempt(due, id, first);
    first += 1;
  }
  if (first === record.next) attempts.removeRecord(due, id, record);
  else {
    // It goes on where it stopped, at once or when the oldest one that is left may go.
    const isDone = !isEnded && !isOld(oldest, now);
    const dueAt = isDone ? after(oldest?.startedAt ?? now, attemptLimits.keepMs) : record.dueAt;
    attempts.putRecord(due, id, { ...record, first, dueAt }, record);
  }
  return first - record.first + 1;
}
