// Random calls, through the real engine and on a plain model of the specification, side by side: every answer is the
// model's, at every step a queue's numbers add up and its messages stand where the model has them, and in the end the store
// contradicts itself nowhere. Calls are made while commits are held back, so that they meet each other's uncommitted rows.

import fc from "fast-check";
import { expect, test } from "vitest";
import type { QueueSettings } from "../../src/queue/limits.js";
import type { Counters } from "../../src/queue/model.js";
import { decidePeekMessages, type PeekMessages } from "../../src/queue/peek-messages.js";
import type { Receipt } from "../../src/queue/receipt.js";
import type { MessagesReceived } from "../../src/queue/received.js";
import type { Stamp } from "../../src/queue/stamp.js";
import type { QueueTransaction } from "../../src/queue/view.js";
import type { Store } from "../../src/store/store.js";
import { addressOf } from "../support/engine-entries.js";
import { EngineHarness } from "../support/engine-harness.js";
import { MemoryStore } from "../support/memory-store.js";
import { propertyTimeoutMs, runs } from "../support/property.js";
import { openTestStore, temporaryDirectory } from "../support/temporary-store.js";
import {
  type ModelCounts,
  type ModelEntry,
  ModelQueue,
  type ModelReceipt,
  type ModelSettings,
  modelDefaults,
} from "./queue-model.js";

type QueueLetter = "a" | "b";

type Call =
  | {
      readonly call: "create";
      readonly queue: QueueLetter;
      readonly settings: Partial<ModelSettings>;
    }
  | { readonly call: "set"; readonly queue: QueueLetter; readonly settings: Partial<ModelSettings> }
  | { readonly call: "delete queue"; readonly queue: QueueLetter }
  | { readonly call: "purge"; readonly queue: QueueLetter }
  | {
      readonly call: "send";
      readonly queue: QueueLetter;
      readonly entries: readonly Omit<ModelEntry, "body">[];
    }
  | {
      readonly call: "receive";
      readonly queue: QueueLetter;
      readonly countMax: number;
      readonly bytesMax: number;
      readonly visibilityTimeoutMs: number | undefined;
    }
  | { readonly call: "delete"; readonly queue: QueueLetter; readonly handles: readonly number[] }
  | {
      readonly call: "change";
      readonly queue: QueueLetter;
      readonly handle: number;
      readonly timeoutMs: number;
    }
  | { readonly call: "undo"; readonly receive: number }
  | { readonly call: "report"; readonly queue: QueueLetter }
  | { readonly call: "advance"; readonly ms: number }
  | { readonly call: "sweep" }
  | { readonly call: "reap" }
  | { readonly call: "restart" }
  /** Lets the commit that is held go on. */
  | { readonly call: "commit" }
  /** Waits for every answer. */
  | { readonly call: "settle" };

const constantly = <Name extends string>(name: Name): fc.Arbitrary<Name> => fc.constant(name);
const queueLetter = fc.constantFrom<QueueLetter>("a", "a", "a", "b");
const oneOf = <Value>(...values: Value[]): fc.Arbitrary<Value> => fc.constantFrom(...values);
const settings: fc.Arbitrary<Partial<ModelSettings>> = fc.record(
  {
    visibilityTimeoutMs: oneOf(0, 1_000, 30_000),
    retentionMs: oneOf(60_000, 120_000, 345_600_000),
    delayMs: oneOf(0, 2_000),
    inFlightMax: oneOf(1, 2, 5, 120_000),
    receiptPolicy: oneOf<"lenient" | "strict">("lenient", "strict"),
  },
  { requiredKeys: [] },
);
const entry = fc.record({
  // Small enough that no history expires more at once than one step settles (8 MiB).
  sizeBytes: oneOf(1, 1, 50, 20_000, 300_000, 1_048_577),
  delayMs: oneOf(undefined, undefined, 0, 1, 1_000, 5_000, 900_000),
});
const timeoutMs = oneOf(0, 1, 1_000, 5_000, 30_000, 43_200_000);
const handle = fc.nat({ max: 1_000 });

