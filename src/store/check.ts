// Reads a whole store and lists what contradicts itself: rows that cannot be read, index rows without what they point to,
// counters that do not count, segments nobody owns. A store that this program wrote and that nobody changed has none.
//
// It reads every value once, in key order, a slice at a time with a fresh reader for each, so that it holds neither memory
// nor freed pages: only the names and segments of all queues are kept. Nobody may write meanwhile, since a commit between
// two slices would look like a contradiction.

import type { EpochMs } from "../base/brands.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import type { Counters, Delivery, Message, Queue } from "../queue/model.js";
import type { ScannedRow, Store } from "./environment.js";
import {
  countersKey,
  deliveryKey,
  dueKey,
  nodeKey,
  requestDueKey,
  requestKey,
  returnedKey,
  segmentPrefix,
  segmentPrefixLength,
  tableLetters,
  u64At,
} from "./keys.js";
import { type Table, tables } from "./tables.js";

/** Something that cannot be if everything is right. */
export interface Contradiction {
  /** What it is about, such as `queue default/orders, message 17`. */
  readonly row: string;
  readonly sentence: string;
}

export interface CheckReport {
  /** The first ones, at most `contradictionsMax`. */
  readonly contradictions: readonly Contradiction[];
  readonly contradictionCount: number;
  readonly queueCount: number;
  readonly messageCount: number;
  readonly rowCount: number;
}

/** A damaged store may contradict itself in every row; the first thousand tell the story. */
const contradictionsMax = 1_000;
/** A slice ends at the first of these, after some 20 ms: far from the 100 ms that a reader may stay open. */
const sliceRowsMax = 4_000;
const sliceBytesMax = 8 * 1_048_576;

/** Checks a store that nobody writes to. */
export async function checkStore(store: Store): Promise<CheckReport> {
  return await new StoreCheck(store).run();
}

/** The report as text for a person, with a line for each contradiction. */
export function renderCheckReport(report: CheckReport): string {
  const count = (value: number, noun: string): string =>
    `${value.toLocaleString("en-US")} ${noun}${value === 1 ? "" : "s"}`;
  const read = `${count(report.queueCount, "queue")}, ${count(report.messageCount, "message")}, ${count(report.rowCount, "row")} read.`;
  if (report.contradictionCount === 0) return `${read}\nNo contradictions.\n`;
  const lines = report.contradictions.map(({ row, sentence }) => `${row}: ${sentence}`);
  const left = report.contradictionCount - lines.length;
  if (left > 0) lines.push(`And ${left.toLocaleString("en-US")} more.`);
  return `${read}\n${count(report.contradictionCount, "contradiction")}:\n${lines.join("\n")}\n`;
}

/** Who a segment belongs to. */
interface Owner {
  readonly name: string;
  hasCounters: boolean;
}

/** A row and its decoded form; undefined when it cannot be read, which has been reported. */
interface Read<Row> {
  readonly row: Row | undefined;
}

/** What was found of one queue's messages, to be compared with its counters. */
interface Tally {
  stored: number;
  storedBytes: number;
  inFlight: number;
  delayed: number;
  /** Rows that cannot be read: what they would have counted is not known. */
  unreadMessages: number;
  unreadDeliveries: number;
  lastSentAt: number;
}

class StoreCheck {
  readonly #store: Store;
  readonly #owners = new Map<string, Owner>();
  readonly #garbage = new Set<string>();
  readonly #contradictions: Contradiction[] = [];
  #contradictionCount = 0;
  #queueCount = 0;
  #messageCount = 0;
  #rowCount = 0;
  /** No row can tell of a later instant: every record carries the last one. */
  #lastInstant = Number.MAX_SAFE_INTEGER;

  constructor(store: Store) {
    this.#store = store;
  }

  async run(): Promise<CheckReport> {
    this.#checkTime();
    await this.#checkQueues();
    await this.#checkGarbage();
    await this.#checkSegments();
    this.#checkOwnersSeen();
    await this.#checkRequests();
    await this.#checkRest();
    return {
      contradictions: this.#contradictions,
      contradictionCount: this.#contradictionCount,
      queueCount: this.#queueCount,
      messageCount: this.#messageCount,
      rowCount: this.#rowCount,
    };
  }

