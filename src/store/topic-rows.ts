// How topics, their subscriptions and their messages are written.

import type {
  EpochMs,
  Namespace,
  QueueName,
  QueueNumber,
  SegmentNumber,
  Sequence,
  TopicName,
  TopicNumber,
} from "../base/brands.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import type { MessageAttribute } from "../queue/model.js";
import {
  type SubscriptionSettings,
  subscriptionDefaults,
  type TopicSettings,
  topicDefaults,
} from "../topic/limits.js";
import type {
  Deliveries,
  Disabled,
  FilterVersion,
  PublishedOnce,
  Subscription,
  SubscriptionLocator,
  SubscriptionStanding,
  TargetKind,
  Topic,
  TopicCounters,
  TopicMessage,
} from "../topic/model.js";
import type { TopicCount } from "../topic/view.js";
import { ByteReader, ByteWriter } from "./bytes.js";
import { u64At } from "./keys.js";
import { idBytes } from "./topic-keys.js";

const writer = new ByteWriter();

const newest = 1;

function versioned(key: string, bytes: Buffer): ByteReader {
  const reader = new ByteReader(bytes, key);
  const version = reader.u8();
  if (version < 1 || version > newest) {
    throw new RecordCorrupt(key, `version ${version} is unknown`);
  }
  return reader;
}

/** Under the row's checksum: what is read is what was written. An older row lacks the newest settings. */
function settingsOf<Settings>(key: string, text: string, defaults: Settings): Settings {
  try {
    return { ...defaults, ...(JSON.parse(text) as Partial<Settings>) };
  } catch {
    throw new RecordCorrupt(key, "its settings are no JSON");
  }
}

function oneOf<Name extends string>(key: string, names: readonly Name[], index: number): Name {
  const name = names[index];
  if (name === undefined) throw new RecordCorrupt(key, `value ${index} is unknown`);
  return name;
}

export function encodeTopic(row: Topic): Buffer {
  writer
    .start()
    .u8(newest)
    .u8(row.isFifo ? 1 : 0)
    .u64(row.number)
    .u64(row.segment)
    .u16(row.slot)
    .u64(row.createdAt)
    .u64(row.updatedAt)
    .u64(row.revision)
    .text(row.owner)
    .text(JSON.stringify(row.settings))
    .u8(row.tags.size);
  for (const [tag, value] of row.tags) writer.text(tag).text(value);
  // At the end, so that the row of one that does not drain is that of an earlier release.
  if (row.drainingSince !== undefined) writer.u64(row.drainingSince);
  return writer.finish();
}

export function decodeTopic(key: string, bytes: Buffer): Topic {
  const reader = versioned(key, bytes);
  const split = key.indexOf("\x00");
  const isFifo = reader.u8() === 1;
  const number = reader.u64() as TopicNumber;
  const segment = reader.u64() as SegmentNumber;
  const slot = reader.u16();
  const createdAt = reader.u64() as EpochMs;
  const updatedAt = reader.u64() as EpochMs;
  const revision = reader.u64();
  const owner = reader.text();
  const settings = settingsOf<TopicSettings>(key, reader.text(), topicDefaults);
  const tags = new Map<string, string>();
  for (let left = reader.u8(); left > 0; left -= 1) tags.set(reader.text(), reader.text());
  return {
    number,
    segment,
    slot,
    namespace: key.slice(1, split) as Namespace,
    name: key.slice(split + 1) as TopicName,
    isFifo,
    settings,
    tags,
    owner,
    createdAt,
    updatedAt,
    revision,
    ...(reader.atEnd ? {} : { drainingSince: reader.u64() as EpochMs }),
  };
}

/** Without the numbers of subscriptions while they are zero, as in a row of an earlier release. */
export function encodeTopicCount({ standard, fifo, filters, pending }: TopicCount): Buffer {
  writer.start().u8(newest).u64(standard).u64(fifo);
  if (filters > 0 || pending > 0) writer.u64(filters).u64(pending);
  return writer.finish();
}

export function decodeTopicCount(key: string, bytes: Buffer): TopicCount {
  const reader = versioned(key, bytes);
  const topics = { standard: reader.u64(), fifo: reader.u64() };
  if (reader.atEnd) return { ...topics, filters: 0, pending: 0 };
  return { ...topics, filters: reader.u64(), pending: reader.u64() };
}

export const newTopicCounters = (): TopicCounters => ({
  nextSequence: 1 as Sequence,
  firstSequence: 1 as Sequence,
  lane: { from: 1 as Sequence, to: 1 as Sequence, after: Buffer.alloc(0) },
  published: 0,
  duplicates: 0,
  confirmed: 0,
  pending: 0,
  ended: 0,
});

export const encodeTopicCounters = (row: TopicCounters): Buffer =>
  writer
    .start()
    .u8(newest)
    .u64(row.nextSequence)
    .u64(row.firstSequence)
    .u64(row.lane.from)
    .u64(row.lane.to)
    .bytes(row.lane.after)
    .u64(row.published)
    .u64(row.duplicates)
    .u64(row.confirmed)
    .u64(row.pending)
    .u64(row.ended)
    .finish();

