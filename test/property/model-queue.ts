// What the models of queues have in common: the calls they answer, in plain numbers and texts, and small parts of their rules
// that are the same for every type of queue. Nothing of the engine, the rules or the store is used.

export interface ModelSettings {
  readonly visibilityTimeoutMs: number;
  readonly retentionMs: number;
  readonly delayMs: number;
  readonly inFlightMax: number;
  readonly receiptPolicy: "lenient" | "strict";
  readonly dedupWindowMs: number;
  readonly isContentDeduplicated: boolean;
  readonly dedupScope: "queue" | "group";
  readonly isPaused: boolean;
  readonly retry: ModelRetry | undefined;
  readonly groupInFlightMax: number;
  readonly redrive:
    | { readonly deadLetterQueue: string; readonly receiveCountMax: number }
    | undefined;
  readonly priorityAgeingMs: number;
}

/** The settings of a new standard queue. */
export const modelDefaults: ModelSettings = {
  visibilityTimeoutMs: 30_000,
  retentionMs: 345_600_000,
  delayMs: 0,
  inFlightMax: 120_000,
  receiptPolicy: "lenient",
  dedupWindowMs: 0,
  isContentDeduplicated: false,
  dedupScope: "queue",
  isPaused: false,
  retry: undefined,
  groupInFlightMax: 0,
  redrive: undefined,
  priorityAgeingMs: 60_000,
};

export const messageBytesMax = 1_048_576;
export const leaseMsMax = 43_200_000;

/** A message as a sender gives it; undefined: not given. */
export interface ModelEntry {
  readonly body: string;
  readonly sizeBytes: number;
  readonly group: string | undefined;
  readonly dedupId: string | undefined;
  readonly delayMs: number | undefined;
  readonly deliverAt: number | undefined;
  readonly timeToLiveMs: number | undefined;
  readonly priority: number;
}

/** A stored message. One that goes to another queue becomes another object there. */
export interface ModelMessage {
  readonly messageId: string;
  readonly body: string;
  readonly earlierReceives: number;
  receiveCount: number;
  ordinal: number;
}

/** One receive of one message. */
export interface ModelReceipt {
  readonly queue: ModelQueue;
  /** The purge the message was received before. */
  readonly era: number;
  readonly message: ModelMessage;
  readonly ordinal: number;
  isUndone: boolean;
}

export interface ModelReceive {
  readonly countMax: number;
  readonly bytesMax: number;
  readonly visibilityTimeoutMs: number | undefined;
  readonly attemptId: string | undefined;
}

/** What a receive did: whose messages it returned, and which it moved to the dead-letter queue. */
export interface ReceiveSeen {
  readonly taken: readonly string[];
  readonly wasMoved: (message: ModelMessage) => boolean;
  /** Where a moved message stands in the dead-letter queue, to tell in which order they came. */
  readonly arrivalOf: (message: ModelMessage) => number;
}

export type QueueNamed = (name: string) => ModelQueue | undefined;

export interface ModelQueue {
  readonly settings: ModelSettings;
  /** What time has changed is looked at: by a report, the sweeper or a change of settings. */
  settle(now: number): void;
  /** Whether that has to happen before anything else, because the engine may know more than it shows until then. */
  isLookNeeded(now: number): boolean;
  /** After every call, for what a model must notice as it happens. */
  notice(now: number): void;
  setSettings(settings: Partial<ModelSettings>, now: number): void;
  /** Lets those join whose time has come, before something is sent. */
  join(now: number): void;
  /** Why an entry is refused; undefined: it is not. */
  refusal(entry: ModelEntry): string | undefined;
  originals(entry: ModelEntry, now: number): Originals;
  duplicate(): void;
  store(messageId: string, entry: ModelEntry, now: number): void;
  /** Takes a dead letter in. */
  arrive(message: ModelMessage, now: number): void;
  cancelScheduled(messageId: string, now: number): string;
  /** The receipts of a receive whose attempt id is remembered; undefined: it is a new one. */
  repeat(call: ModelReceive, now: number): readonly ModelReceipt[] | "stale" | undefined;
  /** Judges what a receive did, and does the same; a text: it is to be refused. Throws a sentence about what was wrong. */
  receive(call: ModelReceive, seen: ReceiveSeen, now: number): readonly ModelReceipt[] | string;
  delete(receipt: ModelReceipt | undefined, now: number): string;
  changeVisibility(receipt: ModelReceipt | undefined, timeoutMs: number, now: number): string;
  giveBack(receipt: ModelReceipt | undefined, given: GivenBack, now: number): string;
  deadLetter(receipt: ModelReceipt | undefined, now: number): string;
  undo(receipts: readonly ModelReceipt[], attemptId: string | undefined, now: number): void;
  purge(now: number): number;
  counts(now: number): Readonly<Record<string, number>>;
  /** Every message, as a text in order, under the name of the line it stands in. */
  peek(now: number): Readonly<Record<string, readonly string[]>>;
  /** The line in `peek` that messages of a group stand in. */
  lineOf(group: string | undefined): string;
}

export interface GivenBack {
  /** Undefined: as the retry policy says. */
  readonly delayMs: number | undefined;
  readonly isRejected: boolean;
}

// Retries.

/** As the proto's RetryPolicy. */
export interface ModelRetry {
  readonly minimumMs: number;
  readonly maximumMs: number;
  readonly factor: number;
}

/** The wait after so many deliveries: the first is the minimum, each next one `factor` times the one before. */
export function backoffMs(retry: ModelRetry | undefined, receiveCount: number): number {
  if (retry === undefined) return 0;
  let waitMs = retry.minimumMs;
  for (let count = 1; count < receiveCount && waitMs < retry.maximumMs; count += 1) {
    waitMs *= retry.factor;
  }
  return Math.round(Math.min(waitMs, retry.maximumMs));
}

// Deduplication.

/** The messages a send may be called a duplicate of, and whether it has to be. */
export interface Originals {
  readonly messageIds: readonly string[];
  readonly isCertain: boolean;
}

interface AcceptedSend {
  readonly dedupId: string;
  readonly group: string | undefined;
  readonly at: number;
  readonly messageId: string;
  /** A window was over that was lengthened later: whether the id is still known nobody promised. */
  wasOver: boolean;
}

/** Accepted sends, whatever became of them. */
export class AcceptedSends {
  #sends: AcceptedSend[] = [];

  add(dedupId: string, group: string | undefined, at: number, messageId: string): void {
    this.#sends.push({ dedupId, group, at, messageId, wasOver: false });
  }

  /** To be called before the window changes. */
  endWindow(windowMs: number, now: number): void {
    for (const send of this.#sends) if (send.at + windowMs <= now) send.wasOver = true;
  }

  originals(
    dedupId: string,
    group: string | undefined,
    { dedupWindowMs, dedupScope }: ModelSettings,
    now: number,
  ): Originals {
    const earlier = this.#sends
      .filter((send) => send.dedupId === dedupId && send.at + dedupWindowMs > now)
      .filter((send) => dedupScope === "queue" || send.group === group);
    return {
      messageIds: earlier.map(({ messageId }) => messageId),
      isCertain: earlier.some(({ wasOver }) => !wasOver),
    };
  }

  forget(): void {
    this.#sends = [];
  }
}

export const sum = (numbers: readonly number[]): number =>
  numbers.reduce((total, number) => total + number, 0);
