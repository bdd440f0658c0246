// How each kind of row is written: one table of codecs. Every value starts with a version byte of its own; a reader refuses
// a version it does not know instead of guessing. What a format may never do is change under the same version.

import type {
  DurationMs,
  EpochMs,
  Namespace,
  QueueName,
  QueueNumber,
  SegmentNumber,
  Sequence,
} from "../base/brands.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import { defaultsOf, type QueueSettings } from "../queue/limits.js";
import type {
  Attempt,
  BusyTime,
  Counters,
  DedupEntry,
  Delivery,
  Group,
  GroupStanding,
  Message,
  MessageAttribute,
  MessageContent,
  MessageHead,
  MessageTraits,
  Origin,
  Place,
  Queue,
  ReceiveAttempt,
  ScheduledMessage,
  Undelivered,
} from "../queue/model.js";
import type { MoveOrder, MoveTask } from "../queue/move-task.js";
import type { Schedule, ScheduledSend, ScheduleState } from "../queue/schedule-model.js";
import type { RequestResult, ScheduledHead, ScheduledPosition } from "../queue/view.js";
import {
  decodeArchive,
  decodeReplay,
  decodeSnapshot,
  encodeArchive,
  encodeReplay,
  encodeSnapshot,
} from "./archive-rows.js";
import { decodeAskedHost, encodeAskedHost } from "./asked-host-rows.js";
import {
  decodeAttemptNumber,
  decodeAttemptRecord,
  decodeKeptAttempt,
  encodeAttemptNumber,
  encodeAttemptRecord,
  encodeKeptAttempt,
} from "./attempt-rows.js";
import { ByteReader, ByteWriter, frameHeaderBytes } from "./bytes.js";
import { isNodeRow } from "./cache-keys.js";
import {
  decodeCache,
  decodeCacheCounters,
  decodeDueCache,
  decodeFence,
  decodeFenceCounts,
  decodeItem,
  decodeItemDue,
  decodeItemNode,
  decodeValue,
  encodeCache,
  encodeCacheCounters,
  encodeDueCache,
  encodeFence,
  encodeFenceCounts,
  encodeItem,
  encodeItemDue,
  encodeItemNode,
  encodeValue,
  type ItemRow,
} from "./cache-rows.js";
import {
  decodeEntryValue,
  decodeLostCollection,
  decodeTreeNode,
  encodeEntryValue,
  encodeLostCollection,
  encodeTreeNode,
} from "./counted-rows.js";
import { decodeDrainingTopic, encodeDrainingTopic } from "./drain-rows.js";
import { segmentPrefixLength, u64At } from "./keys.js";
import { decodeLease, decodeLeaseDue, encodeLease, encodeLeaseDue } from "./lease-rows.js";
import { decodeMoveOrder, decodeMoveTask, encodeMoveOrder, encodeMoveTask } from "./move-rows.js";
import {
  decodeConfirmation,
  decodeConfirmationDue,
  decodePendingPush,
  decodePushPlace,
  decodeSigningIdentity,
  encodeConfirmation,
  encodeConfirmationDue,
  encodePendingPush,
  encodePushPlace,
  encodeSigningIdentity,
} from "./push-rows.js";
import {
  decodeDeliveries,
  decodeEnded,
  decodeId,
  decodeLocator,
  decodePublishedOnce,
  decodeSubscription,
  decodeTopic,
  decodeTopicCount,
  decodeTopicCounters,
  decodeTopicMessage,
  encodeDeliveries,
  encodeEnded,
  encodeId,
  encodeLocator,
  encodePublishedOnce,
  encodeSubscription,
  encodeTopic,
  encodeTopicCount,
  encodeTopicCounters,
  encodeTopicMessage,
} from "./topic-rows.js";
import {
  decodeRedriveOrder,
  decodeUndeliverable,
  decodeUndeliverableMessage,
  decodeUndeliverableRecord,
  decodeUndeliverableTotal,
  encodeRedriveOrder,
  encodeUndeliverable,
  encodeUndeliverableMessage,
  encodeUndeliverableRecord,
  encodeUndeliverableTotal,
} from "./undeliverable-rows.js";

/** How rows of one kind are written and read. */
export interface Table<Row> {
  readonly name: string;
  /** The row's bytes behind `frameHeaderBytes` free ones. */
  encode(row: Row): Buffer;
  /** Reads bytes without the frame. */
  decode(key: string, bytes: Buffer): Row;
  /** True when decoded rows are worth keeping in memory: few, small, read by every command. */
  readonly isCached: boolean;
  /** True when rows are read as ranges, so that uncommitted ones must be kept in order. */
  readonly isOrdered: boolean;
  /** True when a row may not fit one value, so that whatever replaces it must look for its chunks. */
  readonly isChunked: boolean;
}

/** A table whose rows may be long, with a head that says what a row is about and fits its first chunk. */
export interface HeadedTable<Row extends Head, Head> extends Table<Row> {
  decodeHead(key: string, bytes: Buffer): Head;
}

const table = <Row>(
  name: string,
  codec: Pick<Table<Row>, "encode" | "decode"> & Partial<Table<Row>>,
): Table<Row> => ({
  name,
  isCached: false,
  isOrdered: false,
  isChunked: false,
  ...codec,
});

const writer = new ByteWriter();

