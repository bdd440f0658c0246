// FIFO: whose messages a receive takes. Groups have their turns in round robin; of each it takes as many as it can, in order,
// up to the first message that is leased or delayed (the prefix rule, queue.md 3.8). Only groups that can give something stand
// in line, so neither their number nor their depth matters.

import type { Sequence } from "../base/brands.js";
import { isDelayed } from "./delay.js";
import { membersInOrder } from "./group-members.js";
import { deliveryOf } from "./groups.js";
import { limits } from "./limits.js";
import type { Group } from "./model.js";
import type { OpenQueue } from "./open-queue.js";
import { type Picked, Picking, type PickWanted } from "./pick.js";

export function pickFromGroups(open: OpenQueue, wanted: PickWanted): Picked {
  const { transaction, queue } = open;
  const picking = new Picking(open, wanted);
  const staleGroups: string[] = [];
  let firstTurn: Sequence | undefined;
  let isCutShort = false;
  // From the first turn there may be: what was there before is gone, and passing by what is gone takes time until it is
  // committed.
  open.writeGroups();
  for (const group of transaction.groupsStanding(queue, "ready", open.counters.turnFrom)) {
    // That of the first: it may keep it, when nothing of it can be read.
    if (group.standing.kind === "ready") firstTurn ??= group.standing.place.order;
    const metBefore = metCount(picking);
    const isOver = pickFromGroup(open, group, picking);
    if (metCount(picking) === metBefore && !isOver) {
      picking.pass();
      staleGroups.push(group.id);
    }
    isCutShort = picking.isCutShort || staleGroups.length === limits.settleMax;
    if (isOver || isCutShort || picking.isDone) break;
  }
  const { messages, expired, overLimit, targetMissingCount } = picking;
  return {
    messages,
    expired,
    overLimit,
    targetMissingCount,
    freshFrom: open.counters.freshFrom,
    turnFrom: firstTurn ?? open.counters.turnFrom,
    staleGroups,
    isCutShort,
  };
}

const metCount = ({ messages, expired, overLimit }: Picking): number =>
  messages.length + expired.length + overLimit.length;

/** Takes what one group can give; true when the receive is to end here. */
function pickFromGroup(open: OpenQueue, group: Group, picking: Picking): boolean {
  const { transaction, queue } = open;
  const { groupInFlightMax } = queue.settings;
  let left = groupInFlightMax === 0 ? Number.POSITIVE_INFINITY : groupInFlightMax - group.inFlight;
  for (const member of membersInOrder(transaction, queue, group)) {
    if (left <= 0 || picking.isDone) return false;
    const { sequence } = member;
    const delivery = deliveryOf(open, group, member);
    if (delivery?.state.kind === "leased" || isDelayed(open, member, delivery)) return false;
    // One that was never received has nothing but its message to say what it is; as a rule it is then taken.
    const message =
      delivery === undefined ? transaction.readableMessage(queue, sequence) : undefined;
    const read = () => message ?? transaction.readableMessage(queue, sequence);
    const met = picking.consider({ head: delivery ?? message, read, delivery });
    if (met === "refused") return true;
    if (met === "taken") left -= 1;
    // One that cannot be read does not hold up its group for ever; it stays where it is, reported.
  }
  return false;
}