export function decodeTopicCounters(key: string, bytes: Buffer): TopicCounters {
  const reader = versioned(key, bytes);
  return {
    nextSequence: reader.u64() as Sequence,
    firstSequence: reader.u64() as Sequence,
    lane: {
      from: reader.u64() as Sequence,
      to: reader.u64() as Sequence,
      after: reader.bytes(),
    },
    published: reader.u64(),
    duplicates: reader.u64(),
    confirmed: reader.u64(),
    pending: reader.u64(),
    ended: reader.u64(),
  };
}

const messageFlags = {
  text: 1,
  structured: 2,
  subject: 4,
  group: 8,
  dedup: 16,
  delay: 32,
  expires: 64,
  trace: 128,
} as const;

export function encodeTopicMessage(row: TopicMessage): Buffer {
  writer
    .start()
    .u8(newest)
    .u8(
      (row.isText ? messageFlags.text : 0) |
        (row.isStructured ? messageFlags.structured : 0) |
        (row.subject === undefined ? 0 : messageFlags.subject) |
        (row.groupId === undefined ? 0 : messageFlags.group) |
        (row.dedupId === undefined ? 0 : messageFlags.dedup) |
        (row.deliverAt === undefined ? 0 : messageFlags.delay) |
        (row.expiresAt === undefined ? 0 : messageFlags.expires) |
        (row.traceParent === undefined ? 0 : messageFlags.trace),
    )
    .raw(row.messageId)
    .u64(row.publishedAt)
    .u32(row.sizeBytes);
  if (row.deliverAt !== undefined) writer.u64(row.deliverAt);
  if (row.expiresAt !== undefined) writer.u64(row.expiresAt);
  for (const text of [row.subject, row.groupId, row.dedupId, row.traceParent]) {
    if (text !== undefined) writer.text(text);
  }
  writer.text(row.senderId).text(row.contentType).u8(row.attributes.length);
  for (const { name, dataType, isText, value } of row.attributes) {
    writer
      .text(name)
      .text(dataType)
      .u8(isText ? 1 : 0)
      .bytes(value);
  }
  return writer.bytes(row.body).finish();
}

export function decodeTopicMessage(key: string, bytes: Buffer): TopicMessage {
  const reader = versioned(key, bytes);
  const flags = reader.u8();
  const has = (flag: keyof typeof messageFlags): boolean => (flags & messageFlags[flag]) !== 0;
  const messageId = reader.raw(idBytes);
  const publishedAt = reader.u64() as EpochMs;
  const sizeBytes = reader.u32();
  const deliverAt = has("delay") ? (reader.u64() as EpochMs) : undefined;
  const expiresAt = has("expires") ? (reader.u64() as EpochMs) : undefined;
  const subject = has("subject") ? reader.text() : undefined;
  const groupId = has("group") ? reader.text() : undefined;
  const dedupId = has("dedup") ? reader.text() : undefined;
  const traceParent = has("trace") ? reader.text() : undefined;
  const senderId = reader.text();
  const contentType = reader.text();
  const attributes: MessageAttribute[] = [];
  for (let left = reader.u8(); left > 0; left -= 1) {
    const name = reader.text();
    const dataType = reader.text();
    const isText = reader.u8() === 1;
    attributes.push({ name, dataType, isText, value: reader.bytes() });
  }
  return {
    sequence: u64At(key, key.length - 8) as Sequence,
    messageId,
    publishedAt,
    sizeBytes,
    isText: has("text"),
    isStructured: has("structured"),
    body: reader.bytes(),
    contentType,
    subject,
    attributes,
    groupId,
    dedupId,
    deliverAt,
    expiresAt,
    senderId,
    traceParent,
  };
}

const kinds = ["queue", "http", "https", "function", "stream"] as const satisfies TargetKind[];
const standings = [
  "lane",
  "own",
  "apart",
  "pending",
  "replaying",
] as const satisfies SubscriptionStanding["kind"][];
const scopes = ["attributes", "body"] as const satisfies FilterVersion["scope"][];
const subscriptionFlags = { target: 1 } as const;

/** Those that have their place elsewhere have none here. */
function placeIn(standing: SubscriptionStanding): number {
  switch (standing.kind) {
    case "lane":
      return standing.since;
    case "own":
      return standing.cursor;
    case "replaying":
      return standing.live ?? 0;
    default:
      return 0;
  }
}

function standingAt(kind: SubscriptionStanding["kind"], place: Sequence): SubscriptionStanding {
  switch (kind) {
    case "lane":
      return { kind, since: place };
    case "own":
      return { kind, cursor: place };
    case "replaying":
      return { kind, live: place === 0 ? undefined : place };
    default:
      return { kind };
  }
}

