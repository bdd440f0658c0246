// Whatever is done with messages between queues, each is in exactly one place: sends, receives, rejects, dead letters, moves,
// cancels, purges, other policies, restarts and crashes in any order. After every step all queues are counted and compared
// with what should be there; at the end the store is checked row by row.
//
// The order is random and comes from a seed, so that a run that fails can be run again; PROPERTY_RUNS_FACTOR asks for more seeds.

import { expect, test } from "vitest";
import { contradictions } from "../support/broken-rows.js";
import { CallError } from "../support/call-error.js";
import { held } from "../support/dead-letters.js";
import { propertyTimeoutMs, runs } from "../support/property.js";
import type { RequestPart } from "../support/queue-client.js";
import { durationOf, msOf, type Scenario, scenario } from "../support/scenario.js";

const stepCount = 120;

/** What a call may be refused for in such a medley; anything else is a fault. */
const refusals = new Set([
  "MESSAGE_NOT_FOUND",
  "MESSAGE_NOT_IN_FLIGHT",
  "RECEIPT_HANDLE_EXPIRED",
  "DLQ_NOT_FOUND",
  "MOVE_SOURCE_NOT_DLQ",
  "MOVE_TASK_ALREADY_RUNNING",
  "MOVE_TASK_NOT_RUNNING",
  "IN_FLIGHT_LIMIT",
]);

class Medley {
  readonly #t: Scenario;
  readonly #isFifo: boolean;
  readonly #queues: readonly string[];
  readonly #live = new Set<string>();
  readonly #handles: { queue: string; handle: string; body: string }[] = [];
  readonly #taskHandles: string[] = [];
  readonly done: string[] = [];
  #state: number;
  #sentCount = 0;

  constructor(t: Scenario, isFifo: boolean, seed: number) {
    this.#t = t;
    this.#isFifo = isFifo;
    this.#queues = ["orders", "dead", "grave"].map((name) => (isFifo ? `${name}.fifo` : name));
    this.#state = seed;
  }

