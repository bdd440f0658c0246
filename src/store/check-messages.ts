// The check of a queue's messages: each beside its delivery, and both beside the rows that lead to them. The two tables are
// read by place, side by side.

import { after } from "../base/brands.js";
import type { Delivery, Message, MessageTraits, Place } from "../queue/model.js";
import {
  fifoPlace,
  freshPlace,
  isBeyond,
  isDelayedByQueue,
  isInFuture,
  keyLengthOf,
  messageName,
  placeText,
  type SegmentContext,
} from "./check-context.js";
import type { GroupsCheck } from "./check-groups.js";
import { Cursor, isPlace, Slice } from "./check-walk.js";
import { dueKey, groupKey, lateKey, memberKey, ownExpiryKey, returnedKey, u64At } from "./keys.js";
import type { ScannedRow } from "./store.js";
import { tables } from "./tables.js";

/** What there is of a queue's messages. */
export interface MessageTally {
  stored: number;
  storedBytes: number;
  inFlight: number;
  delayed: number;
  /** Standard: visible messages that have a delivery and no group. */
  returned: number;
  /** Rows that cannot be read: what they would have counted is not known. */
  unreadMessages: number;
  unreadDeliveries: number;
}

/** Where each of the two tables goes on. */
interface PairedFrom {
  readonly message: string;
  readonly delivery: string;
}

