// How move tasks are written: order and progress, a row each.

import type {
  DurationMs,
  EpochMs,
  Namespace,
  QueueName,
  QueueNumber,
  Sequence,
} from "../base/brands.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import type { MessageAttribute } from "../queue/model.js";
import type {
  MoveEdit,
  MoveFailure,
  MoveFilter,
  MoveOrder,
  MoveQueue,
  MoveState,
  MoveTask,
  MoveTaskId,
} from "../queue/move-task.js";
import { ByteReader, ByteWriter } from "./bytes.js";
import { u64At } from "./keys.js";

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

/** Of a key of either row: a byte for the table, queue and task. */
export const moveTaskIdAt = (key: string): MoveTaskId => ({
  source: u64At(key, 1) as QueueNumber,
  number: u64At(key, 9),
});

const states = ["running", "completed", "cancelled", "failed"] as const;
const failures = [
  "COULD_NOT_DETERMINE_SOURCE",
  "DESTINATION_NOT_FOUND",
  "RECORD_CORRUPT",
] as const satisfies readonly MoveFailure[];
const taskFlags = { sourceless: 1, passMoved: 2, passedOver: 4 } as const;

export function encodeMoveTask({
  state,
  moved,
  skipped,
  hasSourceless,
  pass,
  pace,
}: MoveTask): Buffer {
  writer
    .start()
    .u8(newest)
    .u8(states.indexOf(state.kind))
    .u8(
      (hasSourceless ? taskFlags.sourceless : 0) |
        (pass.hasMoved ? taskFlags.passMoved : 0) |
        (pass.passedOver === undefined ? 0 : taskFlags.passedOver),
    )
    .u64(moved)
    .u64(skipped)
    .u64(pass.cursor)
    .u64(pass.skipped)
    .u64(pace.since)
    .u64(pace.count);
  if (pass.passedOver !== undefined) {
    writer.u64(pass.passedOver.sequence).u64(pass.passedOver.skippedBefore);
  }
  if (state.kind !== "running") writer.u64(state.endedAt);
  if (state.kind === "failed") writer.u8(failures.indexOf(state.reason));
  return writer.finish();
}

export function decodeMoveTask(key: string, bytes: Buffer): MoveTask {
  const reader = versioned(key, bytes);
  const stateIndex = reader.u8();
  const flags = reader.u8();
  const moved = reader.u64();
  const skipped = reader.u64();
  const cursor = reader.u64() as Sequence;
  const passSkipped = reader.u64();
  const pace = { since: reader.u64() as EpochMs, count: reader.u64() };
  const passedOver =
    (flags & taskFlags.passedOver) === 0
      ? undefined
      : { sequence: reader.u64() as Sequence, skippedBefore: reader.u64() };
  return {
    ...moveTaskIdAt(key),
    state: decodeState(key, reader, stateIndex),
    moved,
    skipped,
    hasSourceless: (flags & taskFlags.sourceless) !== 0,
    pass: {
      cursor,
      hasMoved: (flags & taskFlags.passMoved) !== 0,
      skipped: passSkipped,
      passedOver,
    },
    pace,
  };
}

function decodeState(key: string, reader: ByteReader, index: number): MoveState {
  const kind = states[index];
  if (kind === undefined) throw new RecordCorrupt(key, `state ${index} is unknown`);
  if (kind === "running") return { kind };
  const endedAt = reader.u64() as EpochMs;
  if (kind !== "failed") return { kind, endedAt };
  const failure = reader.u8();
  const reason = failures[failure];
  if (reason === undefined) throw new RecordCorrupt(key, `failure ${failure} is unknown`);
  return { kind, endedAt, reason };
}

const orderFlags = { to: 1, rate: 2, filter: 4, edit: 8 } as const;

export function encodeMoveOrder(row: MoveOrder): Buffer {
  const { from, to, perSecondMax, filter, edit } = row;
  writer
    .start()
    .u8(newest)
    .u8(
      (to === undefined ? 0 : orderFlags.to) |
        (perSecondMax === undefined ? 0 : orderFlags.rate) |
        (filter === undefined ? 0 : orderFlags.filter) |
        (edit === undefined ? 0 : orderFlags.edit),
    )
    .u64(row.startedAt)
    .u64(row.upTo)
    .u64(row.toMove);
  writeQueue(from);
  if (to !== undefined) writeQueue(to);
  if (perSecondMax !== undefined) writer.u16(perSecondMax);
  if (filter !== undefined) writeFilter(filter);
  if (edit !== undefined) writeEdit(edit);
  return writer.finish();
}

