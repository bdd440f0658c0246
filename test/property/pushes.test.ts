// Each message of a topic comes to an end for each pushed subscription, in whatever order leases, results, lost results, retries,
// purges and restarts come: delivered, given up or purged, once counted. A lease is never given out twice at a time, and the topic
// keeps a message for as long as somebody needs it and no longer.

import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type EpochMs,
  type Namespace,
  type Sequence,
  seconds,
  type TopicName,
} from "../../src/base/brands.js";
import type { Decision } from "../../src/engine/command.js";
import type { Stamp } from "../../src/queue/stamp.js";
import { decideReportSubscription } from "../../src/topic/administer-subscription.js";
import { decideReportTopic } from "../../src/topic/administer-topic.js";
import { decideCreateTopic } from "../../src/topic/create-topic.js";
import { decideFanOut } from "../../src/topic/fan-out.js";
import { decidePublish, type PublishEntry } from "../../src/topic/publish.js";
import { decidePurgeBacklog } from "../../src/topic/purge-backlog.js";
import { decideLeasePushes, type LeasedPush } from "../../src/topic/push-lease.js";
import { decideSettlePushes, type PushResult } from "../../src/topic/push-settle.js";
import { decideSubscribePush } from "../../src/topic/push-subscribe.js";
import type { StateTransaction } from "../../src/topic/view.js";
import { EngineHarness } from "../support/engine-harness.js";
import { propertyTimeoutMs, runs } from "../support/property.js";

const address = { namespace: "default" as Namespace, name: "news" as TopicName, given: "news" };
const leaseMs = seconds(30);

type Step =
  | { readonly kind: "publish"; readonly count: number }
  | { readonly kind: "lease"; readonly count: number }
  | { readonly kind: "settle"; readonly which: number; readonly result: PushResult["kind"] }
  | { readonly kind: "advance"; readonly seconds: number }
  | { readonly kind: "purge" | "restart" | "trim" };

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constant("publish" as const), count: fc.integer({ min: 1, max: 5 }) }),
  fc.record({ kind: fc.constant("lease" as const), count: fc.integer({ min: 1, max: 5 }) }),
  fc.record({
    kind: fc.constant("settle" as const),
    which: fc.nat(20),
    result: fc.constantFrom<PushResult["kind"]>("delivered", "retry", "failed", "released"),
  }),
  fc.record({ kind: fc.constant("advance" as const), seconds: fc.constantFrom(1, 10, 30, 100) }),
  fc.record({ kind: fc.constantFrom("purge" as const, "restart" as const, "trim" as const) }),
);

/** A lease that was given out and not settled yet. */
interface Held extends LeasedPush {
  readonly body: string;
}

class Run {
  readonly #harness: EngineHarness;
  #id = Buffer.alloc(0);
  #held: Held[] = [];
  #published = 0;
  #purged = 0;
  readonly #delivered = new Set<Sequence>();
  readonly #failed = new Set<Sequence>();

  private constructor(harness: EngineHarness) {
    this.#harness = harness;
  }

