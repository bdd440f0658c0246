// A FIFO queue as its specification describes it: of each group a plain array, in order. Nothing of the engine, the rules or
// the store is used. Where a message stands is worked out from the time whenever somebody asks.
//
// The prefix rule, as it is written: in each group those before the first leased or delayed message can be delivered. Which
// group is served first among those that became ready meanwhile nobody promised; so a receive is not foretold but judged:
// whether it took as many as it could, in order, group after group, and passed over nobody whose turn it was.

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

const attemptWindowMs = 300_000;

type State =
  | { readonly kind: "visible" }
  | { readonly kind: "leased"; readonly until: number; readonly leasedAt: number }
  /** It backs off. */
  | { readonly kind: "delayed"; readonly until: number };

interface FifoMessage extends ModelMessage {
  readonly group: string;
  readonly sizeBytes: number;
  readonly sentAt: number;
  readonly expiresAt: number;
  /** It came as a dead letter: no delay holds for it. */
  readonly hasCome: boolean;
  state: State;
}

interface Scheduled {
  readonly messageId: string;
  readonly entry: ModelEntry & { readonly deliverAt: number };
}

interface FifoReceipt extends ModelReceipt {
  readonly message: FifoMessage;
}

interface Attempt {
  readonly at: number;
  wasRepeated: boolean;
  receives: readonly { readonly receipt: FifoReceipt; readonly until: number }[];
}

type Standing =
  | { readonly kind: "visible" }
  | { readonly kind: "in_flight" | "delayed"; readonly until: number };