export function decodeMoveOrder(key: string, bytes: Buffer): MoveOrder {
  const reader = versioned(key, bytes);
  const flags = reader.u8();
  const has = (flag: keyof typeof orderFlags): boolean => (flags & orderFlags[flag]) !== 0;
  return {
    ...moveTaskIdAt(key),
    startedAt: reader.u64() as EpochMs,
    upTo: reader.u64() as Sequence,
    toMove: reader.u64(),
    from: readQueue(reader),
    to: has("to") ? readQueue(reader) : undefined,
    perSecondMax: has("rate") ? reader.u16() : undefined,
    filter: has("filter") ? readFilter(reader) : undefined,
    edit: has("edit") ? readEdit(reader) : undefined,
  };
}

const writeQueue = ({ number, namespace, name }: MoveQueue): ByteWriter =>
  writer.u64(number).text(namespace).text(name);

const readQueue = (reader: ByteReader): MoveQueue => ({
  number: reader.u64() as QueueNumber,
  namespace: reader.text() as Namespace,
  name: reader.text() as QueueName,
});

// Everything optional is written behind a count of 0 or 1, so that a reader needs no flags.

function writeFilter(filter: MoveFilter): void {
  writer.u16(filter.messageIds.length);
  for (const messageId of filter.messageIds) writer.raw(messageId);
  writer.u8(filter.attributes.size);
  for (const [name, value] of filter.attributes) writer.text(name).text(value);
  writeOptional(filter.rejectionReason);
  writeOptional(filter.deadLetterSource);
  writeOptional(filter.groupId);
  writer.bytes(filter.bodyContains);
  for (const ageMs of [filter.ageMsMin, filter.ageMsMax]) {
    writer.u8(ageMs === undefined ? 0 : 1);
    if (ageMs !== undefined) writer.u64(ageMs);
  }
}

function readFilter(reader: ByteReader): MoveFilter {
  const messageIds: Buffer[] = [];
  for (let left = reader.u16(); left > 0; left -= 1) messageIds.push(reader.raw(16));
  const attributes = new Map<string, string>();
  for (let left = reader.u8(); left > 0; left -= 1) attributes.set(reader.text(), reader.text());
  return {
    messageIds,
    attributes,
    rejectionReason: readOptional(reader),
    deadLetterSource: readOptional(reader) as QueueName | undefined,
    groupId: readOptional(reader),
    bodyContains: reader.bytes(),
    ageMsMin: readAge(reader),
    ageMsMax: readAge(reader),
  };
}

const readAge = (reader: ByteReader): DurationMs | undefined =>
  reader.u8() === 0 ? undefined : (reader.u64() as DurationMs);

function writeEdit({ setAttributes, removeAttributes, body, groupId }: MoveEdit): void {
  writer.u8(setAttributes.length);
  for (const { name, dataType, isText, value } of setAttributes) {
    writer
      .text(name)
      .text(dataType)
      .u8(isText ? 1 : 0)
      .bytes(value);
  }
  writer.u8(removeAttributes.length);
  for (const name of removeAttributes) writer.text(name);
  writeOptional(groupId);
  writer.u8(body === undefined ? 0 : 1);
  if (body !== undefined)
    writer
      .u8(body.isText ? 1 : 0)
      .raw(body.md5)
      .bytes(body.bytes);
}

function readEdit(reader: ByteReader): MoveEdit {
  const setAttributes: MessageAttribute[] = [];
  for (let left = reader.u8(); left > 0; left -= 1) {
    const name = reader.text();
    const dataType = reader.text();
    const isText = reader.u8() === 1;
    setAttributes.push({ name, dataType, isText, value: reader.bytes() });
  }
  const removeAttributes: string[] = [];
  for (let left = reader.u8(); left > 0; left -= 1) removeAttributes.push(reader.text());
  const groupId = readOptional(reader);
  const body =
    reader.u8() === 0
      ? undefined
      : { isText: reader.u8() === 1, md5: reader.raw(16), bytes: reader.bytes() };
  return { setAttributes, removeAttributes, groupId, body };
}

function writeOptional(text: string | undefined): void {
  writer.u8(text === undefined ? 0 : 1);
  if (text !== undefined) writer.text(text);
}

const readOptional = (reader: ByteReader): string | undefined =>
  reader.u8() === 0 ? undefined : reader.text();
