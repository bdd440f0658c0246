// The check of pushed subscriptions: each with its place, what is pending with its instants, and confirmations with their tokens.

import { uuidText } from "../base/ids.js";
import type { PendingPush, PushPlace } from "../topic/push-model.js";
import { type CheckWalk, isPlace, keyName } from "./check-walk.js";
import { segmentPrefix, segmentPrefixLength, u64At } from "./keys.js";
import {
  confirmationDueKey,
  confirmationKey,
  endOfNumbers,
  pendingPushesPrefix,
  pendingPushKey,
  pushDueKey,
  pushLetters,
  pushPlaceKey,
  tokenKey,
} from "./push-keys.js";
import type { ScannedRow } from "./store.js";
import { tables } from "./tables.js";
import { idBytes, ownPlaceKey, subscriptionKey } from "./topic-keys.js";

/** Whose segment is checked; see `check-topics.ts`. */
interface Context {
  readonly walk: CheckWalk;
  readonly prefix: string;
  readonly name: string;
}

const at = segmentPrefixLength + 1;
const numberBytes = 8;

const idIn = (key: string): Buffer => Buffer.from(key.slice(at, at + idBytes), "latin1");

/** False when no table of pushes has the row's letter. */
export function checkPushRow(context: Context, scanned: ScannedRow): boolean {
  switch (scanned.key[segmentPrefixLength]) {
    case pushLetters.place:
      if (hasLength(context, scanned, idBytes)) checkPlace(context, scanned);
      return true;
    case pushLetters.pending:
      if (hasLength(context, scanned, idBytes + numberBytes)) checkPending(context, scanned);
      return true;
    case pushLetters.due:
      if (hasLength(context, scanned, idBytes + 2 * numberBytes)) checkDue(context, scanned);
      return true;
    case pushLetters.confirmation:
      if (hasLength(context, scanned, idBytes)) checkConfirmation(context, scanned);
      return true;
    case pushLetters.token:
      if (hasLength(context, scanned, idBytes)) checkToken(context, scanned);
      return true;
    default:
      return false;
  }
}

function hasLength({ walk }: Context, { key }: ScannedRow, length: number): boolean {
  const isRight = key.length === at + length;
  if (!isRight) walk.layout(key);
  return isRight;
}

const nameOf = ({ name }: Context, id: Buffer): string => `${name}, subscription ${uuidText(id)}`;

/** A subscription whose messages are pushed has a place. */
export function checkHasPlace(context: Context, id: Buffer): void {
  const { walk, prefix } = context;
  if (walk.find(tables.pushPlace, pushPlaceKey(prefix, id)) === undefined) {
    walk.report(nameOf(context, id), "No row says how far it is.");
  }
}

/** What keeps the topic's messages for it is its place. */
export function checkPushFloor(context: Context, id: Buffer, cursor: number): void {
  const { walk, prefix } = context;
  const place = walk.find(tables.pushPlace, pushPlaceKey(prefix, id));
  if (place === "unreadable" || place?.floor === cursor) return;
  walk.report(nameOf(context, id), `A row says that it is at place ${cursor}, and it is not.`);
}

function checkPlace(context: Context, scanned: ScannedRow): void {
  const { walk, prefix } = context;
  const id = idIn(scanned.key);
  const name = nameOf(context, id);
  const { row } = walk.read(scanned, tables.pushPlace, () => name);
  const subscription = walk.find(tables.subscription, subscriptionKey(prefix, id));
  if (subscription === undefined) walk.report(name, "It has a place and is not there.");
  if (row === undefined) return;
  if (walk.find(tables.ownPlace, ownPlaceKey(prefix, row.floor, id)) === undefined) {
    walk.report(name, `Nothing keeps the messages from place ${row.floor} on for it.`);
  }
  if (row.floor > row.next) {
    walk.report(name, `It is at place ${row.next}, and keeps messages from ${row.floor} on.`);
  }
  checkCounts(context, id, row);
}

function checkCounts(context: Context, id: Buffer, place: PushPlace): void {
  const { walk, prefix } = context;
  const all = pendingPushesPrefix(prefix, id);
  let leased = 0;
  let waiting = 0;
  for (const { key } of walk.store.scan(all, endOfNumbers(all))) {
    const row = walk.find(tables.pendingPush, key);
    if (row === undefined || row === "unreadable") return;
    if (row.isLeased) leased += 1;
    else waiting += 1;
    checkRange(context, id, row, place);
  }
  if (leased === place.leased && waiting === place.waiting) return;
  walk.report(
    nameOf(context, id),
    `Its numbers say ${place.leased} in delivery and ${place.waiting} waiting, and there are ${leased} and ${waiting}.`,
  );
}