export class FifoModelQueue implements ModelQueue {
  settings: ModelSettings;
  readonly #queueNamed: QueueNamed;
  #groups = new Map<string, FifoMessage[]>();
  #scheduled: Scheduled[] = [];
  readonly #accepted = new AcceptedSends();
  #attempts = new Map<string, Attempt>();
  #era = 0;
  /** Grows with every service; turns are compared by it. */
  #services = 0;
  readonly #servedAt = new Map<string, number>();
  /** Groups that a receive found ready and that have been ready ever since. */
  readonly #readySince = new Map<string, number>();
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
    this.settings = { ...modelDefaults, dedupWindowMs: 300_000, ...settings };
    this.#queueNamed = queueNamed;
  }

  // Time.

  #messages(): FifoMessage[] {
    return [...this.#groups.values()].flat();
  }

  #remove(message: FifoMessage): void {
    const left = (this.#groups.get(message.group) ?? []).filter((other) => other !== message);
    if (left.length === 0) {
      // A group that is empty is gone; when it comes again it comes last.
      this.#groups.delete(message.group);
      this.#readySince.delete(message.group);
    } else this.#groups.set(message.group, left);
  }

  #expire(now: number): void {
    for (const message of this.#messages()) {
      const end = Math.min(message.sentAt + this.settings.retentionMs, message.expiresAt);
      if (end > now) continue;
      this.#remove(message);
      this.#counts.expired += 1;
    }
  }

  #standing(message: FifoMessage, now: number): Standing {
    const { state, receiveCount, hasCome, sentAt } = message;
    if (state.kind === "visible") {
      const dueAt = sentAt + this.settings.delayMs;
      const isWaiting = receiveCount === 0 && !hasCome && dueAt > now;
      return isWaiting ? { kind: "delayed", until: dueAt } : { kind: "visible" };
    }
    if (state.until > now) {
      return { kind: state.kind === "leased" ? "in_flight" : "delayed", until: state.until };
    }
    if (state.kind === "leased") {
      const until = state.until + backoffMs(this.settings.retry, receiveCount);
      if (until > now) return { kind: "delayed", until };
    }
    return { kind: "visible" };
  }

  /** What time has done stays done, also when the settings change: somebody has looked. */
  settle(now: number): void {
    this.join(now);
    this.#expire(now);
    for (const message of this.#messages()) {
      const { state } = message;
      if (state.kind === "visible" || state.until > now) continue;
      const standing = this.#standing(message, now);
      message.state =
        standing.kind === "delayed"
          ? { kind: "delayed", until: standing.until }
          : { kind: "visible" };
    }
  }

  /** A message sent for a time to come is sent when somebody looks, at that time or later. */
  join(now: number): void {
    for (const message of this.#due(now)) this.#append(message);
    this.#scheduled = this.#scheduled.filter(({ entry }) => entry.deliverAt > now);
  }

  #due(now: number): FifoMessage[] {
    const due = this.#scheduled.filter(({ entry }) => entry.deliverAt <= now);
    due.sort((left, right) => left.entry.deliverAt - right.entry.deliverAt);
    return due.map(({ messageId, entry }) => messageOf(messageId, entry, now, entry.deliverAt));
  }

  #append(message: FifoMessage): void {
    this.#put(message);
    this.#counts.sent += 1;
  }

  #put(message: FifoMessage): void {
    this.#groups.set(message.group, [...(this.#groups.get(message.group) ?? []), message]);
  }

  setSettings(settings: Partial<ModelSettings>, now: number): void {
    this.settle(now);
    this.#accepted.endWindow(this.settings.dedupWindowMs, now);
    this.settings = { ...this.settings, ...settings };
    this.settle(now);
  }

  // Sends.

  refusal({ dedupId, sizeBytes, priority, delayMs = 0, group }: ModelEntry): string | undefined {
    if (priority > 0 || delayMs > 0) return "unsupported_for_queue_type";
    const isIdNeeded = !this.settings.isContentDeduplicated;
    if (group === undefined || (dedupId === undefined && isIdNeeded)) return "parameter_needed";
    return sizeBytes > messageBytesMax ? "message_too_long" : undefined;
  }

  originals(entry: ModelEntry, now: number): Originals {
    return this.#accepted.originals(dedupIdOf(entry), entry.group, this.settings, now);
  }

  duplicate(): void {
    this.#counts.deduplicated += 1;
  }

  store(messageId: string, entry: ModelEntry, now: number): void {
    const { group, deliverAt } = entry;
    if (this.settings.dedupWindowMs > 0) {
      this.#accepted.add(dedupIdOf(entry), group, now, messageId);
    }
    if (deliverAt !== undefined && deliverAt > now) {
      this.#scheduled.push({ messageId, entry: { ...entry, deliverAt } });
    } else this.#append(messageOf(messageId, entry, now, now));
  }

  cancelScheduled(messageId: string, now: number): string {
    const found = this.#scheduled.find((scheduled) => scheduled.messageId === messageId);
    if (found === undefined || found.entry.deliverAt <= now) return "message_not_found";
    this.#scheduled = this.#scheduled.filter((scheduled) => scheduled !== found);
    return "accepted";
  }

  // Receives.

  #target(): ModelQueue | undefined {
    const { redrive } = this.settings;
    return redrive && this.#queueNamed(redrive.deadLetterQueue);
  }

  #isOverLimit({ receiveCount }: FifoMessage): boolean {
    const { redrive } = this.settings;
    return redrive !== undefined && receiveCount >= redrive.receiveCountMax;
  }

  #inFlight(messages: readonly FifoMessage[], now: number): number {
    return messages.filter((message) => this.#standing(message, now).kind === "in_flight").length;
  }

  /** The prefix rule: what of a group can be delivered. */
  deliverable(group: string, now: number): readonly FifoMessage[] {
    const messages = this.#groups.get(group) ?? [];
    const blocked = messages.findIndex(
      (message) => this.#standing(message, now).kind !== "visible",
    );
    return blocked === -1 ? messages : messages.slice(0, blocked);
  }

  #groupRoom(group: string, now: number): number {
    const { groupInFlightMax } = this.settings;
    if (groupInFlightMax === 0) return Number.POSITIVE_INFINITY;
    return Math.max(0, groupInFlightMax - this.#inFlight(this.#groups.get(group) ?? [], now));
  }

  #isReady(group: string, now: number): boolean {
    return this.deliverable(group, now).length > 0 && this.#groupRoom(group, now) > 0;
  }

  isLookNeeded(): boolean {
    return false;
  }

  /** A group that is not ready loses its turn. */
  notice(now: number): void {
    this.#expire(now);
    for (const group of this.#readySince.keys()) {
      if (!this.#isReady(group, now)) this.#readySince.delete(group);
    }
  }

  /** Judges what a receive did, and does the same. Throws a sentence about what was wrong. */
  receive(call: ModelReceive, seen: ReceiveSeen, now: number): FifoReceipt[] {
    this.settle(now);
    for (const group of this.#groups.keys()) {
      if (this.#isReady(group, now) && !this.#readySince.has(group)) {
        this.#readySince.set(group, this.#services);
      }
    }
    const judged = judgeReceive(this.#line(call, now), seen);
    this.#judgeTurns(judged);
    const target = this.#target();
    for (const message of judged.moved) this.#moveTo(target, message, now);
    const timeoutMs = call.visibilityTimeoutMs ?? this.settings.visibilityTimeoutMs;
    const receipts = judged.taken.map((message) => this.#lease(message, timeoutMs, now));
    for (const group of judged.served) {
      this.#services += 1;
      this.#servedAt.set(group, this.#services);
    }
    if (call.attemptId !== undefined && receipts.length > 0) {
      this.#remember(call.attemptId, receipts, now);
    }
    return receipts;
  }

  /** What stands before a receive. */
  #line({ countMax, bytesMax }: ModelReceive, now: number): Line {
    const { isPaused, inFlightMax } = this.settings;
    const room = inFlightMax - this.#inFlight(this.#messages(), now);
    const canMove = this.#target() !== undefined;
    const isOpen = !isPaused && room > 0;
    const groups = isOpen ? [...this.#groups.keys()] : [];
    return {
      countMax: Math.min(countMax, room),
      bytesMax,
      groups: new Map(
        groups.map((group) => [
          group,
          { messages: this.deliverable(group, now), room: this.#groupRoom(group, now) },
        ]),
      ),
      isToMove: (message) => canMove && this.#isOverLimit(message),
    };
  }

  /** Nobody is served who was served after another that has been waiting ever since. */
  #judgeTurns({ served, moved }: Judged): void {
    const turn = (group: string): number =>
      Math.max(this.#readySince.get(group) ?? 0, this.#servedAt.get(group) ?? 0);
    const movedFrom = new Set(moved.map(({ group }) => group));
    for (const [index, group] of served.entries()) {
      // One of which messages were only moved had its turn at some time of this receive.
      const waiting = [...this.#readySince.keys()].filter((other) => {
        const hadItsTurn = served.slice(0, index + 1).includes(other);
        return !hadItsTurn && (served.includes(other) || !movedFrom.has(other));
      });
      const passedOver = waiting.find((other) => turn(other) < (this.#servedAt.get(group) ?? 0));
      if (passedOver !== undefined) {
        throw new Error(`${group} was served again before ${passedOver}, which was waiting.`);
      }
    }
  }

  #lease(message: FifoMessage, timeoutMs: number, now: number): FifoReceipt {
    if (this.#isOverLimit(message)) this.#counts.targetMissing += 1;
    message.receiveCount += 1;
    message.ordinal += 1;
    message.state =
      timeoutMs > 0
        ? { kind: "leased", until: now + timeoutMs, leasedAt: now }
        : { kind: "visible" };
    this.#counts.received += 1;
    return { queue: this, era: this.#era, message, ordinal: message.ordinal, isUndone: false };
  }

  #moveTo(target: ModelQueue | undefined, message: FifoMessage, now: number): void {
    if (target === undefined)
      throw new Error(`${message.body} was moved, and there is nowhere to.`);
    this.#remove(message);
    this.#counts.deadLettered += 1;
    target.arrive(message, now);
  }

  /** Sent anew, as it were, with a receive count of its own. */
  arrive(message: ModelMessage, now: number): void {
    this.#put({
      ...(message as FifoMessage),
      sentAt: now,
      hasCome: true,
      earlierReceives: message.earlierReceives + message.receiveCount,
      state: { kind: "visible" },
      receiveCount: 0,
      ordinal: 0,
    });
    this.#counts.arrived += 1;
  }

  #remember(attemptId: string, receipts: readonly FifoReceipt[], now: number): void {
    const receives = receipts.map((receipt) => {
      const { state } = receipt.message;
      return { receipt, until: state.kind === "leased" ? state.until : now };
    });
    this.#attempts.set(attemptId, { at: now, wasRepeated: false, receives });
  }

  /** Undefined: the id is not remembered, and the receive is a new one. */
  repeat(call: ModelReceive, now: number): readonly FifoReceipt[] | "stale" | undefined {
    const attempt = call.attemptId === undefined ? undefined : this.#attempts.get(call.attemptId);
    if (attempt === undefined || attempt.at + attemptWindowMs <= now) return undefined;
    this.#expire(now);
    const isAsLeft = attempt.receives.every(({ receipt: { message, ordinal }, until }) => {
      const standing = this.#standing(message, now);
      return (
        this.#isStored(message) &&
        message.ordinal === ordinal &&
        standing.kind === "in_flight" &&
        standing.until === until
      );
    });
    // A call that is refused leaves no trace: it has not looked.
    if (!isAsLeft) return "stale";
    this.settle(now);
    const until = now + (call.visibilityTimeoutMs ?? this.settings.visibilityTimeoutMs);
    for (const { receipt } of attempt.receives) {
      receipt.message.state = { kind: "leased", until, leasedAt: now };
    }
    attempt.wasRepeated = true;
    attempt.receives = attempt.receives.map(({ receipt }) => ({ receipt, until }));
    return attempt.receives.map(({ receipt }) => receipt);
  }

  // What is done with a handle.

  #isStored(message: FifoMessage): boolean {
    return this.#groups.get(message.group)?.includes(message) ?? false;
  }

  #find({ era, message }: ModelReceipt, now: number): FifoMessage | undefined {
    this.#expire(now);
    const stored = message as FifoMessage;
    return era === this.#era && this.#isStored(stored) ? stored : undefined;
  }

  delete(receipt: ModelReceipt | undefined, now: number): string {
    if (receipt?.queue !== this) return "receipt_handle_invalid";
    const message = this.#find(receipt, now);
    if (message === undefined) return "already_gone";
    const isHeld = this.#standing(message, now).kind === "in_flight";
    if (receipt.ordinal !== message.ordinal || !isHeld) return "receipt_handle_expired";
    this.#remove(message);
    this.#counts.deleted += 1;
    return "deleted";
  }

  /** The lease a handle stands for, or why it stands for none. */
  #leaseOf(receipt: ModelReceipt | undefined, now: number): string | FifoMessage {
    if (receipt?.queue !== this) return "receipt_handle_invalid";
    const message = this.#find(receipt, now);
    if (message === undefined) return "message_not_found";
    if (receipt.ordinal !== message.ordinal) return "receipt_handle_expired";
    return this.#standing(message, now).kind === "in_flight" ? message : "message_not_in_flight";
  }

  changeVisibility(receipt: ModelReceipt | undefined, timeoutMs: number, now: number): string {
    const message = this.#leaseOf(receipt, now);
    if (typeof message === "string") return message;
    const leasedAt = message.state.kind === "leased" ? message.state.leasedAt : now;
    if (now + timeoutMs > leasedAt + leaseMsMax) return "visibility_limit_exceeded";
    message.state =
      timeoutMs === 0 ? { kind: "visible" } : { kind: "leased", until: now + timeoutMs, leasedAt };
    return `visible at ${now + timeoutMs}`;
  }

  giveBack(receipt: ModelReceipt | undefined, { delayMs }: GivenBack, now: number): string {
    const message = this.#leaseOf(receipt, now);
    if (typeof message === "string") return message;
    const until = now + (delayMs ?? backoffMs(this.settings.retry, message.receiveCount));
    message.state = until > now ? { kind: "delayed", until } : { kind: "visible" };
    return `visible at ${until}`;
  }

  deadLetter(receipt: ModelReceipt | undefined, now: number): string {
    const message = this.#leaseOf(receipt, now);
    if (typeof message === "string") return message;
    const target = this.#target();
    if (target === undefined) return "dead_letter_queue_not_found";
    this.#moveTo(target, message, now);
    return "dead_lettered";
  }

  /** Gives a receive back as if it had not been, unless its attempt was repeated. */
  undo(receipts: readonly ModelReceipt[], attemptId: string | undefined, now: number): void {
    this.settle(now);
    if (attemptId !== undefined) {
      if (this.#attempts.get(attemptId)?.wasRepeated === true) return;
      this.#attempts.delete(attemptId);
    }
    for (const receipt of receipts) {
      const message = this.#find(receipt, now);
      const isSameReceive =
        message?.ordinal === receipt.ordinal &&
        !receipt.isUndone &&
        message.state.kind !== "delayed";
      if (message === undefined || !isSameReceive) continue;
      message.state = { kind: "visible" };
      message.receiveCount -= 1;
      receipt.isUndone = true;
      this.#counts.received -= 1;
    }
  }

  purge(now: number): number {
    this.settle(now);
    const count = this.#messages().length;
    this.#groups = new Map();
    this.#scheduled = [];
    this.#accepted.forget();
    this.#attempts = new Map();
    this.#readySince.clear();
    this.#era += 1;
    this.#counts.purged += count;
    return count;
  }

  // What can be seen.

  /** As the queue's counters have it once somebody has looked. */
  counts(now: number): Readonly<Record<string, number>> {
    this.settle(now);
    const messages = this.#messages();
    const groups = [...this.#groups.values()];
    return {
      ...this.#counts,
      stored: messages.length,
      storedBytes: sum(messages.map(({ sizeBytes }) => sizeBytes)),
      inFlight: this.#inFlight(messages, now),
      delayed: messages.filter((message) => this.#standing(message, now).kind === "delayed").length,
      scheduled: this.#scheduled.length,
      groups: groups.length,
      groupsInFlight: groups.filter((group) => this.#inFlight(group, now) > 0).length,
    };
  }

  lineOf(group: string | undefined): string {
    return group ?? "";
  }

  peek(now: number): Readonly<Record<string, readonly string[]>> {
    this.#expire(now);
    const texts: Record<string, string[]> = {};
    // Those whose time has come are shown, also if nobody has let them join.
    const due = this.#due(now).filter(({ expiresAt }) => expiresAt > now);
    for (const message of [...this.#messages(), ...due]) {
      const standing = this.#standing(message, now);
      const until = standing.kind === "visible" ? "" : ` until ${standing.until}`;
      const { body, group, receiveCount, earlierReceives } = message;
      texts[group] ??= [];
      texts[group]?.push(
        `${body} ${standing.kind}${until} after ${earlierReceives}+${receiveCount} receives`,
      );
    }
    return texts;
  }
}

const messageOf = (
  messageId: string,
  { body, group = "", sizeBytes, timeToLiveMs }: ModelEntry,
  sentAt: number,
  livesFrom: number,
): FifoMessage => ({
  messageId,
  body,
  group,
  sizeBytes,
  sentAt,
  expiresAt: livesFrom + (timeToLiveMs ?? Number.POSITIVE_INFINITY),
  hasCome: false,
  earlierReceives: 0,
  state: { kind: "visible" },
  receiveCount: 0,
  ordinal: 0,
});

const dedupIdOf = ({ dedupId, body }: ModelEntry): string => dedupId ?? `the content ${body}`;

/** What stands before a receive. */
interface Line {
  readonly countMax: number;
  readonly bytesMax: number;
  readonly groups: ReadonlyMap<
    string,
    { readonly messages: readonly FifoMessage[]; readonly room: number }
  >;
  /** Delivered as often as it may be, with somewhere to go. */
  readonly isToMove: (message: FifoMessage) => boolean;
}

interface Judged {
  /** Groups of which something was taken, in turn. */
  readonly served: readonly string[];
  readonly taken: readonly FifoMessage[];
  readonly moved: readonly FifoMessage[];
}

/** How far a receive came in one group. */
interface Progress {
  readonly taken: readonly FifoMessage[];
  readonly moved: readonly FifoMessage[];
  /** The message it stopped before although the group would have given it. */
  readonly next: FifoMessage | undefined;
  readonly lastWasTaken: boolean;
}

/** A receive takes as many as it can from one group, in order, then goes to the next. */
function judgeReceive(line: Line, seen: ReceiveSeen): Judged {
  const progress = new Map(
    [...line.groups].map(([group, { messages, room }]) => [
      group,
      progressIn(messages, room, line.isToMove, seen),
    ]),
  );
  const all = [...progress.values()];
  const messageOf = new Map(all.flatMap(({ taken }) => taken.map((one) => [one.messageId, one])));
  const taken = seen.taken.map((messageId) => {
    const message = messageOf.get(messageId);
    if (message === undefined) throw new Error(`${messageId} was not to be delivered.`);
    return message;
  });
  if (taken.length > Math.max(0, line.countMax))
    throw new Error("More were delivered than may be.");
  const served = runsOf(taken);
  for (const group of served) {
    const inOrder = progress.get(group)?.taken ?? [];
    const asTaken = taken.filter((message) => message.group === group);
    if (asTaken.some((message, index) => message !== inOrder[index])) {
      throw new Error(`${group} was not delivered in order.`);
    }
  }
  judgeEnd(line, progress, taken, served);
  return { served, taken, moved: all.flatMap(({ moved }) => moved) };
}

function progressIn(
  messages: readonly FifoMessage[],
  room: number,
  isToMove: Line["isToMove"],
  seen: ReceiveSeen,
): Progress {
  const taken: FifoMessage[] = [];
  const moved: FifoMessage[] = [];
  let lastWasTaken = false;
  for (const message of messages) {
    if (taken.length >= room) break;
    const wasMet = isToMove(message)
      ? seen.wasMoved(message)
      : seen.taken.includes(message.messageId);
    if (!wasMet) return { taken, moved, next: message, lastWasTaken };
    lastWasTaken = !isToMove(message);
    (lastWasTaken ? taken : moved).push(message);
  }
  return { taken, moved, next: undefined, lastWasTaken };
}

/** The groups in the order they came; each comes once. */
function runsOf(taken: readonly FifoMessage[]): string[] {
  const groups: string[] = [];
  for (const { group } of taken) {
    if (groups.at(-1) === group) continue;
    if (groups.includes(group)) throw new Error(`${group} was served twice by one receive.`);
    groups.push(group);
  }
  return groups;
}

/** Whether a receive ended where it had to. */
function judgeEnd(
  line: Line,
  progress: ReadonlyMap<string, Progress>,
  taken: readonly FifoMessage[],
  served: readonly string[],
): void {
  const unfinished = [...progress].filter(([, { next }]) => next !== undefined);
  const begun = unfinished.filter(([, { taken: some, moved }]) => some.length + moved.length > 0);
  if (taken.length >= line.countMax) {
    for (const [group, { lastWasTaken }] of begun) {
      if (group === served.at(-1) && lastWasTaken) continue;
      throw new Error(`${group} was left in the middle.`);
    }
    return;
  }
  if (unfinished.length === 0) return;
  // It may have stopped before one message that would have been too much.
  const bytes = sum(taken.map(({ sizeBytes }) => sizeBytes));
  const stopped = unfinished.filter(
    ([, { next }]) =>
      next !== undefined &&
      !line.isToMove(next) &&
      taken.length > 0 &&
      bytes + next.sizeBytes > line.bytesMax,
  );
  const isExplained =
    begun.length === 0 || (begun.length === 1 && stopped.includes(begun[0] as (typeof begun)[0]));
  if (stopped.length === 0 || !isExplained) {
    const names = unfinished.map(([group]) => group).join(", ");
    throw new Error(`A receive of ${line.countMax} took ${taken.length} and left ${names}.`);
  }
}
