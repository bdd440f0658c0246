// The check of one queue's rows: its messages beside their deliveries, each delivery beside its index row and each index row
// beside its delivery, and its counters beside what was counted.

import type { EpochMs } from "../base/brands.js";
import type { Counters, Delivery, Message } from "../queue/model.js";
import { type CheckWalk, Cursor, isPlace, keyName, prefixAfter, Slice } from "./check-walk.js";
import {
  countersKey,
  deliveryKey,
  dueKey,
  returnedKey,
  segmentPrefixLength,
  tableLetters,
  u64At,
} from "./keys.js";
import type { ScannedRow } from "./store.js";
import { tables } from "./tables.js";

export interface SegmentParts {
  readonly walk: CheckWalk;
  readonly prefix: string;
  readonly queueName: string;
  /** No row can tell of a later instant. */
  readonly lastInstant: number;
}

export interface SegmentChecked {
  readonly hasCounters: boolean;
  readonly messageCount: number;
}

/** Both tables are read by place, side by side; where each goes on. */
interface PairedFrom {
  readonly message: string;
  readonly delivery: string;
}

export class SegmentCheck {
  readonly #walk: CheckWalk;
  readonly #prefix: string;
  readonly #queueName: string;
  readonly #lastInstant: number;
  /** Undefined when there are none, or none that can be read. */
  #counters: Counters | undefined;
  #stored = 0;
  #storedBytes = 0;
  #inFlight = 0;
  #delayed = 0;
  /** Rows that cannot be read: what they would have counted is not known. */
  #unreadMessages = 0;
  #unreadDeliveries = 0;
  #lastSentAt = 0;
  #lastOrder = -1;

  constructor({ walk, prefix, queueName, lastInstant }: SegmentParts) {
    this.#walk = walk;
    this.#prefix = prefix;
    this.#queueName = queueName;
    this.#lastInstant = lastInstant;
  }

  async run(): Promise<SegmentChecked> {
    const counters = this.#walk.find(tables.counters, countersKey(this.#prefix));
    this.#counters = counters === "unreadable" ? undefined : counters;
    await this.#checkMessages();
    if (this.#counters !== undefined) this.#checkCounters(this.#counters);
    await this.#walk.walk(this.#prefix, prefixAfter(this.#prefix) ?? "\x80", (scanned) =>
      this.#checkOther(scanned),
    );
    return { hasCounters: counters !== undefined, messageCount: this.#stored };
  }

  #report(row: string, sentence: string): void {
    this.#walk.report(row, sentence);
  }

