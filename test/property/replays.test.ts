// A replay gives what a plain list of what was published would give: from any message on up to any other, then what its subscription
// missed meanwhile, each once and in order; in whatever order publishes, steps, replays that replace each other, pauses and
// restarts come.

import fc from "fast-check";
import { expect, test } from "vitest";
import {
  type DurationMs,
  type Namespace,
  type Sequence,
  sequence,
  type TopicName,
} from "../../src/base/brands.js";
import type { Decision } from "../../src/engine/command.js";
import { accept } from "../../src/queue/rejections.js";
import type { Stamp } from "../../src/queue/stamp.js";
import {
  decideReportSubscription,
  decideUpdateSubscription,
} from "../../src/topic/administer-subscription.js";
import { decideCreateTopic } from "../../src/topic/create-topic.js";
import { decideFanOut } from "../../src/topic/fan-out.js";
import { decidePublish, type PublishEntry } from "../../src/topic/publish.js";
import { decideReplayStep } from "../../src/topic/replay-step.js";
import { decideStartReplay } from "../../src/topic/start-replay.js";
import { decideSubscribe } from "../../src/topic/subscribe.js";
import type { StateTransaction } from "../../src/topic/view.js";
import { addressOf } from "../support/engine-entries.js";
import { EngineHarness } from "../support/engine-harness.js";
import { propertyTimeoutMs, runs } from "../support/property.js";

const address = { namespace: "default" as Namespace, name: "news" as TopicName, given: "news" };

type Step =
  | { readonly kind: "publish"; readonly count: number; readonly sizeBytes: number }
  /** Places as parts of what was published so far. */
  | { readonly kind: "replay"; readonly from: number; readonly length: number | undefined }
  | { readonly kind: "step" | "hand_on" | "restart" | "pause" | "resume" };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("publish" as const),
      count: fc.integer({ min: 1, max: 150 }),
      sizeBytes: fc.constantFrom(5, 5, 5, 300_000),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant("replay" as const),
      from: fc.double({ min: 0, max: 1, noNaN: true }),
      length: fc.option(fc.double({ min: 0, max: 1, noNaN: true }), { nil: undefined }),
    }),
  },
  {
    weight: 7,
    arbitrary: fc.record({
      kind: fc.constantFrom(
        ...(["step", "step", "step", "hand_on", "restart", "pause", "resume"] as const),
      ),
    }),
  },
);

/** A replay by a plain list. */
interface PlainReplay {
  position: number;
  readonly end: number;
}

class Run {
  readonly #harness: EngineHarness;
  readonly #expected: string[] = [];
  readonly #id: Buffer;
  #published = 0;
  /** What the subscription has had of the list, replays aside. */
  #live = 0;
  #replay: PlainReplay | undefined;
  #isPaused = false;

  private constructor(harness: EngineHarness, id: Buffer) {
    this.#harness = harness;
    this.#id = id;
  }

  static async begin(): Promise<Run> {
    const harness = await EngineHarness.start();
    await harness.createQueue("orders");
    const settings = { archiveRetentionMs: 86_400_000 as DurationMs };
    const create = { address, isFifo: false, settings, tags: new Map(), owner: "somebody" };
    await decided(harness, (transaction, stamp) => decideCreateTopic(transaction, create, stamp));
    const subscribe = {
      address,
      queue: addressOf("orders"),
      settings: { isRaw: true },
      owner: "somebody",
    };
    const { id } = await decided(harness, (transaction, stamp) =>
      decideSubscribe(transaction, subscribe, stamp),
    );
    return new Run(harness, Buffer.from(id));
  }

  async do(given: Step): Promise<void> {
    switch (given.kind) {
      case "publish":
        return await this.#publish(given.count, given.sizeBytes);
      case "replay":
        return await this.#start(given.from, given.length);
      case "step":
        await this.#step();
        return;
      case "hand_on":
        await this.#handOn();
        return;
      case "restart":
        return await this.#harness.restart();
      case "pause":
        return await this.#setPaused(true);
      case "resume":
        return await this.#setPaused(false);
    }
  }