  #report(row: string, sentence: string): void {
    this.#contradictionCount += 1;
    if (this.#contradictions.length < contradictionsMax) {
      this.#contradictions.push({ row, sentence });
    }
  }

  // ---- reading -------------------------------------------------------------------------------------------------------

  /** Visits rows in key order, slice by slice; a visit may return the key to go on from. */
  async #walk(
    from: string,
    to: string,
    visit: (row: ScannedRow) => string | undefined,
  ): Promise<void> {
    let next: string | undefined = from;
    while (next !== undefined) {
      next = this.#walkSlice(next, to, visit);
      await this.#endSlice();
    }
  }

  #walkSlice(
    from: string,
    to: string,
    visit: (row: ScannedRow) => string | undefined,
  ): string | undefined {
    const slice = new Slice();
    for (const row of this.#store.scan(from, to)) {
      const goOnFrom = visit(row);
      if (goOnFrom !== undefined) return goOnFrom;
      this.#rowCount += 1;
      if (slice.isFullWith(row)) return keyAfter(row.key);
    }
    return undefined;
  }

  /** Gives the reader back and the event loop its turn. */
  async #endSlice(): Promise<void> {
    this.#store.refresh();
    await new Promise<void>((resolve) => {
      setImmediate(resolve);
    });
  }

  /** Decodes a scanned row where a whole row must stand; what is wrong with it is reported under its name. */
  #read<Row>(scanned: ScannedRow, table: Table<Row>, name: () => string): Read<Row> {
    if (scanned.kind === "corrupt") {
      this.#report(name(), `The ${table.name} row cannot be read: ${scanned.what}.`);
      return { row: undefined };
    }
    if (scanned.kind === "chunk") {
      this.#report(name(), `A chunk stands where a ${table.name} row should.`);
      return { row: undefined };
    }
    try {
      return { row: table.decode(scanned.key, scanned.bytes) };
    } catch (error) {
      const what = error instanceof RecordCorrupt ? error.what : String(error);
      this.#report(name(), `The ${table.name} row cannot be read: ${what}.`);
      return { row: undefined };
    }
  }

  /** Looks one row up. "unreadable" is reported where the walk meets it. */
  #find<Row>(table: Table<Row>, key: string): Row | "unreadable" | undefined {
    try {
      const bytes = this.#store.get(key);
      return bytes === undefined ? undefined : table.decode(key, bytes);
    } catch {
      return "unreadable";
    }
  }

  #layout(key: string): void {
    this.#report(keyName(key), "The key does not follow the layout of any table.");
  }

  // ---- rows about the whole store ------------------------------------------------------------------------------------

  #checkTime(): void {
    const time = this.#find(tables.node, nodeKey("time"));
    if (typeof time === "number") this.#lastInstant = time;
  }

  async #checkQueues(): Promise<void> {
    const numbers = new Set<number>();
    const segments = new Set<number>();
    await this.#walk("\x80", "\x81", (scanned) => {
      const split = scanned.key.indexOf("\x00");
      if (split < 2 || split === scanned.key.length - 1) {
        this.#layout(scanned.key);
        return undefined;
      }
      const name = `queue ${scanned.key.slice(1, split)}/${scanned.key.slice(split + 1)}`;
      this.#queueCount += 1;
      const { row } = this.#read(scanned, tables.queue, () => name);
      if (row !== undefined) this.#addQueue(row, name, numbers, segments);
      return undefined;
    });
  }

  #addQueue(queue: Queue, name: string, numbers: Set<number>, segments: Set<number>): void {
    if (numbers.has(queue.number)) {
      this.#report(name, `Its number ${queue.number} is also another queue's.`);
    }
    numbers.add(queue.number);
    if (segments.has(queue.segment)) {
      this.#report(name, `Its segment ${queue.segment} is also another queue's.`);
    }
    segments.add(queue.segment);
    if (queue.slot >= slotEnd) this.#report(name, `Its slot ${queue.slot} is out of range.`);
    if (this.#isInFuture(queue.createdAt) || this.#isInFuture(queue.updatedAt)) {
      this.#report(name, "It was created or updated after the last instant of the store.");
    }
    this.#owners.set(segmentPrefix(queue.slot, queue.segment), { name, hasCounters: false });
  }

  async #checkGarbage(): Promise<void> {
    await this.#walk("\x81", "\x82", (scanned) => {
      if (scanned.key.length !== 1 + segmentPrefixLength) {
        this.#layout(scanned.key);
        return undefined;
      }
      const prefix = scanned.key.slice(1);
      this.#read(scanned, tables.garbage, () => segmentName(prefix));
      this.#garbage.add(prefix);
      const owner = this.#owners.get(prefix);
      if (owner !== undefined) {
        this.#report(owner.name, `Its ${segmentName(prefix)} is marked as garbage.`);
      }
      return undefined;
    });
  }

  async #checkRequests(): Promise<void> {
    await this.#walk("\x82", "\x83", (scanned) => {
      const hash = scanned.key.slice(1);
      const name = requestName(hash);
      const { row } = this.#read(scanned, tables.request, () => name);
      if (row === undefined) return undefined;
      if (this.#find(tables.requestDue, requestDueKey(row.keepUntil, hash)) === undefined) {
        this.#report(name, `No row says that it may go at ${row.keepUntil}.`);
      }
      return undefined;
    });
    await this.#walk("\x83", "\x84", (scanned) => {
      const { key } = scanned;
      if (key.length <= 9 || !isPlace(key, 1)) {
        this.#layout(key);
        return undefined;
      }
      const name = requestName(key.slice(9));
      this.#read(scanned, tables.requestDue, () => name);
      const result = this.#find(tables.request, requestKey(key.slice(9)));
      const keepUntil = u64At(key, 1);
      if (result === undefined) {
        this.#report(name, `It is to go at ${keepUntil} and is not there.`);
      } else if (result !== "unreadable" && result.keepUntil !== keepUntil) {
        this.#report(name, `It is to go at ${keepUntil} and also at ${result.keepUntil}.`);
      }
      return undefined;
    });
  }

  /** Facts about the node, letters that no table has, and chunks of rows about the whole store. */
  async #checkRest(): Promise<void> {
    await this.#walk("\x84", "\x85", (scanned) => {
      this.#read(scanned, tables.node, () => `node fact ${keyName(scanned.key.slice(1))}`);
      return undefined;
    });
    await this.#walk("\x85", "\x86", (scanned) => {
      this.#read(
        scanned,
        tables.deletedQueue,
        () => `deleted queue ${keyName(scanned.key.slice(1))}`,
      );
      return undefined;
    });
    await this.#walk("\x86", "\xff", (scanned) => {
      this.#report(keyName(scanned.key), "No table has this letter.");
      return undefined;
    });
    const bases = new ChunkBases(this.#store);
    await this.#walk("\xff", wholeEnd, (scanned) => {
      this.#checkChunk(scanned, bases, scanned.key.slice(1, -2), keyName(scanned.key));
      return undefined;
    });
  }

  // ---- segments ------------------------------------------------------------------------------------------------------

  async #checkSegments(): Promise<void> {
    let from: string | undefined = "\x00";
    while (from !== undefined) {
      const [key]: readonly string[] = this.#store.keys(from, "\x80", 1);
      if (key === undefined) return;
      if (key.length <= segmentPrefixLength) {
        this.#layout(key);
        from = keyAfter(key);
        continue;
      }
      const prefix = key.slice(0, segmentPrefixLength);
      const owner = this.#owners.get(prefix);
      if (owner !== undefined) await this.#checkSegment(prefix, owner);
      else if (!this.#garbage.has(prefix)) {
        this.#report(segmentName(prefix), "It belongs to no queue and is not marked as garbage.");
      }
      from = prefixAfter(prefix);
      await this.#endSlice();
    }
  }

  async #checkSegment(prefix: string, owner: Owner): Promise<void> {
    const counters = this.#find(tables.counters, countersKey(prefix));
    owner.hasCounters = counters !== undefined;
    const known = counters === "unreadable" ? undefined : counters;
    const tally = await this.#checkMessages(prefix, owner.name, known);
    if (known !== undefined) this.#checkCounters(known, tally, owner.name);
    const bases = new ChunkBases(this.#store);
    let lastOrder = -1;
    await this.#walk(prefix, prefixAfter(prefix) ?? "\x80", (scanned) => {
      const { key } = scanned;
      switch (key[segmentPrefixLength]) {
        case tableLetters.counters:
          if (key.length === segmentPrefixLength + 1) {
            this.#read(scanned, tables.counters, () => owner.name);
          } else this.#layout(key);
          return undefined;
        case tableLetters.due:
          this.#checkDue(scanned, prefix, owner.name);
          return undefined;
        case tableLetters.returned:
          lastOrder = this.#checkReturned(scanned, prefix, owner.name, lastOrder);
          return undefined;
        case tableLetters.chunk: {
          const base = prefix + key.slice(segmentPrefixLength + 1, -2);
          this.#checkChunk(scanned, bases, base, rowName(base, owner.name));
          return undefined;
        }
        // These two have been walked, side by side.
        case tableLetters.message:
          return `${prefix}n`;
        case tableLetters.delivery:
          return `${prefix}t`;
        default:
          this.#report(`${owner.name}, ${keyName(key)}`, "No table has this letter.");
          return undefined;
      }
    });
  }

  /** A queue without any row in its segment was not met on the way. */
  #checkOwnersSeen(): void {
    for (const { name, hasCounters } of this.#owners.values()) {
      if (!hasCounters) this.#report(name, "It has no counters.");
    }
  }

  // ---- messages and their deliveries ---------------------------------------------------------------------------------

  /** Walks messages and deliveries side by side, by place. */
  async #checkMessages(
    prefix: string,
    queueName: string,
    counters: Counters | undefined,
  ): Promise<Tally> {
    const tally: Tally = {
      stored: 0,
      storedBytes: 0,
      inFlight: 0,
      delayed: 0,
      unreadMessages: 0,
      unreadDeliveries: 0,
      lastSentAt: 0,
    };
    let from: PairedFrom | undefined = { message: `${prefix}m`, delivery: `${prefix}s` };
    while (from !== undefined) {
      from = this.#checkMessagesSlice(from, prefix, queueName, counters, tally);
      await this.#endSlice();
    }
    return tally;
  }

  #checkMessagesSlice(
    from: PairedFrom,
    prefix: string,
    queueName: string,
    counters: Counters | undefined,
    tally: Tally,
  ): PairedFrom | undefined {
    const messages = new Cursor(this.#store.scan(from.message, `${prefix}n`));
    const deliveries = new Cursor(this.#store.scan(from.delivery, `${prefix}t`));
    const slice = new Slice();
    try {
      while (messages.row !== undefined || deliveries.row !== undefined) {
        const place = Math.min(placeOf(messages.row), placeOf(deliveries.row));
        const message = placeOf(messages.row) === place ? messages.take() : undefined;
        const delivery = placeOf(deliveries.row) === place ? deliveries.take() : undefined;
        this.#checkPlace(place, message, delivery, { prefix, queueName, counters, tally });
        this.#rowCount += (message === undefined ? 0 : 1) + (delivery === undefined ? 0 : 1);
        const isFull = [message, delivery].some(
          (row) => row !== undefined && slice.isFullWith(row),
        );
        if (isFull) {
          return {
            message: messages.row?.key ?? `${prefix}n`,
            delivery: deliveries.row?.key ?? `${prefix}t`,
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
    around: Surroundings,
  ): void {
    const { queueName, tally } = around;
    if (place === outOfLayout) {
      for (const row of [messageRow, deliveryRow]) if (row !== undefined) this.#layout(row.key);
      return;
    }
    const name = (): string => `${queueName}, message ${place}`;
    const message = messageRow && this.#read(messageRow, tables.message, name);
    const delivery = deliveryRow && this.#read(deliveryRow, tables.delivery, name);
    if (message !== undefined) {
      this.#messageCount += 1;
      tally.stored += 1;
      if (message.row === undefined) tally.unreadMessages += 1;
      else this.#checkMessage(message.row, around, name);
      this.#checkHasDelivery(place, message.row, delivery !== undefined, around, name);
    } else if (delivery !== undefined) {
      this.#report(name(), "It has a delivery and is not there.");
    }
    if (delivery?.row !== undefined) this.#checkDelivery(delivery.row, message?.row, around, name);
    else if (delivery !== undefined) tally.unreadDeliveries += 1;
  }

  #checkMessage(message: Message, { counters, tally }: Surroundings, name: () => string): void {
    tally.storedBytes += message.sizeBytes;
    if (counters !== undefined && message.sequence >= counters.nextSequence) {
      this.#report(
        name(),
        `Its place was not given out yet: the next one is ${counters.nextSequence}.`,
      );
    }
    // Expiry stops at the first message that is young enough.
    if (message.sentAt < tally.lastSentAt) {
      this.#report(name(), `It was sent at ${message.sentAt}, before the message in front of it.`);
    }
    tally.lastSentAt = Math.max(tally.lastSentAt, message.sentAt);
    if (this.#isInFuture(message.sentAt)) {
      this.#report(
        name(),
        `It was sent at ${message.sentAt}, after the last instant of the store.`,
      );
    }
  }

  #checkHasDelivery(
    place: number,
    message: Message | undefined,
    hasDelivery: boolean,
    { counters }: Surroundings,
    name: () => string,
  ): void {
    const isBeforeFresh = counters !== undefined && place < counters.freshFrom;
    // A message that cannot be read was passed over by receives, which says enough.
    if (message === undefined) return;
    if (!hasDelivery && isBeforeFresh) {
      this.#report(
        name(),
        `It stands before the first fresh place ${counters.freshFrom} and has no delivery: no receive would find it.`,
      );
    } else if (!hasDelivery && message.isDelayed) {
      this.#report(
        name(),
        "It was sent with a delay and has no delivery: no receive would find it.",
      );
    } else if (hasDelivery && counters !== undefined && !isBeforeFresh && !message.isDelayed) {
      this.#report(
        name(),
        `It stands at or after the first fresh place ${counters.freshFrom} and has a delivery: it would be received twice.`,
      );
    }
  }

  #checkDelivery(
    delivery: Delivery,
    message: Message | undefined,
    { prefix, counters, tally }: Surroundings,
    name: () => string,
  ): void {
    const { state, sequence } = delivery;
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
    if (state.kind === "returned") {
      if (this.#find(tables.returned, returnedKey(prefix, state.order, sequence)) === undefined) {
        this.#report(
          name(),
          `It is visible and has no index row at ${state.order}: no receive would find it.`,
        );
      }
      if (
        state.order < sequence ||
        (counters !== undefined && state.order >= counters.nextSequence)
      ) {
        this.#report(name(), `It is visible at ${state.order}, a place it cannot have been given.`);
      }
      return;
    }
    tally[state.kind === "leased" ? "inFlight" : "delayed"] += 1;
    if (this.#find(tables.due, dueKey(prefix, state.until, sequence)) === undefined) {
      this.#report(
        name(),
        `It is ${state.kind} until ${state.until} and has no index row: it would never return.`,
      );
    }
  }

  #checkReceives(
    { state, receiveCount, ordinal, firstReceivedAt }: Delivery,
    name: () => string,
  ): void {
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
    if (state.kind === "leased" && receiveCount === 0) {
      this.#report(name(), "It is leased and was never received.");
    }
    if (state.kind === "delayed" && receiveCount > 0) {
      this.#report(name(), `It is delayed and was received ${receiveCount} times.`);
    }
    if (
      state.kind === "leased" &&
      (state.leasedAt > state.until || this.#isInFuture(state.leasedAt))
    ) {
      this.#report(name(), `It is leased from ${state.leasedAt} until ${state.until}.`);
    }
  }

  #checkDue(scanned: ScannedRow, prefix: string, queueName: string): void {
    const { key } = scanned;
    if (
      key.length !== indexKeyLength ||
      !isPlace(key, key.length - 16) ||
      !isPlace(key, key.length - 8)
    ) {
      this.#layout(key);
      return;
    }
    const place = u64At(key, key.length - 8) as Message["sequence"];
    const until = u64At(key, key.length - 16);
    const name = `${queueName}, message ${place}`;
    this.#read(scanned, tables.due, () => name);
    const delivery = this.#find(tables.delivery, deliveryKey(prefix, place));
    if (delivery === "unreadable") return;
    if (delivery === undefined) {
      this.#report(name, `An index row says that it returns at ${until}, and it has no delivery.`);
    } else if (delivery.state.kind === "returned" || delivery.state.until !== until) {
      this.#report(
        name,
        `An index row says that it returns at ${until}; it is ${describe(delivery)}.`,
      );
    }
  }

  /** Returns the place it stands at. */
  #checkReturned(
    scanned: ScannedRow,
    prefix: string,
    queueName: string,
    lastOrder: number,
  ): number {
    const { key } = scanned;
    if (
      key.length !== indexKeyLength ||
      !isPlace(key, key.length - 16) ||
      !isPlace(key, key.length - 8)
    ) {
      this.#layout(key);
      return lastOrder;
    }
    const place = u64At(key, key.length - 8) as Message["sequence"];
    const order = u64At(key, key.length - 16);
    const name = `${queueName}, message ${place}`;
    this.#read(scanned, tables.returned, () => name);
    if (order === lastOrder)
      this.#report(name, `It is visible at ${order}, as another message is.`);
    const delivery = this.#find(tables.delivery, deliveryKey(prefix, place));
    if (delivery === undefined) {
      this.#report(
        name,
        `An index row says that it is visible at ${order}, and it has no delivery.`,
      );
    } else if (
      delivery !== "unreadable" &&
      (delivery.state.kind !== "returned" || delivery.state.order !== order)
    ) {
      this.#report(
        name,
        `An index row says that it is visible at ${order}; it is ${describe(delivery)}.`,
      );
    }
    return order;
  }

  #checkCounters(counters: Counters, tally: Tally, name: string): void {
    const compare = (what: string, counted: number, found: number): void => {
      if (counted !== found)
        this.#report(name, `Its counters say ${counted} ${what}, and there are ${found}.`);
    };
    compare("messages stored", counters.stored, tally.stored);
    if (tally.unreadMessages === 0)
      compare("bytes stored", counters.storedBytes, tally.storedBytes);
    if (tally.unreadDeliveries === 0) {
      compare("messages in flight", counters.inFlight, tally.inFlight);
      compare("messages delayed", counters.delayed, tally.delayed);
    }
    const { sent, deleted, expired, purged, stored } = counters;
    if (sent !== stored + deleted + expired + purged) {
      this.#report(
        name,
        `Its counters say ${sent} sent, which is not ${stored} stored + ${deleted} deleted + ${expired} expired + ${purged} purged.`,
      );
    }
    if (counters.freshFrom > counters.nextSequence) {
      this.#report(
        name,
        `Its first fresh place ${counters.freshFrom} is after its next place ${counters.nextSequence}.`,
      );
    }
  }

  #checkChunk(scanned: ScannedRow, bases: ChunkBases, base: string, name: string): void {
    const { key } = scanned;
    const index = key.charCodeAt(key.length - 2) * 256 + key.charCodeAt(key.length - 1);
    if (scanned.kind === "row") this.#report(name, `A row stands where chunk ${index} should.`);
    if (scanned.kind === "corrupt") {
      this.#report(name, `Chunk ${index} cannot be read: ${scanned.what}.`);
    }
    const count = bases.chunkCount(base);
    if (count !== undefined && (index === 0 || index > count)) {
      this.#report(name, `Chunk ${index} is stored, and its row has ${count}.`);
    }
  }

  #isInFuture(instant: EpochMs): boolean {
    return instant > this.#lastInstant;
  }
}

