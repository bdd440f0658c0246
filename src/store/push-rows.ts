// How pushed subscriptions are written: how far they are, what is pending, whom they were asked about, and the keys that sign.

import type { EpochMs, Sequence } from "../base/brands.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import type {
  Confirmation,
  ConfirmationDue,
  KeptSigningIdentity,
  PendingPush,
  PushPlace,
} from "../topic/push-model.js";
import { ByteReader, ByteWriter, frameHeaderBytes } from "./bytes.js";
import { u64At } from "./keys.js";
import { idBytes } from "./topic-keys.js";
import {
  decodeSubscription,
  decodeTopicMessage,
  encodeSubscription,
  encodeTopicMessage,
} from "./topic-rows.js";

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

/** What fails stands at the end, so that the row of one that does not is that of an earlier release. */
export function encodePushPlace(row: PushPlace): Buffer {
  writer
    .start()
    .u8(newest)
    .u64(row.next)
    .u64(row.floor)
    .u64(row.leased)
    .u64(row.waiting)
    .u8(row.isEndOpen ? 1 : 0);
  if (row.failingSince !== undefined) writer.u64(row.failingSince);
  return writer.finish();
}

export function decodePushPlace(key: string, bytes: Buffer): PushPlace {
  const reader = versioned(key, bytes);
  return {
    next: reader.u64() as Sequence,
    floor: reader.u64() as Sequence,
    leased: reader.u64(),
    waiting: reader.u64(),
    isEndOpen: reader.u8() === 1,
    ...(reader.atEnd ? {} : { failingSince: reader.u64() as EpochMs }),
  };
}

const pendingFlags = { leased: 1, message: 2, attempted: 4, replayed: 8 } as const;

export function encodePendingPush(row: PendingPush): Buffer {
  const { message, firstAttemptAt } = row;
  // Before the writer is begun: that of messages gives its bytes a frame of their own.
  const bytes = message && encodeTopicMessage(message).subarray(frameHeaderBytes);
  writer
    .start()
    .u8(newest)
    .u8(
      (row.isLeased ? pendingFlags.leased : 0) |
        (bytes === undefined ? 0 : pendingFlags.message) |
        (firstAttemptAt === undefined ? 0 : pendingFlags.attempted) |
        (message?.replayId === undefined ? 0 : pendingFlags.replayed),
    )
    .u64(row.dueAt)
    .u32(row.failures);
  if (firstAttemptAt !== undefined) writer.u64(firstAttemptAt);
  writer.text(row.lastError);
  if (bytes !== undefined) writer.bytes(bytes);
  if (message?.replayId !== undefined) writer.text(message.replayId);
  return writer.finish();
}

export function decodePendingPush(key: string, bytes: Buffer): PendingPush {
  const reader = versioned(key, bytes);
  const flags = reader.u8();
  const dueAt = reader.u64() as EpochMs;
  const failures = reader.u32();
  const firstAttemptAt =
    (flags & pendingFlags.attempted) === 0 ? undefined : (reader.u64() as EpochMs);
  const lastError = reader.text();
  const message =
    (flags & pendingFlags.message) === 0 ? undefined : decodeTopicMessage(key, reader.bytes());
  const replayId = (flags & pendingFlags.replayed) === 0 ? undefined : reader.text();
  return {
    sequence: u64At(key, key.length - 8) as Sequence,
    isLeased: (flags & pendingFlags.leased) !== 0,
    dueAt,
    failures,
    firstAttemptAt,
    lastError,
    message: message && replayId !== undefined ? { ...message, replayId } : message,
  };
}

const purposes = ["subscribe", "restore", "settled"] as const satisfies Confirmation["purpose"][];
const confirmationFlags = { due: 1, attempted: 2, ended: 4 } as const;

export function encodeConfirmation(row: Confirmation): Buffer {
  const { dueAt, firstAttemptAt, ended } = row;
  const subscription = ended && encodeSubscription(ended).subarray(frameHeaderBytes);
  writer
    .start()
    .u8(newest)
    .u8(
      (dueAt === undefined ? 0 : confirmationFlags.due) |
        (firstAttemptAt === undefined ? 0 : confirmationFlags.attempted) |
        (subscription === undefined ? 0 : confirmationFlags.ended),
    )
    .u8(purposes.indexOf(row.purpose))
    .text(row.token)
    .raw(row.messageId)
    .u64(row.createdAt)
    .u64(row.expiresAt)
    .u32(row.failures);
  if (dueAt !== undefined) writer.u64(dueAt);
  if (firstAttemptAt !== undefined) writer.u64(firstAttemptAt);
  if (subscription !== undefined) writer.bytes(subscription);
  return writer.finish();
}

export function decodeConfirmation(key: string, bytes: Buffer): Confirmation {
  const reader = versioned(key, bytes);
  const flags = reader.u8();
  const purpose = purposes[reader.u8()];
  if (purpose === undefined) throw new RecordCorrupt(key, "its purpose is unknown");
  const token = reader.text();
  const messageId = reader.raw(idBytes);
  const createdAt = reader.u64() as EpochMs;
  const expiresAt = reader.u64() as EpochMs;
  const failures = reader.u32();
  const has = (flag: keyof typeof confirmationFlags): boolean =>
    (flags & confirmationFlags[flag]) !== 0;
  return {
    purpose,
    token,
    messageId,
    createdAt,
    expiresAt,
    dueAt: has("due") ? (reader.u64() as EpochMs) : undefined,
    failures,
    firstAttemptAt: has("attempted") ? (reader.u64() as EpochMs) : undefined,
    ended: has("ended") ? decodeSubscription(key, reader.bytes()) : undefined,
  };
}

type TopicOfConfirmation = Pick<ConfirmationDue, "namespace" | "topic">;

export const encodeConfirmationDue = ({ namespace, topic }: TopicOfConfirmation): Buffer =>
  writer.start().u8(newest).text(namespace).text(topic).finish();

export function decodeConfirmationDue(key: string, bytes: Buffer): TopicOfConfirmation {
  const reader = versioned(key, bytes);
  return { namespace: reader.text(), topic: reader.text() };
}

export const encodeSigningIdentity = (row: KeptSigningIdentity): Buffer =>
  writer.start().u8(newest).u64(row.madeAt).text(row.certificate).text(row.key).finish();

export function decodeSigningIdentity(key: string, bytes: Buffer): KeptSigningIdentity {
  const reader = versioned(key, bytes);
  return { madeAt: reader.u64() as EpochMs, certificate: reader.text(), key: reader.text() };
}
