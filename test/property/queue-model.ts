// A standard queue as its specification describes it, in plain arrays: nothing of the engine, the rules or the store is used,
// and time is looked at eagerly, so that an expired message is gone and an ended lease is over for whoever asks.
//
// One thing follows the engine and not the clock: a message received three times or more goes behind all others "when it
// becomes visible again", and the moment that counts is when somebody first looks (a receive, a report, a sweep).

export interface ModelSettings {
  readonly visibilityTimeoutMs: number;
  readonly retentionMs: number;
  readonly delayMs: number;
  readonly inFlightMax: number;
  readonly receiptPolicy: "lenient" | "strict";
}

export const modelDefaults: ModelSettings = {
  visibilityTimeoutMs: 30_000,
  retentionMs: 345_600_000,
  delayMs: 0,
  inFlightMax: 120_000,
  receiptPolicy: "lenient",
};

const messageBytesMax = 1_048_576;
const leaseMsMax = 43_200_000;
const backOfQueueReceiveCount = 3;

type State =
  | { readonly kind: "visible"; readonly order: number }
  | { readonly kind: "leased"; readonly until: number; readonly leasedAt: number }
  | { readonly kind: "delayed"; readonly until: number };

interface ModelMessage {
  readonly body: string;
  readonly place: number;
  readonly sentAt: number;
  readonly sizeBytes: number;
  state: State;
  receiveCount: number;
  ordinal: number;
}

/** One receive of one message, as the model remembers it. */
export interface ModelReceipt {
  readonly queue: ModelQueue;
  /** The purge the message was received before. */
  readonly era: number;
  readonly message: ModelMessage;
  readonly ordinal: number;
  readonly before: { readonly order: number; readonly receiveCount: number };
}

export interface ModelEntry {
  readonly body: string;
  readonly sizeBytes: number;
  readonly delayMs: number | undefined;
}

export interface ModelReceive {
  readonly countMax: number;
  readonly bytesMax: number;
  readonly visibilityTimeoutMs: number | undefined;
}

/** What a queue of the model counts. */
export interface ModelCounts {
  readonly visible: number;
  readonly inFlight: number;
  readonly delayed: number;
  readonly stored: number;
  readonly storedBytes: number;
  readonly sent: number;
  /** Undefined once a receive was given back whose message had expired. */
  readonly received: number | undefined;
  readonly deleted: number;
  readonly expired: number;
  readonly purged: number;
}

export class ModelQueue {
  settings: ModelSettings;
  era = 0;
  #messages: ModelMessage[] = [];
  #nextPlace = 1;
  #sent = 0;
  #received = 0;
  #isReceivedKnown = true;
  #deleted = 0;
  #expired = 0;
  #purged = 0;

  constructor(settings: ModelSettings) {
    this.settings = settings;
  }

