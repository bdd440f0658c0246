// Hands messages of topics on to subscriptions, step after step, and removes what is left of deleted topics: one command at a
// time, topic after topic, so that one with a million subscriptions does not hold up the others.
//
// What a step does is decided by the rules (`topic/fan-out.ts`); here is only who asks, and when. It is told of topics that have
// something to hand on, and finds those that had when the server stopped. Steps of handing on do not wait for each other's
// commits: while one is on its way to the disk the next ones are decided, as many as their bound lets, and whatever arrived meanwhile
// comes between them. So they share commits with each other and with whoever publishes.

import type { Clock, Timer } from "../base/clock.js";
import { decideReapTopics } from "../topic/administer-topic.js";
import type { ToSign } from "../topic/envelope.js";
import { decideFanOut, decideFindFanOuts, type FanOutStep } from "../topic/fan-out.js";
import { topicLimits } from "../topic/limits.js";
import type { Topic } from "../topic/model.js";
import type { Engine } from "./engine.js";

/** Until the next try when the engine had no room, or the storage is full. */
const retryMs = 200;
/** Until the next try after a fault, which is logged each time. */
const faultRetryMs = 10_000;
/** Steps decided and not committed, of a megabyte each: a small part of what may wait for the disk. */
const stepsUnderWayMax = 4;
/** Then another topic has its turn. */
const stepsPerTurnMax = 64;
/** Between two looks for messages that have waited too long. */
const lookAgainMs = 3_600_000;

type TopicNames = Pick<Topic, "namespace" | "name">;

export interface DistributorParts {
  readonly engine: Pick<Engine, "executeIfIdle">;
  readonly clock: Clock;
  /** Has signatures made, which later steps find. */
  readonly sign: (unsigned: readonly ToSign[]) => Promise<void>;
  /** A bug or a corrupt row; it is tried again later. */
  readonly failed: (error: unknown) => void;
}

/** Something to do, step by step. */
type Job =
  | { readonly kind: "hand_on"; readonly topic: TopicNames }
  | { readonly kind: "reap" }
  | { readonly kind: "find"; readonly after: TopicNames | undefined };

/** What became of one step. */
type CommittedStep =
  | { readonly kind: "committed"; readonly hasMore: boolean }
  /** The engine was at its bound, or stopping. */
  | { readonly kind: "refused" }
  | { readonly kind: "failed"; readonly error: unknown };

const keyOf = (job: Job): string =>
  job.kind === "hand_on" ? `${job.topic.namespace}/${job.topic.name}` : job.kind;

export class Distributor {
  readonly #parts: DistributorParts;
  /** In the order they are to be done. */
  readonly #jobs = new Map<string, Job>();
  readonly #faults = new Set<Timer>();
  #isRunning = false;
  #isStopped = false;
  /** Never fails. */
  #work: Promise<void> = Promise.resolve();
  #pauseEnd: (() => void) | undefined;
  #pauseTimer: Timer | undefined;
  #lookTimer: Timer | undefined;

  constructor(parts: DistributorParts) {
    this.#parts = parts;
  }

  /** Goes on with what was to be done when the server stopped. */
  start(): void {
    this.#add({ kind: "reap" });
    this.#look();
  }

