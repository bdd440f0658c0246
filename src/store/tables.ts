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
import type {
  Counters,
  Delivery,
  Message,
  MessageAttribute,
  MessageHead,
  Queue,
} from "../queue/model.js";
import type { RequestResult } from "../queue/view.js";
import { ByteReader, ByteWriter, frameHeaderBytes } from "./bytes.js";
import { u64At } from "./keys.js";

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
  /** True when a row may be larger than a page, so that removing it must look for its chunks. */
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

const messageFlags = { text: 1, delayed: 2, group: 4, trace: 8 } as const;

function encodeMessage(row: Message): Buffer {
  const { content } = row;
  const flags =
    (content.isText ? messageFlags.text : 0) |
    (row.isDelayed ? messageFlags.delayed : 0) |
    (content.groupId === undefined ? 0 : messageFlags.group) |
    (content.traceHeader === undefined ? 0 : messageFlags.trace);
  writer
    .start()
    .u8(1)
    .u8(flags)
    .u64(row.sentAt)
    .u32(row.sizeBytes)
    .raw(row.messageId)
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
  if (content.groupId !== undefined) writer.text(content.groupId);
  if (content.traceHeader !== undefined) writer.text(content.traceHeader);
  return writer.finish();
}

function readMessageHead(key: string, reader: ByteReader, flags: number): MessageHead {
  const sentAt = reader.u64() as EpochMs;
  const sizeBytes = reader.u32();
  const messageId = reader.raw(16);
  const isDelayed = (flags & messageFlags.delayed) !== 0;
  return { sequence: sequenceOfKey(key), messageId, sentAt, sizeBytes, isDelayed };
}

function decodeMessageHead(key: string, bytes: Buffer): MessageHead {
  const reader = versioned(key, bytes, 1);
  return readMessageHead(key, reader, reader.u8());
}

function decodeMessage(key: string, bytes: Buffer): Message {
  const reader = versioned(key, bytes, 1);
  const flags = reader.u8();
  const { sequence, messageId, sentAt, sizeBytes, isDelayed } = readMessageHead(key, reader, flags);
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
    sequence,
    messageId,
    sentAt,
    sizeBytes,
    isDelayed,
    content: {
      isText: (flags & messageFlags.text) !== 0,
      body,
      bodyMd5,
      attributes,
      senderId,
      groupId: (flags & messageFlags.group) !== 0 ? reader.text() : undefined,
      traceHeader: (flags & messageFlags.trace) !== 0 ? reader.text() : undefined,
    },
  };
}

const deliveryStates = { leased: 1, delayed: 2, returned: 3 } as const;
const deliveryFlags = { received: 1, rejection: 2 } as const;

function encodeDelivery(row: Delivery): Buffer {
  const { state } = row;
  writer
    .start()
    .u8(1)
    .u8(
      (row.firstReceivedAt === undefined ? 0 : deliveryFlags.received) |
        (row.rejection === undefined ? 0 : deliveryFlags.rejection),
    )
    .u32(row.receiveCount)
    .u32(row.ordinal)
    .u64(row.sentAt)
    .u32(row.sizeBytes)
    .u8(deliveryStates[state.kind]);
  switch (state.kind) {
    case "leased":
      writer.u64(state.until).u64(state.leasedAt);
      break;
    case "delayed":
      writer.u64(state.until);
      break;
    case "returned":
      writer.u64(state.order);
      break;
  }
  if (row.firstReceivedAt !== undefined) writer.u64(row.firstReceivedAt);
  if (row.rejection !== undefined) {
    writer.text(row.rejection.reason).text(row.rejection.error).u64(row.rejection.at);
  }
  return writer.finish();
}

function decodeDelivery(key: string, bytes: Buffer): Delivery {
  const reader = versioned(key, bytes, 1);
  const flags = reader.u8();
  const receiveCount = reader.u32();
  const ordinal = reader.u32();
  const sentAt = reader.u64() as EpochMs;
  const sizeBytes = reader.u32();
  const state = decodeDeliveryState(key, reader);
  const firstReceivedAt =
    (flags & deliveryFlags.received) !== 0 ? (reader.u64() as EpochMs) : undefined;
  const rejection =
    (flags & deliveryFlags.rejection) !== 0
      ? { reason: reader.text(), error: reader.text(), at: reader.u64() as EpochMs }
      : undefined;
  return {
    sequence: sequenceOfKey(key),
    state,
    receiveCount,
    ordinal,
    firstReceivedAt,
    sentAt,
    sizeBytes,
    rejection,
  };
}

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
      return { kind: "delayed", until: reader.u64() as EpochMs };
    case deliveryStates.returned:
      return { kind: "returned", order: reader.u64() as Sequence };
    default:
      throw new RecordCorrupt(key, `delivery state ${kind} is unknown`);
  }
}