function versioned(key: string, bytes: Buffer, newest: number): ByteReader {
  const reader = new ByteReader(bytes, key);
  const version = reader.u8();
  if (version < 1 || version > newest)
    throw new RecordCorrupt(key, `version ${version} is unknown`);
  return reader;
}

const sequenceOfKey = (key: string): Sequence => u64At(key, key.length - 8) as Sequence;

const messageFlags = {
  text: 1,
  indexed: 2,
  group: 4,
  trace: 8,
  /** It came later than it was sent. */
  late: 16,
  /** Its id holds another time than that of its coming. */
  oldId: 32,
  expires: 64,
  priority: 128,
  dedup: 256,
  original: 512,
} as const;

/** The flags of what message and delivery share. */
function traitFlags(row: MessageTraits): number {
  return (
    (row.groupId === undefined ? 0 : messageFlags.group) |
    (row.arrivedAt === row.sentAt ? 0 : messageFlags.late) |
    (row.indexedAt === undefined ? 0 : messageFlags.oldId) |
    (row.expiresAt === undefined ? 0 : messageFlags.expires) |
    (row.priority === 0 ? 0 : messageFlags.priority)
  );
}

function writeTraits(row: MessageTraits, flags: number): void {
  writer.u64(row.sentAt).u32(row.sizeBytes);
  if ((flags & messageFlags.late) !== 0) writer.u64(row.arrivedAt);
  if (row.indexedAt !== undefined) writer.u64(row.indexedAt);
  if (row.expiresAt !== undefined) writer.u64(row.expiresAt);
  if (row.priority !== 0) writer.u8(row.priority);
  if (row.groupId !== undefined) writer.text(row.groupId);
}

function readTraits(key: string, reader: ByteReader, flags: number): MessageTraits {
  const sentAt = reader.u64() as EpochMs;
  const sizeBytes = reader.u32();
  const has = (flag: keyof typeof messageFlags): boolean => (flags & messageFlags[flag]) !== 0;
  return {
    sequence: sequenceOfKey(key),
    sentAt,
    sizeBytes,
    arrivedAt: has("late") ? (reader.u64() as EpochMs) : sentAt,
    indexedAt: has("oldId") ? (reader.u64() as EpochMs) : undefined,
    expiresAt: has("expires") ? (reader.u64() as EpochMs) : undefined,
    priority: has("priority") ? reader.u8() : 0,
    groupId: has("group") ? reader.text() : undefined,
  };
}

const contentFlags = (content: MessageContent): number =>
  (content.isText ? messageFlags.text : 0) |
  (content.traceHeader === undefined ? 0 : messageFlags.trace) |
  (content.dedupId === undefined ? 0 : messageFlags.dedup) |
  (content.originalMessageId === undefined ? 0 : messageFlags.original);

function writeContent(content: MessageContent): void {
  writer
    .raw(content.bodyMd5)
    .bytes(content.body)
    .text(content.senderId)
    .u8(content.attributes.length);
  for (const attribute of content.attributes) {
    writer
      .text(attribute.name)
      .text(attribute.dataType)
      .u8(attribute.isText ? 1 : 0)
      .bytes(attribute.value);
  }
  if (content.traceHeader !== undefined) writer.text(content.traceHeader);
  if (content.dedupId !== undefined) writer.text(content.dedupId);
  if (content.originalMessageId !== undefined) writer.raw(content.originalMessageId);
}

function readContent(
  reader: ByteReader,
  flags: number,
  groupId: string | undefined,
): MessageContent {
  const bodyMd5 = reader.raw(16);
  const body = reader.bytes();
  const senderId = reader.text();
  const attributes: MessageAttribute[] = [];
  for (let left = reader.u8(); left > 0; left -= 1) {
    const name = reader.text();
    const dataType = reader.text();
    const isText = reader.u8() === 1;
    attributes.push({ name, dataType, isText, value: reader.bytes() });
  }
  return {
    isText: (flags & messageFlags.text) !== 0,
    body,
    bodyMd5,
    attributes,
    senderId,
    groupId,
    traceHeader: (flags & messageFlags.trace) !== 0 ? reader.text() : undefined,
    dedupId: (flags & messageFlags.dedup) !== 0 ? reader.text() : undefined,
    originalMessageId: (flags & messageFlags.original) !== 0 ? reader.raw(16) : undefined,
  };
}

function encodeMessage(row: Message): Buffer {
  const { content } = row;
  const flags =
    traitFlags(row) | contentFlags(content) | (row.isIndexed ? messageFlags.indexed : 0);
  writer.start().u8(1).u16(flags).raw(row.messageId);
  writeTraits(row, flags);
  writeContent(content);
  return writer.finish();
}

function readMessageHead(key: string, reader: ByteReader, flags: number): MessageHead {
  const messageId = reader.raw(16);
  const isIndexed = (flags & messageFlags.indexed) !== 0;
  const { sequence, sentAt, arrivedAt, indexedAt, expiresAt, sizeBytes, groupId, priority } =
    readTraits(key, reader, flags);
  return {
    sequence,
    messageId,
    sentAt,
    arrivedAt,
    indexedAt,
    expiresAt,
    sizeBytes,
    groupId,
    priority,
    isIndexed,
  };
}

function decodeMessageHead(key: string, bytes: Buffer): MessageHead {
  const reader = versioned(key, bytes, 1);
  return readMessageHead(key, reader, reader.u16());
}