  #look(): void {
    this.#add({ kind: "find", after: undefined });
    this.#lookTimer = this.#parts.clock.setTimer(lookAgainMs, () => this.#look());
  }

  /** A topic has something to hand on, or may have. */
  begin({ namespace, name }: TopicNames): void {
    this.#add({ kind: "hand_on", topic: { namespace, name } });
  }

  /** A topic was deleted. */
  reap(): void {
    this.#add({ kind: "reap" });
  }

  /** Resolves when the step under way is done; nothing is handed on from then on. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    for (const timer of this.#faults) timer.cancel();
    this.#lookTimer?.cancel();
    this.#pauseTimer?.cancel();
    this.#pauseEnd?.();
    await this.#work;
  }

  #add(job: Job): void {
    if (this.#isStopped) return;
    this.#jobs.set(keyOf(job), job);
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#work = this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      const [job] = this.#jobs.values();
      if (job === undefined) break;
      this.#jobs.delete(keyOf(job));
      const outcome = await this.#step(job);
      if (outcome === "later") {
        this.#again(job);
        await this.#pause();
      } else if (outcome === "failed") this.#tryAgain(job);
      else if (outcome !== "done") this.#again(outcome);
    }
    this.#isRunning = false;
  }

  /** Unless somebody asked for it meanwhile. */
  #again(job: Job): void {
    if (!this.#jobs.has(keyOf(job))) this.#jobs.set(keyOf(job), job);
  }

  #tryAgain(job: Job): void {
    if (this.#isStopped) return;
    const timer = this.#parts.clock.setTimer(faultRetryMs, () => {
      this.#faults.delete(timer);
      this.#add(job);
    });
    this.#faults.add(timer);
  }

  #pause(): Promise<void> {
    if (this.#isStopped) return Promise.resolve();
    return new Promise((resolve) => {
      this.#pauseEnd = resolve;
      this.#pauseTimer = this.#parts.clock.setTimer(retryMs, resolve);
    });
  }

  /** What is left to do. */
  async #step(job: Job): Promise<Job | "done" | "later" | "failed"> {
    try {
      switch (job.kind) {
        case "hand_on":
          return await this.#handOn(job);
        case "reap":
          return await this.#reapOnce(job);
        case "find":
          return await this.#find(job);
      }
    } catch (error) {
      this.#parts.failed(error);
      return "failed";
    }
  }

  /** A turn of a topic: step after step until nothing is left to do or others wait for theirs. All of them are committed then. */
  async #handOn(job: Extract<Job, { kind: "hand_on" }>): Promise<Job | "done" | "later"> {
    const underWay: Promise<CommittedStep>[] = [];
    const ended: CommittedStep[] = [];
    let mayGoOn = true;
    for (let steps = 0; mayGoOn && steps < stepsPerTurnMax && !this.#isStopped; steps += 1) {
      const oldest = underWay.length < stepsUnderWayMax ? undefined : underWay.shift();
      if (oldest !== undefined) ended.push(await oldest);
      // Whoever called meanwhile is decided first.
      else if (steps > 0) await new Promise((resolve) => setImmediate(resolve));
      const { decided, unsigned, committed } = this.#decideStep(job.topic);
      if (unsigned !== undefined) {
        await this.#parts.sign(unsigned);
        continue;
      }
      underWay.push(committed);
      mayGoOn = decided?.hasMore === true && ended.at(-1)?.kind !== "refused";
    }
    ended.push(...(await Promise.all(underWay)));
    for (const step of ended) if (step.kind === "failed") throw step.error;
    const last = ended.at(-1);
    if (ended.some(({ kind }) => kind === "refused")) return "later";
    return last?.kind === "committed" && !last.hasMore ? "done" : job;
  }

  /** `decided` is known at once, unless the engine refused; `committed` never fails. */
  #decideStep(topic: TopicNames): {
    readonly decided: FanOutStep | undefined;
    /** What is to be signed before the step can be taken, which it was not. */
    readonly unsigned: readonly ToSign[] | undefined;
    readonly committed: Promise<CommittedStep>;
  } {
    const first: { step?: FanOutStep; unsigned?: readonly ToSign[] } = {};
    const committed = this.#parts.engine
      .executeIfIdle({
        name: "HandOn",
        bytes: topicLimits.stepBytesMax,
        isGrowing: true,
        decide: (transaction, stamp) => {
          const decision = decideFanOut(transaction, topic, stamp);
          if (decision.kind === "accepted") first.step = decision.outcome;
          else first.unsigned = decision.rejection.unsigned;
          return decision;
        },
      })
      .then(
        (decision): CommittedStep =>
          decision?.kind === "accepted"
            ? { kind: "committed", hasMore: decision.outcome.hasMore }
            : { kind: "refused" },
        (error: unknown): CommittedStep => ({ kind: "failed", error }),
      );
    return { decided: first.step, unsigned: first.unsigned, committed };
  }

  async #reapOnce(job: Job): Promise<Job | "done" | "later"> {
    const decision = await this.#parts.engine.executeIfIdle({
      name: "ReapTopics",
      bytes: 0,
      isGrowing: false,
      decide: (transaction) => decideReapTopics(transaction),
    });
    if (decision?.kind !== "accepted") return "later";
    return decision.outcome.hasMore ? job : "done";
  }

  async #find({ after }: Extract<Job, { kind: "find" }>): Promise<Job | "done" | "later"> {
    const decision = await this.#parts.engine.executeIfIdle({
      name: "FindFanOuts",
      bytes: 0,
      isGrowing: false,
      decide: (transaction, stamp) => decideFindFanOuts(transaction, after, stamp),
    });
    if (decision?.kind !== "accepted") return "later";
    const { found, last } = decision.outcome;
    for (const topic of found) this.begin(topic);
    return last === undefined ? "done" : { kind: "find", after: last };
  }
}