  #nameOf(place: number): string {
    return `${this.#queueName}, message ${place}`;
  }

  /** Rows of the smaller tables; returns where to go on when it meets one that was read before. */
  #checkOther(scanned: ScannedRow): string | undefined {
    const { key } = scanned;
    switch (key[segmentPrefixLength]) {
      case tableLetters.counters:
        if (key.length === segmentPrefixLength + 1) {
          this.#walk.read(scanned, tables.counters, () => this.#queueName);
        } else this.#walk.layout(key);
        return undefined;
      case tableLetters.due:
        this.#checkDue(scanned);
        return undefined;
      case tableLetters.returned:
        this.#checkReturned(scanned);
        return undefined;
      case tableLetters.chunk: {
        const base = this.#prefix + key.slice(segmentPrefixLength + 1, -2);
        this.#walk.checkChunk(scanned, base, this.#rowName(base));
        return undefined;
      }
      case tableLetters.message:
        return `${this.#prefix}n`;
      case tableLetters.delivery:
        return `${this.#prefix}t`;
      default:
        this.#report(`${this.#queueName}, ${keyName(key)}`, "No table has this letter.");
        return undefined;
    }
  }

  /** What a row of the segment is about. */
  #rowName(key: string): string {
    return key.length === placeKeyLength && key[segmentPrefixLength] === tableLetters.message
      ? this.#nameOf(u64At(key, key.length - 8))
      : `${this.#queueName}, ${keyName(key)}`;
  }

  // ---- messages and their deliveries ---------------------------------------------------------------------------------

  async #checkMessages(): Promise<void> {
    let from: PairedFrom | undefined = {
      message: `${this.#prefix}m`,
      delivery: `${this.#prefix}s`,
    };
    while (from !== undefined) {
      from = this.#checkMessagesSlice(from);
      await this.#walk.endSlice();
    }
  }

  #checkMessagesSlice(from: PairedFrom): PairedFrom | undefined {
    const ends = { message: `${this.#prefix}n`, delivery: `${this.#prefix}t` };
    const { store } = this.#walk;
    const messages = new Cursor(store.scan(from.message, ends.message));
    const deliveries = new Cursor(store.scan(from.delivery, ends.delivery));
    const slice = new Slice();
    try {
      while (messages.row !== undefined || deliveries.row !== undefined) {
        const place = Math.min(placeOf(messages.row), placeOf(deliveries.row));
        const message = placeOf(messages.row) === place ? messages.take() : undefined;
        const delivery = placeOf(deliveries.row) === place ? deliveries.take() : undefined;
        this.#checkPlace(place, message, delivery);
        const rows = [message, delivery].filter((row) => row !== undefined);
        this.#walk.rowCount += rows.length;
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
    if (place === outOfLayout) {
      for (const row of [messageRow, deliveryRow])
        if (row !== undefined) this.#walk.layout(row.key);
      return;
    }
    const name = (): string => this.#nameOf(place);
    const message = messageRow && this.#walk.read(messageRow, tables.message, name);
    const delivery = deliveryRow && this.#walk.read(deliveryRow, tables.delivery, name);
    if (message !== undefined) {
      this.#stored += 1;
      if (message.row === undefined) this.#unreadMessages += 1;
      // A message that cannot be read was passed over by receives; that it cannot be read says enough.
      else this.#checkMessage(message.row, delivery !== undefined, name);
    } else if (delivery !== undefined) {
      this.#report(name(), "It has a delivery and is not there.");
    }
    if (delivery?.row !== undefined) this.#checkDelivery(delivery.row, message?.row, name);
    else if (delivery !== undefined) this.#unreadDeliveries += 1;
  }

  #checkMessage(message: Message, hasDelivery: boolean, name: () => string): void {
    const { sequence, sentAt } = message;
    this.#storedBytes += message.sizeBytes;
    const { nextSequence = sequence + 1 } = this.#counters ?? {};
    if (sequence >= nextSequence) {
      this.#report(name(), `Its place was not given out yet: the next one is ${nextSequence}.`);
    }
    // Expiry stops at the first message that is young enough.
    if (sentAt < this.#lastSentAt) {
      this.#report(name(), `It was sent at ${sentAt}, before the message in front of it.`);
    }
    this.#lastSentAt = Math.max(this.#lastSentAt, sentAt);
    if (this.#isInFuture(sentAt)) {
      this.#report(name(), `It was sent at ${sentAt}, after the last instant of the store.`);
    }
    this.#checkHasDelivery(message, hasDelivery, name);
  }

  #checkHasDelivery(message: Message, hasDelivery: boolean, name: () => string): void {
    const freshFrom = this.#counters?.freshFrom;
    const isBeforeFresh = freshFrom !== undefined && message.sequence < freshFrom;
    if (!hasDelivery && isBeforeFresh) {
      this.#report(
        name(),
        `It stands before the first fresh place ${freshFrom} and has no delivery: no receive would find it.`,
      );
    } else if (!hasDelivery && message.isIndexed) {
      this.#report(
        name(),
        "It was sent with a delay and has no delivery: no receive would find it.",
      );
    } else if (hasDelivery && freshFrom !== undefined && !isBeforeFresh && !message.isIndexed) {
      this.#report(
        name(),
        `It stands at or after the first fresh place ${freshFrom} and has a delivery: it would be received twice.`,
      );
    }
  }

  #checkDelivery(delivery: Delivery, message: Message | undefined, name: () => string): void {
    if (message !== undefined && message.sizeBytes !== delivery.sizeBytes) {
      this.#report(
        name(),
        `It has ${message.sizeBytes} bytes and its delivery says ${delivery.sizeBytes}.`,
      );
    }
    if (message !== undefined && message.sentAt !== delivery.sentAt) {
      this.#report(
        name(),
        `It was sent at ${message.sentAt} and its delivery says ${delivery.sentAt}.`,
      );
    }
    this.#checkReceives(delivery, name);
    this.#checkIndexRow(delivery, name);
  }

  #checkIndexRow({ state, sequence }: Delivery, name: () => string): void {
    if (state.kind !== "returned") {
      if (state.kind === "leased") this.#inFlight += 1;
      else this.#delayed += 1;
      const key = dueKey(this.#prefix, state.until, sequence);
      if (this.#walk.find(tables.due, key) === undefined) {
        this.#report(
          name(),
          `It is ${state.kind} until ${state.until} and has no index row: it would never return.`,
        );
      }
      return;
    }
    const { order } = state.place;
    const { nextSequence = order + 1 } = this.#counters ?? {};
    if (
      this.#walk.find(tables.returned, returnedKey(this.#prefix, state.place, sequence)) ===
      undefined
    ) {
      this.#report(
        name(),
        `It is visible and has no index row at ${order}: no receive would find it.`,
      );
    }
    if (order < sequence || order >= nextSequence) {
      this.#report(name(), `It is visible at ${order}, a place it cannot have been given.`);
    }
  }

  #checkReceives(delivery: Delivery, name: () => string): void {
    const { state, receiveCount, ordinal, firstReceivedAt } = delivery;
    if (receiveCount > ordinal) {
      this.#report(
        name(),
        `It counts ${receiveCount} receives, more than the ${ordinal} there were.`,
      );
    }
    if ((receiveCount === 0) !== (firstReceivedAt === undefined)) {
      this.#report(
        name(),
        `It counts ${receiveCount} receives, and its first-received time says otherwise.`,
      );
    }
    if (state.kind === "delayed" && receiveCount > 0) {
      this.#report(name(), `It is delayed and was received ${receiveCount} times.`);
    }
    if (state.kind !== "leased") return;
    if (receiveCount === 0) this.#report(name(), "It is leased and was never received.");
    if (state.leasedAt > state.until || this.#isInFuture(state.leasedAt)) {
      this.#report(name(), `It is leased from ${state.leasedAt} until ${state.until}.`);
    }
  }

  // ---- index rows and counters ---------------------------------------------------------------------------------------

  /** The two numbers of an index row's key; undefined, and reported, when it has none. */
  #indexOf({
    key,
  }: ScannedRow): { readonly first: number; readonly place: Message["sequence"] } | undefined {
    const firstAt = key.length - 16;
    const placeAt = key.length - 8;
    if (key.length !== indexKeyLength || !isPlace(key, firstAt) || !isPlace(key, placeAt)) {
      this.#walk.layout(key);
      return undefined;
    }
    return { first: u64At(key, firstAt), place: u64At(key, placeAt) as Message["sequence"] };
  }

  #checkDue(scanned: ScannedRow): void {
    const index = this.#indexOf(scanned);
    if (index === undefined) return;
    const { first: until, place } = index;
    const name = this.#nameOf(place);
    this.#walk.read(scanned, tables.due, () => name);
    const delivery = this.#walk.find(tables.delivery, deliveryKey(this.#prefix, place));
    const says = `An index row says that it returns at ${until}`;
    if (delivery === undefined) this.#report(name, `${says}, and it has no delivery.`);
    else if (
      delivery !== "unreadable" &&
      (delivery.state.kind === "returned" || delivery.state.until !== until)
    ) {
      this.#report(name, `${says}; it is ${standingOf(delivery)}.`);
    }
  }

  #checkReturned(scanned: ScannedRow): void {
    const index = this.#indexOf(scanned);
    if (index === undefined) return;
    const { first: order, place } = index;
    const name = this.#nameOf(place);
    this.#walk.read(scanned, tables.returned, () => name);
    if (order === this.#lastOrder) {
      this.#report(name, `It is visible at ${order}, as another message is.`);
    }
    this.#lastOrder = order;
    const delivery = this.#walk.find(tables.delivery, deliveryKey(this.#prefix, place));
    const says = `An index row says that it is visible at ${order}`;
    if (delivery === undefined) this.#report(name, `${says}, and it has no delivery.`);
    else if (
      delivery !== "unreadable" &&
      (delivery.state.kind !== "returned" || delivery.state.place.order !== order)
    ) {
      this.#report(name, `${says}; it is ${standingOf(delivery)}.`);
    }
  }

  #checkCounters(counters: Counters): void {
    const name = this.#queueName;
    const compare = (what: string, counted: number, found: number): void => {
      if (counted !== found) {
        this.#report(name, `Its counters say ${counted} ${what}, and there are ${found}.`);
      }
    };
    compare("messages stored", counters.stored, this.#stored);
    if (this.#unreadMessages === 0) {
      compare("bytes stored", counters.storedBytes, this.#storedBytes);
    }
    if (this.#unreadDeliveries === 0) {
      compare("messages in flight", counters.inFlight, this.#inFlight);
      compare("messages delayed", counters.delayed, this.#delayed);
    }
    const { sent, deleted, expired, purged, stored, freshFrom, nextSequence } = counters;
    if (sent !== stored + deleted + expired + purged) {
      this.#report(
        name,
        `Its counters say ${sent} sent, which is not ${stored} stored + ${deleted} deleted + ${expired} expired + ${purged} purged.`,
      );
    }
    if (freshFrom > nextSequence) {
      this.#report(
        name,
        `Its first fresh place ${freshFrom} is after its next place ${nextSequence}.`,
      );
    }
  }

  #isInFuture(instant: EpochMs): boolean {
    return instant > this.#lastInstant;
  }
}

/** Prefix, letter, one number; prefix, letter, two. */
const placeKeyLength = segmentPrefixLength + 1 + 8;
const indexKeyLength = placeKeyLength + 8;
/** Sorts keys out of layout where they stand in the way: before everything else. */
const outOfLayout = -1;
const noRow = Number.POSITIVE_INFINITY;

function placeOf(row: ScannedRow | undefined): number {
  if (row === undefined) return noRow;
  const { key } = row;
  return key.length === placeKeyLength && isPlace(key, key.length - 8)
    ? u64At(key, key.length - 8)
    : outOfLayout;
}

const standingOf = ({ state }: Delivery): string =>
  state.kind === "returned"
    ? `visible at ${state.place.order}`
    : `${state.kind} until ${state.until}`;
