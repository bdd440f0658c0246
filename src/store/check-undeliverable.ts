// The check of undeliverable messages: each with its message, with the row that its clean-up finds it by, and counted by its
// subscription. What a subscription that has ended has left goes with the next clean-up.

import type { Sequence } from "../base/brands.js";
import { uuidText } from "../base/ids.js";
import type { CheckWalk } from "./check-walk.js";
import { segmentPrefixLength, u64At } from "./keys.js";
import type { ScannedRow } from "./store.js";
import { tables } from "./tables.js";
import { idBytes } from "./topic-keys.js";
import {
  undeliverableDueKey,
  undeliverableKey,
  undeliverableLetters,
  undeliverableMessageKey,
  undeliverableRecordKey,
} from "./undeliverable-keys.js";

/** Whose segment is checked; see `check-topics.ts`. */
interface Context {
  readonly walk: CheckWalk;
  readonly prefix: string;
  readonly topic: { readonly slot: number; readonly segment: number };
  readonly name: string;
}

const idStart = segmentPrefixLength + 1;
const idEnd = idStart + idBytes;
const numberEnd = idEnd + 8;

/** Where keys of these tables end. */
const lengths: Readonly<Record<string, number>> = {
  [undeliverableLetters.total]: idStart,
  [undeliverableLetters.record]: idEnd,
  [undeliverableLetters.kept]: numberEnd,
  [undeliverableLetters.mark]: numberEnd,
  [undeliverableLetters.message]: numberEnd,
};

/** Says whether the row is of one of these tables. */
export function checkUndeliverableRow(context: Context, scanned: ScannedRow): boolean {
  const { key } = scanned;
  const letter = key.charAt(segmentPrefixLength);
  const length = lengths[letter];
  if (length === undefined) return false;
  if (key.length !== length) {
    context.walk.layout(key);
    return true;
  }
  const id = Buffer.from(key.slice(idStart, idEnd), "latin1");
  const name = length === idStart ? context.name : `${context.name}, subscription ${uuidText(id)}`;
  checkKnown(context, scanned, letter, { id, name });
  return true;
}

interface Named {
  readonly id: Buffer;
  readonly name: string;
}

function checkKnown(context: Context, scanned: ScannedRow, letter: string, named: Named): void {
  const { walk } = context;
  const { name } = named;
  switch (letter) {
    case undeliverableLetters.total:
      walk.read(scanned, tables.undeliverableTotal, () => name);
      return;
    case undeliverableLetters.record:
      walk.read(scanned, tables.undeliverableRecord, () => name);
      return;
    case undeliverableLetters.kept:
      checkKept(context, scanned, named);
      return;
    case undeliverableLetters.message:
      walk.read(scanned, tables.undeliverableMessage, () => name);
      checkOfKept(context, scanned, named);
      return;
    default:
      walk.read(scanned, tables.redriveMark, () => name);
      checkOfKept(context, scanned, named);
  }
}

function checkKept({ walk, prefix, topic }: Context, scanned: ScannedRow, { id, name }: Named) {
  const { row } = walk.read(scanned, tables.undeliverable, () => name);
  if (row === undefined) return;
  const { sequence, givenUpAt } = row;
  if (walk.find(tables.undeliverableRecord, undeliverableRecordKey(prefix, id)) === undefined) {
    walk.report(name, `Undeliverable message ${sequence} is not counted.`);
  }
  const messageKey = undeliverableMessageKey(prefix, id, sequence);
  if (walk.find(tables.undeliverableMessage, messageKey) === undefined) {
    walk.report(name, `Undeliverable message ${sequence} has lost its content.`);
  }
  const dueKey = undeliverableDueKey(givenUpAt, topic.slot, topic.segment, id, sequence);
  if (walk.find(tables.undeliverableDue, dueKey) === undefined) {
    walk.report(name, `No clean-up finds undeliverable message ${sequence}.`);
  }
}

function checkOfKept({ walk, prefix }: Context, { key }: ScannedRow, { id, name }: Named): void {
  const sequence = u64At(key, idEnd) as Sequence;
  if (walk.find(tables.undeliverable, undeliverableKey(prefix, id, sequence)) === undefined) {
    walk.report(name, `Something is left of message ${sequence}, which is undeliverable no more.`);
  }
}
