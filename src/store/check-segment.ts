// The check of one queue's rows: messages and groups, each in a file of its own, the rows that lead to messages by a time, what
// is remembered of ids, and the counters beside what was counted.

import { uuidText } from "../base/ids.js";
import type { Counters, Delivery, MessageTraits } from "../queue/model.js";
import {
  findMessage,
  isBeyond,
  isInFuture,
  keyLengthOf,
  messageName,
  numbersOf,
  placeText,
  type SegmentContext,
} from "./check-context.js";
import { GroupsCheck } from "./check-groups.js";
import { MessagesCheck, type MessageTally } from "./check-messages.js";
import { isPlace, keyName, prefixAfter } from "./check-walk.js";
import { countersKey, deliveryKey, segmentPrefixLength, tableLetters, u64At } from "./keys.js";
import type { ScannedRow } from "./store.js";
import { type Table, tables } from "./tables.js";

export interface SegmentChecked {
  readonly hasCounters: boolean;
  readonly messageCount: number;
}

export async function checkSegment(
  parts: Omit<SegmentContext, "counters">,
): Promise<SegmentChecked> {
  const counters = parts.walk.find(tables.counters, countersKey(parts.prefix));
  const segment = { ...parts, counters: counters === "unreadable" ? undefined : counters };
  const tally = await new SegmentCheck(segment).run();
  return { hasCounters: counters !== undefined, messageCount: tally.stored };
}

class SegmentCheck {
  readonly #segment: SegmentContext;
  readonly #groups: GroupsCheck;
  #lastPlace = "";
  #scheduled = 0;

  constructor(segment: SegmentContext) {
    this.#segment = segment;
    this.#groups = new GroupsCheck(segment);
  }

  async run(): Promise<MessageTally> {
    const { walk, prefix, counters } = this.#segment;
    const tally = await new MessagesCheck(this.#segment, this.#groups).run();
    if (tally.unreadDeliveries > 0) this.#groups.becomeBlind();
    await walk.walk(prefix, prefixAfter(prefix) ?? "\x80", (scanned) => this.#checkOther(scanned));
    this.#groups.finish();
    if (counters !== undefined) this.#checkCounters(counters, tally);
    return tally;
  }

  /** Rows of the other tables; returns where to go on when it meets one that was read before. */
  #checkOther(scanned: ScannedRow): string | undefined {
    const { walk, prefix, queueName } = this.#segment;
    const { key } = scanned;
    switch (key[segmentPrefixLength]) {
      case tableLetters.message:
        return `${prefix}n`;
      case tableLetters.delivery:
        return `${prefix}t`;
      case tableLetters.counters:
        if (key.length === segmentPrefixLength + 1) {
          walk.read(scanned, tables.counters, () => queueName);
        } else walk.layout(key);
        break;
      case tableLetters.due:
        this.#checkDue(scanned);
        break;
      case tableLetters.returned:
        this.#checkReturned(scanned);
        break;
      case tableLetters.member:
        this.#groups.checkMember(scanned);
        break;
      case tableLetters.group:
        this.#groups.checkGroup(scanned);
        break;
      case tableLetters.line:
        this.#groups.checkLine(scanned);
        break;
      case tableLetters.ownExpiry:
        this.#checkTimed(scanned, tables.ownExpiry, "its time to live ends", "expiresAt");
        break;
      case tableLetters.late:
        this.#checkTimed(scanned, tables.late, "the time in its id is", "indexedAt");
        break;
      case tableLetters.dedup:
        this.#checkDedup(scanned);
        break;
      case tableLetters.attempt:
        this.#checkAttempt(scanned);
        break;
      case tableLetters.scheduled:
        this.#checkScheduled(scanned);
        break;
      case tableLetters.chunk: {
        const base = prefix + key.slice(segmentPrefixLength + 1, -2);
        walk.checkChunk(scanned, base, this.#rowName(base));
        break;
      }
      default:
        walk.report(`${queueName}, ${keyName(key)}`, "No table has this letter.");
    }
    return undefined;
  }

  /** What a row that may be long is about. */
  #rowName(key: string): string {
    if (key[segmentPrefixLength] === tableLetters.message && key.length === keyLengthOf(1)) {
      return messageName(this.#segment, u64At(key, key.length - 8));
    }
    return key[segmentPrefixLength] === tableLetters.scheduled && key.length === scheduledKeyLength
      ? this.#scheduledName(key)
      : `${this.#segment.queueName}, ${keyName(key)}`;
  }

  #scheduledName(key: string): string {
    const id = Buffer.from(key.slice(-16), "latin1");
    return `${this.#segment.queueName}, scheduled message ${uuidText(id)}`;
  }

  // ---- rows that lead to messages ------------------------------------------------------------------------------------

  #findDelivery(place: number): Delivery | "unreadable" | undefined {
    const { walk, prefix } = this.#segment;
    return walk.find(tables.delivery, deliveryKey(prefix, place as MessageTraits["sequence"]));
  }