function decodeMessage(key: string, bytes: Buffer): Message {
  const reader = versioned(key, bytes, 1);
  const flags = reader.u16();
  const head = readMessageHead(key, reader, flags);
  const { sequence, messageId, sentAt, arrivedAt, indexedAt, expiresAt, sizeBytes } = head;
  const { groupId, priority, isIndexed } = head;
  const content = readContent(reader, flags, groupId);
  return {
    sequence,
    messageId,
    sentAt,
    arrivedAt,
    indexedAt,
    expiresAt,
    sizeBytes,
    groupId,
    priority,
    isIndexed,
    content,
  };
}

const deliveryStates = { leased: 1, delayed: 2, returned: 3, backoff: 4 } as const;
/** Beside those of the traits. */
const deliveryFlags = {
  received: 256,
  rejection: 512,
  deadLettered: 1_024,
  moved: 2_048,
  attempts: 4_096,
  undelivered: 8_192,
} as const;
const deadLetterReasons = ["max_receives", "rejected"] as const;
const attemptEndings = ["lease_ended", "released", "rejected"] as const;

function encodeDelivery(row: Delivery): Buffer {
  const { state, origin } = row;
  const flags =
    traitFlags(row) |
    (row.firstReceivedAt === undefined ? 0 : deliveryFlags.received) |
    (row.rejection === undefined ? 0 : deliveryFlags.rejection) |
    (origin?.deadLetter === undefined ? 0 : deliveryFlags.deadLettered) |
    (origin === undefined || origin.deadLetter !== undefined ? 0 : deliveryFlags.moved) |
    (row.attempts.length === 0 ? 0 : deliveryFlags.attempts) |
    (row.undelivered === undefined ? 0 : deliveryFlags.undelivered);
  writer.start().u8(1).u16(flags).u32(row.receiveCount).u32(row.ordinal);
  writeTraits(row, flags);
  switch (state.kind) {
    case "leased":
      writer.u8(deliveryStates.leased).u64(state.until).u64(state.leasedAt);
      break;
    case "delayed":
      writer.u8(state.isBackoff ? deliveryStates.backoff : deliveryStates.delayed).u64(state.until);
      break;
    case "returned":
      writer.u8(deliveryStates.returned).u64(state.place.at).u64(state.place.order);
      break;
  }
  if (row.firstReceivedAt !== undefined) writer.u64(row.firstReceivedAt);
  if (row.rejection !== undefined) {
    writer.text(row.rejection.reason).text(row.rejection.error).u64(row.rejection.at);
  }
  if (origin !== undefined) {
    writer.u64(origin.at).u32(row.earlierReceives);
    if (origin.deadLetter !== undefined) {
      writer.text(origin.deadLetter.source).u8(deadLetterReasons.indexOf(origin.deadLetter.reason));
    }
  }
  if (row.attempts.length > 0) {
    writer.u8(row.attempts.length);
    for (const { leasedAt, endedAt, ending } of row.attempts) {
      writer.u64(leasedAt).u64(endedAt).u8(attemptEndings.indexOf(ending));
    }
  }
  if (row.undelivered !== undefined) {
    const { topic, subscription, reason, error, attempts, firstAttemptAt } = row.undelivered;
    writer.text(topic).bytes(subscription).text(reason).text(error).u32(attempts);
    writer.u64(firstAttemptAt ?? 0);
  }
  return writer.finish();
}

function decodeDelivery(key: string, bytes: Buffer): Delivery {
  const reader = versioned(key, bytes, 1);
  const flags = reader.u16();
  const receiveCount = reader.u32();
  const ordinal = reader.u32();
  const { sequence, sentAt, arrivedAt, indexedAt, expiresAt, sizeBytes, groupId, priority } =
    readTraits(key, reader, flags);
  const state = decodeDeliveryState(key, reader);
  const firstReceivedAt =
    (flags & deliveryFlags.received) !== 0 ? (reader.u64() as EpochMs) : undefined;
  const rejection =
    (flags & deliveryFlags.rejection) !== 0
      ? { reason: reader.text(), error: reader.text(), at: reader.u64() as EpochMs }
      : undefined;
  let origin: Origin | undefined;
  let earlierReceives = 0;
  if ((flags & (deliveryFlags.deadLettered | deliveryFlags.moved)) !== 0) {
    const at = reader.u64() as EpochMs;
    earlierReceives = reader.u32();
    const isDeadLetter = (flags & deliveryFlags.deadLettered) !== 0;
    origin = { at, deadLetter: isDeadLetter ? decodeDeadLetter(key, reader) : undefined };
  }
  const attempts = (flags & deliveryFlags.attempts) !== 0 ? decodeAttempts(key, reader) : none;
  const undelivered =
    (flags & deliveryFlags.undelivered) !== 0 ? decodeUndelivered(reader) : undefined;
  return {
    sequence,
    sentAt,
    arrivedAt,
    indexedAt,
    expiresAt,
    sizeBytes,
    groupId,
    priority,
    state,
    receiveCount,
    earlierReceives,
    ordinal,
    firstReceivedAt,
    rejection,
    undelivered,
    origin,
    attempts,
  };
}

function decodeUndelivered(reader: ByteReader): Undelivered {
  return {
    topic: reader.text(),
    subscription: Buffer.from(reader.bytes()),
    reason: reader.text(),
    error: reader.text(),
    attempts: reader.u32(),
    firstAttemptAt: (reader.u64() || undefined) as EpochMs | undefined,
  };
}

const none: readonly Attempt[] = [];

