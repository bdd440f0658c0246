// Message groups: whose turn it is.
//
// FIFO queues (the prefix rule, queue.md 3.8): of a group's messages those before the first that is leased or delayed can be
// delivered, so all that matters is its head. A group whose head can be delivered waits for its turn in round robin; its turn
// is a number, and a group that was served gets a new one behind all others. How many messages wait in a group plays no part.
//
// Standard queues (fair queues, queue.md 3.10): a group is a tenant. A quiet one's turn is that of its oldest visible message;
// noisy ones come after all quiet ones, those with the fewest in flight first.
//
// Everything that changes a message of a group comes through `changeGroup`, after the message's own rows are changed.

import { after, type EpochMs, epochMs } from "../base/brands.js";
import { addBusyTime, noBusyTime, recentBusyMs } from "./counters.js";
import { isDelayed } from "./delay.js";
import { fairness } from "./limits.js";
import type { Group, GroupStanding, Member, MessageTraits, Place, Queue } from "./model.js";
import { comparePlaces, type OpenQueue, ownPlace } from "./open-queue.js";

/** Numbers are added. */
export interface GroupChange {
  readonly stored?: number;
  readonly inFlight?: number;
  readonly delayed?: number;
  /** A message that can now be the head: FIFO, one more is stored; standard, one more is visible. */
  readonly joined?: Member;
  /** A message that can no longer be the head: FIFO, it is gone; standard, it is not visible any more. */
  readonly left?: Member;
  /** True when the group was served, also if nothing of it was leased for any time. */
  readonly wasServed?: boolean;
  readonly wasSentTo?: boolean;
  /** Processing time of a message whose lease is over. */
  readonly busyMs?: number;
}

export function changeGroup(open: OpenQueue, id: string, change: GroupChange): void {
  const { transaction, queue, now } = open;
  const previous = transaction.group(queue, id);
  const before =
    previous ?? (transaction.isGroupLost(queue, id) ? foundAgain(open, id) : newGroup(id, now));
  const stored = addedTo(before.stored, change.stored);
  if (stored === 0) {
    countGroup(open, previous, undefined);
    if (previous !== undefined) transaction.removeGroup(queue, previous);
    return;
  }
  const changed: Group = {
    ...before,
    stored,
    inFlight: addedTo(before.inFlight, change.inFlight),
    delayed: addedTo(before.delayed, change.delayed),
    head: headAfter(open, before, change),
    lastSentAt: change.wasSentTo === true ? now : before.lastSentAt,
    busy: change.busyMs === undefined ? before.busy : addBusyTime(before.busy, change.busyMs, now),
  };
  keepGroup(open, changed, previous, change.wasServed === true);
}

/** What is in flight or delayed of a group found again is not known. */
const addedTo = (number: number, change = 0): number => Math.max(0, number + change);

/** Looks at a group again whose members are the same: time or a setting may have changed its standing. */
export function reviewGroup(open: OpenQueue, id: string): void {
  const group = open.transaction.group(open.queue, id);
  if (group !== undefined) keepGroup(open, group, group, false);
}

function keepGroup(
  open: OpenQueue,
  changed: Group,
  previous: Group | undefined,
  wasServed: boolean,
): void {
  const isNoisy = !open.queue.isFifo && isNoisyNow(open, changed, previous);
  const standing = standingOf(open, { ...changed, isNoisy }, wasServed);
  const group: Group = { ...changed, isNoisy, standing };
  countGroup(open, previous, group);
  open.transaction.putGroup(open.queue, group, previous);
}

const newGroup = (id: string, now: EpochMs): Group => ({
  id,
  stored: 0,
  inFlight: 0,
  delayed: 0,
  head: undefined,
  standing: { kind: "idle" },
  isNoisy: false,
  lastSentAt: now,
  busy: noBusyTime,
});

/**
 * A group whose row cannot be read, begun anew with its first message. How many it has is not known: taken for as many as the
 * queue has, it does not end before the last of them; its row outlives them.
 */
function foundAgain(open: OpenQueue, id: string): Group {
  let head: Member | undefined;
  for (const member of open.transaction.members(open.queue, id)) {
    head = member;
    break;
  }
  return { ...newGroup(id, open.now), stored: open.counters.stored + 1, head };
}

