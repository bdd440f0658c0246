// Rules of caches without the wire: a cache in an engine over a store in memory, its clock moved by hand. The handlers of its calls
// may be made over it, too.

import { type CacheKey, type CacheName, hours, type Namespace } from "../../src/base/brands.js";
import { decideCreateCache } from "../../src/cache/administer-cache.js";
import type { CacheAddress } from "../../src/cache/cache-name.js";
import { CacheReads } from "../../src/cache/cache-reads.js";
import { ChannelHub } from "../../src/cache/channels/channel-hub.js";
import type { CacheConfig } from "../../src/cache/limits.js";
import type { OpenCache } from "../../src/cache/open-cache.js";
import { inCache } from "../../src/cache/operations.js";
import type { CacheDecided, CacheRejection } from "../../src/cache/rejections.js";
import { decideReapItems, decideReapLost, decideSweepFences } from "../../src/cache/sweep-cache.js";
import { noEvictions } from "../../src/cache/view.js";
import type { Decision } from "../../src/engine/command.js";
import type { QueueRejection } from "../../src/queue/rejections.js";
import type { Stamp } from "../../src/queue/stamp.js";
import { NodeChannels } from "../../src/rpc/cache-channels.js";
import { type CacheHandlerParts, oneZone } from "../../src/rpc/cache-handler-context.js";
import type { CallContext } from "../../src/rpc/call.js";
import { PageTokens } from "../../src/rpc/page-token.js";
import { WireFault } from "../../src/rpc/status-details.js";
import type { StateTransaction } from "../../src/topic/view.js";
import { EngineHarness } from "./engine-harness.js";

const address: CacheAddress = {
  namespace: "default" as Namespace,
  name: "tried" as CacheName,
  given: "tried",
};

export const cacheKey = (text: string): CacheKey => text as CacheKey;

/** Of a call without a deadline, that nobody cancels. */
export const callContext: CallContext = {
  deadline: undefined,
  isCancelled: false,
  onCancelled: () => undefined,
  metadata: () => undefined,
};

/** Why a call is refused. */
export async function reasonOf(call: unknown): Promise<string> {
  try {
    await call;
    return "It was answered.";
  } catch (error) {
    if (error instanceof WireFault) return error.reason;
    throw error;
  }
}

type Rule<Outcome> = (open: OpenCache, stamp: Stamp) => CacheDecided<Outcome>;

export class CacheRules {
  readonly #harness: EngineHarness;

  private constructor(harness: EngineHarness) {
    this.#harness = harness;
  }

  static async start(config: Partial<CacheConfig> = {}): Promise<CacheRules> {
    const rules = new CacheRules(await EngineHarness.start());
    const created = await rules.#execute((transaction, stamp) =>
      decideCreateCache(transaction, { address, config }, stamp),
    );
    if (created.kind === "rejected") throw new Error(`No cache: ${created.rejection.kind}.`);
    return rules;
  }

  #execute<Outcome>(
    decide: (transaction: StateTransaction, stamp: Stamp) => CacheDecided<Outcome>,
  ): Promise<Decision<Outcome, CacheRejection | QueueRejection>> {
    return this.#harness.engine.execute({
      name: "Rule",
      bytes: 100,
      isGrowing: true,
      decide,
    });
  }

  /** What a rule does. */
  async done<Outcome>(rule: Rule<Outcome>): Promise<Outcome> {
    const decision = await this.#execute((transaction, stamp) =>
      inCache(transaction, address, stamp, (open) => rule(open, stamp)),
    );
    if (decision.kind === "accepted") return decision.outcome;
    throw new Error(`Refused: ${decision.rejection.kind}.`);
  }

  /** Why a rule does nothing. */
  async refused<Outcome>(rule: Rule<Outcome>): Promise<string> {
    const decision = await this.#execute((transaction, stamp) =>
      inCache(transaction, address, stamp, (open) => rule(open, stamp)),
    );
    return decision.kind === "rejected" ? decision.rejection.kind : "It was done.";
  }

  /** For handlers of the caches' services; the cache is `tried`. */
  get handlerParts(): CacheHandlerParts {
    const parts = {
      engine: this.#harness.engine,
      pageTokens: new PageTokens(this.#harness.store.secret),
      evictions: noEvictions,
      reads: new CacheReads(),
      zones: oneZone,
      position: () => "",
      requestKeepMs: hours(1),
      channels: new NodeChannels(new ChannelHub("test"), this.#harness.clock),
      draining: new AbortController().signal,
    };
    return parts;
  }

  /** A step of what removes items in the background; says whether it did anything. */
  async sweepOnce(): Promise<boolean> {
    for (const decide of [decideReapItems, decideSweepFences, decideReapLost]) {
      const step = await this.#execute(decide);
      if (step.kind === "accepted" && step.outcome.hasMore) return true;
    }
    return false;
  }

  /** Removes everything that is to be removed. */
  async sweep(): Promise<void> {
    while (await this.sweepOnce());
  }

  advance(ms: number): void {
    this.#harness.clock.advanceAtOnce(ms);
  }

  get now(): number {
    return this.#harness.clock.now();
  }

  /** Lists contradictions in what is stored, and fails if there are any. */
  check(): Promise<void> {
    return this.#harness.check();
  }

  /** Keys of committed rows of a table of the cache, by its letter. */
  rowsOf(letter: string): number {
    const { store } = this.#harness;
    store.refresh();
    return store.keys("\x00", "\x80", 100_000).filter((key) => key[10] === letter).length;
  }

  stop(): Promise<void> {
    return this.#harness.stop();
  }
}