  #checkDue(scanned: ScannedRow): void {
    const { walk } = this.#segment;
    const [until, place] = numbersOf(this.#segment, scanned, 2) ?? [];
    if (until === undefined || place === undefined) return;
    const name = messageName(this.#segment, place);
    walk.read(scanned, tables.due, () => name);
    const delivery = this.#findDelivery(place);
    const says = `An index row says that it returns at ${until}`;
    if (delivery === undefined) walk.report(name, `${says}, and it has no delivery.`);
    if (delivery === undefined || delivery === "unreadable") return;
    if (delivery.state.kind === "returned" || delivery.state.until !== until) {
      walk.report(name, `${says}; it is ${stateText(delivery)}.`);
    }
  }

  #checkReturned(scanned: ScannedRow): void {
    const { walk, queue } = this.#segment;
    const [at, order, sequence] = numbersOf(this.#segment, scanned, 3) ?? [];
    if (at === undefined || order === undefined || sequence === undefined) return;
    const name = messageName(this.#segment, sequence);
    walk.read(scanned, tables.returned, () => name);
    const place = `${at}/${order}`;
    if (place === this.#lastPlace) {
      walk.report(name, `It is visible at ${place}, as another message is.`);
    }
    this.#lastPlace = place;
    const delivery = this.#findDelivery(sequence);
    const says = `An index row says that it is visible at ${place}`;
    if (queue.isFifo) walk.report(name, `${says}, in a FIFO queue.`);
    else if (delivery === undefined) walk.report(name, `${says}, and it has no delivery.`);
    if (queue.isFifo || delivery === undefined || delivery === "unreadable") return;
    if (delivery.groupId !== undefined) {
      walk.report(name, `${says}; it is found by its group ${delivery.groupId}.`);
    } else if (delivery.state.kind !== "returned" || placeText(delivery.state.place) !== place) {
      walk.report(name, `${says}; it is ${stateText(delivery)}.`);
    }
  }

  /** A row by a time that its message tells as well. */
  #checkTimed(
    scanned: ScannedRow,
    table: Table<true>,
    what: string,
    trait: "expiresAt" | "indexedAt",
  ): void {
    const { walk } = this.#segment;
    const [at, place] = numbersOf(this.#segment, scanned, 2) ?? [];
    if (at === undefined || place === undefined) return;
    const name = messageName(this.#segment, place);
    walk.read(scanned, table, () => name);
    const message = findMessage(this.#segment, place as MessageTraits["sequence"]);
    const says = `A row says that ${what} at ${at}`;
    if (message === undefined) walk.report(name, `${says}, and it is not there.`);
    if (message === undefined || message === "unreadable" || message[trait] === at) return;
    walk.report(name, `${says}; it says ${message[trait] ?? "nothing of it"}.`);
  }

  // ---- what is remembered, and what is to come -----------------------------------------------------------------------

  #checkDedup(scanned: ScannedRow): void {
    const { walk } = this.#segment;
    const name = this.#rememberedName(scanned.key, "deduplication id");
    if (name === undefined) return;
    const { row } = walk.read(scanned, tables.dedup, () => name);
    if (row === undefined) return;
    this.#checkRememberedAt(row.at, name);
    if (row.sequence !== undefined) this.#checkRememberedPlace(row.sequence, name);
  }

  #checkAttempt(scanned: ScannedRow): void {
    const { walk, queue } = this.#segment;
    const name = this.#rememberedName(scanned.key, "receive attempt");
    if (name === undefined) return;
    const { row } = walk.read(scanned, tables.attempt, () => name);
    if (row === undefined) return;
    if (!queue.isFifo) walk.report(name, "It is remembered in a standard queue.");
    this.#checkRememberedAt(row.at, name);
    for (const { sequence } of row.receives) this.#checkRememberedPlace(sequence, name);
  }

  #rememberedName(key: string, what: string): string | undefined {
    const id = key.slice(segmentPrefixLength + 1);
    if (rememberedId.test(id)) return `${this.#segment.queueName}, ${what} ${id.trim()}`;
    this.#segment.walk.layout(key);
    return undefined;
  }

  #checkRememberedAt(at: number, name: string): void {
    if (!isInFuture(this.#segment, at)) return;
    this.#segment.walk.report(name, `It is remembered from ${at}, after the last instant.`);
  }

  #checkRememberedPlace(place: number, name: string): void {
    if (place > 0 && !isBeyond(this.#segment, place)) return;
    this.#segment.walk.report(name, `It names message ${place}, which was not given out yet.`);
  }

  #checkScheduled(scanned: ScannedRow): void {
    const { walk, counters } = this.#segment;
    const { key } = scanned;
    if (key.length !== scheduledKeyLength || !isPlace(key, segmentPrefixLength + 1)) {
      walk.layout(key);
      return;
    }
    const name = this.#scheduledName(key);
    this.#scheduled += 1;
    const { row } = walk.read(scanned, tables.scheduled, () => name);
    if (row === undefined) return;
    const idAt = row.messageId.readUIntBE(0, 6);
    if (idAt !== row.deliverAt) {
      walk.report(name, `The time in its id is ${idAt}, and it is to join at ${row.deliverAt}.`);
    }
    if (isInFuture(this.#segment, row.acceptedAt) || row.acceptedAt > row.deliverAt) {
      walk.report(name, `It was accepted at ${row.acceptedAt}, to join at ${row.deliverAt}.`);
    }
    if (counters !== undefined && row.deliverAt < counters.joinsAt) {
      walk.report(
        name,
        `It is to join at ${row.deliverAt}, and the queue looks for none before ${counters.joinsAt}.`,
      );
    }
  }

  // ---- counters ------------------------------------------------------------------------------------------------------

  #checkCounters(counters: Counters, tally: MessageTally): void {
    const { walk, queue, queueName } = this.#segment;
    const compare = (what: string, said: number, found: number): void => {
      if (said !== found) {
        walk.report(queueName, `Its counters say ${said} ${what}, and there are ${found}.`);
      }
    };
    compare("messages stored", counters.stored, tally.stored);
    compare("messages scheduled", counters.scheduled, this.#scheduled);
    if (tally.unreadMessages === 0)
      compare("bytes stored", counters.storedBytes, tally.storedBytes);
    if (tally.unreadDeliveries === 0) {
      compare("messages in flight", counters.inFlight, tally.inFlight);
      compare("messages delayed", counters.delayed, tally.delayed);
      compare("messages returned", counters.returned, tally.returned);
    }
    this.#checkConservation(counters);
    const { nextSequence, freshFrom, dueFrom, turnFrom } = counters;
    const marks = {
      "first fresh place": freshFrom,
      "first delayed place": dueFrom,
      "first turn": turnFrom,
    };
    for (const [mark, place] of Object.entries(marks)) {
      if (place > nextSequence) {
        walk.report(queueName, `Its ${mark} ${place} is after its next place ${nextSequence}.`);
      }
    }
    if (counters.delayBackTo !== 0 && counters.delayBackTo >= dueFrom) {
      walk.report(
        queueName,
        `Its first delayed place ${dueFrom} is on its way back to ${counters.delayBackTo}, which is not before it.`,
      );
    }
    const [unused, idle] = queue.isFifo ? ["fresh", freshFrom] : ["delayed", dueFrom];
    if (idle < nextSequence) {
      walk.report(
        queueName,
        `Its first ${unused} place is ${idle}, which means nothing in a ${queue.isFifo ? "FIFO" : "standard"} queue.`,
      );
    }
  }

  #checkConservation({ stored, sent, arrived, ...counters }: Counters): void {
    const { deleted, expired, purged, deadLettered, moved } = counters;
    if (stored === sent + arrived - deleted - expired - purged - deadLettered - moved) return;
    this.#segment.walk.report(
      this.#segment.queueName,
      `Its counters say ${stored} stored, which is not ${sent} sent + ${arrived} arrived - ${deleted} deleted - ${expired} expired ` +
        `- ${purged} purged - ${deadLettered} dead-lettered - ${moved} moved.`,
    );
  }
}

/** Of the queue, or of one of its groups. */
const rememberedId = /^( [!-~]{1,128} )?[!-~]{1,128}$/;
const scheduledKeyLength = segmentPrefixLength + 1 + 8 + 16;

const stateText = ({ state }: Delivery): string =>
  state.kind === "returned"
    ? `visible at ${placeText(state.place)}`
    : `${state.kind} until ${state.until}`;