const weighted = (weight: number, arbitrary: fc.Arbitrary<Call>): fc.WeightedArbitrary<Call> => ({
  weight,
  arbitrary,
});
const call: fc.Arbitrary<Call> = fc.oneof(
  weighted(2, fc.record({ call: constantly("create"), queue: queueLetter, settings })),
  weighted(2, fc.record({ call: constantly("set"), queue: queueLetter, settings })),
  weighted(1, fc.record({ call: constantly("delete queue"), queue: queueLetter })),
  weighted(1, fc.record({ call: constantly("purge"), queue: queueLetter })),
  weighted(
    14,
    fc.record({
      call: constantly("send"),
      queue: queueLetter,
      entries: fc.array(entry, { minLength: 1, maxLength: 4 }),
    }),
  ),
  weighted(
    14,
    fc.record({
      call: constantly("receive"),
      queue: queueLetter,
      countMax: fc.integer({ min: 1, max: 10 }),
      bytesMax: oneOf(1, 100, 500_000, 4_000_000),
      visibilityTimeoutMs: fc.option(timeoutMs, { nil: undefined }),
    }),
  ),
  weighted(
    8,
    fc.record({
      call: constantly("delete"),
      queue: queueLetter,
      handles: fc.array(handle, { minLength: 1, maxLength: 3 }),
    }),
  ),
  weighted(8, fc.record({ call: constantly("change"), queue: queueLetter, handle, timeoutMs })),
  weighted(3, fc.record({ call: constantly("undo"), receive: handle })),
  weighted(2, fc.record({ call: constantly("report"), queue: queueLetter })),
  weighted(
    10,
    fc.record({
      call: constantly("advance"),
      ms: oneOf(0, 1, 500, 999, 1_000, 5_000, 29_000, 60_000, 3_600_000),
    }),
  ),
  weighted(1, fc.record({ call: constantly("sweep") })),
  weighted(1, fc.record({ call: constantly("reap") })),
  weighted(1, fc.record({ call: constantly("restart") })),
  weighted(6, fc.record({ call: constantly("commit") })),
  weighted(8, fc.record({ call: constantly("settle") })),
);

/** A message received once, on both sides. */
interface Handle {
  readonly real: Receipt;
  readonly model: ModelReceipt;
}

interface PastReceive {
  readonly queue: QueueLetter;
  readonly real: MessagesReceived;
  readonly model: readonly ModelReceipt[];
}

interface Answer {
  readonly actual: Promise<unknown>;
  readonly expected: unknown;
}

const eventLoopTurn = async (): Promise<void> => {
  await new Promise<void>((resolve) => {
    setImmediate(resolve);
  });
};

class SideBySide {
  readonly #harness: EngineHarness;
  readonly #memory: MemoryStore | undefined;
  readonly #reopen: (() => Promise<Store>) | undefined;
  readonly #model = new Map<QueueLetter, ModelQueue>();
  #answers: Answer[] = [];
  readonly #handles: Handle[] = [];
  readonly #receives: PastReceive[] = [];
  #bodies = 0;

  constructor(
    harness: EngineHarness,
    memory: MemoryStore | undefined,
    reopen?: () => Promise<Store>,
  ) {
    this.#harness = harness;
    this.#memory = memory;
    this.#reopen = reopen;
    if (memory !== undefined) memory.mode = "held";
  }

