// Calls that take a lease or a lock, and wait for it where somebody else has it: in the line of what they want, once if they have a
// request id. Whoever goes away before the answer leaves gives back what he was given, so that a turn is never lost with a caller.

import type { Version } from "../base/brands.js";
import { type CacheAddress, cacheNotFound, findCache } from "../cache/cache-name.js";
import type { ReadKind } from "../cache/cache-reads.js";
import { leaseOf } from "../cache/lease-tokens.js";
import { releaseLease } from "../cache/leases.js";
import type { Cache, Item, LeaseName } from "../cache/model.js";
import type { OpenCache } from "../cache/open-cache.js";
import { inCache } from "../cache/operations.js";
import type { CacheDecided, CacheRejection } from "../cache/rejections.js";
import { placeOfLease } from "../cache/view.js";
import type { NothingYet } from "../engine/command.js";
import { decideOnceOrWait, type OnceOutcome, type RequestIdentity } from "../queue/once.js";
import { accept, type QueueRejection } from "../queue/rejections.js";
import type { MessageCodec } from "./cache-found.js";
import { type CacheHandlerParts, createCacheTools, keptAs } from "./cache-handler-context.js";
import { cacheFaultOf } from "./cache-wire-errors.js";
import type { CallContext } from "./call.js";
import { commandBytes } from "./handler-context.js";

/** The longest a handler waits beyond what was asked, so that the answer still reaches a caller with a deadline. */
const deadlineMarginMs = 50;

export type Taken<Response> =
  | {
      readonly kind: "done";
      readonly response: Response;
      /** Undefined: it counts as no read. */
      readonly found: { readonly kind: ReadKind; readonly item: Item | undefined } | undefined;
    }
  | { readonly kind: "held"; readonly until: NothingYet["until"] };

export interface TakeCall<Response> {
  readonly name: string;
  readonly address: CacheAddress;
  readonly lease: LeaseName;
  readonly waitMs: number;
  readonly identity: RequestIdentity | undefined;
  readonly codec: MessageCodec<Response>;
  rule(open: OpenCache): CacheDecided<Taken<Response>>;
  /** Of what the caller was given; 0: nothing. */
  tokenOf(response: Response): bigint;
  /** The answer when somebody else has it, until then. */
  held(holder: { readonly endsAt: number; readonly now: number }): Response;
}

export function createLeaseWaits(parts: CacheHandlerParts) {
  const { engine } = parts;
  const tools = createCacheTools(parts);

  async function take<Response extends { replayed: boolean }>(
    call: TakeCall<Response>,
    context: CallContext,
  ): Promise<Response> {
    const { name, address, lease, identity } = call;
    let read: { readonly cache: Cache; readonly kind: ReadKind; readonly item?: Item } | undefined;
    const wait = engine.executeOrWait<
      OnceOutcome<Response | undefined>,
      CacheRejection | QueueRejection
    >({
      name,
      bytes: commandBytes,
      isGrowing: true,
      locate: ({ caches }, stamp) => {
        const cache = findCache(caches, address);
        if (cache === undefined) return cacheNotFound(address);
        const { deadline } = context;
        const leftMs =
          deadline === undefined ? call.waitMs : deadline - deadlineMarginMs - stamp.now;
        // A cache without rows has no leases, so nobody ever waits in the place that it has before its first write.
        const queue = placeOfLease(cache, lease);
        return accept({ queue, waitMs: Math.max(0, Math.min(call.waitMs, leftMs)) });
      },
      decide: (transaction, stamp, { queue }) => {
        read = undefined;
        return decideOnceOrWait<Response, NothingYet, CacheRejection>(
          transaction,
          stamp,
          identity,
          keptAs(call.codec),
          () => {
            let cache: Cache | undefined;
            const decided = inCache(transaction, address, stamp, (open) => {
              cache = open.cache;
              return call.rule(open);
            });
            if (decided.kind === "rejected") return decided;
            const taken = decided.outcome;
            if (taken.kind === "held") return { kind: "nothing_yet", queue, until: taken.until };
            const { found } = taken;
            if (found !== undefined && cache !== undefined) {
              read = { cache, kind: found.kind, ...(found.item && { item: found.item }) };
            }
            return accept(taken.response);
          },
        );
      },
      empty: () => ({ outcome: undefined, isReplayed: false }),
    });
    context.onCancelled(() => {
      wait.cancel();
    });
    const decision = await wait.decision;
    if (decision.kind === "rejected") throw cacheFaultOf(decision.rejection);
    const { outcome, isReplayed } = decision.outcome;
    if (outcome === undefined) return whoHasIt(call);
    if (context.isCancelled && !isReplayed) await giveBack(call, call.tokenOf(outcome));
    if (read !== undefined) {
      parts.reads.note(read.cache, engine.now, read.kind);
      if (read.item !== undefined) parts.evictions.read(read.cache, lease.key, read.item);
    }
    return isReplayed ? { ...outcome, replayed: true } : outcome;
  }

  /** What has come in between is told of, too: whoever stood in line has not looked himself. */
  const whoHasIt = <Response>({ name, address, lease, held }: TakeCall<Response>) =>
    tools.execute<Response>({
      name,
      address,
      isLookup: true,
      rule: (open) => {
        const { now } = open;
        return accept(held({ endsAt: leaseOf(open, lease)?.endsAt ?? now, now }));
      },
    });

  /** Nobody will see the token; unless a repeat of the call has it already. */
  async function giveBack<Response>(
    { name, address, lease, identity }: TakeCall<Response>,
    token: bigint,
  ): Promise<void> {
    if (token === 0n) return;
    await engine.execute<boolean, CacheRejection>({
      name,
      bytes: commandBytes,
      isGrowing: false,
      isOwed: true,
      decide: (transaction, stamp) => {
        const kept = identity && transaction.requestResult(identity.key);
        if (kept?.wasReplayed === true) return accept(false);
        if (identity !== undefined && kept !== undefined) {
          transaction.removeRequestResult(identity.key, kept.keepUntil);
        }
        return inCache(transaction, address, stamp, (open) =>
          releaseLease(open, { name: lease, token: Number(token) as Version }),
        );
      },
    });
  }

  return { take, address: tools.address, identify: tools.identify };
}