function encodeQueue(row: Queue): Buffer {
  const { settings } = row;
  writer
    .start()
    .u8(1)
    .u64(row.number)
    .u64(row.segment)
    .u16(row.slot)
    .u64(row.createdAt)
    .u64(row.updatedAt)
    .u64(row.purgedAt === undefined ? 0 : row.purgedAt + 1)
    .u64(row.revision)
    .u64(settings.visibilityTimeoutMs)
    .u64(settings.retentionMs)
    .u64(settings.delayMs)
    .u32(settings.messageBytesMax)
    .u64(settings.receiveWaitMs)
    .u8(settings.receiptPolicy === "strict" ? 1 : 0)
    .u32(settings.inFlightMax)
    .u8(row.tags.size);
  for (const [tag, value] of row.tags) writer.text(tag).text(value);
  return writer.finish();
}

function decodeQueue(key: string, bytes: Buffer): Queue {
  const reader = versioned(key, bytes, 1);
  const split = key.indexOf("\x00");
  const number = reader.u64() as QueueNumber;
  const segment = reader.u64() as SegmentNumber;
  const slot = reader.u16();
  const createdAt = reader.u64() as EpochMs;
  const updatedAt = reader.u64() as EpochMs;
  const purged = reader.u64();
  const revision = reader.u64();
  const settings: Queue["settings"] = {
    visibilityTimeoutMs: reader.u64() as DurationMs,
    retentionMs: reader.u64() as DurationMs,
    delayMs: reader.u64() as DurationMs,
    messageBytesMax: reader.u32(),
    receiveWaitMs: reader.u64() as DurationMs,
    receiptPolicy: reader.u8() === 1 ? "strict" : "lenient",
    inFlightMax: reader.u32(),
  };
  const tags = new Map<string, string>();
  for (let left = reader.u8(); left > 0; left -= 1) tags.set(reader.text(), reader.text());
  return {
    number,
    segment,
    slot,
    namespace: key.slice(1, split) as Namespace,
    name: key.slice(split + 1) as QueueName,
    settings,
    tags,
    createdAt,
    updatedAt,
    purgedAt: purged === 0 ? undefined : ((purged - 1) as EpochMs),
    revision,
  };
}

function encodeCounters(row: Counters): Buffer {
  return writer
    .start()
    .u8(1)
    .u64(row.nextSequence)
    .u64(row.freshFrom)
    .u64(row.stored)
    .u64(row.storedBytes)
    .u64(row.inFlight)
    .u64(row.delayed)
    .u64(row.sent)
    .u64(row.received)
    .u64(row.deleted)
    .u64(row.expired)
    .u64(row.purged)
    .finish();
}

function decodeCounters(key: string, bytes: Buffer): Counters {
  const reader = versioned(key, bytes, 1);
  return {
    nextSequence: reader.u64() as Sequence,
    freshFrom: reader.u64() as Sequence,
    stored: reader.u64(),
    storedBytes: reader.u64(),
    inFlight: reader.u64(),
    delayed: reader.u64(),
    sent: reader.u64(),
    received: reader.u64(),
    deleted: reader.u64(),
    expired: reader.u64(),
    purged: reader.u64(),
  };
}

/** A row that says all it has to say by being there. */
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
  deletedQueue: table<number>("deleted queue", {
    encode: (row) => writer.start().u8(1).u64(row).finish(),
    decode: (key, bytes) => versioned(key, bytes, 1).u64(),
    isOrdered: true,
  }),
  /** Rows whose meaning does not matter to whoever removes them: the reaper's view of a dead segment. */
  raw: table<true>("raw", {
    encode: () => Buffer.allocUnsafe(frameHeaderBytes),
    decode: () => true,
  }),
} as const;
