// The messages of a group, in order, and which of them is first.
//
// FIFO: all that are stored. Most groups hold a few at a time, so a group's own row names the first of them, its front: the head
// and those next to it. Only those behind the front have member rows; they move up when the front is through. A group that
// stays short costs no row beside its own.
//
// Standard: the visible ones. They come and go in any order, so each has its member row, the head as well.

import type { Sequence } from "../base/brands.js";
import { limits } from "./limits.js";
import type { Group, Member, MessageTraits, Queue } from "./model.js";
import type { GroupDraft } from "./open-groups.js";
import { comparePlaces, type OpenQueue, ownPlace } from "./open-queue.js";
import type { QueueView } from "./view.js";

/**
 * Messages next to the head that a group's row names. It is written with every change, so it is to stay short: with 63 it has
 * some 600 bytes. A deep group moves members up so many at a time.
 */
const nextMax = 63;

/** What a message is to its group on a FIFO queue, and on a standard one before it was ever received. */
export const memberOf = (queue: Queue, message: MessageTraits): Member =>
  queue.isFifo
    ? inSendOrder(message.sequence)
    : { sequence: message.sequence, place: ownPlace(queue, message) };

const inSendOrder = (sequence: Sequence): Member => ({
  sequence,
  place: { at: 0 as Member["place"]["at"], order: sequence },
});

/** FIFO: all messages of a group in order. */
export function* membersInOrder(
  view: QueueView,
  queue: Queue,
  group: Group,
): Iterable<Pick<Member, "sequence">> {
  if (group.head === undefined) return;
  yield group.head;
  for (const sequence of group.next) yield { sequence };
  if (hasMembersBehind(group)) yield* view.members(queue, group.id);
}

/** FIFO: whether there may be messages behind the front. A group whose row was lost counts more than it has. */
const hasMembersBehind = ({ stored, head, next }: Group): boolean =>
  head !== undefined && stored > 1 + next.length;

/** A message comes to a group that does not count it yet; true when it is the first one now. */
export function join(open: OpenQueue, group: GroupDraft, member: Member): boolean {
  const { head } = group;
  if (head === undefined) {
    group.head = member;
    return true;
  }
  if (!open.queue.isFifo) {
    if (comparePlaces(member.place, head.place) >= 0) return false;
    group.head = member;
    return true;
  }
  // FIFO: what comes comes last.
  if (group.next.length < nextMax && !hasMembersBehind(group)) {
    group.next = [...group.next, member.sequence];
  } else open.transaction.putMember(open.queue, group.id, member);
  return false;
}

/** A message leaves a group. */
export function leave(open: OpenQueue, group: GroupDraft, left: Member): void {
  const { transaction, queue } = open;
  const isHead = group.head?.sequence === left.sequence;
  if (!queue.isFifo) {
    // It was the first, so the next one stands behind its place.
    if (isHead) group.head = first(transaction.members(queue, group.id, left.place));
  } else if (isHead) moveUp(open, group);
  else if (group.next.includes(left.sequence)) {
    group.next = group.next.filter((sequence) => sequence !== left.sequence);
  } else transaction.removeMember(queue, group.id, left);
}

/** FIFO: the head has gone. */
function moveUp(open: OpenQueue, group: GroupDraft): void {
  const [head, ...next] = group.next;
  if (head === undefined && hasMembersBehind(group)) moveUpFromBehind(open, group);
  else putInFront(group, head, next);
}

/** FIFO: there is nobody in front. */
function moveUpFromBehind({ transaction, queue }: OpenQueue, group: GroupDraft): void {
  const sequences: Sequence[] = [];
  for (const { sequence } of transaction.members(queue, group.id)) {
    sequences.push(sequence);
    if (sequences.length > nextMax) break;
  }
  for (const sequence of sequences)
    transaction.removeMember(queue, group.id, inSendOrder(sequence));
  const [head, ...next] = sequences;
  putInFront(group, head, next);
}

function putInFront(
  group: GroupDraft,
  head: Sequence | undefined,
  next: readonly Sequence[],
): void {
  group.head = head === undefined ? undefined : inSendOrder(head);
  group.next = next;
}

/**
 * Finds the members of a group whose row cannot be read, save one that is just coming. FIFO: those that only that row named are
 * looked for among the oldest messages of the queue.
 */
export function findMembers(open: OpenQueue, group: GroupDraft, coming: Member | undefined): void {
  const { transaction, queue } = open;
  const firstOfRows = first(transaction.members(queue, group.id));
  if (!queue.isFifo) {
    group.head = firstOfRows;
    return;
  }
  const end = firstOfRows?.sequence ?? coming?.sequence ?? open.counters.nextSequence;
  const found: Sequence[] = [];
  let examined = 0;
  for (const { head } of transaction.messageHeadsFrom(queue, 0 as Sequence)) {
    const isEnough = found.length > nextMax || examined === limits.peekExaminedMax;
    if (isEnough || head.sequence >= end) break;
    examined += 1;
    if (head.groupId === group.id) found.push(head.sequence);
  }
  const [head, ...next] = found;
  putInFront(group, head, next);
  if (head === undefined) moveUpFromBehind(open, group);
}

function first(members: Iterable<Member>): Member | undefined {
  for (const member of members) return member;
  return undefined;
}
