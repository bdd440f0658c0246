// A model and the engine side by side: each call goes to both, and what the engine decides must be what the model allows. After
// every call all messages stand where the model has them, and the numbers of every queue add up.

import { expect } from "vitest";
import { milliseconds } from "../../src/base/brands.js";
import { uuidText } from "../../src/base/ids.js";
import {
  decideDeleteQueue,
  decidePurgeQueue,
  decideReportQueue,
  decideSetQueueSettings,
} from "../../src/queue/administer-queue.js";
import { decideChangeVisibility, decideGiveBack } from "../../src/queue/change-visibility.js";
import { decideCreateQueue } from "../../src/queue/create-queue.js";
import { decideDeleteMessages } from "../../src/queue/delete-messages.js";
import type { QueueSettings } from "../../src/queue/limits.js";
import type { Receipt } from "../../src/queue/receipt.js";
import { decideUndoReceive } from "../../src/queue/receive-messages.js";
import type { MessagesReceived } from "../../src/queue/received.js";
import type { QueueRejection } from "../../src/queue/rejections.js";
import { decideCancelScheduled } from "../../src/queue/scheduled-messages.js";
import { decideSendMessages, type SendResult } from "../../src/queue/send-message.js";
import { addressOf, entryOf } from "../support/engine-entries.js";
import type { Call, GivenEntry, LeaseCall } from "./calls.js";
import type { EngineUnderTest, History } from "./engine-under-test.js";
import type {
  ModelEntry,
  ModelQueue,
  ModelReceipt,
  ModelReceive,
  ModelSettings,
  QueueNamed,
  ReceiveSeen,
} from "./model-queue.js";
import { countersOf, expectConserved, peekAll } from "./queue-standing.js";

/** A message received once, on both sides. */
interface Handle {
  readonly real: Receipt;
  readonly model: ModelReceipt;
}

interface PastReceive {
  readonly queue: string;
  readonly attemptId: string | undefined;
  readonly real: MessagesReceived;
  readonly model: readonly ModelReceipt[];
}

export type MakeModel = (settings: Partial<ModelSettings>, queueNamed: QueueNamed) => ModelQueue;

/** A history that begins with empty queues, created in this order with these settings. */
export const historyOf =
  (first: Readonly<Record<string, Partial<ModelSettings>>>, makeModel: MakeModel): History<Call> =>
  async (engine, calls) => {
    const queues = Object.keys(first);
    const both = new SideBySide(engine, queues, makeModel);
    for (const [queue, settings] of Object.entries(first)) {
      await both.take({ call: "create", queue, settings });
    }
    for (const call of calls) await both.take(call);
    for (const queue of queues) both.report(queue);
    await engine.finish();
  };

class SideBySide {
  readonly #engine: EngineUnderTest;
  readonly #names: readonly string[];
  readonly #makeModel: MakeModel;
  readonly #models = new Map<string, ModelQueue>();
  /** The last sequence number of each FIFO queue. */
  readonly #lastSequence = new Map<ModelQueue, number>();
  readonly #messageIds: string[] = [];
  readonly #instants = new Set<number>();
  readonly #handles: Handle[] = [];
  readonly #receives: PastReceive[] = [];
  #bodies = 0;

  constructor(engine: EngineUnderTest, names: readonly string[], makeModel: MakeModel) {
    this.#engine = engine;
    this.#names = names;
    this.#makeModel = makeModel;
  }

