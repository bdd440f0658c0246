// The check of a queue's groups: what a group says of its messages beside what is counted of them, its first message, and the
// line it stands in.
//
// Members come group by group, in the order of the groups, so they are counted as they come. FIFO: the first messages of a group
// stand in its own row, and what comes is behind them. What is leased or delayed in a standard queue is no member; it is counted
// before, by group: a number of a few bytes for each group that holds any.

import type { Delivery, Group, Member, MessageHead, Place } from "../queue/model.js";
import {
  fifoPlace,
  findMessage,
  freshPlace,
  groupName,
  isBeyond,
  isDelayedByQueue,
  isInFuture,
  messageName,
  numbersOf,
  placeText,
  type SegmentContext,
} from "./check-context.js";
import {
  deliveryKey,
  endOfPrefix,
  groupKey,
  lineKey,
  linePrefixLength,
  membersPrefix,
  segmentPrefixLength,
} from "./keys.js";
import type { ScannedRow } from "./store.js";
import { tables } from "./tables.js";

interface Held {
  inFlight: number;
  delayed: number;
}

/** The members of a group. */
interface Counted extends Held {
  members: number;
  first: Member | undefined;
  last: Member | undefined;
  /** FIFO: the last one that has a delivery. */
  lastDelivered: Member | undefined;
}

/** The group whose members are being met. */
interface Counting extends Counted {
  readonly id: string;
}

const noMembers: Counted = {
  members: 0,
  first: undefined,
  last: undefined,
  lastDelivered: undefined,
  inFlight: 0,
  delayed: 0,
};

type Found<Row> = Row | "unreadable" | undefined;

