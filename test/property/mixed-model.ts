// A standard queue with everything a message can have: a delay, a priority, a group, a time to live, a time to come, a past as
// a dead letter. As its specification describes it, in one plain array; nothing of the engine, the rules or the store is used.
//
// Places follow the engine and not the clock where the specification says "when it becomes visible again": the moment that
// counts is when somebody first looks (a receive, a report, a sweep). So leases and delays end in `settle`. Likewise a group is
// found noisy when something of it changes, and quiet again when somebody looks.

import { type BusyTime, noBusyTime, recentBusyMs, withBusyTime } from "./model-busy-time.js";
import {
  AcceptedSends,
  backoffMs,
  type GivenBack,
  leaseMsMax,
  type ModelEntry,
  type ModelMessage,
  type ModelQueue,
  type ModelReceipt,
  type ModelReceive,
  type ModelSettings,
  messageBytesMax,
  modelDefaults,
  type Originals,
  type QueueNamed,
  type ReceiveSeen,
  sum,
} from "./model-queue.js";

const backOfQueueReceiveCount = 3;
const quietAfterMs = 300_000;
const noisyInFlightMin = 30;
const noisyBusyMsMin = 6_000;
const noisyShare = 0.1;

/** Messages are served in the order of their places: by time, then by number. */
interface Place {
  readonly at: number;
  readonly order: number;
}

type State =
  | { readonly kind: "visible"; readonly place: Place }
  | { readonly kind: "leased"; readonly until: number; readonly leasedAt: number }
  | { readonly kind: "delayed"; readonly until: number; readonly wasRejected: boolean };

interface MixedMessage extends ModelMessage {
  readonly sequence: number;
  readonly group: string | undefined;
  readonly priority: number;
  readonly sizeBytes: number;
  readonly sentAt: number;
  readonly arrivedAt: number;
  readonly expiresAt: number;
  state: State;
}

interface MixedReceipt extends ModelReceipt {
  readonly message: MixedMessage;
  readonly placeBefore: Place;
}

/** A group: what is known of it beside its messages. */
interface Tenant {
  isNoisy: boolean;
  lastSentAt: number;
  busy: BusyTime;
}

interface Scheduled {
  readonly messageId: string;
  readonly entry: ModelEntry & { readonly deliverAt: number };
}

const comparePlaces = (left: Place, right: Place): number =>
  left.at - right.at || left.order - right.order;

