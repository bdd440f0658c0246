// A FIFO group deeper than what its row names: messages come, are received, given back and deleted in any order, and it still
// gives those before the first leased one, in order, and the check finds nothing.

import fc from "fast-check";
import { expect, test } from "vitest";
import { EngineHarness, type Got } from "../support/engine-harness.js";
import { MemoryStore } from "../support/memory-store.js";
import { propertyTimeoutMs, runs } from "../support/property.js";

const queue = "orders.fifo";

type Step =
  | { readonly step: "send" | "receive"; readonly count: number }
  | { readonly step: "delete" | "give back"; readonly which: number }
  | { readonly step: "restart" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      step: fc.constant("send" as const),
      count: fc.integer({ min: 1, max: 25 }),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      step: fc.constant("receive" as const),
      count: fc.integer({ min: 1, max: 40 }),
    }),
  },
  { weight: 12, arbitrary: fc.record({ step: fc.constant("delete" as const), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ step: fc.constant("give back" as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ step: fc.constant("restart" as const) }) },
);

/** The one group of a queue, and what is in it by its rules: a plain array. */
class OneGroup {
  readonly #harness: EngineHarness;
  readonly #bodies: string[] = [];
  readonly #leased = new Map<string, Got>();
  #sentCount = 0;

  constructor(harness: EngineHarness) {
    this.#harness = harness;
  }

  async take(step: Step): Promise<void> {
    switch (step.step) {
      case "send":
        return await this.#send(step.count);
      case "receive":
        return await this.#receive(step.count);
      case "delete":
      case "give back":
        return await this.#end(step.step, step.which);
      case "restart":
        return await this.#harness.restart();
    }
  }

  async #send(count: number): Promise<void> {
    const bodies = Array.from({ length: count }, (_, at) => `${this.#sentCount + at}`);
    this.#sentCount += count;
    this.#bodies.push(...bodies);
    await this.#harness.send(
      queue,
      ...bodies.map((body) => ({ body, groupId: "a", dedupId: body })),
    );
  }

  async #receive(count: number): Promise<void> {
    const firstLeased = this.#bodies.findIndex((body) => this.#leased.has(body));
    const visible = this.#bodies.slice(0, firstLeased === -1 ? undefined : firstLeased);
    const got = await this.#harness.receiveAll(queue, { countMax: count });
    expect(got.map(({ body }) => body)).toEqual(visible.slice(0, count));
    for (const message of got) this.#leased.set(message.body, message);
  }

  async #end(how: "delete" | "give back", which: number): Promise<void> {
    const message = [...this.#leased.values()][which % this.#leased.size];
    if (message === undefined) return;
    this.#leased.delete(message.body);
    if (how === "give back") {
      await this.#harness.changeVisibility(queue, [{ receipt: message.receipt, timeoutMs: 0 }]);
      return;
    }
    await this.#harness.deleteMessages(queue, [message.receipt]);
    this.#bodies.splice(this.#bodies.indexOf(message.body), 1);
  }
}

test(
  "a deep group gives its messages in order, whichever of them go",
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 80 }), async (steps) => {
        const harness = await EngineHarness.start({ store: new MemoryStore() });
        await harness.createQueue(queue);
        const group = new OneGroup(harness);
        for (const each of steps) {
          await group.take(each);
          await harness.check();
        }
      }),
      runs(30),
    );
  },
  propertyTimeoutMs,
);