function decodeDeliveryState(key: string, reader: ByteReader): Delivery["state"] {
  const kind = reader.u8();
  switch (kind) {
    case deliveryStates.leased:
      return {
        kind: "leased",
        until: reader.u64() as EpochMs,
        leasedAt: reader.u64() as EpochMs,
      };
    case deliveryStates.delayed:
    case deliveryStates.backoff:
      return {
        kind: "delayed",
        until: reader.u64() as EpochMs,
        isBackoff: kind === deliveryStates.backoff,
      };
    case deliveryStates.returned:
      return { kind: "returned", place: readPlace(reader) };
    default:
      throw new RecordCorrupt(key, `delivery state ${kind} is unknown`);
  }
}

const readPlace = (reader: ByteReader): Place => ({
  at: reader.u64() as EpochMs,
  order: reader.u64() as Sequence,
});

function decodeDeadLetter(key: string, reader: ByteReader): NonNullable<Origin["deadLetter"]> {
  const source = reader.text() as QueueName;
  return { source, reason: oneOf(key, deadLetterReasons, reader.u8()) };
}

function decodeAttempts(key: string, reader: ByteReader): readonly Attempt[] {
  const attempts: Attempt[] = [];
  for (let left = reader.u8(); left > 0; left -= 1) {
    const leasedAt = reader.u64() as EpochMs;
    const endedAt = reader.u64() as EpochMs;
    attempts.push({ leasedAt, endedAt, ending: oneOf(key, attemptEndings, reader.u8()) });
  }
  return attempts;
}

function oneOf<Name extends string>(key: string, names: readonly Name[], index: number): Name {
  const name = names[index];
  if (name === undefined) throw new RecordCorrupt(key, `value ${index} is unknown`);
  return name;
}

const queueFlags = { purged: 1, fifo: 2 } as const;

// Settings are few, read often and written rarely, and every release adds some: as JSON an older row simply lacks them.
function encodeQueue(row: Queue): Buffer {
  writer
    .start()
    .u8(1)
    .u8((row.purgedAt === undefined ? 0 : queueFlags.purged) | (row.isFifo ? queueFlags.fifo : 0))
    .u64(row.number)
    .u64(row.segment)
    .u16(row.slot)
    .u64(row.createdAt)
    .u64(row.updatedAt)
    .u64(row.purgedAt ?? 0)
    .u64(row.revision)
    .text(JSON.stringify(row.settings))
    .u8(row.tags.size);
  for (const [tag, value] of row.tags) writer.text(tag).text(value);
  return writer.finish();
}

function decodeQueue(key: string, bytes: Buffer): Queue {
  const reader = versioned(key, bytes, 1);
  const split = key.indexOf("\x00");
  const flags = reader.u8();
  const isFifo = (flags & queueFlags.fifo) !== 0;
  const number = reader.u64() as QueueNumber;
  const segment = reader.u64() as SegmentNumber;
  const slot = reader.u16();
  const createdAt = reader.u64() as EpochMs;
  const updatedAt = reader.u64() as EpochMs;
  const purgedAt = reader.u64() as EpochMs;
  const revision = reader.u64();
  const settings = decodeSettings(key, reader.text(), isFifo);
  const tags = new Map<string, string>();
  for (let left = reader.u8(); left > 0; left -= 1) tags.set(reader.text(), reader.text());
  return {
    number,
    segment,
    slot,
    namespace: key.slice(1, split) as Namespace,
    name: key.slice(split + 1) as QueueName,
    isFifo,
    settings,
    tags,
    createdAt,
    updatedAt,
    purgedAt: (flags & queueFlags.purged) === 0 ? undefined : purgedAt,
    revision,
  };
}

function decodeSettings(key: string, text: string, isFifo: boolean): QueueSettings {
  try {
    // Under the row's checksum: what is read is what `encodeQueue` wrote.
    return { ...defaultsOf(isFifo), ...(JSON.parse(text) as Partial<QueueSettings>) };
  } catch {
    throw new RecordCorrupt(key, "its settings are no JSON");
  }
}

/** The numbers of a queue in the order they are written. New ones are added at the end, and an older row lacks them. */
const counterNames = [
  "nextSequence",
  "freshFrom",
  "dueFrom",
  "delayBackTo",
  "turnFrom",
  "dueAt",
  "joinsAt",
  "expiryAt",
  "returned",
  "stored",
  "storedBytes",
  "inFlight",
  "delayed",
  "sent",
  "received",
  "deleted",
  "expired",
  "purged",
  "deduplicated",
  "deadLettered",
  "moved",
  "arrived",
  "targetMissing",
  "scheduled",
  "groups",
  "groupsInFlight",
  "limitedGroups",
  "noisyGroups",
  "noisyStored",
  "noisyInFlight",
  "noisyDelayed",
] as const satisfies readonly Exclude<keyof Counters, "busy">[];

function encodeCounters(row: Counters): Buffer {
  writer.start().u8(1);
  writeBusyTime(row.busy);
  for (const name of counterNames) writer.u64(row[name]);
  return writer.finish();
}

function decodeCounters(key: string, bytes: Buffer): Counters {
  const reader = versioned(key, bytes, 1);
  const busy = readBusyTime(reader);
  return countersOf(busy, () => (reader.atEnd ? 0 : reader.u64()));
}

/** Counters of a queue whose row is not there. */
export const noCounters = (): Counters =>
  countersOf({ minute: 0, currentMs: 0, beforeMs: 0 }, () => 0);