function checkRange(
  context: Context,
  id: Buffer,
  { sequence, message }: PendingPush,
  { next, floor }: PushPlace,
): void {
  if (sequence >= next) {
    const what = `Message ${sequence} is pending, and it is at place ${next}.`;
    context.walk.report(nameOf(context, id), what);
  }
  if (message === undefined && sequence < floor) {
    const what = `Message ${sequence} is pending without a copy, and nothing keeps it.`;
    context.walk.report(nameOf(context, id), what);
  }
}

function checkPending(context: Context, scanned: ScannedRow): void {
  const { walk, prefix } = context;
  const id = idIn(scanned.key);
  const name = `${nameOf(context, id)}, pending ${u64At(scanned.key, at + idBytes)}`;
  const { row } = walk.read(scanned, tables.pendingPush, () => name);
  if (walk.find(tables.pushPlace, pushPlaceKey(prefix, id)) === undefined) {
    walk.report(name, "Its subscription has no place.");
  }
  if (row === undefined) return;
  const dueKey = pushDueKey(prefix, id, row.dueAt, row.sequence);
  if (walk.find(tables.pushDue, dueKey) === undefined) {
    walk.report(name, `No row says that it is due at ${row.dueAt}.`);
  }
}

function checkDue(context: Context, scanned: ScannedRow): void {
  const { walk, prefix } = context;
  const { key } = scanned;
  const [timeAt, placeAt] = [at + idBytes, at + idBytes + numberBytes];
  if (!isPlace(key, timeAt) || !isPlace(key, placeAt)) {
    walk.layout(key);
    return;
  }
  const id = idIn(key);
  const place = u64At(key, placeAt) as PendingPush["sequence"];
  const name = `${nameOf(context, id)}, pending ${place}`;
  walk.read(scanned, tables.pushDue, () => name);
  const row = walk.find(tables.pendingPush, pendingPushKey(prefix, id, place));
  if (row !== "unreadable" && row?.dueAt !== u64At(key, timeAt)) {
    walk.report(name, `It is said to be due at ${u64At(key, timeAt)}, and it is not.`);
  }
}

function checkConfirmation(context: Context, scanned: ScannedRow): void {
  const { walk, prefix } = context;
  const id = idIn(scanned.key);
  const name = nameOf(context, id);
  const { row } = walk.read(scanned, tables.confirmation, () => name);
  if (row === undefined) return;
  if (walk.find(tables.token, tokenKey(prefix, row.token)) === undefined) {
    walk.report(name, "It is not found by its token.");
  }
  const slot = prefix.charCodeAt(0) * 256 + prefix.charCodeAt(1);
  const dueKey = confirmationDueKey(row.dueAt ?? row.expiresAt, slot, u64At(prefix, 2), id);
  if (walk.find(tables.confirmationDue, dueKey) === undefined) {
    walk.report(name, "No row says when something is to be done about its confirmation.");
  }
}

function checkToken(context: Context, scanned: ScannedRow): void {
  const { walk, prefix, name } = context;
  const { row: id } = walk.read(scanned, tables.token, () => name);
  if (id === undefined) return;
  const confirmation = walk.find(tables.confirmation, confirmationKey(prefix, id));
  if (confirmation === "unreadable") return;
  if (confirmation === undefined || tokenKey(prefix, confirmation.token) !== scanned.key) {
    walk.report(nameOf(context, id), "It is found by a token that is not its own.");
  }
}

// ---- rows about the whole store ----------------------------------------------------------------------------------------

interface StoreContext {
  readonly walk: CheckWalk;
}

/** One of a topic that was deleted may be left until its time comes. */
export function checkConfirmationDue({ walk }: StoreContext, scanned: ScannedRow): void {
  const { key } = scanned;
  if (key.length !== 1 + numberBytes + segmentPrefixLength + idBytes || !isPlace(key, 1)) {
    walk.layout(key);
    return;
  }
  const id = Buffer.from(key.slice(-idBytes), "latin1");
  const name = `confirmation of subscription ${uuidText(id)}`;
  walk.read(scanned, tables.confirmationDue, () => name);
  const prefix = key.slice(1 + numberBytes, -idBytes);
  const topicSegment = segmentPrefix(
    prefix.charCodeAt(0) * 256 + prefix.charCodeAt(1),
    u64At(prefix, 2),
  );
  const row = walk.find(tables.confirmation, confirmationKey(topicSegment, id));
  if (row === undefined || row === "unreadable") return;
  if ((row.dueAt ?? row.expiresAt) !== u64At(key, 1)) {
    walk.report(name, "It is said to be due at another time than its own.");
  }
}

export function checkSigningIdentity({ walk }: StoreContext, scanned: ScannedRow): void {
  walk.read(scanned, tables.signingIdentity, () => `signing identity ${keyName(scanned.key)}`);
}