interface PairedFrom {
  readonly message: string;
  readonly delivery: string;
}

interface Surroundings {
  readonly prefix: string;
  readonly queueName: string;
  readonly counters: Counters | undefined;
  readonly tally: Tally;
}

/** Measures how much one reader has read. */
class Slice {
  #rows = 0;
  #bytes = 0;

  isFullWith(row: ScannedRow): boolean {
    this.#rows += 1;
    if (row.kind !== "corrupt") this.#bytes += row.bytes.length;
    return this.#rows >= sliceRowsMax || this.#bytes >= sliceBytesMax;
  }
}

/** Rows of one table with the next one in view. */
class Cursor {
  readonly #rows: Iterator<ScannedRow>;
  row: ScannedRow | undefined;

  constructor(rows: Iterable<ScannedRow>) {
    this.#rows = rows[Symbol.iterator]();
    this.row = this.#next();
  }

  #next(): ScannedRow | undefined {
    const next = this.#rows.next();
    return next.done === true ? undefined : next.value;
  }

  take(): ScannedRow | undefined {
    const { row } = this;
    this.row = this.#next();
    return row;
  }

  close(): void {
    this.#rows.return?.();
  }
}

/** How many chunks a row has; chunks of one row come one after another. */
class ChunkBases {
  readonly #store: Store;
  #base: string | undefined;
  #count: number | undefined;

