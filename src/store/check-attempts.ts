// The check of attempts to deliver: each between the bounds of its record, the last of each message among them, and every record with
// the row that its clean-up finds it by. A subscription that has ended leaves them behind for that.

import { uuidText } from "../base/ids.js";
import {
  attemptLetters,
  attemptRecordKey,
  attemptsDueKey,
  keptAttemptKey,
} from "./attempt-keys.js";
import type { CheckWalk } from "./check-walk.js";
import { segmentPrefixLength, u64At } from "./keys.js";
import type { ScannedRow } from "./store.js";
import { tables } from "./tables.js";
import { idBytes } from "./topic-keys.js";

/** Whose segment is checked; see `check-topics.ts`. */
interface Context {
  readonly walk: CheckWalk;
  readonly prefix: string;
  readonly topic: { readonly slot: number; readonly segment: number };
  readonly name: string;
}

const idStart = segmentPrefixLength + 1;
const idEnd = idStart + idBytes;
const numberBytes = 8;

/** Says whether the row is of one of these tables. */
export function checkAttemptRow(context: Context, scanned: ScannedRow): boolean {
  const { key } = scanned;
  const id = Buffer.from(key.slice(idStart, idEnd), "latin1");
  const name = `${context.name}, subscription ${uuidText(id)}`;
  switch (key[segmentPrefixLength]) {
    case attemptLetters.record:
      if (key.length === idEnd) checkRecord(context, scanned, { id, name });
      else context.walk.layout(key);
      return true;
    case attemptLetters.attempt:
      if (key.length === idEnd + numberBytes) checkAttempt(context, scanned, { id, name });
      else context.walk.layout(key);
      return true;
    case attemptLetters.lastOf:
      if (key.length === idEnd + idBytes) checkLast(context, scanned, { id, name });
      else context.walk.layout(key);
      return true;
    default:
      return false;
  }
}

interface Named {
  readonly id: Buffer;
  readonly name: string;
}

function checkRecord({ walk, topic }: Context, scanned: ScannedRow, { id, name }: Named): void {
  const { row } = walk.read(scanned, tables.attemptRecord, () => name);
  if (row === undefined) return;
  const key = attemptsDueKey(row.dueAt, topic.slot, topic.segment, id);
  if (walk.find(tables.attemptsDue, key) === undefined) {
    walk.report(name, "No clean-up finds its attempts to deliver.");
  }
}

function checkAttempt({ walk, prefix }: Context, scanned: ScannedRow, { id, name }: Named): void {
  walk.read(scanned, tables.keptAttempt, () => name);
  const number = u64At(scanned.key, idEnd);
  const record = walk.find(tables.attemptRecord, attemptRecordKey(prefix, id));
  if (record === "unreadable") return;
  if (record === undefined || number < record.first || number >= record.next) {
    walk.report(name, `Attempt ${number} to deliver is not in its record.`);
  }
}

function checkLast({ walk, prefix }: Context, scanned: ScannedRow, { id, name }: Named): void {
  const { row } = walk.read(scanned, tables.lastAttempt, () => name);
  if (row === undefined) return;
  const messageId = Buffer.from(scanned.key.slice(idEnd), "latin1");
  const attempt = walk.find(tables.keptAttempt, keptAttemptKey(prefix, id, row));
  if (attempt === "unreadable") return;
  if (attempt === undefined || !attempt.messageId.equals(messageId)) {
    walk.report(name, `The last attempt to deliver ${uuidText(messageId)} is not there.`);
  }
}