export class MessagesCheck {
  readonly #segment: SegmentContext;
  readonly #groups: GroupsCheck;
  readonly #tally: MessageTally = {
    stored: 0,
    storedBytes: 0,
    inFlight: 0,
    delayed: 0,
    returned: 0,
    unreadMessages: 0,
    unreadDeliveries: 0,
  };
  #lastArrivedAt = 0;

  constructor(segment: SegmentContext, groups: GroupsCheck) {
    this.#segment = segment;
    this.#groups = groups;
  }

  async run(): Promise<MessageTally> {
    const { walk, prefix } = this.#segment;
    let from: PairedFrom | undefined = { message: `${prefix}m`, delivery: `${prefix}s` };
    while (from !== undefined) {
      from = this.#checkSlice(from);
      await walk.endSlice();
    }
    return this.#tally;
  }

  #checkSlice(from: PairedFrom): PairedFrom | undefined {
    const { walk, prefix } = this.#segment;
    const ends = { message: `${prefix}n`, delivery: `${prefix}t` };
    const messages = new Cursor(walk.store.scan(from.message, ends.message));
    const deliveries = new Cursor(walk.store.scan(from.delivery, ends.delivery));
    const slice = new Slice();
    try {
      while (messages.row !== undefined || deliveries.row !== undefined) {
        const place = Math.min(placeOf(messages.row), placeOf(deliveries.row));
        const message = placeOf(messages.row) === place ? messages.take() : undefined;
        const delivery = placeOf(deliveries.row) === place ? deliveries.take() : undefined;
        this.#checkPlace(place, message, delivery);
        const rows = [message, delivery].filter((row) => row !== undefined);
        walk.rowCount += rows.length;
        if (rows.some((row) => slice.isFullWith(row))) {
          return {
            message: messages.row?.key ?? ends.message,
            delivery: deliveries.row?.key ?? ends.delivery,
          };
        }
      }
      return undefined;
    } finally {
      messages.close();
      deliveries.close();
    }
  }

  #checkPlace(
    place: number,
    messageRow: ScannedRow | undefined,
    deliveryRow: ScannedRow | undefined,
  ): void {
    const { walk } = this.#segment;
    if (place === outOfLayout) {
      for (const row of [messageRow, deliveryRow]) if (row !== undefined) walk.layout(row.key);
      return;
    }
    const name = (): string => messageName(this.#segment, place);
    const message = messageRow && walk.read(messageRow, tables.message, name);
    const delivery = deliveryRow && walk.read(deliveryRow, tables.delivery, name);
    if (message !== undefined) this.#tally.stored += 1;
    else if (delivery !== undefined) walk.report(name(), "It has a delivery and is not there.");
    const isUnread = delivery !== undefined && delivery.row === undefined;
    if (!isUnread && message !== undefined) {
      if (isDelayedByQueue(this.#segment, place, delivery?.row)) this.#tally.delayed += 1;
    }
    // A message that cannot be read was passed over by receives; that it cannot be read says enough.
    if (message !== undefined && message.row === undefined) this.#tally.unreadMessages += 1;
    if (message?.row !== undefined) {
      this.#checkMessage(message.row, name);
      this.#checkIsFound(message.row, delivery !== undefined, name);
    }
    if (isUnread) this.#tally.unreadDeliveries += 1;
    if (delivery?.row !== undefined) this.#checkDelivery(delivery.row, message?.row, name);
  }

  // ---- a message -----------------------------------------------------------------------------------------------------

  #checkMessage(message: Message, name: () => string): void {
    const { walk, queue, counters } = this.#segment;
    const { sequence, sentAt, arrivedAt, indexedAt } = message;
    this.#tally.storedBytes += message.sizeBytes;
    if (isBeyond(this.#segment, sequence)) {
      walk.report(
        name(),
        `Its place was not given out yet: the next one is ${counters?.nextSequence}.`,
      );
    }
    // Expiry stops at the first message that is young enough, and a delay of the queue at the first that came late enough.
    if (arrivedAt < this.#lastArrivedAt) {
      walk.report(name(), `It came at ${arrivedAt}, before the message in front of it.`);
    }
    this.#lastArrivedAt = Math.max(this.#lastArrivedAt, arrivedAt);
    if (isInFuture(this.#segment, arrivedAt)) {
      walk.report(name(), `It came at ${arrivedAt}, after the last instant of the store.`);
    }
    if (sentAt > arrivedAt || (queue.isFifo && sentAt !== arrivedAt)) {
      walk.report(name(), `It was sent at ${sentAt} and came at ${arrivedAt}.`);
    }
    const idAt = message.messageId.readUIntBE(0, 6);
    if (idAt !== (indexedAt ?? arrivedAt)) {
      walk.report(
        name(),
        `The time in its id is ${idAt}, and it is found by ${indexedAt ?? arrivedAt}.`,
      );
    }
    this.#checkTimedRows(message, name);
    const retentionEnd = after(sentAt, queue.settings.retentionMs);
    const expiresAt = Math.min(retentionEnd, message.expiresAt ?? retentionEnd);
    if (counters !== undefined && expiresAt < counters.expiryAt) {
      walk.report(
        name(),
        `It expires at ${expiresAt}, and the queue looks for none before ${counters.expiryAt}.`,
      );
    }
  }

  #checkTimedRows({ sequence, indexedAt, expiresAt }: Message, name: () => string): void {
    const { walk, prefix } = this.#segment;
    if (
      expiresAt !== undefined &&
      walk.find(tables.ownExpiry, ownExpiryKey(prefix, expiresAt, sequence)) === undefined
    ) {
      walk.report(name(), `No row says that its time to live ends at ${expiresAt}.`);
    }
    if (
      indexedAt !== undefined &&
      walk.find(tables.late, lateKey(prefix, indexedAt, sequence)) === undefined
    ) {
      walk.report(name(), `No row finds it by the time in its id, ${indexedAt}.`);
    }
  }

  /** Whether a receive that looks where it has to look finds the message, and finds it once. */
  #checkIsFound(message: Message, hasDelivery: boolean, name: () => string): void {
    const { walk, queue } = this.#segment;
    const { groupId, isIndexed } = message;
    if (queue.isFifo && groupId === undefined) walk.report(name(), "It has no group.");
    if (groupId !== undefined && !isIndexed) {
      walk.report(name(), "It has a group and is not marked as one that its group finds.");
    }
    if (groupId === undefined) {
      if (!queue.isFifo) this.#checkFresh(message, hasDelivery, name);
    } else if (queue.isFifo) this.#checkIsMember(groupId, message, fifoPlace(message), name);
    else if (!hasDelivery) {
      // Without a priority, whose worth the queue's settings change, its place is the time it came at.
      this.#checkIsMember(groupId, message, freshPlace(message), name);
      if (message.priority > 0) walk.report(name(), "It has a priority and no delivery.");
    }
  }

  #checkFresh({ sequence, isIndexed }: Message, hasDelivery: boolean, name: () => string): void {
    const { walk, counters } = this.#segment;
    if (!hasDelivery && isIndexed) {
      walk.report(
        name(),
        "It is to be found by its delivery and has none: no receive would find it.",
      );
    }
    if (isIndexed || counters === undefined) return;
    const { freshFrom } = counters;
    if (!hasDelivery && sequence < freshFrom) {
      walk.report(
        name(),
        `It stands before the first fresh place ${freshFrom} and has no delivery: no receive would find it.`,
      );
    }
    if (hasDelivery && sequence >= freshFrom) {
      walk.report(
        name(),
        `It stands at or after the first fresh place ${freshFrom} and has a delivery: it would be received twice.`,
      );
    }
  }

  #checkIsMember(
    groupId: string,
    { sequence }: MessageTraits,
    place: Place,
    name: () => string,
  ): void {
    const { walk, prefix } = this.#segment;
    const key = memberKey(prefix, groupId, place, sequence);
    if (walk.find(tables.member, key) !== undefined || this.#isInFront(groupId, sequence)) return;
    walk.report(
      name(),
      `No row makes it a member of its group ${groupId} at ${placeText(place)}: no receive would find it.`,
    );
  }

  /** FIFO: whether the row of its group names it, as far as that can be read. */
  #isInFront(groupId: string, sequence: MessageTraits["sequence"]): boolean {
    const { walk, prefix, queue } = this.#segment;
    const group = queue.isFifo ? walk.find(tables.group, groupKey(prefix, groupId)) : undefined;
    if (group === undefined || group === "unreadable") return group === "unreadable";
    return group.head?.sequence === sequence || group.next.includes(sequence);
  }

  // ---- its delivery --------------------------------------------------------------------------------------------------

  #checkDelivery(delivery: Delivery, message: Message | undefined, name: () => string): void {
    const { walk, prefix, counters } = this.#segment;
    const { state, sequence } = delivery;
    if (message !== undefined) this.#checkTraits(delivery, message, name);
    this.#checkReceives(delivery, name);
    if (state.kind === "returned") {
      this.#checkReturned(delivery, state.place, name);
      return;
    }
    if (state.kind === "leased") this.#tally.inFlight += 1;
    else this.#tally.delayed += 1;
    this.#groups.hold(delivery);
    if (walk.find(tables.due, dueKey(prefix, state.until, sequence)) === undefined) {
      walk.report(
        name(),
        `It is ${state.kind} until ${state.until} and has no index row: it would never return.`,
      );
    }
    if (counters !== undefined && state.until < counters.dueAt) {
      walk.report(
        name(),
        `It is ${state.kind} until ${state.until}, and the queue looks for none before ${counters.dueAt}.`,
      );
    }
  }

  #checkTraits(delivery: Delivery, message: Message, name: () => string): void {
    for (const [trait, what] of Object.entries(repeatedTraits)) {
      const [own, said] = [message, delivery].map((row) => row[trait as RepeatedTrait] ?? "none");
      if (own === said) continue;
      this.#segment.walk.report(name(), `Its ${what} is ${own}, and its delivery says ${said}.`);
    }
  }

  #checkReturned(delivery: Delivery, place: Place, name: () => string): void {
    const { walk, prefix, queue } = this.#segment;
    // The place of a FIFO message is its sequence, whatever its delivery says.
    if (queue.isFifo) return;
    const { groupId, sequence } = delivery;
    if (groupId === undefined) this.#tally.returned += 1;
    if (groupId !== undefined) this.#checkIsMember(groupId, delivery, place, name);
    else if (walk.find(tables.returned, returnedKey(prefix, place, sequence)) === undefined) {
      walk.report(
        name(),
        `It is visible and has no index row at ${placeText(place)}: no receive would find it.`,
      );
    }
    if (this.#isPossible(delivery, place)) return;
    walk.report(name(), `It is visible at ${placeText(place)}, a place it cannot have been given.`);
  }

  /** It stands at its own place, a priority bringing it forward, or at one that it was given behind all others. */
  #isPossible({ sequence, arrivedAt, priority }: Delivery, { at, order }: Place): boolean {
    if (order === sequence) return priority === 0 ? at === arrivedAt : at <= arrivedAt;
    if (order < sequence || isBeyond(this.#segment, order)) return false;
    return at >= arrivedAt && !isInFuture(this.#segment, at);
  }

  #checkReceives(delivery: Delivery, name: () => string): void {
    const { walk, queue } = this.#segment;
    const { state, receiveCount, earlierReceives, ordinal, firstReceivedAt } = delivery;
    if (receiveCount > ordinal) {
      walk.report(
        name(),
        `It counts ${receiveCount} receives, more than the ${ordinal} there were.`,
      );
    }
    if ((receiveCount + earlierReceives === 0) !== (firstReceivedAt === undefined)) {
      walk.report(
        name(),
        `It counts ${receiveCount + earlierReceives} receives, and its first-received time says otherwise.`,
      );
    }
    if (state.kind === "delayed") {
      if (state.isBackoff !== receiveCount > 0) {
        const why = state.isBackoff ? "after a receive" : "from its send on";
        walk.report(name(), `It is delayed ${why} and was received ${receiveCount} times.`);
      }
      if (queue.isFifo && !state.isBackoff) {
        walk.report(name(), "It has a delay of its own in a FIFO queue.");
      }
    }
    if (state.kind !== "leased") return;
    if (receiveCount === 0) walk.report(name(), "It is leased and was never received.");
    if (state.leasedAt > state.until || isInFuture(this.#segment, state.leasedAt)) {
      walk.report(name(), `It is leased from ${state.leasedAt} until ${state.until}.`);
    }
  }
}

/** What a delivery says again of its message. */
const repeatedTraits = {
  sizeBytes: "size in bytes",
  sentAt: "time of sending",
  arrivedAt: "time of coming",
  indexedAt: "own time in the id",
  expiresAt: "end of its time to live",
  groupId: "group",
  priority: "priority",
} as const satisfies Record<Exclude<keyof MessageTraits, "sequence">, string>;

type RepeatedTrait = keyof typeof repeatedTraits;

/** Sorts keys out of layout where they stand in the way: before everything else. */
const outOfLayout = -1;
const noRow = Number.POSITIVE_INFINITY;

function placeOf(row: ScannedRow | undefined): number {
  if (row === undefined) return noRow;
  const { key } = row;
  return key.length === keyLengthOf(1) && isPlace(key, key.length - 8)
    ? u64At(key, key.length - 8)
    : outOfLayout;
}
