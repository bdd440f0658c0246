// Random long polls, cancellations, sends, lease ends and deletions of queues, beside a plain model of the line: who came
// first is served first, each message goes to one of those who wait, a call that was cancelled takes nothing with it, and
// nobody who waited for a deleted queue hears of the one created in its place.

import fc from "fast-check";
import { expect, test } from "vitest";
import { milliseconds } from "../../src/base/brands.js";
import type { Receipt } from "../../src/queue/receipt.js";
import { EngineHarness, type Received, type Waiting } from "../support/engine-harness.js";
import { propertyTimeoutMs, runs } from "../support/property.js";
import { ModelQueue, type ModelReceipt, modelDefaults } from "./queue-model.js";

type Act =
  | {
      readonly act: "wait";
      readonly countMax: number;
      readonly waitMs: number;
      readonly visibilityTimeoutMs: number;
    }
  | { readonly act: "cancel"; readonly waiter: number }
  | { readonly act: "send"; readonly delaysMs: readonly number[] }
  | { readonly act: "delete"; readonly handle: number }
  | { readonly act: "change"; readonly handle: number; readonly timeoutMs: number }
  | { readonly act: "give back"; readonly receive: number }
  | { readonly act: "limit"; readonly inFlightMax: number }
  | { readonly act: "purge" }
  | { readonly act: "recreate"; readonly isAtOnce: boolean }
  | { readonly act: "advance"; readonly ms: number }
  | { readonly act: "settle" };

const constantly = <Name extends string>(name: Name): fc.Arbitrary<Name> => fc.constant(name);
const at = fc.nat({ max: 1_000 });
// Waits end a millisecond beside everything else, so that no two things happen at one instant in an order nobody promised.
const waitMs = fc.constantFrom(0, 1_001, 2_001, 5_001, 20_001);
const act: fc.Arbitrary<Act> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      act: constantly("wait"),
      countMax: fc.integer({ min: 1, max: 3 }),
      waitMs,
      visibilityTimeoutMs: fc.constantFrom(0, 500, 1_000, 4_000),
    }),
  },
  { weight: 3, arbitrary: fc.record({ act: constantly("cancel"), waiter: at }) },
  {
    weight: 7,
    arbitrary: fc.record({
      act: constantly("send"),
      delaysMs: fc.array(fc.constantFrom(0, 0, 500, 2_000), { minLength: 1, maxLength: 4 }),
    }),
  },
  { weight: 6, arbitrary: fc.record({ act: constantly("delete"), handle: at }) },
  {
    weight: 3,
    arbitrary: fc.record({
      act: constantly("change"),
      handle: at,
      timeoutMs: fc.constantFrom(0, 500, 3_000),
    }),
  },
  { weight: 2, arbitrary: fc.record({ act: constantly("give back"), receive: at }) },
  {
    weight: 3,
    arbitrary: fc.record({ act: constantly("limit"), inFlightMax: fc.constantFrom(1, 1, 2, 100) }),
  },
  { weight: 1, arbitrary: fc.record({ act: constantly("purge") }) },
  { weight: 1, arbitrary: fc.record({ act: constantly("recreate"), isAtOnce: fc.boolean() }) },
  {
    weight: 7,
    arbitrary: fc.record({
      act: constantly("advance"),
      ms: fc.constantFrom(500, 1_000, 2_500, 20_000),
    }),
  },
  { weight: 3, arbitrary: fc.record({ act: constantly("settle") }) },
);

/** A call in the line, on both sides. */
interface Call {
  readonly real: Waiting;
  readonly countMax: number;
  readonly visibilityTimeoutMs: number;
  readonly endsAt: number;
  /** What the model says it is answered; undefined while it waits. */
  expected: string | undefined;
  receipts: readonly ModelReceipt[];
}

const queueName = "orders";