  get #now(): number {
    return this.#engine.now;
  }

  async take(given: Call): Promise<void> {
    await this.#call(given);
    for (const name of this.#names) {
      const model = this.#models.get(name);
      model?.notice(this.#now);
      expect(this.#peek(name)).toEqual(model?.peek(this.#now));
      const counters = this.#engine.look((transaction) => countersOf(transaction, name));
      if (counters !== undefined) expectConserved(counters);
      if (model?.isLookNeeded(this.#now) === true) this.report(name);
    }
  }

  #peek(name: string): Readonly<Record<string, readonly string[]>> | undefined {
    const peeked = this.#engine.look((transaction, stamp) => peekAll(transaction, name, stamp));
    if (peeked === undefined) return undefined;
    const lines: Record<string, string[]> = {};
    for (const { group, text } of peeked) {
      const line = this.#models.get(name)?.lineOf(group) ?? "";
      lines[line] ??= [];
      lines[line]?.push(text);
    }
    return lines;
  }

  async #call(given: Call): Promise<void> {
    switch (given.call) {
      case "create":
        this.#create(given.queue, given.settings);
        return;
      case "set":
        this.#set(given.queue, given.settings);
        return;
      case "delete queue":
        this.#deleteQueue(given.queue);
        return;
      case "purge":
        this.#purge(given.queue);
        return;
      case "send":
        this.#send(given.queue, given.entries);
        return;
      case "cancel":
        this.#cancel(given.queue, given.send);
        return;
      case "receive":
        this.#receive(given.queue, given);
        return;
      case "delete":
        this.#delete(given.queue, given.handles);
        return;
      case "change":
      case "give back":
      case "dead-letter":
        this.#changeLease(given.queue, given.handle, given);
        return;
      case "undo":
        this.#undo(given.receive);
        return;
      case "report":
        this.report(given.queue);
        return;
      default:
        await this.#pass(given);
    }
  }

  /** What happens to the engine and not to a queue. */
  async #pass(
    given: Call & { readonly call: "advance" | "sweep" | "reap" | "restart" | "commit" | "settle" },
  ): Promise<void> {
    switch (given.call) {
      case "advance":
        this.#engine.advance(given.ms);
        return;
      case "sweep":
        // In the order the sweeper goes, since what it finds in one queue does not reach another.
        for (const model of this.#models.values()) model.settle(this.#now);
        this.#engine.sweep();
        return;
      case "reap":
        this.#engine.reap();
        return;
      case "restart":
        await this.#engine.restart();
        return;
      case "commit":
        await this.#engine.commit();
        return;
      case "settle":
        await this.#engine.settle();
    }
  }

  // The queue as a resource.

  /** What becomes of settings whose dead-letter queue may not be there. */
  #settingsDecision({ redrive }: Partial<ModelSettings>, own: string): string {
    const target = redrive?.deadLetterQueue;
    const isThere = target === undefined || target === own || this.#models.has(target);
    return isThere ? "accepted" : "dead_letter_queue_not_found";
  }

  #create(name: string, settings: Partial<ModelSettings>): void {
    if (this.#models.has(name)) return;
    const decided = this.#engine.run("CreateQueue", (transaction, stamp) =>
      decideCreateQueue(
        transaction,
        {
          address: addressOf(name),
          isFifo: name.endsWith(".fifo"),
          settings: settings as Partial<QueueSettings>,
          tags: new Map(),
          isStrict: false,
        },
        stamp,
      ),
    );
    expect(kindOf(decided)).toBe(this.#settingsDecision(settings, name));
    if (decided.kind === "rejected") return;
    this.#models.set(
      name,
      this.#makeModel(settings, (other) => this.#models.get(other)),
    );
  }

  #set(name: string, settings: Partial<ModelSettings>): void {
    const model = this.#models.get(name);
    const decided = this.#engine.run("SetQueue", (transaction, stamp) =>
      decideSetQueueSettings(
        transaction,
        { address: addressOf(name), settings: settings as Partial<QueueSettings>, etag: "" },
        stamp,
      ),
    );
    expect(kindOf(decided)).toBe(
      model === undefined ? "queue_not_found" : this.#settingsDecision(settings, name),
    );
    if (decided.kind === "accepted") model?.setSettings(settings, this.#now);
  }

  #deleteQueue(name: string): void {
    const wasThere = this.#models.delete(name);
    const decided = this.#engine.run("DeleteQueue", (transaction, stamp) =>
      decideDeleteQueue(
        transaction,
        { address: addressOf(name), etag: "", isStrict: false },
        stamp,
      ),
    );
    expect(kindOf(decided)).toBe(wasThere ? "accepted" : "queue_not_found");
  }

  #purge(name: string): void {
    // What has expired is settled first, so that it is not counted as purged.
    this.report(name);
    const decided = this.#engine.run("PurgeQueue", (transaction, stamp) =>
      decidePurgeQueue(transaction, { address: addressOf(name), isStrict: false }, stamp),
    );
    const purged = decided.kind === "accepted" ? decided.outcome.purgedCount : undefined;
    expect(purged).toBe(this.#models.get(name)?.purge(this.#now));
  }

  report(name: string): void {
    const model = this.#models.get(name);
    const decided = this.#engine.run("GetQueue", (transaction, stamp) =>
      decideReportQueue(transaction, addressOf(name), stamp),
    );
    const counters = decided.kind === "accepted" ? decided.outcome.counters : undefined;
    model?.settle(this.#now);
    expect(counters).toEqual(model && expect.objectContaining(model.counts(this.#now)));
  }

  // Sends.

  #send(name: string, given: readonly GivenEntry[]): void {
    const entries = given.map((one) => this.#entryOf(one));
    const decided = this.#engine.run("SendMessage", (transaction, stamp) =>
      decideSendMessages(
        transaction,
        { address: addressOf(name), entries: entries.map(realEntryOf) },
        stamp,
      ),
    );
    const model = this.#models.get(name);
    if (model === undefined || decided.kind === "rejected") {
      expect(decided).toMatchObject({ rejection: { kind: "queue_not_found" } });
      return;
    }
    model.join(this.#now);
    for (const [index, result] of decided.outcome.entries()) {
      const entry = entries[index];
      if (entry !== undefined) this.#expectSent(model, entry, result);
    }
  }

  #entryOf({ content, dedup, inMs, ...given }: GivenEntry): ModelEntry {
    this.#bodies += 1;
    return {
      ...given,
      body: content === undefined ? `m${this.#bodies}` : `content ${content}`,
      dedupId: dedup === undefined ? undefined : `d${dedup}`,
      deliverAt: inMs === undefined ? undefined : this.#newInstant(this.#now + inMs),
      // Not together: one says when it joins, the other how long it waits.
      delayMs: inMs === undefined ? given.delayMs : undefined,
    };
  }

  /** No two messages join at one instant, in an order that nobody promised. */
  #newInstant(earliest: number): number {
    let instant = earliest;
    while (this.#instants.has(instant)) instant += 1;
    this.#instants.add(instant);
    return instant;
  }

  #expectSent(model: ModelQueue, entry: ModelEntry, result: SendResult): void {
    const refusal = model.refusal(entry);
    if (refusal !== undefined || result.kind === "refused") {
      expect(result).toMatchObject({ rejection: { kind: refusal } });
      return;
    }
    const messageId = uuidText(result.messageId);
    const originals = model.originals(entry, this.#now);
    if (originals.isCertain) expect(result).toMatchObject({ isDuplicate: true });
    if (result.isDuplicate) {
      expect(originals.messageIds).toContain(messageId);
      model.duplicate();
      return;
    }
    this.#messageIds.push(messageId);
    model.store(messageId, entry, this.#now);
    if (result.sequence === undefined) return;
    expect(result.sequence).toBeGreaterThan(this.#lastSequence.get(model) ?? 0);
    this.#lastSequence.set(model, result.sequence);
  }

  #cancel(name: string, at: number): void {
    const messageId = this.#messageIds[at % (this.#messageIds.length + 1)];
    if (messageId === undefined) return;
    const id = Buffer.from(messageId.replaceAll("-", ""), "hex");
    const decided = this.#engine.run("CancelScheduledMessage", (transaction, stamp) =>
      decideCancelScheduled(transaction, { address: addressOf(name), messageId: id }, stamp),
    );
    expect(kindOf(decided)).toBe(
      this.#models.get(name)?.cancelScheduled(messageId, this.#now) ?? "queue_not_found",
    );
  }

  // Receives.

  #receive(name: string, wanted: ModelReceive): void {
    const model = this.#models.get(name);
    const repeated = model?.repeat(wanted, this.#now);
    const decided = this.#engine.receive(name, wanted);
    if (model === undefined || repeated === "stale") {
      expect(kindOf(decided)).toBe(model ? "receive_attempt_stale" : "queue_not_found");
      return;
    }
    const received = decided.kind === "received" ? decided.received : undefined;
    const taken = received?.messages.map(({ message }) => uuidText(message.messageId)) ?? [];
    const judged =
      repeated ?? model.receive(wanted, { taken, ...this.#seeMoved(name, model) }, this.#now);
    if (typeof judged === "string" || decided.kind === "rejected") {
      expect(kindOf(decided)).toBe(judged);
      return;
    }
    expect(taken).toEqual(judged.map(({ message }) => message.messageId));
    const counts = received?.messages.map(
      ({ delivery }) => delivery.earlierReceives + delivery.receiveCount,
    );
    expect(counts ?? []).toEqual(
      judged.map(({ message }) => message.earlierReceives + message.receiveCount),
    );
    if (received !== undefined) this.#keepHandles(name, wanted, received, judged);
  }

  /** A message that a receive has moved is gone from its queue, or counted anew in it. */
  #seeMoved(
    name: string,
    { settings: { redrive } }: ModelQueue,
  ): Pick<ReceiveSeen, "wasMoved" | "arrivalOf"> {
    const peek = (queue: string) =>
      this.#engine.look((transaction, stamp) => peekAll(transaction, queue, stamp)) ?? [];
    const left = new Map(
      peek(name).map(({ messageId, receiveCount }) => [messageId, receiveCount]),
    );
    const arrived = peek(redrive?.deadLetterQueue ?? name).map(({ messageId }) => messageId);
    return {
      wasMoved: ({ messageId }) => (left.get(messageId) ?? 0) === 0,
      arrivalOf: ({ messageId }) => arrived.indexOf(messageId),
    };
  }

  #keepHandles(
    name: string,
    { attemptId }: ModelReceive,
    received: MessagesReceived,
    receipts: readonly ModelReceipt[],
  ): void {
    const { number, segment } = received.queue;
    for (const [index, { message, delivery }] of received.messages.entries()) {
      const model = receipts[index];
      const { sequence } = message;
      const real = { queue: number, segment, sequence, ordinal: delivery.ordinal };
      if (model !== undefined) this.#handles.push({ real, model });
    }
    // A repeat leases nothing, so there is nothing to undo.
    if (received.isRepeat === true) return;
    this.#receives.push({ queue: name, attemptId, real: received, model: receipts });
  }

  /** A handle handed out before, or none: what the wire makes of garbage. */
  #handle(at: number): Handle | undefined {
    return oneOfPast(this.#handles, at);
  }

  #delete(name: string, handles: readonly number[]): void {
    const given = handles.map((at) => this.#handle(at));
    const decided = this.#engine.run("DeleteMessage", (transaction, stamp) =>
      decideDeleteMessages(
        transaction,
        { address: addressOf(name), receipts: given.map((one) => one?.real) },
        stamp,
      ),
    );
    const model = this.#models.get(name);
    const results =
      decided.kind === "accepted"
        ? decided.outcome.map((result) =>
            result.kind === "refused" ? result.rejection.kind : result.kind,
          )
        : decided.rejection.kind;
    expect(results).toEqual(
      model === undefined
        ? "queue_not_found"
        : given.map((one) => model.delete(one?.model, this.#now)),
    );
  }

  #changeLease(name: string, at: number, given: LeaseCall): void {
    const handle = this.#handle(at);
    const address = addressOf(name);
    const decided = this.#engine.run("ChangeLease", (transaction, stamp) => {
      if (given.call === "change") {
        const entry = { receipt: handle?.real, timeoutMs: milliseconds(given.timeoutMs) };
        return decideChangeVisibility(transaction, { address, entries: [entry] }, stamp);
      }
      const isDeadLetter = given.call === "dead-letter";
      const delayMs = isDeadLetter ? undefined : given.delayMs;
      const rejection = { reason: "no", error: "" };
      return decideGiveBack(
        transaction,
        {
          address,
          receipts: [handle?.real],
          delayMs: delayMs === undefined ? undefined : milliseconds(delayMs),
          rejected: isDeadLetter || given.isRejected ? rejection : undefined,
          isDeadLetter,
        },
        stamp,
      );
    });
    const model = this.#models.get(name);
    const result = decided.kind === "accepted" ? decided.outcome[0] : decided;
    const text = result?.kind === "changed" ? `visible at ${result.visibleAt}` : kindOf(result);
    expect(text).toBe(
      model === undefined ? "queue_not_found" : this.#modelChange(model, handle?.model, given),
    );
  }

  #modelChange(model: ModelQueue, receipt: ModelReceipt | undefined, given: LeaseCall): string {
    switch (given.call) {
      case "change":
        return model.changeVisibility(receipt, given.timeoutMs, this.#now);
      case "give back":
        return model.giveBack(receipt, given, this.#now);
      case "dead-letter":
        return model.deadLetter(receipt, this.#now);
    }
  }

  #undo(at: number): void {
    const given = oneOfPast(this.#receives, at);
    if (given === undefined) return;
    const { queue: name, attemptId, real, model } = given;
    // A receive is undone at once when its answer fails; what time has done to it since is settled.
    this.report(name);
    this.#engine.accepted("UndoReceive", (transaction, stamp) =>
      decideUndoReceive(
        transaction,
        {
          address: addressOf(name),
          number: real.queue.number,
          messages: real.messages,
          requestKey: undefined,
          attemptId,
        },
        stamp,
      ),
    );
    // A queue created since under the same name has never heard of it.
    const current = this.#models.get(name);
    if (model[0]?.queue === current) current?.undo(model, attemptId, this.#now);
  }
}

/** Every other time one of the last few, which are more likely to be still of use; else any, or none. */
function oneOfPast<Item>(items: readonly Item[], at: number): Item | undefined {
  const half = Math.floor(at / 2);
  return at % 2 === 0
    ? items[items.length - 1 - (half % recentCount)]
    : items[half % (items.length + 1)];
}

const recentCount = 6;

const realEntryOf = ({
  body,
  sizeBytes,
  group,
  dedupId,
  delayMs,
  deliverAt,
  timeToLiveMs,
  priority,
}: ModelEntry) =>
  entryOf({
    body,
    sizeBytes,
    priority,
    ...(group !== undefined && { groupId: group }),
    ...(dedupId !== undefined && { dedupId }),
    ...(delayMs !== undefined && { delayMs }),
    ...(deliverAt !== undefined && { deliverAt }),
    ...(timeToLiveMs !== undefined && { timeToLiveMs }),
  });

/** What a decision or a result of one came to, a refusal by its reason. */
const kindOf = (
  decided: { readonly kind: string; readonly rejection?: QueueRejection } | undefined,
): string | undefined => decided?.rejection?.kind ?? decided?.kind;