function countersOf(busy: BusyTime, next: () => number): Counters {
  const numbers = Object.fromEntries(counterNames.map((name) => [name, next()]));
  // `satisfies` above makes the names those of the fields; places among them are numbers under their brand.
  return { ...(numbers as unknown as Counters), busy };
}

const writeBusyTime = ({ minute, currentMs, beforeMs }: BusyTime): ByteWriter =>
  writer.u32(minute).u64(currentMs).u64(beforeMs);

const readBusyTime = (reader: ByteReader): BusyTime => ({
  minute: reader.u32(),
  currentMs: reader.u64(),
  beforeMs: reader.u64(),
});

const standings = { idle: 0, ready: 1, noisy: 2, limited: 3 } as const;
const groupFlags = { head: 1, noisy: 2, front: 4 } as const;

function encodeGroup(row: Group): Buffer {
  const { head, next, freshFrom, standing } = row;
  const hasFront = next.length > 0 || freshFrom > 0;
  writer
    .start()
    .u8(1)
    .u8(
      (head === undefined ? 0 : groupFlags.head) |
        (row.isNoisy ? groupFlags.noisy : 0) |
        (hasFront ? groupFlags.front : 0),
    )
    .u64(row.stored)
    .u64(row.inFlight)
    .u64(row.delayed)
    .u64(row.lastSentAt);
  writeBusyTime(row.busy);
  if (head !== undefined) {
    writer.u64(head.place.at).u64(head.place.order).u64(head.sequence);
  }
  if (hasFront) {
    writer.u64(freshFrom).u8(next.length);
    for (const sequence of next) writer.u64(sequence);
  }
  writer.u8(standings[standing.kind]);
  if (standing.kind === "ready") writer.u64(standing.place.at).u64(standing.place.order);
  if (standing.kind === "noisy") writer.u64(standing.inFlight).u64(standing.at);
  return writer.finish();
}

function decodeGroup(key: string, bytes: Buffer): Group {
  const reader = versioned(key, bytes, 1);
  const flags = reader.u8();
  const stored = reader.u64();
  const inFlight = reader.u64();
  const delayed = reader.u64();
  const lastSentAt = reader.u64() as EpochMs;
  const busy = readBusyTime(reader);
  const head =
    (flags & groupFlags.head) === 0
      ? undefined
      : { place: readPlace(reader), sequence: reader.u64() as Sequence };
  const hasFront = (flags & groupFlags.front) !== 0;
  const freshFrom = (hasFront ? reader.u64() : 0) as Sequence;
  const next: Sequence[] = [];
  for (let left = hasFront ? reader.u8() : 0; left > 0; left -= 1) {
    next.push(reader.u64() as Sequence);
  }
  return {
    id: key.slice(segmentPrefixLength + 1),
    stored,
    inFlight,
    delayed,
    head,
    next,
    freshFrom,
    standing: decodeStanding(key, reader),
    isNoisy: (flags & groupFlags.noisy) !== 0,
    lastSentAt,
    busy,
  };
}

function decodeStanding(key: string, reader: ByteReader): GroupStanding {
  const kind = reader.u8();
  switch (kind) {
    case standings.idle:
      return { kind: "idle" };
    case standings.ready:
      return { kind: "ready", place: readPlace(reader) };
    case standings.noisy:
      return { kind: "noisy", inFlight: reader.u64(), at: reader.u64() as EpochMs };
    case standings.limited:
      return { kind: "limited" };
    default:
      throw new RecordCorrupt(key, `group standing ${kind} is unknown`);
  }
}

function encodeDedup(row: DedupEntry): Buffer {
  writer
    .start()
    .u8(1)
    .u64(row.at)
    .raw(row.messageId)
    .u64(row.sequence ?? 0);
  if (row.groupId !== undefined) writer.text(row.groupId);
  return writer.finish();
}

function decodeDedup(key: string, bytes: Buffer): DedupEntry {
  const reader = versioned(key, bytes, 1);
  const at = reader.u64() as EpochMs;
  const messageId = reader.raw(16);
  const sequence = reader.u64();
  return {
    at,
    groupId: reader.atEnd ? undefined : reader.text(),
    messageId,
    sequence: sequence === 0 ? undefined : (sequence as Sequence),
  };
}

function encodeAttempt(row: ReceiveAttempt): Buffer {
  writer
    .start()
    .u8(1)
    .u64(row.at)
    .u8(row.wasRepeated ? 1 : 0)
    .u16(row.receives.length);
  for (const { sequence, ordinal, until } of row.receives) {
    writer.u64(sequence).u32(ordinal).u64(until);
  }
  return writer.finish();
}

function decodeAttempt(key: string, bytes: Buffer): ReceiveAttempt {
  const reader = versioned(key, bytes, 1);
  const at = reader.u64() as EpochMs;
  const wasRepeated = reader.u8() === 1;
  const receives: ReceiveAttempt["receives"][number][] = [];
  for (let left = reader.u16(); left > 0; left -= 1) {
    receives.push({
      sequence: reader.u64() as Sequence,
      ordinal: reader.u32(),
      until: reader.u64() as EpochMs,
    });
  }
  return { at, wasRepeated, receives };
}

/** Where a scheduled message's time and id stand in its key. */
const scheduledTimeAt = segmentPrefixLength + 1;

