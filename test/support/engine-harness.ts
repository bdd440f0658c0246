// An engine in this process, driven the way the wire drives it and without the wire: queues by name, bodies as text, a clock
// moved by hand. Names of its methods are those of the calls.

import { type DurationMs, milliseconds, type Sequence } from "../../src/base/brands.js";
import { createIds, type Random } from "../../src/base/ids.js";
import type { RecordCorrupt } from "../../src/base/record-corrupt.js";
import type { Decision } from "../../src/engine/command.js";
import type { CommitLog } from "../../src/engine/commit-log.js";
import { Engine, type EngineLimits, type Wait } from "../../src/engine/engine.js";
import {
  decideDeleteQueue,
  decideFindQueue,
  decidePurgeQueue,
  decideReportQueue,
  decideSetQueueSettings,
  type QueueReport,
} from "../../src/queue/administer-queue.js";
import {
  decideChangeVisibility,
  type VisibilityResult,
} from "../../src/queue/change-visibility.js";
import { decideCreateQueue } from "../../src/queue/create-queue.js";
import { type DeleteResult, decideDeleteMessages } from "../../src/queue/delete-messages.js";
import type { QueueSettings } from "../../src/queue/limits.js";
import type { Receipt } from "../../src/queue/receipt.js";
import { decideReceiveMessages, decideUndoReceive } from "../../src/queue/receive-messages.js";
import type { MessagesReceived, ReceivedMessage } from "../../src/queue/received.js";
import type { Decided, QueueRejection } from "../../src/queue/rejections.js";
import { decideSendMessages, type SendResult } from "../../src/queue/send-message.js";
import type { Stamp } from "../../src/queue/stamp.js";
import { decideReap, decideSweepQueues, decideSweepRequests } from "../../src/queue/sweep.js";
import type { QueueTransaction } from "../../src/queue/view.js";
import { checkStore, renderCheckReport } from "../../src/store/check.js";
import type { Store } from "../../src/store/store.js";
import { addressOf, entryOf, type Sent } from "./engine-entries.js";
import { ManualClock } from "./manual-clock.js";
import { MemoryStore } from "./memory-store.js";
import { WatchedStore } from "./watched-store.js";

export interface HarnessOptions {
  readonly store?: Store;
  readonly clock?: ManualClock;
  readonly limits?: Partial<EngineLimits>;
  /** Where records go; unset: to the store. */
  readonly log?: CommitLog;
}

export interface Receive {
  readonly countMax?: number;
  readonly bytesMax?: number;
  readonly visibilityTimeoutMs?: number;
  readonly waitMs?: number;
  readonly attemptId?: string;
}

/** One message as a receiver sees it. */
export interface Got {
  readonly body: string;
  readonly receiveCount: number;
  readonly receipt: Receipt;
  readonly received: ReceivedMessage;
}

/** What a receive came to. */
export type Received =
  | {
      readonly kind: "received";
      readonly messages: readonly Got[];
      readonly raw: MessagesReceived | undefined;
    }
  | { readonly kind: "rejected"; readonly rejection: QueueRejection };

export interface Waiting {
  readonly received: Promise<Received>;
  cancel(): boolean;
}

const roomy: EngineLimits = {
  commandsPendingMax: 100_000,
  uncommittedBytesMax: 1_000_000_000,
  waitersMax: 100_000,
  commitAgeMsMax: Number.MAX_SAFE_INTEGER,
  storageReserveBytes: 1_000_000,
};

/** The same run every time. */
function countingRandom(): Random {
  let next = 0;
  return {
    fill: (bytes) => {
      for (let at = 0; at < bytes.length; at += 1) {
        next = (Math.imul(next, 1_664_525) + 1_013_904_223) >>> 0;
        bytes[at] = next >>> 24;
      }
    },
  };
}

export class EngineHarness {
  readonly clock: ManualClock;
  readonly #ids = createIds(countingRandom());
  readonly #limits: EngineLimits;
  readonly failures: Error[] = [];
  /** Rejects when the engine fails, after which nothing is answered any more. */
  readonly #failed: Promise<never>;
  #fail: (error: Error) => void = () => undefined;
  readonly fullness: boolean[] = [];
  readonly corruptRowsPassed: RecordCorrupt[] = [];
  #store: WatchedStore;
  #engine: Engine | undefined;

  readonly #log: CommitLog | undefined;

