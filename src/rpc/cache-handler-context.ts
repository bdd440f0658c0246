// What every handler of caches shares: how a call becomes a rule in an open cache, once if it has a request id, and how what came of
// it is answered, counted and remembered.

import type { DurationMs } from "../base/brands.js";
import type { CacheAddress } from "../cache/cache-name.js";
import type { CacheReads } from "../cache/cache-reads.js";
import type { OpenCache } from "../cache/open-cache.js";
import { inCache } from "../cache/operations.js";
import type { CacheDecided, CacheRejection } from "../cache/rejections.js";
import type { Decision } from "../engine/command.js";
import { decideOnce, type OnceOutcome, type RequestIdentity } from "../queue/once.js";
import { accept, type QueueRejection } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import type { StateTransaction } from "../topic/view.js";
import { parseCacheAddress } from "./cache-parse.js";
import { cacheFaultOf } from "./cache-wire-errors.js";
import type { CommandRunner } from "./command-runner.js";
import { commandBytes, localCaller } from "./handler-context.js";
import type { PageTokens } from "./page-token.js";
import { parseRequestId } from "./request-ids.js";
import { Violations } from "./violations.js";

export interface CacheHandlerParts {
  readonly engine: CommandRunner;
  readonly pageTokens: PageTokens;
  /** Hears of what reads find. */
  readonly reads: CacheReads;
  /** How long results of request ids are kept. */
  readonly requestKeepMs: DurationMs;
  /** Aborted when the server drains: streams end. */
  readonly draining: AbortSignal;
}

/** A message of the contract, as results of request ids are kept. */
export interface MessageCodec<Message> {
  encode(message: Message): { finish(): Uint8Array };
  decode(bytes: Uint8Array): Message;
}

export interface CacheCall<Outcome> {
  readonly name: string;
  readonly address: CacheAddress;
  /** What its changes take beside what every command is taken to write. */
  readonly bytes?: number;
  readonly isGrowing?: boolean;
  /** It changes nothing, or seldom. */
  readonly isLookup?: boolean;
  rule(open: OpenCache): CacheDecided<Outcome>;
}

export function createCacheTools(parts: CacheHandlerParts) {
  const { engine, requestKeepMs } = parts;
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
              answersWhenDecided = open.cache.config.durability === "none";
              return call.rule(open);
            }),
          transaction,
          stamp,
        ),
    });
    if (decision.kind === "rejected") throw cacheFaultOf(decision.rejection);
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
    const kept = {
      encode: (outcome: Outcome) => Buffer.from(codec.encode(outcome).finish()),
      decode: (bytes: Buffer) => codec.decode(bytes),
    };
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

type Decided<Outcome> = Decision<Outcome, CacheRejection | QueueRejection>;
