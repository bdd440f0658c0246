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

import { after, type EpochMs, epochMs, type Sequence, sequence } from "../base/brands.js";
import { addBusyTime, noBusyTime, recentBusyMs } from "./counters.js";
import { isDelayed } from "./delay.js";
import { findMembers, join, leave } from "./group-members.js";
import { fairness } from "./limits.js";
import type { Delivery, Group, GroupStanding, Member, Place } from "./model.js";
import type { GroupDraft } from "./open-groups.js";
import type { OpenQueue } from "./open-queue.js";

/** Numbers are added. */
export interface GroupChange {
  readonly stored?: number;
  readonly inFlight?: number;
  readonly delayed?: number;
  /** A message that can now be the head: FIFO, one more is stored; standard, one more is visible. */
  readonly joined?: Member | undefined;
  /** A message that can no longer be the head: FIFO, it is gone; standard, it is not visible any more. */
  readonly left?: Member | undefined;
  /** The first delivery of a message was made. */
  readonly delivered?: Sequence | undefined;
  /** True when the group was served, also if nothing of it was leased for any time. */
  readonly wasServed?: boolean;
  readonly wasSentTo?: boolean;
  /** Processing time of a message whose lease is over. */
  readonly busyMs?: number | undefined;
}

export function changeGroup(open: OpenQueue, id: string, change: GroupChange): void {
  const { queue, now } = open;
  const { joined, left, delivered, busyMs } = change;
  const group = editGroup(open, id, joined);
  if (left !== undefined) leave(open, group, left);
  const isBehind = joined !== undefined && !join(open, group, joined);
  group.stored = addedTo(group.stored, change.stored);
  if (group.stored === 0) {
    open.groups.remove(id);
    return;
  }
  group.inFlight = addedTo(group.inFlight, change.inFlight);
  group.delayed = addedTo(group.delayed, change.delayed);
  if (change.wasSentTo === true) group.lastSentAt = now;
  if (busyMs !== undefined) group.busy = addBusyTime(group.busy, busyMs, now);
  if (queue.isFifo && delivered !== undefined && delivered >= group.freshFrom) {
    group.freshFrom = sequence(delivered + 1);
  }
  // FIFO: whoever waits for its first message waits on when another comes behind it.
  const waitsOn = queue.isFifo && isBehind && group.standing.kind === "idle";
  if (!waitsOn) settleStanding(open, group, change.wasServed === true);
}

/** What is in flight or delayed of a group found again is not known. */
const addedTo = (number: number, change = 0): number => Math.max(0, number + change);

/** Looks at a group again whose members are the same: time or a setting may have changed its standing. */
export function reviewGroup(open: OpenQueue, id: string): void {
  const group = open.groups.edit(id);
  if (group !== undefined && group !== "unreadable") settleStanding(open, group, false);
}

function editGroup(open: OpenQueue, id: string, coming: Member | undefined): GroupDraft {
  const found = open.groups.edit(id);
  if (found !== undefined && found !== "unreadable") return found;
  const group = newGroup(id, open.now);
  if (found === "unreadable") findAgain(open, group, coming);
  open.groups.add(group);
  return group;
}

const newGroup = (id: string, now: EpochMs): GroupDraft => ({
  id,
  stored: 0,
  inFlight: 0,
  delayed: 0,
  head: undefined,
  next: [],
  freshFrom: sequence(0),
  standing: idle,
  isNoisy: false,
  lastSentAt: now,
  busy: noBusyTime,
});

const idle: GroupStanding = { kind: "idle" };

/**
 * A group whose row cannot be read, begun anew with its first message. How many it has is not known: taken for as many as the
 * queue has, it does not end before the last of them; its row outlives them.
 */
function findAgain(open: OpenQueue, group: GroupDraft, coming: Member | undefined): void {
  group.stored = open.counters.stored + 1;
  group.freshFrom = open.counters.nextSequence;
  findMembers(open, group, coming);
  settleStanding(open, group, false);
}

function settleStanding(open: OpenQueue, group: GroupDraft, wasServed: boolean): void {
  group.isNoisy = !open.queue.isFifo && isNoisyNow(open, group);
  group.standing = standingOf(open, group, wasServed);
}

function standingOf(open: OpenQueue, group: Group, wasServed: boolean): GroupStanding {
  const { queue } = open;
  const { head, inFlight, standing } = group;
  if (head === undefined || (queue.isFifo && !isDeliverable(open, group, head))) return idle;
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
function isDeliverable(open: OpenQueue, group: Group, head: Member): boolean {
  if (group.inFlight + group.delayed === group.stored) return false;
  const delivery = deliveryOf(open, group, head);
  return delivery?.state.kind !== "leased" && !isDelayed(open, head, delivery);
}

/** FIFO: the delivery of a message of a group, if it has one that can be read. */
export const deliveryOf = (
  { transaction, queue }: OpenQueue,
  { freshFrom }: Group,
  { sequence: place }: Pick<Member, "sequence">,
): Delivery | undefined =>
  place < freshFrom ? transaction.readableDelivery(queue, place) : undefined;

/** Whether nothing was sent to a group for so long that it is quiet, whatever it does. */
export const isQuietByTime = ({ lastSentAt }: Group, now: EpochMs): boolean =>
  after(lastSentAt, fairness.quietAfterMs) <= now;

/** Once noisy, a group stays so until nothing of it is stored or nothing was sent to it for a while. */
function isNoisyNow(open: OpenQueue, group: Group): boolean {
  const { now, counters } = open;
  if (isQuietByTime(group, now)) return false;
  if (group.isNoisy) return true;
  const { shareMax, inFlightMin, busyMsMin } = fairness;
  if (group.inFlight >= inFlightMin && group.inFlight > counters.inFlight * shareMax) return true;
  const busyMs = recentBusyMs(group.busy, now);
  return busyMs >= busyMsMin && busyMs > recentBusyMs(counters.busy, now) * shareMax;
}