  get #now(): number {
    return this.#harness.clock.now();
  }

  async take(given: Call): Promise<void> {
    await this.#call(given);
    this.#expectSameStanding("a");
    this.#expectSameStanding("b");
  }

  /** Decisions are made when they are asked for, in order; answers come when they are durable. */
  #expectAnswer(actual: Promise<unknown>, expected: unknown): void {
    // Seen when answers are compared, unless something else has failed by then.
    actual.catch(() => undefined);
    this.#answers.push({ actual, expected });
  }

  async #call(given: Call): Promise<void> {
    const harness = this.#harness;
    switch (given.call) {
      case "create":
        this.#create(given.queue, given.settings);
        return;
      case "set": {
        this.#model.get(given.queue)?.setSettings(given.settings, this.#now);
        this.#expectAnswer(
          harness.setSettings(given.queue, given.settings as Partial<QueueSettings>),
          undefined,
        );
        return;
      }
      case "delete queue":
        this.#model.delete(given.queue);
        this.#expectAnswer(harness.deleteQueue(given.queue), undefined);
        return;
      case "purge": {
        // What has expired is settled first, so that it is not counted as purged.
        this.#report(given.queue);
        const expected = this.#model.get(given.queue)?.purge(this.#now);
        this.#expectAnswer(harness.purgeQueue(given.queue), expected);
        return;
      }
      case "send":
        this.#send(given.queue, given.entries);
        return;
      case "receive":
        this.#receive(given);
        return;
      case "delete":
        this.#delete(given.queue, given.handles);
        return;
      case "change":
        this.#change(given.queue, given.handle, given.timeoutMs);
        return;
      case "undo":
        this.#undo(given.receive);
        return;
      case "report":
        this.#report(given.queue);
        return;
      case "advance":
        harness.clock.advanceAtOnce(given.ms);
        return;
      case "sweep":
        for (const queue of this.#model.values()) queue.settle(this.#now);
        this.#expectAnswer(harness.sweep(), undefined);
        return;
      case "reap":
        this.#expectAnswer(harness.reap(), undefined);
        return;
      case "restart":
        await this.settle();
        await this.#pumpUntil(harness.restart(this.#reopen));
        return;
      case "commit":
        this.#memory?.release();
        await eventLoopTurn();
        return;
      case "settle":
        await this.settle();
    }
  }

  #create(letter: QueueLetter, settings: Partial<ModelSettings>): void {
    const existing = this.#model.get(letter);
    const isSame =
      existing !== undefined &&
      Object.entries(settings).every(
        ([name, value]) => existing.settings[name as keyof ModelSettings] === value,
      );
    const expected = existing === undefined ? "new" : isSame ? "old" : "queue_already_exists";
    if (existing === undefined)
      this.#model.set(letter, new ModelQueue({ ...modelDefaults, ...settings }));
    const actual = this.#harness.createQueue(letter, settings as Partial<QueueSettings>);
    this.#expectAnswer(
      actual.then((decision) =>
        decision.kind === "rejected"
          ? decision.rejection.kind
          : decision.outcome.isNew
            ? "new"
            : "old",
      ),
      expected,
    );
  }

  #send(letter: QueueLetter, entries: readonly Omit<ModelEntry, "body">[]): void {
    const named = entries.map((given) => {
      this.#bodies += 1;
      return { body: `m${this.#bodies}`, ...given };
    });
    const expected = this.#model
      .get(letter)
      ?.send(named, this.#now)
      .map((isStored) => (isStored ? "sent" : "message_too_long"));
    const actual = this.#harness.send(
      letter,
      ...named.map(({ body, sizeBytes, delayMs }) => ({
        body,
        sizeBytes,
        ...(delayMs === undefined ? {} : { delayMs }),
      })),
    );
    this.#expectAnswer(
      actual.then((decision) =>
        decision.kind === "rejected"
          ? decision.rejection.kind
          : decision.outcome.map((result) =>
              result.kind === "sent" ? "sent" : result.rejection.kind,
            ),
      ),
      expected ?? "queue_not_found",
    );
  }

  #receive(given: Call & { readonly call: "receive" }): void {
    const { queue: letter, countMax, bytesMax, visibilityTimeoutMs } = given;
    const found = this.#model
      .get(letter)
      ?.receive({ countMax, bytesMax, visibilityTimeoutMs }, this.#now);
    const expected =
      found === undefined
        ? "queue_not_found"
        : found === "in_flight_limit"
          ? found
          : found.map(({ message, before }) => `${message.body} #${before.receiveCount + 1}`);
    const actual = this.#harness.receive(letter, {
      countMax,
      bytesMax,
      ...(visibilityTimeoutMs === undefined ? {} : { visibilityTimeoutMs }),
    });
    this.#expectAnswer(
      actual.then((received) => {
        if (received.kind === "rejected") return received.rejection.kind;
        if (Array.isArray(found)) this.#keepHandles(letter, received, found);
        return received.messages.map(({ body, receiveCount }) => `${body} #${receiveCount}`);
      }),
      expected,
    );
  }

  #keepHandles(
    queue: QueueLetter,
    {
      raw,
      messages,
    }: {
      readonly raw: MessagesReceived | undefined;
      readonly messages: readonly { readonly receipt: Receipt }[];
    },
    model: readonly ModelReceipt[],
  ): void {
    messages.forEach(({ receipt }, at) => {
      const other = model[at];
      if (other !== undefined) this.#handles.push({ real: receipt, model: other });
    });
    if (raw !== undefined && model.length === messages.length)
      this.#receives.push({ queue, real: raw, model });
  }

  /** A handle handed out before, or none: what the wire makes of garbage. */
  #handle(at: number): Handle | undefined {
    return this.#handles[at % (this.#handles.length + 1)];
  }

  #delete(letter: QueueLetter, handles: readonly number[]): void {
    const given = handles.map((at) => this.#handle(at));
    const queue = this.#model.get(letter);
    const expected =
      queue === undefined
        ? "queue_not_found"
        : given.map((one) => queue.delete(one?.model, this.#now));
    const actual = this.#harness.deleteMessages(
      letter,
      given.map((one) => one?.real),
    );
    this.#expectAnswer(
      actual.then((decision) =>
        decision.kind === "rejected"
          ? decision.rejection.kind
          : decision.outcome.map((result) =>
              result.kind === "refused" ? result.rejection.kind : result.kind,
            ),
      ),
      expected,
    );
  }

  #change(letter: QueueLetter, at: number, timeout: number): void {
    const given = this.#handle(at);
    const expected =
      this.#model.get(letter)?.changeVisibility(given?.model, timeout, this.#now) ??
      "queue_not_found";
    const actual = this.#harness.changeVisibility(letter, [
      { receipt: given?.real, timeoutMs: timeout },
    ]);
    this.#expectAnswer(
      actual.then((decision) => {
        if (decision.kind === "rejected") return decision.rejection.kind;
        const [result] = decision.outcome;
        return result?.kind === "changed"
          ? `visible at ${result.visibleAt}`
          : result?.rejection.kind;
      }),
      expected,
    );
  }

  #undo(at: number): void {
    const given = this.#receives[at % Math.max(1, this.#receives.length)];
    if (given === undefined) return;
    this.#model.get(given.queue)?.undo(given.model, this.#now);
    this.#expectAnswer(
      this.#harness.undo(given.queue, given.real).then(() => undefined),
      undefined,
    );
  }

  #report(letter: QueueLetter): void {
    const queue = this.#model.get(letter);
    queue?.settle(this.#now);
    const expected = queue?.counts(this.#now);
    this.#expectAnswer(
      this.#harness
        .report(letter)
        .then((report) => report && countsOf(report.counters, expected?.received !== undefined)),
      expected,
    );
  }

  /** At every step: the numbers add up, and each message stands where the model has it. Looks without touching. */
  #expectSameStanding(letter: QueueLetter): void {
    const queue = this.#model.get(letter);
    let counters: Counters | undefined;
    let peeked: string[] | undefined;
    const looked = this.#harness.run("Look", (transaction, stamp) => {
      const found = transaction.findQueue(addressOf(letter).namespace, addressOf(letter).name);
      counters = found && transaction.counters(found);
      peeked = found && standingsOf(transaction, letter, stamp);
      return { kind: "accepted", outcome: undefined };
    });
    this.#expectAnswer(
      looked.then(() => undefined),
      undefined,
    );
    expect(peeked).toEqual(queue?.peek(this.#now));
    if (counters === undefined || queue === undefined) return;
    const { stored, inFlight, delayed, sent, deleted, expired, purged } = counters;
    expect(stored).toBe(sent - deleted - expired - purged);
    expect(inFlight + delayed).toBeLessThanOrEqual(stored);
    expect(Math.min(stored, inFlight, delayed)).toBeGreaterThanOrEqual(0);
    const model = queue.counts(this.#now);
    expect({ sent, deleted, purged }).toEqual({
      sent: model.sent,
      deleted: model.deleted,
      purged: model.purged,
    });
  }

  /** Lets commits through until every call is answered, and compares the answers. */
  async settle(): Promise<void> {
    const answers = this.#answers;
    this.#answers = [];
    const actual = await this.#pumpUntil(Promise.all(answers.map((answer) => answer.actual)));
    expect(actual).toEqual(answers.map(({ expected }) => expected));
  }

  async #pumpUntil<Result>(work: Promise<Result>): Promise<Result> {
    let isDone = false;
    const finished = work.finally(() => {
      isDone = true;
    });
    // Its rejection is seen below.
    finished.catch(() => undefined);
    while (!isDone) {
      this.#memory?.release();
      await eventLoopTurn();
    }
    return await finished;
  }

  async finish(): Promise<void> {
    for (const letter of ["a", "b"] as const) this.#report(letter);
    await this.settle();
    await this.#pumpUntil(this.#harness.check());
    await this.#pumpUntil(this.#harness.reap());
    await this.#pumpUntil(this.#harness.check());
    expect(this.#harness.failures).toEqual([]);
  }
}

/** Every message as a peek shows it, page by page. */
function standingsOf(transaction: QueueTransaction, letter: QueueLetter, stamp: Stamp): string[] {
  const standings: string[] = [];
  let from: PeekMessages["from"];
  do {
    const page = decidePeekMessages(
      transaction,
      {
        address: addressOf(letter),
        states: new Set(),
        groupId: "",
        attributes: new Map(),
        bodyContains: Buffer.alloc(0),
        countMax: 10_000,
        bytesMax: Number.MAX_SAFE_INTEGER,
        bodyBytesMax: 0,
        from,
      },
      stamp,
    );
    if (page.kind === "rejected") throw new Error("The queue is gone.");
    for (const { message, state, visibleAt, delivery } of page.outcome.messages) {
      const standing = visibleAt === undefined ? state : `${state} until ${visibleAt}`;
      const count = delivery?.receiveCount ?? 0;
      standings.push(`${message.content.body.toString()} ${standing} after ${count} receives`);
    }
    from = page.outcome.next;
  } while (from !== undefined);
  return standings;
}

function countsOf(counters: Counters, isReceivedKnown: boolean): ModelCounts {
  const { stored, storedBytes, inFlight, delayed, sent, received, deleted, expired, purged } =
    counters;
  return {
    visible: stored - inFlight - delayed,
    inFlight,
    delayed,
    stored,
    storedBytes,
    sent,
    received: isReceivedKnown ? received : undefined,
    deleted,
    expired,
    purged,
  };
}

async function runCalls(both: SideBySide, calls: readonly Call[]): Promise<void> {
  // Most histories want a queue to begin with.
  await both.take({ call: "create", queue: "a", settings: {} });
  for (const given of calls) await both.take(given);
  await both.finish();
}

test(
  "queues over a store in memory answer as the model does, whatever is uncommitted",
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(call, { minLength: 5, maxLength: 80, size: "max" }),
        async (calls) => {
          const memory = new MemoryStore();
          const harness = await EngineHarness.start({ store: memory });
          await runCalls(new SideBySide(harness, memory), calls);
        },
      ),
      runs(300),
    );
  },
  propertyTimeoutMs,
);

test(
  "queues over the real store answer as the model does, across restarts",
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(call, { minLength: 5, maxLength: 60, size: "max" }),
        async (calls) => {
          const directory = temporaryDirectory();
          const harness = await EngineHarness.start({ store: openTestStore(directory) });
          const reopen = async (): Promise<Store> =>
            await Promise.resolve(openTestStore(directory));
          try {
            await runCalls(new SideBySide(harness, undefined, reopen), calls);
          } finally {
            await harness.stop();
          }
        },
      ),
      runs(40),
    );
  },
  propertyTimeoutMs,
);
