// What every handler of caches shares: how a call becomes a rule in an open cache, once if it has a request id, and how what came of
// it is answered, counted and remembered.

import { status } from "@grpc/grpc-js";
import type { DurationMs } from "../base/brands.js";
import type { CacheAddress } from "../cache/cache-name.js";
import type { CacheReads, ReadKind } from "../cache/cache-reads.js";
import type { CacheConfig } from "../cache/limits.js";
import type { Cache } from "../cache/model.js";
import type { OpenCache } from "../cache/open-cache.js";
import { inCache } from "../cache/operations.js";
import { type CacheDecided, type CacheRejection, refuse } from "../cache/rejections.js";
import type { Evictions } from "../cache/view.js";
import type { Decision } from "../engine/command.js";
import type { CacheAdminServiceDefinition } from "../gen/forebay/cache/v1/cache_admin_service.js";
import type { CacheServiceDefinition } from "../gen/forebay/cache/v1/cache_service.js";
import {
  decideOnce,
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
import type { ServiceHandlers } from "./call.js";
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

export function createCacheTools(parts: CacheHandlerParts) {
  const { engine, requestKeepMs, zones } = parts;
  const { namespace } = localCaller;

  /** Runs a rule; `once` decides what is done about a request id. */
  async function run<Outcome, Kept>(
    call: CacheCall<Outcome>,
    once: (
      decide: () => CacheDecided<Outcome>,
      transaction: StateTransaction,
      stamp: Stamp,
    ) => Decided<Kept>,
  ): Promise<Kept> {
    const { name, address, bytes = 0, isGrowing = false, isLookup = false } = call;
    let answersWhenDecided = false;
    let cache: Cache | undefined;
    const reads: ReadKind[] = [];
    const found: Finder = (read) => {
      // Who follows gives nothing a longer life, and what was read here would end too early.
      if (read?.item?.sliding !== undefined && engine.keepsNothing === true)
        throw new LeaderNeeded();
      if (read === undefined || cache === undefined) return;
      reads.push(read.kind);
      if (read.item !== undefined) parts.evictions.read(cache, read.key, read.item);
    };
    const decision = await engine.execute<Kept, CacheRejection | QueueRejection>({
      name,
      bytes: commandBytes + bytes,
      isGrowing,
      isLookup,
      answersWhenDecided: () => answersWhenDecided,
      decide: (transaction, stamp) =>
        once(
          () =>
            inCache(transaction, address, stamp, (open) => {
              cache = open.cache;
              reads.length = 0;
              answersWhenDecided = cache.config.durability === "none";
              const needed = isLookup ? 1 : zonesOf(cache.config);
              if (needed > zones.count) {
                const { given } = address;
                return refuse({ kind: "too_few_zones", cache: given, zones: zones.count, needed });
              }
              return call.rule(open, found, { transaction, stamp });
            }),
          transaction,
          stamp,
        ),
    });
    if (decision.kind === "rejected") throw cacheFaultOf(decision.rejection);
    if (cache === undefined) return decision.outcome;
    for (const kind of reads) parts.reads.note(cache, engine.now, kind);
    const needed = isLookup ? 1 : zonesOf(cache.config);
    if (needed > 1) await zones.durableIn(needed);
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

  return { execute, executeOnce, identify, address, addressOnly };
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