  async #publish(count: number, sizeBytes: number): Promise<void> {
    const entries = Array.from({ length: count }, (_, at) =>
      entryOf(`${this.#published + at}`, sizeBytes),
    );
    this.#published += count;
    const command = { address, entries, isWhole: true, isCounted: false };
    await decided(this.#harness, (transaction, stamp) =>
      decidePublish(transaction, command, stamp),
    );
  }

  async #start(fromPart: number, lengthPart: number | undefined): Promise<void> {
    const from = Math.floor(fromPart * this.#published);
    const length = Math.ceil((lengthPart ?? 1) * (this.#published - from));
    if (from >= this.#published || length === 0) return;
    const end = lengthPart === undefined ? this.#published : from + length;
    // What it had live before it began counts as had.
    await this.#settleLive();
    await decided(this.#harness, (transaction, stamp) =>
      decideStartReplay(
        transaction,
        {
          id: this.#id,
          to: this.#id,
          from: { kind: "sequence", sequence: placeOf(from) },
          until:
            lengthPart === undefined ? undefined : { kind: "sequence", sequence: placeOf(end) },
          speed: { kind: "unlimited" },
          afterwards: "resume",
          isClamped: false,
        },
        stamp,
      ),
    );
    if (this.#replay !== undefined) this.#live = Math.max(this.#live, this.#replay.position);
    this.#replay = { position: from, end };
    this.#isPaused = false;
  }

  /** Steps are cut by copies and bytes; how many they take is seen in the queue. */
  async #step(): Promise<boolean> {
    const before = (await this.#bodies()).length;
    const stepped = await decided(this.#harness, (transaction, stamp) =>
      decideReplayStep(transaction, this.#id, stamp),
    );
    const count = (await this.#bodies()).length - before;
    const replay = this.#replay;
    if (replay === undefined || this.#isPaused) {
      expect(count).toBe(0);
      return false;
    }
    expect(count).toBeGreaterThan(0);
    for (let at = 0; at < count; at += 1) this.#expected.push(`${replay.position + at}`);
    replay.position += count;
    expect(replay.position).toBeLessThanOrEqual(replay.end);
    expect(stepped.kind).toBe(replay.position === replay.end ? "ended" : "more");
    if (replay.position < replay.end) return true;
    this.#live = Math.max(this.#live, replay.end);
    this.#replay = undefined;
    return false;
  }

  async #handOn(): Promise<boolean> {
    const { hasMore } = await decided(this.#harness, (transaction, stamp) =>
      decideFanOut(transaction, address, stamp),
    );
    return hasMore;
  }

  /** What came live is in order, behind what is known to be there. */
  async #settleLive(): Promise<void> {
    const bodies = await this.#bodies();
    const fresh = bodies.slice(this.#expected.length);
    expect(fresh).toEqual(fresh.map((_, at) => `${this.#live + at}`));
    this.#expected.push(...fresh);
    if (this.#replay !== undefined) expect(fresh).toEqual([]);
    this.#live += fresh.length;
  }

  async #setPaused(isPaused: boolean): Promise<void> {
    const command = { id: this.#id, settings: { isPaused }, etag: "" };
    await decided(this.#harness, (transaction, stamp) =>
      decideUpdateSubscription(transaction, command, stamp),
    );
    this.#isPaused = isPaused;
  }

  async #bodies(): Promise<string[]> {
    return await decided(this.#harness, (transaction) => {
      const { namespace, name } = addressOf("orders");
      const found = transaction.findQueue(namespace, name);
      const bodies: string[] = [];
      if (found === undefined) return accept(bodies);
      for (const { message } of transaction.messageHeadsFrom(found, sequence(0))) {
        bodies.push(message?.content.body.toString("utf8") ?? "?");
      }
      return accept(bodies);
    });
  }

  /** One step of the plain list: what came live first, then what the step says. */
  async each(given: Step): Promise<void> {
    await this.#settleLive();
    await this.do(given);
    await this.#settleLive();
  }

  async end(): Promise<void> {
    await this.each({ kind: "resume" });
    while (this.#replay !== undefined) await this.each({ kind: "step" });
    while (await this.#handOn()) await this.#settleLive();
    await this.#settleLive();
    expect(await this.#bodies()).toEqual(this.#expected);
    expect(this.#live).toBe(this.#published);
    const report = await decided(this.#harness, (transaction, stamp) =>
      decideReportSubscription(transaction, this.#id, stamp),
    );
    expect(report).toMatchObject({ backlog: 0, filtered: 0, state: "confirmed" });
    expect(report.deliveries.delivered).toBe(this.#expected.length);
    await this.#harness.check();
    await this.#harness.stop();
  }
}

const placeOf = (index: number): Sequence => sequence(index + 1);

async function decided<Outcome>(
  { engine }: EngineHarness,
  decide: (
    transaction: StateTransaction,
    stamp: Stamp,
  ) => Decision<Outcome, { readonly kind: string }>,
): Promise<Outcome> {
  const decision = await engine.execute({ name: "Test", bytes: 100, isGrowing: true, decide });
  if (decision.kind === "rejected") throw new Error(decision.rejection.kind);
  return decision.outcome;
}

const entryOf = (body: string, sizeBytes: number): PublishEntry => ({
  sizeBytes,
  isText: true,
  isStructured: false,
  body: Buffer.from(body, "utf8"),
  contentType: "",
  subject: undefined,
  attributes: [],
  groupId: undefined,
  dedupId: undefined,
  senderId: "somebody",
  traceParent: undefined,
  delayMs: undefined,
  timeToLiveMs: undefined,
  fieldPrefix: "",
});

test(
  "a replay gives what the plain list gives, and then what its subscription missed",
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const run = await Run.begin();
        for (const each of steps) await run.each(each);
        await run.end();
      }),
      runs(40),
    );
  },
  propertyTimeoutMs,
);