export class MixedModelQueue implements ModelQueue {
  settings: ModelSettings;
  readonly #queueNamed: QueueNamed;
  /** In send order; also what has expired and nobody has looked at since. */
  #messages: MixedMessage[] = [];
  #tenants = new Map<string, Tenant>();
  #busy = noBusyTime;
  #scheduled: Scheduled[] = [];
  readonly #accepted = new AcceptedSends();
  #era = 0;
  #nextNumber = 1;
  readonly #counts = {
    sent: 0,
    received: 0,
    deleted: 0,
    expired: 0,
    purged: 0,
    deduplicated: 0,
    deadLettered: 0,
    arrived: 0,
    targetMissing: 0,
  };

  constructor(settings: Partial<ModelSettings>, queueNamed: QueueNamed) {
    this.settings = { ...modelDefaults, ...settings };
    this.#queueNamed = queueNamed;
  }

  // Time.

  #isExpired({ sentAt, expiresAt }: MixedMessage, now: number): boolean {
    return sentAt + this.settings.retentionMs <= now || expiresAt <= now;
  }

  #live(now: number): MixedMessage[] {
    return this.#messages.filter((message) => !this.#isExpired(message, now));
  }

  /** Where a message stands by the time, whether or not somebody has looked. */
  #standing({ state, receiveCount }: MixedMessage, now: number): "visible" | Until {
    if (state.kind === "visible") return "visible";
    const { kind, until } = state;
    if (until > now) return { kind: kind === "leased" ? "in_flight" : "delayed", until };
    const retryAt = until + backoffMs(this.settings.retry, receiveCount);
    return kind === "leased" && retryAt > now ? { kind: "delayed", until: retryAt } : "visible";
  }

  #isHeld(message: MixedMessage, now: number): boolean {
    const standing = this.#standing(message, now);
    return standing !== "visible" && standing.kind === "in_flight";
  }

  settle(now: number): void {
    this.#catchUp(now);
    for (const message of this.#messages.filter((one) => this.#isExpired(one, now))) {
      this.#remove(message, now);
      this.#counts.expired += 1;
    }
  }

  /** What a receive does first. What has expired it does away with as it meets it. */
  #catchUp(now: number): void {
    this.join(now);
    const due = this.#messages.flatMap((message) =>
      message.state.kind !== "visible" && message.state.until <= now
        ? [{ message, until: message.state.until }]
        : [],
    );
    due.sort((a, b) => a.until - b.until || a.message.sequence - b.message.sequence);
    for (const { message, until } of due) this.#endDue(message, until, now);
    for (const [group, tenant] of this.#tenants) {
      // One of which nothing is visible stands in no line, and nobody looks at it.
      const isInLine = this.#membersOf(group).some(({ state }) => state.kind === "visible");
      if (isInLine && tenant.lastSentAt + quietAfterMs <= now) tenant.isNoisy = false;
    }
  }

  #endDue(message: MixedMessage, until: number, now: number): void {
    const { state } = message;
    if (state.kind === "delayed") {
      message.state = {
        kind: "visible",
        place: this.#returnPlace(message, state.wasRejected, now),
      };
      this.#changed(message.group, now);
      return;
    }
    const retryMs = backoffMs(this.settings.retry, message.receiveCount);
    this.#endLease(message, { at: until, visibleAt: until + retryMs, isRejected: false }, now);
  }

  #endLease(
    message: MixedMessage,
    end: { readonly at: number; readonly visibleAt: number; readonly isRejected: boolean },
    now: number,
  ): void {
    this.#countBusy(message, end.at, now);
    message.state =
      end.visibleAt > now
        ? { kind: "delayed", until: end.visibleAt, wasRejected: end.isRejected }
        : { kind: "visible", place: this.#returnPlace(message, end.isRejected, now) };
    this.#changed(message.group, now);
  }

  /** A message sent for a time to come joins when somebody looks, at that time or later. */
  join(now: number): void {
    for (const { messageId, entry } of this.#due(now)) {
      const dueAt = entry.deliverAt + this.settings.delayMs;
      this.#append(messageId, entry, { sentAt: entry.deliverAt, dueAt }, now);
    }
    this.#scheduled = this.#scheduled.filter(({ entry }) => entry.deliverAt > now);
  }

  #due(now: number): Scheduled[] {
    const due = this.#scheduled.filter(({ entry }) => entry.deliverAt <= now);
    return due.sort((left, right) => left.entry.deliverAt - right.entry.deliverAt);
  }

  isLookNeeded(now: number): boolean {
    return this.#tenants.size > 0 && this.#messages.some((one) => this.#isExpired(one, now));
  }

  notice(): void {
    // Nothing is promised of the time between two looks.
  }

  setSettings(settings: Partial<ModelSettings>, now: number): void {
    this.settle(now);
    this.#accepted.endWindow(this.settings.dedupWindowMs, now);
    this.settings = { ...this.settings, ...settings };
  }

  // Places.

  #takeNumber(): number {
    const number = this.#nextNumber;
    this.#nextNumber += 1;
    return number;
  }

  /** A priority counts as so much waiting done already. */
  #ownPlace({ arrivedAt, priority, sequence }: MixedMessage): Place {
    return { at: arrivedAt - priority * this.settings.priorityAgeingMs, order: sequence };
  }

  #returnPlace(message: MixedMessage, isRejected: boolean, now: number): Place {
    const goesBack = isRejected || message.receiveCount >= backOfQueueReceiveCount;
    return goesBack ? { at: now, order: this.#takeNumber() } : this.#ownPlace(message);
  }

  // Groups.

  #membersOf(group: string): MixedMessage[] {
    return this.#messages.filter((message) => message.group === group);
  }

  /** Something of a group has changed: it may have become noisy, or be gone. */
  #changed(group: string | undefined, now: number): void {
    const tenant = group === undefined ? undefined : this.#tenants.get(group);
    if (group === undefined || tenant === undefined) return;
    const members = this.#membersOf(group);
    if (members.length === 0) this.#tenants.delete(group);
    else tenant.isNoisy = this.#isNoisy(tenant, members, now);
  }

  #isNoisy(tenant: Tenant, members: readonly MixedMessage[], now: number): boolean {
    if (tenant.lastSentAt + quietAfterMs <= now) return false;
    if (tenant.isNoisy) return true;
    const inFlight = leasedCount(members);
    if (inFlight >= noisyInFlightMin && inFlight > leasedCount(this.#messages) * noisyShare) {
      return true;
    }
    const busyMs = recentBusyMs(tenant.busy, now);
    return busyMs >= noisyBusyMsMin && busyMs > recentBusyMs(this.#busy, now) * noisyShare;
  }

  /** The time from lease to end, for fairness. Without groups nobody asks. */
  #countBusy({ state, group }: MixedMessage, endedAt: number, now: number): void {
    if (state.kind !== "leased") return;
    if (group === undefined && this.#tenants.size === 0 && this.#busy === noBusyTime) return;
    const spentMs = Math.max(0, Math.min(endedAt, state.until) - state.leasedAt);
    this.#busy = withBusyTime(this.#busy, spentMs, now);
    const tenant = group === undefined ? undefined : this.#tenants.get(group);
    if (tenant !== undefined) tenant.busy = withBusyTime(tenant.busy, spentMs, now);
  }

  #groupRoom(group: string | undefined, now: number): number {
    const { groupInFlightMax } = this.settings;
    if (groupInFlightMax === 0 || group === undefined) return Number.POSITIVE_INFINITY;
    const held = this.#membersOf(group).filter((message) => this.#isHeld(message, now));
    return groupInFlightMax - held.length;
  }

  // Messages come and go.

  #append(
    messageId: string,
    entry: ModelEntry,
    { sentAt, dueAt }: { readonly sentAt: number; readonly dueAt: number },
    now: number,
  ): void {
    const { body, group, priority, sizeBytes, timeToLiveMs } = entry;
    this.#put(
      {
        messageId,
        body,
        group,
        priority,
        sizeBytes,
        sentAt,
        expiresAt: sentAt + (timeToLiveMs ?? Number.POSITIVE_INFINITY),
        earlierReceives: 0,
      },
      dueAt,
      now,
    );
    if (group !== undefined) this.#tenant(group, now).lastSentAt = now;
    this.#changed(group, now);
    this.#counts.sent += 1;
  }

  #put(
    coming: Omit<MixedMessage, "sequence" | "arrivedAt" | "receiveCount" | "ordinal" | "state">,
    dueAt: number,
    now: number,
  ): void {
    const unplaced: State = { kind: "delayed", until: dueAt, wasRejected: false };
    const message: MixedMessage = {
      ...coming,
      sequence: this.#takeNumber(),
      arrivedAt: now,
      receiveCount: 0,
      ordinal: 0,
      state: unplaced,
    };
    if (dueAt <= now) message.state = { kind: "visible", place: this.#ownPlace(message) };
    this.#messages.push(message);
  }

  #tenant(group: string, now: number): Tenant {
    const known = this.#tenants.get(group);
    if (known !== undefined) return known;
    const tenant = { isNoisy: false, lastSentAt: now, busy: noBusyTime };
    this.#tenants.set(group, tenant);
    return tenant;
  }

  #remove(message: MixedMessage, now: number): void {
    this.#countBusy(message, now, now);
    this.#messages = this.#messages.filter((other) => other !== message);
    this.#changed(message.group, now);
  }

  refusal({ dedupId, sizeBytes }: ModelEntry): string | undefined {
    const hasWindow = this.settings.dedupWindowMs > 0;
    if (dedupId !== undefined && !hasWindow) return "unsupported_for_queue_type";
    return sizeBytes > messageBytesMax ? "message_too_long" : undefined;
  }

  originals({ dedupId, group }: ModelEntry, now: number): Originals {
    return dedupId === undefined
      ? { messageIds: [], isCertain: false }
      : this.#accepted.originals(dedupId, group, this.settings, now);
  }

  duplicate(): void {
    this.#counts.deduplicated += 1;
  }

  store(messageId: string, entry: ModelEntry, now: number): void {
    const { dedupId, group, deliverAt } = entry;
    if (dedupId !== undefined) this.#accepted.add(dedupId, group, now, messageId);
    if (deliverAt !== undefined && deliverAt > now) {
      this.#scheduled.push({ messageId, entry: { ...entry, deliverAt } });
      return;
    }
    const dueAt = now + (entry.delayMs ?? this.settings.delayMs);
    this.#append(messageId, entry, { sentAt: now, dueAt }, now);
  }

  /** Its retention runs from the original send; no delay holds for it. */
  arrive(message: ModelMessage, now: number): void {
    const { earlierReceives, receiveCount, ...rest } = message as MixedMessage;
    this.#put({ ...rest, earlierReceives: earlierReceives + receiveCount }, now, now);
    if (rest.group !== undefined) this.#tenant(rest.group, now);
    this.#changed(rest.group, now);
    this.#counts.arrived += 1;
  }

  cancelScheduled(messageId: string, now: number): string {
    const found = this.#scheduled.find((scheduled) => scheduled.messageId === messageId);
    if (found === undefined || found.entry.deliverAt <= now) return "message_not_found";
    this.#scheduled = this.#scheduled.filter((scheduled) => scheduled !== found);
    return "accepted";
  }

  // Receives.

  repeat(): undefined {
    // Attempt ids are for FIFO queues.
  }

  #target(): ModelQueue | undefined {
    const { redrive } = this.settings;
    return redrive && this.#queueNamed(redrive.deadLetterQueue);
  }

  #isOverLimit({ receiveCount }: MixedMessage): boolean {
    const { redrive } = this.settings;
    return redrive !== undefined && receiveCount >= redrive.receiveCountMax;
  }

  receive(call: ModelReceive, seen: ReceiveSeen, now: number): readonly MixedReceipt[] | string {
    const { isPaused, inFlightMax } = this.settings;
    const held = this.#live(now).filter((message) => this.#isHeld(message, now));
    const room = inFlightMax - held.length;
    // A call that is refused leaves no trace: it has not looked.
    if (!isPaused && room <= 0) return "in_flight_limit";
    this.#catchUp(now);
    const countMax = isPaused ? 0 : Math.min(call.countMax, room);
    const { taken, moved } = this.#pick({ ...call, countMax }, seen, now);
    const target = this.#target();
    for (const message of moved) this.#moveTo(target, message, now);
    const timeoutMs = call.visibilityTimeoutMs ?? this.settings.visibilityTimeoutMs;
    return taken.map((message) => this.#lease(message, timeoutMs, now));
  }

  /** Quiet ones by place; of the noisy groups the one with the fewest in flight first. */
  #pick(call: ModelReceive, seen: ReceiveSeen, now: number): Picking {
    const canMove = this.#target() !== undefined;
    const picking = new Picking(call, seen, (message) => canMove && this.#isOverLimit(message));
    const visible = this.#live(now).filter(({ state }) => state.kind === "visible");
    visible.sort((left, right) => comparePlaces(placeOf(left), placeOf(right)));
    const lines = new Map<string, Line>();
    const quiet: MixedMessage[] = [];
    for (const message of visible) {
      const { group } = message;
      if (group === undefined || this.#tenants.get(group)?.isNoisy !== true) quiet.push(message);
      else {
        const line = lines.get(group) ?? {
          waiting: [],
          room: this.#groupRoom(group, now),
          held: leasedCount(this.#membersOf(group)),
        };
        line.waiting.push(message);
        lines.set(group, line);
      }
    }
    picking.takeQuiet(quiet, (group) => this.#groupRoom(group, now));
    picking.takeNoisy([...lines.values()]);
    picking.judgeMoved(visible);
    return picking;
  }

  #lease(message: MixedMessage, timeoutMs: number, now: number): MixedReceipt {
    if (this.#isOverLimit(message)) this.#counts.targetMissing += 1;
    const placeBefore = placeOf(message);
    message.receiveCount += 1;
    message.ordinal += 1;
    message.state =
      timeoutMs > 0
        ? { kind: "leased", until: now + timeoutMs, leasedAt: now }
        : { kind: "visible", place: this.#returnPlace(message, false, now) };
    this.#changed(message.group, now);
    this.#counts.received += 1;
    const { ordinal } = message;
    return { queue: this, era: this.#era, message, ordinal, placeBefore, isUndone: false };
  }

  #moveTo(target: ModelQueue | undefined, message: MixedMessage, now: number): void {
    if (target === undefined)
      throw new Error(`${message.body} was moved, and there is nowhere to.`);
    this.#remove(message, now);
    this.#counts.deadLettered += 1;
    target.arrive(message, now);
  }

  // What is done with a handle.

  #find({ era, message }: ModelReceipt, now: number): MixedMessage | undefined {
    return era === this.#era ? this.#live(now).find((one) => one === message) : undefined;
  }

  delete(receipt: ModelReceipt | undefined, now: number): string {
    if (receipt?.queue !== this) return "receipt_handle_invalid";
    const message = this.#find(receipt, now);
    if (message === undefined) return "already_gone";
    if (this.settings.receiptPolicy === "strict" && receipt.ordinal !== message.ordinal) {
      return "receipt_handle_expired";
    }
    this.#remove(message, now);
    this.#counts.deleted += 1;
    return "deleted";
  }

  /** The message leased under a handle, or why there is none. */
  #leased(
    receipt: ModelReceipt | undefined,
    isNewestOnly: boolean,
    now: number,
  ): string | MixedMessage {
    if (receipt?.queue !== this) return "receipt_handle_invalid";
    const message = this.#find(receipt, now);
    if (message === undefined) return "message_not_found";
    if (isNewestOnly && receipt.ordinal !== message.ordinal) return "receipt_handle_expired";
    return this.#isHeld(message, now) ? message : "message_not_in_flight";
  }

  changeVisibility(receipt: ModelReceipt | undefined, timeoutMs: number, now: number): string {
    const message = this.#leased(receipt, this.settings.receiptPolicy === "strict", now);
    if (typeof message === "string") return message;
    const leasedAt = message.state.kind === "leased" ? message.state.leasedAt : now;
    if (now + timeoutMs > leasedAt + leaseMsMax) return "visibility_limit_exceeded";
    if (timeoutMs === 0)
      this.#endLease(message, { at: now, visibleAt: now, isRejected: false }, now);
    else message.state = { kind: "leased", until: now + timeoutMs, leasedAt };
    return `visible at ${now + timeoutMs}`;
  }

  giveBack(
    receipt: ModelReceipt | undefined,
    { delayMs, isRejected }: GivenBack,
    now: number,
  ): string {
    const message = this.#leased(receipt, true, now);
    if (typeof message === "string") return message;
    const waitMs = delayMs ?? backoffMs(this.settings.retry, message.receiveCount);
    this.#endLease(message, { at: now, visibleAt: now + waitMs, isRejected }, now);
    return `visible at ${now + waitMs}`;
  }

  deadLetter(receipt: ModelReceipt | undefined, now: number): string {
    const message = this.#leased(receipt, true, now);
    if (typeof message === "string") return message;
    const target = this.#target();
    if (target === undefined) return "dead_letter_queue_not_found";
    this.#endLease(message, { at: now, visibleAt: now, isRejected: true }, now);
    this.#moveTo(target, message, now);
    return "dead_lettered";
  }

  /** Gives a receive back as if it had not been. */
  undo(receipts: readonly ModelReceipt[], _attemptId: string | undefined, now: number): void {
    for (const receipt of receipts as readonly MixedReceipt[]) {
      const message = this.#find(receipt, now);
      if (message === undefined || message.ordinal !== receipt.ordinal) continue;
      if (receipt.isUndone || message.state.kind === "delayed") continue;
      message.state = { kind: "visible", place: receipt.placeBefore };
      message.receiveCount -= 1;
      receipt.isUndone = true;
      this.#changed(message.group, now);
      this.#counts.received -= 1;
    }
  }

  purge(now: number): number {
    this.settle(now);
    const count = this.#messages.length;
    this.#messages = [];
    this.#tenants = new Map();
    this.#busy = noBusyTime;
    this.#scheduled = [];
    this.#accepted.forget();
    this.#era += 1;
    this.#counts.purged += count;
    return count;
  }

  // What can be seen.

  counts(): Readonly<Record<string, number>> {
    const noisy = [...this.#tenants].flatMap(([group, { isNoisy }]) => (isNoisy ? [group] : []));
    const noisyMessages = noisy.flatMap((group) => this.#membersOf(group));
    const delayedCount = (messages: readonly MixedMessage[]): number =>
      messages.filter(({ state }) => state.kind === "delayed").length;
    return {
      ...this.#counts,
      stored: this.#messages.length,
      storedBytes: sum(this.#messages.map(({ sizeBytes }) => sizeBytes)),
      inFlight: leasedCount(this.#messages),
      delayed: delayedCount(this.#messages),
      scheduled: this.#scheduled.length,
      groups: this.#tenants.size,
      groupsInFlight: [...this.#tenants.keys()].filter(
        (group) => leasedCount(this.#membersOf(group)) > 0,
      ).length,
      noisyGroups: noisy.length,
      noisyStored: noisyMessages.length,
      noisyInFlight: leasedCount(noisyMessages),
      noisyDelayed: delayedCount(noisyMessages),
    };
  }

  lineOf(): string {
    return "all";
  }

  peek(now: number): Readonly<Record<string, readonly string[]>> {
    const texts = this.#live(now).map((message) => {
      const standing = this.#standing(message, now);
      const text = standing === "visible" ? standing : `${standing.kind} until ${standing.until}`;
      const { body, receiveCount, earlierReceives } = message;
      return `${body} ${text} after ${earlierReceives}+${receiveCount} receives`;
    });
    // Those whose time has come are shown, also if nobody has let them join.
    for (const { entry } of this.#due(now)) {
      const { body, deliverAt, timeToLiveMs = Number.POSITIVE_INFINITY } = entry;
      if (deliverAt + Math.min(timeToLiveMs, this.settings.retentionMs) <= now) continue;
      const dueAt = deliverAt + this.settings.delayMs;
      texts.push(
        `${body} ${dueAt > now ? `delayed until ${dueAt}` : "visible"} after 0+0 receives`,
      );
    }
    return texts.length === 0 ? {} : { all: texts };
  }
}

interface Until {
  readonly kind: "in_flight" | "delayed";
  readonly until: number;
}

const leasedCount = (messages: readonly MixedMessage[]): number =>
  messages.filter(({ state }) => state.kind === "leased").length;

const placeOf = ({ state }: MixedMessage): Place => {
  if (state.kind !== "visible") throw new Error("Only visible messages have a place.");
  return state.place;
};

/** The visible messages of a noisy group, in order. */
interface Line {
  readonly waiting: MixedMessage[];
  room: number;
  held: number;
}

/** Follows a receive: which messages it had to take, and which to move, in which order. */
class Picking {
  readonly taken: MixedMessage[] = [];
  readonly moved: MixedMessage[] = [];
  readonly #call: ModelReceive;
  readonly #seen: ReceiveSeen;
  readonly #isToMove: (message: MixedMessage) => boolean;
  #bytes = 0;
  #isOver: boolean;

  constructor(call: ModelReceive, seen: ReceiveSeen, isToMove: (message: MixedMessage) => boolean) {
    this.#call = call;
    this.#seen = seen;
    this.#isToMove = isToMove;
    this.#isOver = call.countMax <= 0;
  }

  /** One message in its turn; false when the receive has to end before it. */
  #meet(message: MixedMessage): boolean {
    if (this.#isToMove(message)) {
      this.moved.push(message);
      return true;
    }
    if (this.taken.length > 0 && this.#bytes + message.sizeBytes > this.#call.bytesMax) {
      this.#isOver = true;
      return false;
    }
    const given = this.#seen.taken[this.taken.length];
    if (given !== message.messageId) {
      throw new Error(`${message.body} was to come, and ${given ?? "nothing"} came.`);
    }
    this.taken.push(message);
    this.#bytes += message.sizeBytes;
    this.#isOver = this.taken.length === this.#call.countMax;
    return true;
  }

  takeQuiet(
    messages: readonly MixedMessage[],
    roomOf: (group: string | undefined) => number,
  ): void {
    const takenOf = new Map<string | undefined, number>();
    for (const message of messages) {
      if (this.#isOver) return;
      const { group } = message;
      const count = takenOf.get(group) ?? 0;
      if (count >= roomOf(group)) continue;
      const before = this.taken.length;
      this.#meet(message);
      takenOf.set(group, count + this.taken.length - before);
    }
  }

  /** Of several groups that hold equally few nobody promised which comes first: the one that came. */
  takeNoisy(lines: readonly Line[]): void {
    while (!this.#isOver) {
      const open = lines.filter(({ waiting, room }) => waiting.length > 0 && room > 0);
      const fewest = Math.min(...open.map(({ held }) => held));
      const next = open.filter(({ held }) => held === fewest);
      const isNext = ({ waiting: [first] }: Line): boolean =>
        first !== undefined &&
        (this.#isToMove(first)
          ? this.#seen.wasMoved(first)
          : this.#seen.taken[this.taken.length] === first.messageId);
      const line = next.find(isNext) ?? next[0];
      const message = line?.waiting[0];
      if (line === undefined || message === undefined) return;
      const before = this.taken.length;
      if (!this.#meet(message)) return;
      line.waiting.shift();
      line.room -= this.taken.length - before;
      line.held += this.taken.length - before;
    }
  }

  /** Nothing more came than had to, and what was passed was moved. */
  judgeMoved(visible: readonly MixedMessage[]): void {
    const more = this.#seen.taken[this.taken.length];
    if (more !== undefined) throw new Error(`${more} was not to come.`);
    for (const message of visible) {
      const wasMoved = this.#isToMove(message) && this.#seen.wasMoved(message);
      if (wasMoved === this.moved.includes(message)) continue;
      throw new Error(`${message.body} was ${wasMoved ? "moved before its turn" : "not moved"}.`);
    }
    this.moved.sort((left, right) => this.#seen.arrivalOf(left) - this.#seen.arrivalOf(right));
  }
}