  #expire(now: number): void {
    const before = this.#messages.length;
    this.#messages = this.#messages.filter(
      ({ sentAt }) => sentAt + this.settings.retentionMs > now,
    );
    this.#expired += before - this.#messages.length;
  }

  #comeBack(message: ModelMessage): void {
    const goesBack = message.receiveCount >= backOfQueueReceiveCount;
    message.state = { kind: "visible", order: goesBack ? this.#nextPlace : message.place };
    if (goesBack) this.#nextPlace += 1;
  }

  /** Ends leases and delays, in the order they end. */
  settle(now: number): void {
    this.#expire(now);
    const due = this.#messages.flatMap((message) =>
      message.state.kind !== "visible" && message.state.until <= now
        ? [{ message, until: message.state.until }]
        : [],
    );
    due.sort((a, b) => a.until - b.until || a.message.place - b.message.place);
    for (const { message } of due) this.#comeBack(message);
  }

  setSettings(settings: Partial<ModelSettings>, now: number): void {
    this.settle(now);
    this.settings = { ...this.settings, ...settings };
  }

  /** Says of each entry whether it was stored. */
  send(entries: readonly ModelEntry[], now: number): boolean[] {
    return entries.map(({ body, sizeBytes, delayMs }) => {
      if (sizeBytes > messageBytesMax) return false;
      const delay = delayMs ?? this.settings.delayMs;
      const place = this.#nextPlace;
      this.#messages.push({
        body,
        place,
        sentAt: now,
        sizeBytes,
        state:
          delay > 0 ? { kind: "delayed", until: now + delay } : { kind: "visible", order: place },
        receiveCount: 0,
        ordinal: 0,
      });
      this.#nextPlace += 1;
      this.#sent += 1;
      return true;
    });
  }

  /** What is handed out; "in_flight_limit" when nothing may be. */
  receive(
    { countMax, bytesMax, visibilityTimeoutMs }: ModelReceive,
    now: number,
  ): ModelReceipt[] | "in_flight_limit" {
    this.#expire(now);
    const room = this.settings.inFlightMax - this.counts(now).inFlight;
    if (room <= 0) return "in_flight_limit";
    this.settle(now);
    const visible = this.#messages.flatMap((message) =>
      message.state.kind === "visible" ? [{ message, order: message.state.order }] : [],
    );
    visible.sort((a, b) => a.order - b.order);
    const receipts: ModelReceipt[] = [];
    let bytes = 0;
    for (const { message, order } of visible) {
      if (receipts.length === Math.min(countMax, room)) break;
      bytes += message.sizeBytes;
      if (receipts.length > 0 && bytes > bytesMax) break;
      const before = { order, receiveCount: message.receiveCount };
      message.receiveCount += 1;
      message.ordinal += 1;
      receipts.push({ queue: this, era: this.era, message, ordinal: message.ordinal, before });
    }
    const timeoutMs = visibilityTimeoutMs ?? this.settings.visibilityTimeoutMs;
    for (const { message } of receipts) {
      if (timeoutMs > 0) message.state = { kind: "leased", until: now + timeoutMs, leasedAt: now };
      else this.#comeBack(message);
    }
    this.#received += receipts.length;
    return receipts;
  }

  #find({ queue, era, message }: ModelReceipt, now: number): ModelMessage | undefined {
    this.#expire(now);
    if (queue !== this || era !== this.era) return undefined;
    return this.#messages.find((candidate) => candidate === message);
  }

  delete(receipt: ModelReceipt | undefined, now: number): string {
    if (receipt?.queue !== this) return "receipt_handle_invalid";
    const message = this.#find(receipt, now);
    if (message === undefined) return "already_gone";
    if (this.settings.receiptPolicy === "strict" && receipt.ordinal !== message.ordinal) {
      return "receipt_handle_expired";
    }
    this.#messages = this.#messages.filter((candidate) => candidate !== message);
    this.#deleted += 1;
    return "deleted";
  }

  changeVisibility(receipt: ModelReceipt | undefined, timeoutMs: number, now: number): string {
    if (receipt?.queue !== this) return "receipt_handle_invalid";
    const message = this.#find(receipt, now);
    if (message === undefined) return "message_not_found";
    if (this.settings.receiptPolicy === "strict" && receipt.ordinal !== message.ordinal) {
      return "receipt_handle_expired";
    }
    const { state } = message;
    if (state.kind !== "leased" || state.until <= now) return "message_not_in_flight";
    if (now + timeoutMs > state.leasedAt + leaseMsMax) return "visibility_limit_exceeded";
    if (timeoutMs === 0) this.#comeBack(message);
    else message.state = { ...state, until: now + timeoutMs };
    return `visible at ${now + timeoutMs}`;
  }

  /** Gives a receive back as if it had not been. */
  undo(receipts: readonly ModelReceipt[], now: number): void {
    for (const receipt of receipts) {
      const message = this.#find(receipt, now);
      const isSameReceive =
        message?.ordinal === receipt.ordinal &&
        message.receiveCount === receipt.before.receiveCount + 1;
      // The engine may find an expired message still in its place and no longer count its receive.
      if (message === undefined) this.#isReceivedKnown = false;
      if (message === undefined || !isSameReceive) continue;
      message.state = { kind: "visible", order: receipt.before.order };
      message.receiveCount = receipt.before.receiveCount;
      this.#received -= 1;
    }
  }

  purge(now: number): number {
    this.#expire(now);
    const count = this.#messages.length;
    this.#messages = [];
    this.#purged += count;
    this.era += 1;
    return count;
  }

  counts(now: number): ModelCounts {
    this.#expire(now);
    const count = (kind: State["kind"]): number =>
      this.#messages.filter(
        ({ state }) => state.kind === kind && state.kind !== "visible" && state.until > now,
      ).length;
    const inFlight = count("leased");
    const delayed = count("delayed");
    const stored = this.#messages.length;
    return {
      visible: stored - inFlight - delayed,
      inFlight,
      delayed,
      stored,
      storedBytes: this.#messages.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      sent: this.#sent,
      received: this.#isReceivedKnown ? this.#received : undefined,
      deleted: this.#deleted,
      expired: this.#expired,
      purged: this.#purged,
    };
  }

  /** When leases and delays end that have not been looked at since. */
  dueInstants(): number[] {
    return this.#messages.flatMap(({ state }) => (state.kind === "visible" ? [] : [state.until]));
  }

  /** Every message in send order with where it stands. */
  peek(now: number): string[] {
    this.#expire(now);
    return this.#messages.map(({ body, state, receiveCount }) => {
      const standing =
        state.kind === "visible" || state.until <= now
          ? "visible"
          : `${state.kind === "leased" ? "in_flight" : "delayed"} until ${state.until}`;
      return `${body} ${standing} after ${receiveCount} receives`;
    });
  }
}