function encodeScheduled(row: ScheduledMessage): Buffer {
  const { content } = row;
  const flags =
    contentFlags(content) |
    (content.groupId === undefined ? 0 : messageFlags.group) |
    (row.timeToLiveMs === undefined ? 0 : messageFlags.expires);
  writer
    .start()
    .u8(1)
    .u16(flags)
    .u32(row.sizeBytes)
    .u64(row.acceptedAt)
    .u64(row.timeToLiveMs ?? 0)
    .u8(row.priority);
  if (content.groupId !== undefined) writer.text(content.groupId);
  writeContent(content);
  return writer.finish();
}

function scheduledPosition(key: string): ScheduledPosition {
  return {
    deliverAt: u64At(key, scheduledTimeAt) as EpochMs,
    messageId: Buffer.from(key.slice(scheduledTimeAt + 8), "latin1"),
  };
}

function decodeScheduledHead(key: string, bytes: Buffer): ScheduledHead {
  const reader = versioned(key, bytes, 1);
  reader.u16();
  return { ...scheduledPosition(key), sizeBytes: reader.u32() };
}

function decodeScheduled(key: string, bytes: Buffer): ScheduledMessage {
  const reader = versioned(key, bytes, 1);
  const flags = reader.u16();
  const sizeBytes = reader.u32();
  const acceptedAt = reader.u64() as EpochMs;
  const timeToLiveMs = reader.u64() as DurationMs;
  const priority = reader.u8();
  const groupId = (flags & messageFlags.group) !== 0 ? reader.text() : undefined;
  return {
    ...scheduledPosition(key),
    acceptedAt,
    timeToLiveMs: (flags & messageFlags.expires) !== 0 ? timeToLiveMs : undefined,
    sizeBytes,
    priority,
    content: readContent(reader, flags, groupId),
  };
}

// What was asked for is as JSON, as with the settings of a queue; the message is not, since it may be long.
type ScheduleTerms = Omit<Schedule, "name" | "message"> &
  Pick<ScheduledSend, "timeToLiveMs" | "priority">;

function encodeSchedule(row: Schedule): Buffer {
  const { timing, startAt, endAt, isPaused, missedRuns, message } = row;
  const { content, sizeBytes, timeToLiveMs, priority } = message;
  const terms: ScheduleTerms = {
    timing,
    startAt,
    endAt,
    isPaused,
    missedRuns,
    timeToLiveMs,
    priority,
  };
  const flags = contentFlags(content) | (content.groupId === undefined ? 0 : messageFlags.group);
  writer.start().u8(1).u16(flags).u32(sizeBytes).text(JSON.stringify(terms));
  if (content.groupId !== undefined) writer.text(content.groupId);
  writeContent(content);
  return writer.finish();
}

function decodeSchedule(key: string, bytes: Buffer): Schedule {
  const reader = versioned(key, bytes, 1);
  const flags = reader.u16();
  const sizeBytes = reader.u32();
  const terms = decodeTerms(key, reader.text());
  const groupId = (flags & messageFlags.group) !== 0 ? reader.text() : undefined;
  const { timing, startAt, endAt, isPaused, missedRuns, timeToLiveMs, priority } = terms;
  return {
    name: key.slice(key.lastIndexOf("\x00") + 1),
    timing,
    startAt,
    endAt,
    isPaused,
    missedRuns,
    message: { content: readContent(reader, flags, groupId), sizeBytes, timeToLiveMs, priority },
  };
}

function decodeTerms(key: string, text: string): ScheduleTerms {
  try {
    return JSON.parse(text) as ScheduleTerms;
  } catch {
    throw new RecordCorrupt(key, "its terms are no JSON");
  }
}

const scheduleFlags = { next: 1, last: 2, messageId: 4, failure: 8 } as const;

function encodeScheduleState(row: ScheduleState): Buffer {
  const { putAt, nextAt, lastAt, lastMessageId, runCount, failure } = row;
  writer
    .start()
    .u8(1)
    .u8(
      (nextAt === undefined ? 0 : scheduleFlags.next) |
        (lastAt === undefined ? 0 : scheduleFlags.last) |
        (lastMessageId === undefined ? 0 : scheduleFlags.messageId) |
        (failure === undefined ? 0 : scheduleFlags.failure),
    )
    .u64(putAt)
    .u64(runCount);
  if (nextAt !== undefined) writer.u64(nextAt);
  if (lastAt !== undefined) writer.u64(lastAt);
  if (lastMessageId !== undefined) writer.raw(lastMessageId);
  if (failure !== undefined) writer.text(failure);
  return writer.finish();
}

function decodeScheduleState(key: string, bytes: Buffer): ScheduleState {
  const reader = versioned(key, bytes, 1);
  const flags = reader.u8();
  const has = (flag: keyof typeof scheduleFlags): boolean => (flags & scheduleFlags[flag]) !== 0;
  const putAt = reader.u64() as EpochMs;
  const runCount = reader.u64();
  return {
    putAt,
    runCount,
    nextAt: has("next") ? (reader.u64() as EpochMs) : undefined,
    lastAt: has("last") ? (reader.u64() as EpochMs) : undefined,
    lastMessageId: has("messageId") ? reader.raw(16) : undefined,
    failure: has("failure") ? (reader.text() as ScheduleState["failure"]) : undefined,
  };
}

/** A row that says all it has to say by being there. */
const secretBytes = 32;