function headAfter(open: OpenQueue, { id, head }: Group, change: GroupChange): Group["head"] {
  const { joined, left } = change;
  let next = head;
  if (left !== undefined && next?.sequence === left.sequence) {
    next = undefined;
    // It was the first, so the next one stands behind its place.
    for (const member of open.transaction.members(open.queue, id, left.place)) {
      next = member;
      break;
    }
  }
  const isFirst =
    joined !== undefined && (next === undefined || comparePlaces(joined.place, next.place) < 0);
  return isFirst ? joined : next;
}

function standingOf(open: OpenQueue, group: Group, wasServed: boolean): GroupStanding {
  const { queue } = open;
  const { head, inFlight, standing } = group;
  if (head === undefined || (queue.isFifo && !isDeliverable(open, head))) return { kind: "idle" };
  const { groupInFlightMax } = queue.settings;
  if (groupInFlightMax > 0 && inFlight >= groupInFlightMax) return { kind: "limited" };
  if (queue.isFifo) {
    const keepsTurn = standing.kind === "ready" && !wasServed;
    return keepsTurn ? standing : { kind: "ready", place: turn(open) };
  }
  return group.isNoisy
    ? { kind: "noisy", inFlight, at: head.place.at }
    : { kind: "ready", place: head.place };
}

/** FIFO: the next turn in round robin. */
const turn = (open: OpenQueue): Place => ({ at: epochMs(0), order: open.takeNumber() });

/** FIFO: whether the first message of a group is neither leased nor delayed. */
function isDeliverable(open: OpenQueue, head: Member): boolean {
  const delivery = open.transaction.readableDelivery(open.queue, head.sequence);
  return delivery?.state.kind !== "leased" && !isDelayed(open, head, delivery);
}

/** Whether nothing was sent to a group for so long that it is quiet, whatever it does. */
export const isQuietByTime = ({ lastSentAt }: Group, now: EpochMs): boolean =>
  after(lastSentAt, fairness.quietAfterMs) <= now;

/** Once noisy, a group stays so until nothing of it is stored or nothing was sent to it for a while. */
function isNoisyNow(open: OpenQueue, group: Group, previous: Group | undefined): boolean {
  const { now, counters } = open;
  if (isQuietByTime(group, now)) return false;
  if (previous?.isNoisy === true) return true;
  const { shareMax, inFlightMin, busyMsMin } = fairness;
  if (group.inFlight >= inFlightMin && group.inFlight > counters.inFlight * shareMax) return true;
  const busyMs = recentBusyMs(group.busy, now);
  return busyMs >= busyMsMin && busyMs > recentBusyMs(counters.busy, now) * shareMax;
}

/** Keeps the queue's numbers about its groups. */
function countGroup(open: OpenQueue, before: Group | undefined, now: Group | undefined): void {
  const groupsInFlight = Number((now?.inFlight ?? 0) > 0) - Number((before?.inFlight ?? 0) > 0);
  const groups = Number(now !== undefined) - Number(before !== undefined);
  const limitedGroups =
    Number(now?.standing.kind === "limited") - Number(before?.standing.kind === "limited");
  const noisyBefore = before?.isNoisy === true ? before : undefined;
  const noisyNow = now?.isNoisy === true ? now : undefined;
  if (limitedGroups !== 0) open.change({ limitedGroups });
  if (groups !== 0 || groupsInFlight !== 0) open.change({ groups, groupsInFlight });
  if (noisyBefore === undefined && noisyNow === undefined) return;
  const difference = (name: "stored" | "inFlight" | "delayed"): number =>
    (noisyNow?.[name] ?? 0) - (noisyBefore?.[name] ?? 0);
  open.change({
    noisyGroups: Number(noisyNow !== undefined) - Number(noisyBefore !== undefined),
    noisyStored: difference("stored"),
    noisyInFlight: difference("inFlight"),
    noisyDelayed: difference("delayed"),
  });
}

/** What a message is to its group on a FIFO queue, and on a standard one before it was ever received. */
export const memberOf = (queue: Queue, message: MessageTraits): Member => ({
  sequence: message.sequence,
  place: queue.isFifo ? { at: 0 as EpochMs, order: message.sequence } : ownPlace(queue, message),
});