export class GroupsCheck {
  readonly #segment: SegmentContext;
  /** Standard: leased and delayed messages of groups that were not met yet. */
  readonly #held = new Map<string, Held>();
  #counting: Counting | undefined;
  /** True when a row cannot be read that would have counted. */
  #isBlind = false;
  readonly #counted = {
    groups: 0,
    groupsInFlight: 0,
    limitedGroups: 0,
    noisyGroups: 0,
    noisyStored: 0,
    noisyInFlight: 0,
    noisyDelayed: 0,
  };

  constructor(segment: SegmentContext) {
    this.#segment = segment;
  }

  /** A delivery that cannot be read: nobody knows which group lacks it. */
  becomeBlind(): void {
    this.#isBlind = true;
  }

  /** A message that is leased or delayed. */
  hold({ groupId, state }: Delivery): void {
    if (this.#segment.queue.isFifo || groupId === undefined) return;
    const held = this.#held.get(groupId) ?? { inFlight: 0, delayed: 0 };
    if (state.kind === "leased") held.inFlight += 1;
    else held.delayed += 1;
    this.#held.set(groupId, held);
  }

  // ---- members -------------------------------------------------------------------------------------------------------

  checkMember(scanned: ScannedRow): void {
    const { walk } = this.#segment;
    const id = memberGroup(scanned.key);
    const numbers = id !== undefined && numbersOf(this.#segment, scanned, 3, memberKeyLength(id));
    if (id === undefined) walk.layout(scanned.key);
    if (id === undefined || numbers === undefined || numbers === false) return;
    const [at, order, sequence] = numbers as [number, number, number];
    const member = { place: { at, order }, sequence } as Member;
    const name = messageName(this.#segment, sequence);
    walk.read(scanned, tables.member, () => name);
    const counting = this.#countingOf(id);
    this.#count(counting, id, member);
  }

  #countingOf(id: string): Counting {
    if (this.#counting?.id === id) return this.#counting;
    this.endMembers();
    this.#counting = { ...noMembers, id };
    return this.#counting;
  }

  #count(counted: Counted, id: string, member: Member): void {
    const { walk, prefix } = this.#segment;
    const name = messageName(this.#segment, member.sequence);
    if (counted.last !== undefined && isSamePlace(counted.last.place, member.place)) {
      walk.report(
        name,
        `It stands in its group at ${placeText(member.place)}, as another message does.`,
      );
    }
    counted.first ??= member;
    counted.last = member;
    counted.members += 1;
    const delivery = walk.find(tables.delivery, deliveryKey(prefix, member.sequence));
    this.#checkIsThere(id, member, delivery, name);
    if (this.#segment.queue.isFifo) this.#countFifo(counted, member, delivery);
  }

  #checkIsThere(id: string, { place, sequence }: Member, delivery: Found<Delivery>, name: string) {
    if (delivery === "unreadable") return;
    const { walk, queue } = this.#segment;
    const message = delivery ?? findMessage(this.#segment, sequence);
    const says = `A row says that it is a member of the group ${id} at ${placeText(place)}`;
    if (message === undefined) walk.report(name, `${says}, and it is not there.`);
    if (message === undefined || message === "unreadable") return;
    if (message.groupId !== id) {
      walk.report(name, `${says}; its group is ${message.groupId ?? "none"}.`);
      return;
    }
    if (!queue.isFifo && delivery !== undefined && delivery.state.kind !== "returned") {
      walk.report(name, `${says}; it is ${delivery.state.kind} until ${delivery.state.until}.`);
      return;
    }
    const own = memberPlace(queue.isFifo, message, delivery);
    if (!isSamePlace(own, place)) {
      walk.report(name, `${says}; it stands at ${placeText(own)}.`);
    }
  }

  /** FIFO: members are all there is of a group. */
  #countFifo(counted: Counted, member: Member, delivery: Found<Delivery>): void {
    if (delivery !== undefined) counted.lastDelivered = member;
    if (delivery === "unreadable") this.#isBlind = true;
    else if (delivery?.state.kind === "leased") counted.inFlight += 1;
    else if (delivery?.state.kind === "delayed") counted.delayed += 1;
    else if (isDelayedByQueue(this.#segment, member.sequence, delivery)) counted.delayed += 1;
  }

  /** All members of the group that was counted have been met. */
  endMembers(): void {
    const counting = this.#counting;
    this.#counting = undefined;
    if (counting === undefined) return;
    const { walk, prefix } = this.#segment;
    const { id, members } = counting;
    const group = walk.find(tables.group, groupKey(prefix, id));
    if (group === undefined) {
      walk.report(groupName(this.#segment, id), `It has ${members} members and is not there.`);
      this.#held.delete(id);
    }
    if (group !== undefined && group !== "unreadable") this.#compare(group, counting);
  }

  #takeHeld(id: string): Held {
    const held = this.#held.get(id) ?? { inFlight: 0, delayed: 0 };
    this.#held.delete(id);
    return held;
  }

  #compare(group: Group, rows: Counted): void {
    const { walk, queue } = this.#segment;
    const name = groupName(this.#segment, group.id);
    const members = queue.isFifo ? this.#withFront(group, rows) : rows;
    const held = queue.isFifo ? members : this.#takeHeld(group.id);
    const counted = {
      stored: queue.isFifo ? members.members : members.members + held.inFlight + held.delayed,
      inFlight: held.inFlight,
      delayed: held.delayed,
    };
    for (const what of ["stored", "inFlight", "delayed"] as const) {
      if (this.#isBlind || group[what] === counted[what]) continue;
      walk.report(
        name,
        `It says ${group[what]} messages ${countNames[what]}, and there are ${counted[what]}.`,
      );
    }
    const said = memberText(group.head);
    if (said !== memberText(members.first)) {
      walk.report(name, `Its first message is ${memberText(members.first)}, and it says ${said}.`);
    }
  }

  /** FIFO: the members that the group's row names, and those behind them, which have been counted. */
  #withFront(group: Group, behind: Counted): Counted {
    const { walk } = this.#segment;
    const name = groupName(this.#segment, group.id);
    const counted = { ...noMembers };
    for (const member of frontOf(group)) {
      const { last } = counted;
      if (last !== undefined && last.sequence > member.sequence) {
        walk.report(name, `It names message ${member.sequence} after message ${last.sequence}.`);
      }
      this.#count(counted, group.id, member);
    }
    const { last } = counted;
    if (
      behind.first !== undefined &&
      (last === undefined || last.sequence >= behind.first.sequence)
    ) {
      const behindText = memberText(behind.first);
      walk.report(
        name,
        `Behind its front is ${behindText}, and the front ends with ${memberText(last)}.`,
      );
    }
    const lastDelivered = behind.lastDelivered ?? counted.lastDelivered;
    if (lastDelivered !== undefined && lastDelivered.sequence >= group.freshFrom) {
      walk.report(
        name,
        `It says that from message ${group.freshFrom} on none was received, and message ${lastDelivered.sequence} has a delivery.`,
      );
    }
    return {
      ...counted,
      members: counted.members + behind.members,
      inFlight: counted.inFlight + behind.inFlight,
      delayed: counted.delayed + behind.delayed,
    };
  }

  // ---- groups --------------------------------------------------------------------------------------------------------

  checkGroup(scanned: ScannedRow): void {
    this.endMembers();
    const { walk, prefix, queue } = this.#segment;
    const id = scanned.key.slice(segmentPrefixLength + 1);
    if (!isGroupId.test(id)) {
      walk.layout(scanned.key);
      return;
    }
    const name = groupName(this.#segment, id);
    const { row: group } = walk.read(scanned, tables.group, () => name);
    if (group === undefined) {
      this.#isBlind = true;
      this.#held.delete(id);
      return;
    }
    this.#add(group);
    const members = membersPrefix(prefix, id);
    // Those that have members were compared when these were met.
    if (walk.store.keys(members, endOfPrefix(members), 1).length === 0) {
      this.#compare(group, noMembers);
    }
    if (group.stored === 0) walk.report(name, "It has no message and is there.");
    if (isInFuture(this.#segment, group.lastSentAt)) {
      walk.report(name, `It was last sent to at ${group.lastSentAt}, after the last instant.`);
    }
    if (queue.isFifo && group.isNoisy) walk.report(name, "It is noisy in a FIFO queue.");
    this.#checkStanding(group, name);
  }

  #add({ stored, inFlight, delayed, isNoisy, standing }: Group): void {
    const counted = this.#counted;
    counted.groups += 1;
    if (inFlight > 0) counted.groupsInFlight += 1;
    if (standing.kind === "limited") counted.limitedGroups += 1;
    if (!isNoisy) return;
    counted.noisyGroups += 1;
    counted.noisyStored += stored;
    counted.noisyInFlight += inFlight;
    counted.noisyDelayed += delayed;
  }

  #checkStanding(group: Group, name: string): void {
    const { walk, prefix } = this.#segment;
    const wrong = this.#wrongStanding(group);
    if (wrong !== undefined) walk.report(name, `It stands ${standingText(group)}, and ${wrong}.`);
    const line = lineKey(prefix, group.id, group.standing);
    if (line !== undefined && walk.find(tables.line, line) === undefined) {
      walk.report(
        name,
        `It stands ${standingText(group)} and has no row in line: its turn never comes.`,
      );
    }
  }

  /** Why a group cannot stand where it does. */
  #wrongStanding(group: Group): string | undefined {
    const isServable = this.#isServable(group);
    if (isServable === "unknown") return undefined;
    if (group.standing.kind === "idle") {
      return isServable ? "its first message can be delivered" : undefined;
    }
    return isServable ? this.#wrongTurn(group) : "its first message cannot be delivered";
  }

  #wrongTurn({ standing, inFlight, head, isNoisy }: Group): string | undefined {
    const elsewhere = "its first message stands elsewhere";
    switch (standing.kind) {
      case "idle":
        return undefined;
      case "limited":
        // A limit that was changed since reaches a group with its turn; but it was never less than one.
        return inFlight === 0 ? "it has nothing in flight" : undefined;
      case "noisy":
        if (!isNoisy) return "it is not noisy";
        if (standing.inFlight !== inFlight) return `it has ${inFlight} messages in flight`;
        return standing.at === head?.place.at ? undefined : elsewhere;
      case "ready":
        if (isBeyond(this.#segment, standing.place.order)) return "its turn was not given out yet";
        if (this.#segment.queue.isFifo) return this.#wrongRound(standing.place.order);
        if (isNoisy) return "it is noisy";
        return isSamePlace(standing.place, head?.place) ? undefined : elsewhere;
    }
  }

  /** FIFO: why a turn never comes. */
  #wrongRound(order: number): string | undefined {
    const { turnFrom } = this.#segment.counters ?? {};
    return turnFrom !== undefined && order < turnFrom
      ? `no turn before ${turnFrom} is looked for`
      : undefined;
  }

  /** Whether its first message can be delivered. FIFO: it is neither leased nor delayed. */
  #isServable({ head, standing }: Group): boolean | "unknown" {
    const { walk, prefix, counters, queue } = this.#segment;
    if (head === undefined || !queue.isFifo) return head !== undefined;
    const delivery = walk.find(tables.delivery, deliveryKey(prefix, head.sequence));
    if (delivery === "unreadable" || counters === undefined) return "unknown";
    if (delivery !== undefined && delivery.state.kind !== "returned") return false;
    if (!isDelayedByQueue(this.#segment, head.sequence, delivery)) return true;
    // A queue's delay that was raised reaches a group that is in line with its turn.
    return standing.kind === "idle" ? false : "unknown";
  }

  // ---- lines ---------------------------------------------------------------------------------------------------------

  checkLine(scanned: ScannedRow): void {
    const { walk, prefix } = this.#segment;
    const id = scanned.key.slice(linePrefixLength);
    if (!isGroupId.test(id)) {
      walk.layout(scanned.key);
      return;
    }
    const name = groupName(this.#segment, id);
    walk.read(scanned, tables.line, () => name);
    const group = walk.find(tables.group, groupKey(prefix, id));
    if (group === undefined) walk.report(name, "It stands in line and is not there.");
    if (group === undefined || group === "unreadable") return;
    if (lineKey(prefix, id, group.standing) !== scanned.key) {
      walk.report(name, `A row in line is not its own: it stands ${standingText(group)}.`);
    }
  }

  // ---- counters ------------------------------------------------------------------------------------------------------

  /** After all rows of the segment. */
  finish(): void {
    this.endMembers();
    const { walk, queueName, counters } = this.#segment;
    for (const [id, { inFlight, delayed }] of this.#held) {
      walk.report(
        groupName(this.#segment, id),
        `It has ${inFlight + delayed} messages leased or delayed and is not there.`,
      );
    }
    if (counters === undefined || this.#isBlind) return;
    for (const [what, name] of Object.entries(counterNames)) {
      const counted = this.#counted[what as keyof typeof counterNames];
      const said = counters[what as keyof typeof counterNames];
      if (said !== counted) {
        walk.report(queueName, `Its counters say ${said} ${name}, and there are ${counted}.`);
      }
    }
  }
}

const countNames = { stored: "stored", inFlight: "in flight", delayed: "delayed" } as const;

const counterNames = {
  groups: "groups",
  groupsInFlight: "groups in flight",
  limitedGroups: "groups at their limit",
  noisyGroups: "noisy groups",
  noisyStored: "messages of noisy groups",
  noisyInFlight: "messages of noisy groups in flight",
  noisyDelayed: "messages of noisy groups delayed",
} as const;

const isGroupId = /^[!-~]{1,128}$/;

/** The group in a member's key; undefined when there is none. */
function memberGroup(key: string): string | undefined {
  const end = key.indexOf("\x00", segmentPrefixLength + 1);
  const id = key.slice(segmentPrefixLength + 1, end === -1 ? key.length : end);
  return end !== -1 && isGroupId.test(id) ? id : undefined;
}

const memberKeyLength = (id: string): number => segmentPrefixLength + 1 + id.length + 1 + 3 * 8;

/** Where a visible message of a group stands. */
const memberPlace = (
  isFifo: boolean,
  message: MessageHead | Delivery,
  delivery: Found<Delivery>,
) =>
  isFifo
    ? fifoPlace(message)
    : delivery !== undefined && delivery !== "unreadable" && delivery.state.kind === "returned"
      ? delivery.state.place
      : freshPlace(message);

const isSamePlace = (left: Place, right: Place | undefined): boolean =>
  left.at === right?.at && left.order === right.order;

/** FIFO: the members that a group's row names. */
const frontOf = ({ head, next }: Group): readonly Member[] =>
  head === undefined
    ? []
    : [head, ...next.map((sequence) => ({ sequence, place: fifoPlace({ sequence }) }))];

const memberText = (member: Member | undefined): string =>
  member === undefined ? "none" : `message ${member.sequence} at ${placeText(member.place)}`;

function standingText({ standing }: Group): string {
  switch (standing.kind) {
    case "idle":
      return "in no line";
    case "limited":
      return "at its limit";
    case "noisy":
      return `among the noisy with ${standing.inFlight} in flight since ${standing.at}`;
    case "ready":
      return `ready at ${placeText(standing.place)}`;
  }
}