  private constructor(
    clock: ManualClock,
    limits: EngineLimits,
    store: WatchedStore,
    log: CommitLog | undefined,
  ) {
    this.#log = log;
    this.clock = clock;
    this.#limits = limits;
    this.#store = store;
    this.#failed = new Promise<never>((_, reject) => {
      this.#fail = reject;
    });
    // Whoever waits for an answer sees it; it is nobody's fault if no one does.
    this.#failed.catch(() => undefined);
  }

  static async start(options: HarnessOptions = {}): Promise<EngineHarness> {
    const harness = new EngineHarness(
      options.clock ?? new ManualClock(),
      { ...roomy, ...options.limits },
      new WatchedStore(options.store ?? new MemoryStore()),
      options.log,
    );
    await harness.#startEngine();
    return harness;
  }

  async #startEngine(): Promise<void> {
    this.#engine = await Engine.start({
      store: this.#store,
      clock: this.clock,
      // The same over a restart: time may stand still here, and no number may come twice.
      ids: this.#ids,
      limits: this.#limits,
      ...(this.#log !== undefined && { log: this.#log }),
      observer: {
        recordCommitted: () => undefined,
        storageChanged: (isFull) => this.fullness.push(isFull),
        corruptRowPassed: (corrupt) => this.corruptRowsPassed.push(corrupt),
        failed: (error) => {
          this.failures.push(error);
          this.#fail(error);
        },
      },
    });
  }

  get engine(): Engine {
    if (this.#engine === undefined) throw new Error("The engine was not started.");
    return this.#engine;
  }
  get store(): WatchedStore {
    return this.#store;
  }

  /** Stops the engine and starts another over the same store, or over one opened anew. */
  async restart(reopen?: () => Promise<Store>): Promise<void> {
    await this.engine.stop();
    if (reopen !== undefined) {
      await this.#store.close();
      this.#store = new WatchedStore(await reopen());
    }
    await this.#startEngine();
  }

  async stop(): Promise<void> {
    await this.engine.stop();
    await this.#store.close();
  }

  async #orFailed<Result>(answer: Promise<Result>): Promise<Result> {
    return await Promise.race([answer, this.#failed]);
  }

  /** Runs one rule. */
  async run<Outcome>(
    name: string,
    decide: (transaction: QueueTransaction, stamp: Stamp) => Decided<Outcome>,
    isGrowing = false,
  ): Promise<Decision<Outcome, QueueRejection>> {
    const decision = await this.#orFailed(
      this.engine.execute({ name, bytes: 100, isGrowing, decide }),
    );
    if (this.#store.openRangeCount > 0) throw new Error(`${name} left a range open.`);
    return decision;
  }

  async createQueue(
    name: string,
    settings: Partial<QueueSettings> = {},
  ): Promise<Decision<{ readonly isNew: boolean }, QueueRejection>> {
    return await this.run(
      "CreateQueue",
      (transaction, stamp) =>
        decideCreateQueue(
          transaction,
          {
            address: addressOf(name),
            isFifo: name.endsWith(".fifo"),
            settings,
            tags: new Map(),
            isStrict: false,
          },
          stamp,
        ),
      true,
    );
  }

  async setSettings(name: string, settings: Partial<QueueSettings>): Promise<void> {
    await this.run("SetQueue", (transaction, stamp) =>
      decideSetQueueSettings(transaction, { address: addressOf(name), settings, etag: "" }, stamp),
    );
  }

  async deleteQueue(name: string): Promise<void> {
    await this.run("DeleteQueue", (transaction, stamp) =>
      decideDeleteQueue(
        transaction,
        { address: addressOf(name), etag: "", isStrict: false },
        stamp,
      ),
    );
  }

  async purgeQueue(name: string): Promise<number | undefined> {
    const decision = await this.run("PurgeQueue", (transaction, stamp) =>
      decidePurgeQueue(transaction, { address: addressOf(name), isStrict: false }, stamp),
    );
    return decision.kind === "accepted" ? decision.outcome.purgedCount : undefined;
  }

  async report(name: string): Promise<QueueReport | undefined> {
    const decision = await this.run("GetQueue", (transaction, stamp) =>
      decideReportQueue(transaction, addressOf(name), stamp),
    );
    return decision.kind === "accepted" ? decision.outcome : undefined;
  }

  async send(
    name: string,
    ...messages: readonly (Sent | string)[]
  ): Promise<Decision<readonly SendResult[], QueueRejection>> {
    const entries = messages.map((sent) =>
      entryOf(typeof sent === "string" ? { body: sent } : sent),
    );
    return await this.run(
      "SendMessage",
      (transaction, stamp) =>
        decideSendMessages(transaction, { address: addressOf(name), entries }, stamp),
      true,
    );
  }

  /** Starts a receive that may wait. */
  receiveOrWait(name: string, options: Receive = {}): Waiting {
    const address = addressOf(name);
    const { countMax = 10, bytesMax = 4_000_000, waitMs = 0, visibilityTimeoutMs } = options;
    const wait: Wait<MessagesReceived | undefined, QueueRejection> = this.engine.executeOrWait({
      name: "ReceiveMessage",
      bytes: 1_000,
      isGrowing: false,
      locate: (transaction) => {
        const found = decideFindQueue(transaction, address);
        return found.kind === "rejected"
          ? found
          : { kind: "accepted", outcome: { queue: found.outcome.number, waitMs } };
      },
      decide: (transaction, stamp, waited) =>
        decideReceiveMessages(
          transaction,
          {
            address,
            countMax,
            bytesMax,
            visibilityTimeoutMs: visibilityTimeoutMs as DurationMs | undefined,
            isShortPoll: waitMs === 0,
            attemptId: options.attemptId,
          },
          stamp,
          waited.queue,
        ),
      empty: () => undefined,
    });
    const received = wait.decision.then((decision): Received => {
      if (decision.kind === "rejected") return decision;
      return { kind: "received", raw: decision.outcome, messages: gotOf(decision.outcome) };
    });
    return { received: this.#orFailed(received), cancel: () => wait.cancel() };
  }

  async receive(name: string, options: Receive = {}): Promise<Received> {
    const received = await this.receiveOrWait(name, options).received;
    if (this.#store.openRangeCount > 0) throw new Error("A receive left a range open.");
    return received;
  }

  /** Receives and returns the messages; a refusal is the test's mistake. */
  async receiveAll(name: string, options: Receive = {}): Promise<readonly Got[]> {
    const received = await this.receive(name, options);
    if (received.kind === "rejected")
      throw new Error(`The receive was refused: ${received.rejection.kind}.`);
    return received.messages;
  }

  async deleteMessages(
    name: string,
    receipts: readonly (Receipt | undefined)[],
  ): Promise<Decision<readonly DeleteResult[], QueueRejection>> {
    return await this.run("DeleteMessage", (transaction, stamp) =>
      decideDeleteMessages(transaction, { address: addressOf(name), receipts }, stamp),
    );
  }

  async changeVisibility(
    name: string,
    entries: readonly { readonly receipt: Receipt | undefined; readonly timeoutMs: number }[],
  ): Promise<Decision<readonly VisibilityResult[], QueueRejection>> {
    return await this.run("ChangeMessageVisibility", (transaction, stamp) =>
      decideChangeVisibility(
        transaction,
        {
          address: addressOf(name),
          entries: entries.map(({ receipt, timeoutMs }) => ({
            receipt,
            timeoutMs: milliseconds(timeoutMs),
          })),
        },
        stamp,
      ),
    );
  }

  async undo(name: string, raw: MessagesReceived): Promise<number> {
    const decision = await this.run("UndoReceive", (transaction, stamp) =>
      decideUndoReceive(
        transaction,
        {
          address: addressOf(name),
          number: raw.queue.number,
          messages: raw.messages,
          requestKey: undefined,
        },
        stamp,
      ),
    );
    return decision.kind === "accepted" ? decision.outcome.undoneCount : 0;
  }

  /** One round over everything that time has changed. */
  async sweep(): Promise<void> {
    for (let hasMore = true; hasMore; ) {
      const swept = await this.run("SweepQueues", (transaction, stamp) =>
        decideSweepQueues(
          transaction,
          { after: { namespace: "", name: "" }, countMax: 1_000 },
          stamp,
        ),
      );
      hasMore = swept.kind === "accepted" && swept.outcome.hasMore;
    }
    await this.run("SweepRequests", (transaction, stamp) =>
      decideSweepRequests(transaction, stamp),
    );
  }

  /** Removes everything that purges and deletions left. */
  async reap(): Promise<void> {
    for (let hasMore = true; hasMore; ) {
      const reaped = await this.run("Reap", (transaction) => decideReap(transaction));
      hasMore = reaped.kind === "accepted" && reaped.outcome.hasMore;
    }
  }

  /** Commits what is decided and fails with the list of contradictions, if there are any. */
  async check(): Promise<void> {
    // A read waits for everything before it.
    await this.run("ListQueues", () => ({ kind: "accepted", outcome: undefined }));
    const report = await checkStore(this.#store);
    if (report.contradictionCount > 0) throw new Error(renderCheckReport(report));
  }
}

const gotOf = (outcome: MessagesReceived | undefined): readonly Got[] =>
  outcome?.messages.map((received) => ({
    body: received.message.content.body.toString("utf8"),
    receiveCount: received.delivery.receiveCount,
    receipt: {
      queue: outcome.queue.number,
      segment: outcome.queue.segment,
      sequence: received.message.sequence as Sequence,
      ordinal: received.delivery.ordinal,
    },
    received,
  })) ?? [];