  /** Below `end`, evenly. */
  #below(end: number): number {
    // The mixing of splitmix32.
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let mixed = this.#state ^ (this.#state >>> 16);
    mixed = Math.imul(mixed, 0x21f0aaad);
    mixed ^= mixed >>> 15;
    mixed = Math.imul(mixed, 0x735a2d97);
    return ((mixed ^ (mixed >>> 15)) >>> 0) % end;
  }

  #oneOf<Item>(items: readonly Item[]): Item {
    return items[this.#below(items.length)] as Item;
  }

  async prepare(): Promise<void> {
    for (const queue of [...this.#queues].reverse()) {
      await this.#t.createQueue(queue, {
        visibilityTimeoutMs: 2_000,
        ...(this.#isFifo && ({ type: "fifo", contentBasedDeduplication: true } as const)),
      });
    }
    const [orders = "", dead = "", grave = ""] = this.#queues;
    await this.#t.setQueue({ redrive: { to: dead, after: 1 } }, orders);
    await this.#t.setQueue({ redrive: { to: grave, after: 2 } }, dead);
  }

  /** One step; refusals that may come are none of its business. */
  async step(): Promise<void> {
    const steps: (readonly [number, string, () => Promise<unknown>])[] = [
      [20, "send", () => this.#send()],
      [30, "receive", () => this.#receive()],
      [10, "delete", () => this.#delete()],
      [8, "change", () => this.#change()],
      [12, "reject", () => this.#reject()],
      [20, "advance", () => this.#t.advance(this.#oneOf([1, 50, 400, 1_000, 2_500]))],
      [12, "move", () => this.#move()],
      [5, "cancel", () => this.#cancel()],
      [4, "policy", () => this.#policy()],
      [4, "settings", () => this.#settings()],
      [2, "purge", () => this.#purge()],
      [1, "recreate", () => this.#recreate()],
      [1, "restart", () => this.#t.restart()],
      [2, "crash", () => this.#t.crash()],
    ];
    let pick = this.#below(steps.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, name, run] of steps) {
      pick -= weight;
      if (pick >= 0) continue;
      this.done.push(name);
      try {
        await run();
      } catch (error) {
        if (!(error instanceof CallError) || !refusals.has(error.reason ?? "")) throw error;
        this.done.push(error.reason ?? "");
      }
      return;
    }
  }

  async #send(): Promise<void> {
    const count = 1 + this.#below(6);
    const bodies = Array.from({ length: count }, () => {
      this.#sentCount += 1;
      return `m${this.#sentCount}`;
    });
    const queue = this.#oneOf([...this.#queues, this.#queues[0] ?? ""]);
    const groupId = this.#oneOf(this.#isFifo ? ["a", "b", "c"] : ["", "", "a", "b"]);
    const delayMs = this.#oneOf([0, 0, 0, 700]);
    const priority = this.#oneOf([0, 0, 0, 1, 9]);
    const { failed } = await this.#t.call("sendMessageBatch", {
      queue,
      entries: bodies.map((value, index) => ({
        id: String(index),
        body: { $case: "text", value },
        groupId,
        ...(!this.#isFifo && { delay: durationOf(delayMs), priority }),
      })),
    });
    expect(failed).toEqual([]);
    for (const body of bodies) this.#live.add(body);
  }

  async #receive(): Promise<void> {
    const queue = this.#oneOf(this.#queues);
    const received = await this.#t.receive({
      queue,
      max: 1 + this.#below(10),
      visibilityTimeoutMs: this.#oneOf([0, 0, 500, 2_000, 20_000]),
    });
    for (const { handle, body } of received) this.#handles.push({ queue, handle, body });
  }

  #someHandle() {
    if (this.#handles.length === 0) return undefined;
    // The newest are the likeliest to be good.
    return this.#handles[Math.max(0, this.#handles.length - 1 - this.#below(12))];
  }

  async #delete(): Promise<void> {
    const some = this.#someHandle();
    if (some === undefined) return;
    if ((await this.#t.delete(some.handle, some.queue)) === "DELETED") this.#live.delete(some.body);
  }

  async #change(): Promise<void> {
    const some = this.#someHandle();
    if (some === undefined) return;
    await this.#t.changeVisibility(some.handle, this.#oneOf([0, 300, 5_000]), some.queue);
  }

  async #reject(): Promise<void> {
    const some = this.#someHandle();
    if (some === undefined) return;
    const isDeadLetter = this.#below(3) > 0;
    await this.#t.reject(some.handle, {
      queue: some.queue,
      reason: this.#oneOf(["bad", "late"]),
      isDeadLetter,
      ...(!isDeadLetter && this.#below(2) === 0 && { delayMs: 600 }),
    });
  }

  async #move(): Promise<void> {
    const source = this.#oneOf(this.#queues);
    const perSecond = this.#oneOf([undefined, undefined, 1, 5, 100]);
    const filter = this.#oneOf([
      undefined,
      undefined,
      { bodyContains: "1" },
      { groupId: "a" },
      { rejectionReason: "bad" },
    ]);
    const destination = this.#oneOf(["", ...this.#queues.filter((queue) => queue !== source)]);
    const handle = await this.#t.startMove({
      source,
      destination,
      ...(perSecond !== undefined && { perSecond }),
      ...(filter !== undefined && { filter }),
      ...(this.#below(4) === 0 && { edit: { groupId: "b" } }),
    });
    this.#taskHandles.push(handle);
  }

  async #cancel(): Promise<void> {
    const handle = this.#taskHandles.pop();
    if (handle === undefined) return;
    try {
      await this.#t.cancelMove(handle);
    } catch (error) {
      // Its source was created anew.
      if (!(error instanceof CallError) || error.reason !== "MOVE_RESOURCE_NOT_FOUND") throw error;
    }
  }

  async #policy(): Promise<void> {
    const redrive = this.#oneOf([
      "none" as const,
      ...this.#queues.map((to) => ({ to, after: 1 + this.#below(3) })),
    ]);
    await this.#t.setQueue({ redrive }, this.#oneOf(this.#queues));
  }

  async #settings(): Promise<void> {
    const minimumBackoff = durationOf(1_000);
    const attributes = this.#oneOf<RequestPart<"setQueueAttributes">["attributes"]>([
      { retryPolicy: { minimumBackoff } },
      { retryPolicy: {} },
      { maxInFlightPerGroup: 1 },
      { maxInFlightPerGroup: 0 },
      { maxInFlight: 3 },
      { maxInFlight: 120_000 },
      { deliveryPaused: true },
      { deliveryPaused: false },
      { delay: durationOf(this.#isFifo ? 900 : 0) },
      { delay: durationOf(0) },
    ]);
    await this.#t.call("setQueueAttributes", { queue: this.#oneOf(this.#queues), attributes });
  }

  async #purge(): Promise<void> {
    const queue = this.#oneOf(this.#queues);
    await this.#forget(queue);
    await this.#t.purge(queue);
  }

  async #recreate(): Promise<void> {
    const queue = this.#oneOf(this.#queues);
    await this.#forget(queue);
    await this.#t.deleteQueue(queue);
    await this.#t.createQueue(queue, {
      visibilityTimeoutMs: 2_000,
      ...(this.#isFifo && ({ type: "fifo", contentBasedDeduplication: true } as const)),
    });
    for (let index = this.#handles.length - 1; index >= 0; index -= 1) {
      if (this.#handles[index]?.queue === queue) this.#handles.splice(index, 1);
    }
  }

  /** What a queue holds is about to go with it: nothing may come in between. */
  async #forget(queue: string): Promise<void> {
    for (const { source, handle, status } of (
      await Promise.all(this.#queues.map((each) => this.#t.moveTasks(each)))
    ).flat()) {
      if (status === "RUNNING" && source !== "") await this.#t.cancelMove(handle);
    }
    for (const { body } of await held(this.#t, queue)) this.#live.delete(String(body?.value));
  }

  /** Every live message is in one queue, and every queue's counters say what it holds. */
  async check(): Promise<void> {
    const all: string[] = [];
    for (const queue of this.#queues) {
      // A task may be between two steps: nothing moves unless time does.
      await this.#t.settle();
      const messages = await held(this.#t, queue);
      const states = [1, 2, 3].map(
        (state) => messages.filter((each) => each.state === state).length,
      );
      expect(await this.#t.counts(queue), queue).toBe(states.join("/"));
      for (const { body, systemAttributes } of messages) {
        all.push(String(body?.value));
        const { sendTime, receiveCount = 0, queueReceiveCount = 0 } = systemAttributes ?? {};
        expect(msOf(sendTime)).toBeLessThanOrEqual(this.#t.now);
        expect(receiveCount).toBeGreaterThanOrEqual(queueReceiveCount);
      }
    }
    expect(all.sort()).toEqual([...this.#live].sort());
  }
}

const seeds = Array.from({ length: runs(2).numRuns ?? 0 }, (_, index) => index + 1);

for (const isFifo of [false, true]) {
  test.each(seeds)(
    `every message is in exactly one place, ${isFifo ? "FIFO" : "standard"}, seed %d`,
    async (seed) => {
      const t = await scenario({ create: "none" });
      const medley = new Medley(t, isFifo, seed * 7_919 + (isFifo ? 1 : 0));
      await medley.prepare();
      try {
        for (let step = 0; step < stepCount; step += 1) {
          await medley.step();
          await medley.check();
        }
        expect(await contradictions(t)).toEqual([]);
      } catch (error) {
        console.error(`steps of seed ${seed}:`, medley.done.join(" "));
        throw error;
      }
    },
    propertyTimeoutMs,
  );
}