export function encodeSubscription(row: Subscription): Buffer {
  const { standing, target } = row;
  writer
    .start()
    .u8(newest)
    .u8(target === undefined ? 0 : subscriptionFlags.target)
    .u8(kinds.indexOf(row.kind))
    .u8(standings.indexOf(standing.kind))
    .u64(placeIn(standing))
    .u64(row.since)
    .u64(row.createdAt)
    .u64(row.updatedAt)
    .u64(row.revision)
    .text(row.endpoint)
    .text(row.owner);
  if (target !== undefined) writer.text(target.namespace).text(target.name).u64(target.number);
  writer.text(JSON.stringify(row.settings)).u16(row.filters.length);
  for (const { from, policy, scope } of row.filters) {
    writer
      .u64(from)
      .u8(scopes.indexOf(scope))
      .u8(policy === undefined ? 0 : 1);
    if (policy !== undefined) writer.text(policy);
  }
  // At the end, so that the row of one that is not disabled is that of an earlier release.
  const { disabled } = row;
  if (disabled !== undefined) {
    writer.u64(disabled.at).u64(disabled.firstFailureAt).text(disabled.lastError);
  }
  return writer.finish();
}

export function decodeSubscription(key: string, bytes: Buffer): Subscription {
  const reader = versioned(key, bytes);
  const flags = reader.u8();
  const kind = oneOf(key, kinds, reader.u8());
  const standing = oneOf(key, standings, reader.u8());
  const place = reader.u64() as Sequence;
  const since = reader.u64() as Sequence;
  const createdAt = reader.u64() as EpochMs;
  const updatedAt = reader.u64() as EpochMs;
  const revision = reader.u64();
  const endpoint = reader.text();
  const owner = reader.text();
  const target =
    (flags & subscriptionFlags.target) === 0
      ? undefined
      : {
          namespace: reader.text() as Namespace,
          name: reader.text() as QueueName,
          number: reader.u64() as QueueNumber,
        };
  const settings = settingsOf<SubscriptionSettings>(key, reader.text(), subscriptionDefaults);
  const filters: FilterVersion[] = [];
  for (let left = reader.u16(); left > 0; left -= 1) {
    const from = reader.u64() as Sequence;
    const scope = oneOf(key, scopes, reader.u8());
    filters.push({ from, policy: reader.u8() === 0 ? undefined : reader.text(), scope });
  }
  return {
    id: Buffer.from(key.slice(-idBytes), "latin1"),
    kind,
    endpoint,
    target,
    settings,
    filters,
    standing: standingAt(standing, place),
    since,
    owner,
    createdAt,
    updatedAt,
    revision,
    ...(reader.atEnd ? {} : { disabled: disabledIn(reader) }),
  };
}

const disabledIn = (reader: ByteReader): Disabled => ({
  at: reader.u64() as EpochMs,
  firstFailureAt: reader.u64() as EpochMs,
  lastError: reader.text(),
});

export const encodeDeliveries = (row: Deliveries): Buffer =>
  writer
    .start()
    .u8(newest)
    .u64(row.delivered)
    .u64(row.failedAttempts)
    .u64(row.deadLettered)
    .u64(row.givenUp)
    .u64(row.expired)
    .finish();

export function decodeDeliveries(key: string, bytes: Buffer): Deliveries {
  const reader = versioned(key, bytes);
  return {
    delivered: reader.u64(),
    failedAttempts: reader.u64(),
    deadLettered: reader.u64(),
    givenUp: reader.u64(),
    expired: reader.u64(),
  };
}

export const encodeLocator = (row: SubscriptionLocator): Buffer =>
  writer
    .start()
    .u8(newest)
    .u16(row.slot)
    .u64(row.segment)
    .text(row.namespace)
    .text(row.topic)
    .finish();

export function decodeLocator(key: string, bytes: Buffer): SubscriptionLocator {
  const reader = versioned(key, bytes);
  return {
    slot: reader.u16(),
    segment: reader.u64() as SegmentNumber,
    namespace: reader.text() as Namespace,
    topic: reader.text() as TopicName,
  };
}

export const encodePublishedOnce = (row: PublishedOnce): Buffer =>
  writer
    .start()
    .u8(newest)
    .u64(row.at)
    .raw(row.messageId)
    .u64(row.sequence)
    .text(row.groupId)
    .finish();

export function decodePublishedOnce(key: string, bytes: Buffer): PublishedOnce {
  const reader = versioned(key, bytes);
  return {
    at: reader.u64() as EpochMs,
    messageId: reader.raw(idBytes),
    sequence: reader.u64() as Sequence,
    groupId: reader.text(),
  };
}

/** An id, as it stands in a row. */
export const encodeId = (id: Buffer): Buffer => writer.start().u8(newest).raw(id).finish();
export const decodeId = (key: string, bytes: Buffer): Buffer => versioned(key, bytes).raw(idBytes);

/** The namespace of a topic that has ended. */
export const encodeEnded = (namespace: string): Buffer =>
  writer.start().u8(newest).text(namespace).finish();
export const decodeEnded = (key: string, bytes: Buffer): string => versioned(key, bytes).text();