class Line {
  readonly #harness: EngineHarness;
  #queue = new ModelQueue(modelDefaults);
  #waiting: Call[] = [];
  readonly #calls: Call[] = [];
  readonly #handles: { readonly real: Receipt; readonly model: ModelReceipt }[] = [];
  readonly #receives: {
    readonly raw: NonNullable<(Received & { kind: "received" })["raw"]>;
    readonly call: Call;
  }[] = [];
  readonly #others: Promise<unknown>[] = [];
  #bodies = 0;

  constructor(harness: EngineHarness) {
    this.#harness = harness;
  }

  get #now(): number {
    return this.#harness.clock.now();
  }

  /** Serves the line: the first gets what it can, and the next is asked when the first got something. */
  #serve(now = this.#now): void {
    for (let [first] = this.#waiting; first !== undefined; [first] = this.#waiting) {
      if (!this.#receive(first, now)) return;
      this.#waiting.shift();
    }
  }

  #receive(call: Call, now: number): boolean {
    const { countMax, visibilityTimeoutMs } = call;
    const got = this.#queue.receive({ countMax, bytesMax: 1_000_000, visibilityTimeoutMs }, now);
    if (got === "in_flight_limit" || got.length === 0) return false;
    call.receipts = got;
    call.expected = got
      .map(({ message, before }) => `${message.body} #${before.receiveCount + 1}`)
      .join(", ");
    return true;
  }

  async take(given: Act): Promise<void> {
    switch (given.act) {
      case "wait":
        this.#wait(given);
        return;
      case "cancel": {
        const call = this.#calls[given.waiter % Math.max(1, this.#calls.length)];
        if (call === undefined) return;
        const isWaiting = this.#waiting.includes(call);
        expect(call.real.cancel()).toBe(isWaiting);
        if (isWaiting) call.expected = "";
        this.#waiting = this.#waiting.filter((other) => other !== call);
        return;
      }
      case "send": {
        const entries = given.delaysMs.map((delayMs) => {
          this.#bodies += 1;
          return { body: `m${this.#bodies}`, sizeBytes: 1, delayMs };
        });
        this.#others.push(this.#harness.send(queueName, ...entries));
        this.#queue.send(entries, this.#now);
        this.#serve();
        return;
      }
      case "delete": {
        const handle = this.#handle(given.handle);
        if (handle === undefined) return;
        this.#others.push(this.#harness.deleteMessages(queueName, [handle.real]));
        this.#queue.delete(handle.model, this.#now);
        this.#serve();
        return;
      }
      case "change": {
        const handle = this.#handle(given.handle);
        if (handle === undefined) return;
        this.#others.push(
          this.#harness.changeVisibility(queueName, [
            { receipt: handle.real, timeoutMs: given.timeoutMs },
          ]),
        );
        this.#queue.changeVisibility(handle.model, given.timeoutMs, this.#now);
        this.#serve();
        return;
      }
      case "give back": {
        const receive = this.#receives[given.receive % Math.max(1, this.#receives.length)];
        if (receive === undefined) return;
        this.#others.push(this.#harness.undo(queueName, receive.raw));
        this.#queue.undo(receive.call.receipts, this.#now);
        this.#serve();
        return;
      }
      case "limit":
        this.#others.push(this.#harness.setSettings(queueName, { inFlightMax: given.inFlightMax }));
        this.#queue.setSettings({ inFlightMax: given.inFlightMax }, this.#now);
        this.#serve();
        return;
      case "purge":
        this.#others.push(this.#harness.purgeQueue(queueName));
        this.#queue.purge(this.#now);
        return;
      case "recreate":
        await this.#recreate(given.isAtOnce);
        return;
      case "advance":
        this.#advance(given.ms);
        return;
      case "settle":
        await this.settle();
    }
  }

  #handle(index: number): { readonly real: Receipt; readonly model: ModelReceipt } | undefined {
    return this.#handles[index % Math.max(1, this.#handles.length)];
  }

  #wait(given: Act & { readonly act: "wait" }): void {
    const { countMax, visibilityTimeoutMs } = given;
    const real = this.#harness.receiveOrWait(queueName, {
      countMax,
      visibilityTimeoutMs,
      waitMs: given.waitMs,
    });
    const call: Call = {
      real,
      countMax,
      visibilityTimeoutMs,
      endsAt: this.#now + given.waitMs,
      expected: undefined,
      receipts: [],
    };
    this.#calls.push(call);
    if (given.waitMs > 0) {
      this.#waiting.push(call);
      this.#serve();
      return;
    }
    this.#serve();
    const room = this.#queue.settings.inFlightMax - this.#queue.counts(this.#now).inFlight;
    if (!this.#receive(call, this.#now)) call.expected = room <= 0 ? "in_flight_limit" : "";
  }

  async #recreate(isAtOnce: boolean): Promise<void> {
    this.#others.push(this.#harness.deleteQueue(queueName));
    for (const call of this.#waiting) call.expected = "queue_not_found";
    this.#waiting = [];
    if (!isAtOnce) await this.settle();
    this.#others.push(this.#harness.createQueue(queueName));
    this.#queue = new ModelQueue(modelDefaults);
    // What comes now is for those who ask for the new queue.
    await this.take({ act: "send", delaysMs: [0] });
  }

  /** Time passes from one thing that happens to the next. */
  #advance(ms: number): void {
    const end = this.#now + ms;
    this.#harness.clock.advanceAtOnce(ms);
    for (;;) {
      const instants = [...this.#waiting.map(({ endsAt }) => endsAt), ...this.#queue.dueInstants()];
      const next = Math.min(
        ...instants.filter((instant) => instant <= end && !this.#seen.has(instant)),
      );
      if (!Number.isFinite(next)) break;
      this.#seen.add(next);
      for (const call of this.#waiting) if (call.endsAt <= next) call.expected = "";
      this.#waiting = this.#waiting.filter(({ endsAt }) => endsAt > next);
      this.#serve(next);
    }
    this.#seen.clear();
  }
  readonly #seen = new Set<number>();

  /** Waits until everything that was decided is answered, and compares. */
  async settle(): Promise<void> {
    await Promise.all(this.#others.splice(0));
    const answered = this.#calls.filter(({ expected }) => expected !== undefined);
    for (const call of answered) {
      const received = await call.real.received;
      expect(textOf(received)).toBe(call.expected);
      this.#calls.splice(this.#calls.indexOf(call), 1);
      if (received.kind === "rejected" || received.raw === undefined) continue;
      received.messages.forEach(({ receipt }, index) => {
        const model = call.receipts[index];
        if (model !== undefined) this.#handles.push({ real: receipt, model });
      });
      this.#receives.push({ raw: received.raw, call });
    }
    expect(this.#harness.engine.waiterCount).toBe(this.#waiting.length);
  }

  async finish(): Promise<void> {
    await this.settle();
    await this.#harness.check();
    expect(this.#harness.failures).toEqual([]);
    // Nobody is forgotten: the last ones are answered when their time is over.
    this.#advance(30_000);
    await this.settle();
    expect(this.#calls).toEqual([]);
    expect(this.#harness.engine.waiterCount).toBe(0);
  }
}

function textOf(received: Received): string {
  if (received.kind === "rejected") return received.rejection.kind;
  return received.messages.map(({ body, receiveCount }) => `${body} #${receiveCount}`).join(", ");
}

test(
  "those who wait are served in the order they came, each message to one of them, whoever cancels",
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(act, { minLength: 5, maxLength: 60, size: "max" }),
        async (acts) => {
          const harness = await EngineHarness.start();
          await harness.createQueue(queueName, { visibilityTimeoutMs: milliseconds(30_000) });
          const line = new Line(harness);
          for (const given of acts) await line.take(given);
          await line.finish();
        },
      ),
      runs(300),
    );
  },
  propertyTimeoutMs,
);