  static async begin(): Promise<Run> {
    const run = new Run(await EngineHarness.start());
    await run.#decide((transaction, stamp) =>
      decideCreateTopic(
        transaction,
        { address, isFifo: false, settings: {}, tags: new Map(), owner: "somebody" },
        stamp,
      ),
    );
    const { id } = await run.#decide((transaction, stamp) =>
      decideSubscribePush(
        transaction,
        {
          address,
          kind: "function",
          endpoint: "grpc://somewhere:1",
          settings: {},
          owner: "somebody",
          token: "t",
          hmacSecret: "s",
        },
        stamp,
      ),
    );
    run.#id = Buffer.from(id);
    return run;
  }

  async #decide<Outcome>(
    decide: (
      transaction: StateTransaction,
      stamp: Stamp,
    ) => Decision<Outcome, { readonly kind: string }>,
  ): Promise<Outcome> {
    const command = { name: "Test", bytes: 100, isGrowing: true, decide };
    const decision = await this.#harness.engine.execute(command);
    if (decision.kind === "rejected") throw new Error(decision.rejection.kind);
    return decision.outcome;
  }

  async do(step: Step): Promise<void> {
    switch (step.kind) {
      case "publish":
        return await this.#publish(step.count);
      case "lease":
        return await this.#lease(step.count);
      case "settle":
        return await this.#settle(step.which, step.result);
      case "advance":
        return this.#harness.clock.advanceAtOnce(step.seconds * 1_000);
      case "purge":
        return await this.#purge();
      case "restart":
        return await this.#harness.restart();
      case "trim":
        await this.#decide((transaction, stamp) => decideFanOut(transaction, address, stamp));
    }
  }

  async #publish(count: number): Promise<void> {
    const entries = Array.from({ length: count }, () => {
      this.#published += 1;
      return entryOf(String(this.#published));
    });
    await this.#decide((transaction, stamp) =>
      decidePublish(transaction, { address, entries, isWhole: true, isCounted: false }, stamp),
    );
  }

  async #lease(countMax: number): Promise<void> {
    const now = this.#harness.clock.now();
    const leases = await this.#decide((transaction, stamp) =>
      decideLeasePushes(transaction, { id: this.#id, countMax, leaseMs }, stamp),
    );
    if (leases.kind === "stopped") throw new Error("The subscription does not go on.");
    expect(leases.leased.length).toBeLessThanOrEqual(countMax);
    for (const push of leases.leased) {
      const body = push.message.body.toString("utf8");
      // Which message it is stands in it, whether the topic has it or its row.
      expect(body).toBe(String(push.sequence));
      expect(this.#delivered.has(push.sequence) || this.#failed.has(push.sequence)).toBe(false);
      const other = this.#held.find(({ sequence }) => sequence === push.sequence);
      expect(other === undefined || other.until <= now).toBe(true);
      this.#held.push({ ...push, body });
    }
  }

  /** Of any lease that was ever given out: its end may be over. */
  async #settle(which: number, kind: PushResult["kind"]): Promise<void> {
    const held = this.#held[which % Math.max(1, this.#held.length)];
    if (held === undefined) return;
    this.#held = this.#held.filter((each) => each !== held);
    const before = await this.#report();
    const { sequence, until } = held;
    const settlements = [{ sequence, until, result: resultOf(kind), attempt: untold }];
    await this.#decide((transaction, stamp) =>
      decideSettlePushes(transaction, { id: this.#id, settlements }, stamp),
    );
    const { deliveries } = await this.#report();
    if (deliveries.delivered > before.deliveries.delivered) this.#delivered.add(sequence);
    if (deliveries.givenUp > before.deliveries.givenUp) this.#failed.add(sequence);
    const isStale = this.#held.some((each) => each.sequence === sequence && each.until > until);
    if (isStale && kind !== "delivered") expect(deliveries).toEqual(before.deliveries);
  }

  #report() {
    return this.#decide((transaction, stamp) =>
      decideReportSubscription(transaction, this.#id, stamp),
    );
  }

  async #purge(): Promise<void> {
    const { count } = await this.#decide((transaction, stamp) =>
      decidePurgeBacklog(transaction, { id: this.#id, before: undefined }, stamp),
    );
    this.#purged += count;
  }

  /** Whatever was lost on the way comes again, and then everything has come to an end. */
  async end(): Promise<void> {
    await this.#harness.check();
    for (let round = 0; round < 3; round += 1) {
      this.#harness.clock.advanceAtOnce(1_000_000);
      this.#held = [];
      for (;;) {
        await this.#lease(50);
        if (this.#held.length === 0) break;
        while (this.#held.length > 0) await this.#settle(0, "delivered");
      }
    }
    const report = await this.#report();
    expect(report).toMatchObject({ backlog: 0, inFlight: 0, filtered: 0 });
    expect(report.deliveries).toMatchObject({
      delivered: this.#delivered.size,
      givenUp: this.#failed.size,
    });
    expect(this.#delivered.size + this.#failed.size + this.#purged).toBe(this.#published);
    for (;;) {
      const step = await this.#decide((transaction, stamp) =>
        decideFanOut(transaction, address, stamp),
      );
      if (!step.hasMore) break;
    }
    const { counters } = await this.#decide((transaction, stamp) =>
      decideReportTopic(transaction, address, stamp),
    );
    expect(counters.firstSequence).toBe(counters.nextSequence);
    await this.#harness.check();
    await this.#harness.stop();
  }
}

/** What an attempt was like plays no part here. */
const untold = {
  startedAt: 0 as EpochMs,
  durationMs: 0,
  statusCode: undefined,
  response: "",
  error: "",
};

function resultOf(kind: PushResult["kind"]): PushResult {
  switch (kind) {
    case "delivered":
      return { kind };
    case "retry":
      return { kind, delayMs: seconds(20), error: "not now" };
    case "failed":
      return { kind, reason: "REFUSED", error: "never" };
    case "released":
      return { kind, delayMs: seconds(0) };
  }
}

const entryOf = (text: string): PublishEntry => ({
  isText: true,
  isStructured: false,
  body: Buffer.from(text),
  contentType: "",
  subject: undefined,
  attributes: [],
  groupId: undefined,
  dedupId: undefined,
  sizeBytes: text.length,
  senderId: "somebody",
  traceParent: undefined,
  delayMs: undefined,
  timeToLiveMs: undefined,
  fieldPrefix: "",
});

test(
  "every message comes to one end for a pushed subscription, whatever happens on the way",
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const run = await Run.begin();
        for (const each of steps) await run.do(each);
        await run.end();
      }),
      runs(200),
    );
  },
  propertyTimeoutMs,
);
