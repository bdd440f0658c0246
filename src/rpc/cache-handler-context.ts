// What every handler of caches shares: how a call becomes a rule in an open cache, once if it has a request id, and how what came of
// it is answered, counted and remembered.

import { status } from "@grpc/grpc-js";
import type { CacheKey, DurationMs } from "../base/brands.js";
import { type CacheAddress, cacheNotFound, findCache } from "../cache/cache-name.js";
import type { CacheReads, ReadKind } from "../cache/cache-reads.js";
import type { CacheConfig } from "../cache/limits.js";
import type { Cache } from "../cache/model.js";
import type { OpenCache } from "../cache/open-cache.js";
import { inCache } from "../cache/operations.js";
import { type CacheDecided, type CacheRejection, refuse } from "../cache/rejections.js";
import { type Evictions, placeOf } from "../cache/view.js";
import type { Decision, NothingYet } from "../engine/command.js";
import type { CacheAdminServiceDefinition } from "../gen/forebay/cache/v1/cache_admin_service.js";
import type { CacheServiceDefinition } from "../gen/forebay/cache/v1/cache_service.js";
import {
  decideOnce,
  decideOnceOrWait,
  type OnceOutcome,
  type OutcomeCodec,
  type RequestIdentity,
} from "../queue/once.js";
import { accept, type QueueRejection } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import type { StateTransaction } from "../topic/view.js";
import type { NodeChannels } from "./cache-channels.js";
import type { Found, MessageCodec } from "./cache-found.js";
import { parseCacheAddress } from "./cache-parse.js";
import { cacheFaultOf } from "./cache-wire-errors.js";
import type { CallContext, ServiceHandlers } from "./call.js";
import type { CommandRunner } from "./command-runner.js";
import { commandBytes, localCaller } from "./handler-context.js";
import { LeaderNeeded } from "./leader-faults.js";
import type { PageTokens } from "./page-token.js";
import { parseRequestId } from "./request-ids.js";
import { WireFault } from "./status-details.js";
import { Violations } from "./violations.js";

export type CacheHandlers = ServiceHandlers<typeof CacheServiceDefinition>;
export type CacheAdminHandlers = ServiceHandlers<typeof CacheAdminServiceDefinition>;

export interface CacheHandlerParts {
  readonly engine: CommandRunner;
  readonly pageTokens: PageTokens;
  /** Hears of what is used. */
  readonly evictions: Pick<Evictions, "read">;
  /** Hears of what reads find. */
  readonly reads: CacheReads;
  readonly zones: Zones;
  /** Up to where the state is committed, as trailers tell it; empty on a node alone. */
  readonly position: () => string;
  /** How long results of request ids are kept. */
  readonly requestKeepMs: DurationMs;
  readonly channels: NodeChannels;
  /** Aborted when the server drains: streams end. */
  readonly draining: AbortSignal;
}

/** Where what is written has to be. */
export interface Zones {
  /** That vote, and so keep what is written. */
  readonly count: number;
  /** Resolves once so many have everything on disk that is committed now; rejects with a WireFault if that is not known in time. */
  durableIn(count: number): Promise<void>;
}

/** Of a node alone. */
export const oneZone: Zones = { count: 1, durableIn: () => Promise.resolve() };

/** It is committed, and more than that is not known in time. */
export const zonesNotReached = (needed: number): WireFault =>
  new WireFault({
    code: status.UNAVAILABLE,
    reason: "ZONES_NOT_REACHED",
    message: `This is committed, and not known to be on disk in ${needed} zones. They may have it later; read it again, or ask for fewer zones.`,
    metadata: { needed: String(needed) },
    retryAfterMs: 1_000,
  });

export type Finder = (read: Found | undefined) => void;

/** What a rule of caches may need beside the cache: to do something once. */
export interface Beside {
  readonly transaction: StateTransaction;
  readonly stamp: Stamp;
}