  constructor(store: Store) {
    this.#store = store;
  }

  /** Zero without such a row; undefined when the row cannot be read, which is reported where the walk meets it. */
  chunkCount(base: string): number | undefined {
    if (base !== this.#base) {
      this.#base = base;
      const [row] = this.#store.scan(base, keyAfter(base));
      this.#count = row === undefined ? 0 : row.kind === "row" ? row.chunkCount : undefined;
    }
    return this.#count;
  }
}

const slotEnd = 0x4000;
/** Prefix, letter, one number; prefix, letter, two. */
const placeKeyLength = segmentPrefixLength + 1 + 8;
const indexKeyLength = placeKeyLength + 8;
/** After every key: none may be longer than LMDB's longest. */
const wholeEnd = "\xff".repeat(64);
/** Sorts keys out of layout where they stand in the way: before everything else. */
const outOfLayout = -1;
const noRow = Number.POSITIVE_INFINITY;

const keyAfter = (key: string): string => `${key}\x00`;

/** The first key after all that start with the prefix; undefined when there can be none. */
function prefixAfter(prefix: string): string | undefined {
  const kept = prefix.replace(/\xff+$/, "");
  if (kept === "") return undefined;
  return kept.slice(0, -1) + String.fromCharCode(kept.charCodeAt(kept.length - 1) + 1);
}

const isPlace = (key: string, at: number): boolean => u64At(key, at) <= Number.MAX_SAFE_INTEGER;

function placeOf(row: ScannedRow | undefined): number {
  if (row === undefined) return noRow;
  const { key } = row;
  return key.length === placeKeyLength && isPlace(key, key.length - 8)
    ? u64At(key, key.length - 8)
    : outOfLayout;
}

const describe = ({ state }: Delivery): string =>
  state.kind === "returned" ? `visible at ${state.order}` : `${state.kind} until ${state.until}`;

const keyName = (key: string): string => `key ${Buffer.from(key, "latin1").toString("hex")}`;

const segmentName = (prefix: string): string =>
  `segment ${u64At(prefix, 2)} in slot ${prefix.charCodeAt(0) * 256 + prefix.charCodeAt(1)}`;

const requestName = (hash: string): string =>
  `request result ${Buffer.from(hash, "latin1").toString("hex")}`;

/** What a row of a segment is about. */
const rowName = (key: string, queueName: string): string =>
  key.length === placeKeyLength && key[segmentPrefixLength] === tableLetters.message
    ? `${queueName}, message ${u64At(key, key.length - 8)}`
    : `${queueName}, ${keyName(key)}`;