const presence = (name: string): Table<true> =>
  table<true>(name, {
    encode: () => Buffer.allocUnsafe(frameHeaderBytes),
    decode: () => true,
    isOrdered: true,
  });

const encodeRequest = (row: RequestResult): Buffer =>
  writer
    .start()
    .u8(1)
    .bytes(row.payloadHash)
    .u64(row.keepUntil)
    .u8(row.wasReplayed ? 1 : 0)
    .bytes(row.result)
    .finish();

function decodeRequest(key: string, bytes: Buffer): RequestResult {
  const reader = versioned(key, bytes, 1);
  const payloadHash = reader.bytes();
  const keepUntil = reader.u64() as EpochMs;
  const wasReplayed = reader.u8() === 1;
  return { payloadHash, keepUntil, wasReplayed, result: reader.bytes() };
}

export const tables = {
  message: {
    ...table<Message>("message", {
      encode: encodeMessage,
      decode: decodeMessage,
      isOrdered: true,
    }),
    decodeHead: decodeMessageHead,
  },
  delivery: table<Delivery>("delivery", { encode: encodeDelivery, decode: decodeDelivery }),
  due: presence("due"),
  returned: presence("returned"),
  member: presence("member"),
  group: table<Group>("group", { encode: encodeGroup, decode: decodeGroup, isCached: true }),
  line: presence("line"),
  ownExpiry: presence("own expiry"),
  late: presence("late"),
  dedup: table<DedupEntry>("deduplication id", { encode: encodeDedup, decode: decodeDedup }),
  attempt: table<ReceiveAttempt>("receive attempt", {
    encode: encodeAttempt,
    decode: decodeAttempt,
    isChunked: true,
  }),
  scheduled: {
    ...table<ScheduledMessage>("scheduled message", {
      encode: encodeScheduled,
      decode: decodeScheduled,
      isOrdered: true,
    }),
    decodeHead: decodeScheduledHead,
  },
  deadLetterSource: presence("dead-letter source"),
  schedule: table<Schedule>("schedule", {
    encode: encodeSchedule,
    decode: decodeSchedule,
    isChunked: true,
  }),
  scheduleState: table<ScheduleState>("schedule state", {
    encode: encodeScheduleState,
    decode: decodeScheduleState,
    isOrdered: true,
    isChunked: true,
  }),
  scheduleDue: presence("schedule due"),
  counters: table<Counters>("counters", {
    encode: encodeCounters,
    decode: decodeCounters,
    isCached: true,
  }),
  queue: table<Queue>("queue", {
    encode: encodeQueue,
    decode: decodeQueue,
    isCached: true,
    isOrdered: true,
    isChunked: true,
  }),
  garbage: presence("garbage"),
  request: table<RequestResult>("request", {
    encode: encodeRequest,
    decode: decodeRequest,
    isChunked: true,
  }),
  requestDue: presence("request due"),
  node: table<number>("node", {
    encode: (row) => writer.start().u8(1).u64(row).finish(),
    decode: (key, bytes) => versioned(key, bytes, 1).u64(),
  }),
  /** The secret of a group of nodes, which is a node fact like the time but no number. */
  secret: table<Buffer>("secret", {
    encode: (row) => writer.start().u8(1).raw(row).finish(),
    decode: (key, bytes) => versioned(key, bytes, 1).raw(secretBytes),
  }),
  deletedQueue: table<number>("deleted queue", {
    encode: (row) => writer.start().u8(1).u64(row).finish(),
    decode: (key, bytes) => versioned(key, bytes, 1).u64(),
    isOrdered: true,
  }),
  moveTask: table<MoveTask>("move task", {
    encode: encodeMoveTask,
    decode: decodeMoveTask,
    isOrdered: true,
    isChunked: true,
  }),
  moveOrder: table<MoveOrder>("move order", {
    encode: encodeMoveOrder,
    decode: decodeMoveOrder,
    isChunked: true,
  }),
  topic: table("topic", {
    encode: encodeTopic,
    decode: decodeTopic,
    isCached: true,
    isOrdered: true,
    isChunked: true,
  }),
  topicCount: table("topic count", { encode: encodeTopicCount, decode: decodeTopicCount }),
  topicCounters: table("topic counters", {
    encode: encodeTopicCounters,
    decode: decodeTopicCounters,
    isCached: true,
  }),
  topicMessage: table("topic message", { encode: encodeTopicMessage, decode: decodeTopicMessage }),
  subscription: table("subscription", {
    encode: encodeSubscription,
    decode: decodeSubscription,
    isOrdered: true,
    isChunked: true,
  }),
  endpoint: table("endpoint", { encode: encodeId, decode: decodeId }),
  deliveries: table("deliveries", { encode: encodeDeliveries, decode: decodeDeliveries }),
  ownPlace: presence("own place"),
  catchingUp: presence("catching up"),
  published: table("published once", { encode: encodePublishedOnce, decode: decodePublishedOnce }),
  publishedTime: presence("published time"),
  subscriptionId: table("subscription id", { encode: encodeLocator, decode: decodeLocator }),
  namespaceSubscription: presence("namespace subscription"),
  endedTopic: table("ended topic", {
    encode: encodeEnded,
    decode: decodeEnded,
    isOrdered: true,
  }),
  pushPlace: table("push place", {
    encode: encodePushPlace,
    decode: decodePushPlace,
    isOrdered: true,
  }),
  pendingPush: table("pending push", {
    encode: encodePendingPush,
    decode: decodePendingPush,
    isOrdered: true,
    isChunked: true,
  }),
  pushDue: presence("push due"),
  confirmation: table("confirmation", {
    encode: encodeConfirmation,
    decode: decodeConfirmation,
    isChunked: true,
  }),
  token: table("token", { encode: encodeId, decode: decodeId }),
  confirmationDue: table("confirmation due", {
    encode: encodeConfirmationDue,
    decode: decodeConfirmationDue,
    isOrdered: true,
  }),
  signingIdentity: table("signing identity", {
    encode: encodeSigningIdentity,
    decode: decodeSigningIdentity,
    isOrdered: true,
    isChunked: true,
  }),
  archive: table("archive", { encode: encodeArchive, decode: decodeArchive }),
  replay: table("replay", { encode: encodeReplay, decode: decodeReplay, isOrdered: true }),
  runningReplay: presence("running replay"),
  snapshot: table("snapshot", { encode: encodeSnapshot, decode: decodeSnapshot, isOrdered: true }),
  attemptRecord: table("attempt record", {
    encode: encodeAttemptRecord,
    decode: decodeAttemptRecord,
  }),
  keptAttempt: table("kept attempt", { encode: encodeKeptAttempt, decode: decodeKeptAttempt }),
  lastAttempt: table("last attempt", { encode: encodeAttemptNumber, decode: decodeAttemptNumber }),
  attemptsDue: presence("attempts due"),
  undeliverableTotal: table("undeliverable total", {
    encode: encodeUndeliverableTotal,
    decode: decodeUndeliverableTotal,
  }),
  undeliverableRecord: table("undeliverable record", {
    encode: encodeUndeliverableRecord,
    decode: decodeUndeliverableRecord,
  }),
  undeliverable: table("undeliverable", {
    encode: encodeUndeliverable,
    decode: decodeUndeliverable,
    isOrdered: true,
    isChunked: true,
  }),
  undeliverableMessage: table("undeliverable message", {
    encode: encodeUndeliverableMessage,
    decode: decodeUndeliverableMessage,
    isChunked: true,
  }),
  undeliverableDue: presence("undeliverable due"),
  redriveMark: presence("redrive mark"),
  redriveOrder: table("redrive order", {
    encode: encodeRedriveOrder,
    decode: decodeRedriveOrder,
    isOrdered: true,
  }),
  cache: table("cache", {
    encode: encodeCache,
    decode: decodeCache,
    isCached: true,
    isOrdered: true,
  }),
  cacheCount: table<number>("cache count", {
    encode: (row) => writer.start().u8(1).u64(row).finish(),
    decode: (key, bytes) => versioned(key, bytes, 1).u64(),
  }),
  cacheCounters: table("cache counters", {
    encode: encodeCacheCounters,
    decode: decodeCacheCounters,
    isCached: true,
  }),
  fenceCounts: table("fence counts", {
    encode: encodeFenceCounts,
    decode: decodeFenceCounts,
    isCached: true,
    // Of a thousand lengths, at most.
    isChunked: true,
  }),
  item: table<ItemRow>("item", {
    encode: (row) =>
      row.kind === "item" ? encodeItem(row.item) : encodeItemNode(row.node, row.rows),
    decode: (key, bytes) =>
      isNodeRow(key) ? decodeItemNode(key, bytes) : { kind: "item", item: decodeItem(key, bytes) },
    isOrdered: true,
    isChunked: true,
  }),
  value: table("value", { encode: encodeValue, decode: decodeValue, isChunked: true }),
  treeNode: table("tree node", { encode: encodeTreeNode, decode: decodeTreeNode }),
  entryValue: table("entry value", {
    encode: encodeEntryValue,
    decode: decodeEntryValue,
    isChunked: true,
  }),
  lostCollection: table<true>("lost collection", {
    encode: encodeLostCollection,
    decode: decodeLostCollection,
    isOrdered: true,
  }),
  itemDue: table("item due", {
    encode: encodeItemDue,
    decode: decodeItemDue,
    isOrdered: true,
  }),
  fence: table("fence", { encode: encodeFence, decode: decodeFence, isOrdered: true }),
  lease: table("lease", { encode: encodeLease, decode: decodeLease }),
  leaseDue: table("lease due", {
    encode: encodeLeaseDue,
    decode: decodeLeaseDue,
    isOrdered: true,
  }),
  fencedCache: table("fenced cache", {
    encode: encodeDueCache,
    decode: decodeDueCache,
    isOrdered: true,
  }),
  dueCache: table("due cache", {
    encode: encodeDueCache,
    decode: decodeDueCache,
    isOrdered: true,
  }),
  askedHost: table("asked host", {
    encode: encodeAskedHost,
    decode: decodeAskedHost,
    isOrdered: true,
  }),
  topicFilters: table<number>("topic filters", {
    encode: (row) => writer.start().u8(1).u64(row).finish(),
    decode: (key, bytes) => versioned(key, bytes, 1).u64(),
  }),
  drainingTopic: table("draining topic", {
    encode: encodeDrainingTopic,
    decode: decodeDrainingTopic,
    isOrdered: true,
  }),
  /** Rows whose meaning does not matter to whoever removes them: the reaper's view of a dead segment. */
  raw: table<true>("raw", {
    encode: () => Buffer.allocUnsafe(frameHeaderBytes),
    decode: () => true,
  }),
} as const;