export interface CacheCall<Outcome> {
  readonly name: string;
  readonly address: CacheAddress;
  /** What its changes take beside what every command is taken to write. */
  readonly bytes?: number;
  readonly isGrowing?: boolean;
  /** It changes nothing, or seldom. */
  readonly isLookup?: boolean;
  /** Says what its reads found, of each that counts as one. */
  rule(open: OpenCache, found: Finder, beside: Beside): CacheDecided<Outcome>;
}

/** The longest a call waits beyond what was asked, so that its answer still reaches a caller with a deadline. */
const deadlineMarginMs = 50;

/** How a call waits that finds nothing. */
export interface Waiting<Outcome> {
  /** What it waits for to have something. */
  readonly key: CacheKey;
  readonly waitMs: number;
  readonly context: Pick<CallContext, "deadline" | "isCancelled" | "onCancelled">;
  isNothing(outcome: Outcome): boolean;
  timedOut(): Outcome;
  /** Undoes what nobody will see. */
  giveBack(outcome: Outcome): Promise<void>;
}

export function createCacheTools(parts: CacheHandlerParts) {
  const { engine, requestKeepMs, zones } = parts;
  const { namespace } = localCaller;

  /** What one run of a call has found out, beside its outcome. */
  class Run<Outcome> {
    readonly #call: CacheCall<Outcome>;
    #cache: Cache | undefined;
    readonly #reads: ReadKind[] = [];
    answersWhenDecided = false;

    constructor(call: CacheCall<Outcome>) {
      this.#call = call;
    }

    decide(transaction: StateTransaction, stamp: Stamp): CacheDecided<Outcome> {
      const { address, isLookup = false } = this.#call;
      return inCache(transaction, address, stamp, (open) => {
        this.#cache = open.cache;
        this.#reads.length = 0;
        this.answersWhenDecided = open.cache.config.durability === "none";
        const needed = isLookup ? 1 : zonesOf(open.cache.config);
        if (needed > zones.count) {
          const { given } = address;
          return refuse({ kind: "too_few_zones", cache: given, zones: zones.count, needed });
        }
        return this.#call.rule(open, (read) => this.#note(read), { transaction, stamp });
      });
    }

    #note(read: Found | undefined): void {
      // Who follows gives nothing a longer life, and what was read here would end too early.
      if (read?.item?.sliding !== undefined && engine.keepsNothing === true)
        throw new LeaderNeeded();
      if (read === undefined || this.#cache === undefined) return;
      this.#reads.push(read.kind);
      if (read.item !== undefined) parts.evictions.read(this.#cache, read.key, read.item);
    }

    /** Counts what it found, and waits until what it wrote is in as many zones as the cache asks. */
    async end(): Promise<void> {
      if (this.#cache === undefined) return;
      for (const kind of this.#reads) parts.reads.note(this.#cache, engine.now, kind);
      const needed = this.#call.isLookup === true ? 1 : zonesOf(this.#cache.config);
      if (needed > 1) await zones.durableIn(needed);
    }
  }

  /** Runs a rule; `once` decides what is done about a request id. */
  async function run<Outcome, Kept>(
    call: CacheCall<Outcome>,
    once: (
      decide: () => CacheDecided<Outcome>,
      transaction: StateTransaction,
      stamp: Stamp,
    ) => Decided<Kept>,
  ): Promise<Kept> {
    const { name, bytes = 0, isGrowing = false, isLookup = false } = call;
    const running = new Run(call);
    const decision = await engine.execute<Kept, CacheRejection | QueueRejection>({
      name,
      bytes: commandBytes + bytes,
      isGrowing,
      isLookup,
      answersWhenDecided: () => running.answersWhenDecided,
      decide: (transaction, stamp) =>
        once(() => running.decide(transaction, stamp), transaction, stamp),
    });
    if (decision.kind === "rejected") throw cacheFaultOf(decision.rejection);
    await running.end();
    return decision.outcome;
  }

  /** As `executeOnce`, for what may wait until its key has something. */
  async function executeOrWait<Outcome>(
    call: CacheCall<Outcome>,
    waiting: Waiting<Outcome>,
    identity: RequestIdentity | undefined,
    codec: MessageCodec<Outcome>,
  ): Promise<OnceOutcome<Outcome>> {
    const { name, address, bytes = 0, isGrowing = false } = call;
    const { key, waitMs, context } = waiting;
    const running = new Run(call);
    const kept = keptAs(codec);
    const place = placeOf(address, key);
    const endsBy = context.deadline === undefined ? undefined : context.deadline - deadlineMarginMs;
    const wait = engine.executeOrWait<OnceOutcome<Outcome>, CacheRejection | QueueRejection>({
      name,
      bytes: commandBytes + bytes,
      isGrowing,
      locate: ({ caches }, stamp) => {
        if (findCache(caches, address) === undefined) return cacheNotFound(address);
        const leftMs = endsBy === undefined ? waitMs : Math.min(waitMs, endsBy - stamp.now);
        return accept({ queue: place, waitMs: Math.max(0, leftMs) });
      },
      decide: (transaction, stamp) =>
        decideOnceOrWait<Outcome, NothingYet, CacheRejection>(
          transaction,
          stamp,
          identity,
          kept,
          () => {
            const decided = running.decide(transaction, stamp);
            return decided.kind === "accepted" && waiting.isNothing(decided.outcome)
              ? { kind: "nothing_yet", queue: place, until: undefined }
              : decided;
          },
        ),
      empty: () => ({ outcome: waiting.timedOut(), isReplayed: false }),
    });
    context.onCancelled(() => {
      wait.cancel();
    });
    const decision = await wait.decision;
    if (decision.kind === "rejected") throw cacheFaultOf(decision.rejection);
    const { outcome, isReplayed } = decision.outcome;
    if (context.isCancelled && !isReplayed && !waiting.isNothing(outcome)) {
      // Nobody will see what was taken: it goes back to where it was.
      await waiting.giveBack(outcome);
    }
    await running.end();
    return decision.outcome;
  }

  const execute = <Outcome>(call: CacheCall<Outcome>): Promise<Outcome> =>
    run(call, (decide) => decide());

  /** As `execute`, with the result of an earlier call under the same request id in its place. */
  const executeOnce = <Outcome>(
    call: CacheCall<Outcome>,
    identity: RequestIdentity | undefined,
    codec: MessageCodec<Outcome>,
  ): Promise<OnceOutcome<Outcome>> => {
    if (identity === undefined) {
      return run(call, (decide) => {
        const decided = decide();
        return decided.kind === "rejected"
          ? decided
          : accept({ outcome: decided.outcome, isReplayed: false });
      });
    }
    const kept = keptAs(codec);
    return run(call, (decide, transaction, stamp) =>
      decideOnce<Outcome, CacheRejection>(transaction, stamp, identity, kept, decide),
    );
  };

  const identify = (
    violations: Violations,
    requestId: string,
    method: string,
    payload: () => Uint8Array,
  ): RequestIdentity | undefined =>
    parseRequestId(violations, requestId, { namespace, method, keepMs: requestKeepMs }, payload);

  const address = (violations: Violations, given: string): CacheAddress =>
    parseCacheAddress(violations, given, namespace);

  /** For calls whose only parameter is the cache. */
  const addressOnly = (given: string): CacheAddress => {
    const violations = new Violations();
    const parsed = address(violations, given);
    violations.throwIfAny();
    return parsed;
  };

  return { execute, executeOnce, executeOrWait, identify, address, addressOnly };
}

/** The result of a request id is kept as the message that was answered. */
export const keptAs = <Message>(codec: MessageCodec<Message>): OutcomeCodec<Message> => ({
  encode: (message) => Buffer.from(codec.encode(message).finish()),
  decode: (bytes) => codec.decode(bytes),
});

/** In how many zones a write is to be before it is answered, beside what the server asks of all. */
export const zonesOf = ({ durability, replicatedZones }: CacheConfig): number =>
  durability === "replicated" ? replicatedZones : 1;

export type CacheTools = ReturnType<typeof createCacheTools>;

type Decided<Outcome> = Decision<Outcome, CacheRejection | QueueRejection>;
