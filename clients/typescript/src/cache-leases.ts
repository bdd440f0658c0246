// Leases of keys that are to be loaded: one caller over all processes loads a key, and the others wait for what it got.

import { LeaseOutcome, LeaseServiceDefinition } from "../gen/forebay/cache/v1/lease_service.js";
import type { CacheCodec } from "./cache-codec.js";
import { type CacheKey, keyFormOf } from "./cache-items.js";
import { nowMs } from "./clock.js";
import type { CallOptions, Connection } from "./connection.js";
import { dateOf, durationOf, millisecondsOf } from "./durations.js";
import { ForebayError } from "./errors.js";
import { LeaseRenewal } from "./lease-renewal.js";
import { longPollGraceMs } from "./limits.js";
import type { RequestIdOption } from "./queue-calls.js";
import { newRequestId } from "./random.js";

const { methods } = LeaseServiceDefinition;

export interface LeaseOptions extends CallOptions, RequestIdOption {
  /** How long the caller has for loading the value, in milliseconds. Range: 100 to 300000. Default: 10000. */
  readonly leaseMs?: number | undefined;
  /** How long to wait for the value, or for one's turn to load it, in milliseconds. Range: 0 to 20000. Default: 0. */
  readonly waitMs?: number | undefined;
  /** A value that ends within so many milliseconds is refreshed by whoever asks first. Default: 0, no value is. */
  readonly refreshBelowMs?: number | undefined;
}

export type LeaseRead<Item> =
  /** `stale`: it has ended, and somebody else is loading it. */
  | { readonly kind: "hit" | "stale"; readonly value: Item; readonly version: bigint }
  /** The caller is to load it. */
  | {
      readonly kind: "won";
      /** What to write it with. */
      readonly token: bigint;
      readonly expiresAt: Date | undefined;
      /** What may be served meanwhile; undefined: nothing. */
      readonly stale: Item | undefined;
    }
  /** Somebody else is loading it, for so many milliseconds at most unless he renews his lease. */
  | { readonly kind: "held"; readonly retryAfterMs: number };

/** What `getOrLoad` takes. `Settings`: what of them a write takes. */
export type GetOrLoadOptions<
  Settings extends { readonly expiry?: unknown; readonly tags?: unknown },
> = Pick<Settings, keyof Settings & ("expiry" | "tags" | "staleWhileRevalidateMs")> &
  CallOptions & {
    /** How long after the death of a process that loads somebody else does, in milliseconds. Range: 100 to 300000. Default: 10000. */
    readonly leaseMs?: number | undefined;
    /** How long to wait for others that load; then the value is loaded here, and not written. In milliseconds. Default: 30000. */
    readonly loadWaitMs?: number | undefined;
  };

/** The calls of one cache. */
export class CacheLeases {
  readonly #connection: Connection;
  readonly #cache: string;

  constructor(connection: Connection, cache: string) {
    this.#connection = connection;
    this.#cache = cache;
  }

  async getOrLease<Item>(
    key: CacheKey,
    options: LeaseOptions,
    codec: CacheCodec<Item>,
  ): Promise<LeaseRead<Item>> {
    const { leaseMs, waitMs = 0, refreshBelowMs, requestId = newRequestId(), ...call } = options;
    const response = await this.#connection.unary(
      methods.getOrLease,
      {
        cache: this.#cache,
        keyForm: keyFormOf(key),
        lease: durationOf(leaseMs),
        wait: durationOf(waitMs),
        refreshBelow: durationOf(refreshBelowMs),
        requestId,
      },
      { ...call, ...(waitMs > 0 && { timeoutMs: call.timeoutMs ?? waitMs + longPollGraceMs }) },
    );
    const { version, leaseToken: token, valueForm } = response;
    const expiresAt = dateOf(response.leaseExpireTime);
    // A value that is empty has no form on the wire.
    const decoded = (): Item => codec.decode(valueForm?.value ?? noBytes);
    switch (response.outcome) {
      case LeaseOutcome.HIT:
        return { kind: "hit", value: decoded(), version };
      case LeaseOutcome.STALE:
        return { kind: "stale", value: decoded(), version };
      case LeaseOutcome.STALE_WON:
        return { kind: "won", token, expiresAt, stale: decoded() };
      case LeaseOutcome.MISS_WON:
        return { kind: "won", token, expiresAt, stale: undefined };
      default:
        return { kind: "held", retryAfterMs: millisecondsOf(response.retryAfter) ?? 0 };
    }
  }

  async renew(
    key: CacheKey,
    leaseToken: bigint,
    { leaseMs, ...call }: { readonly leaseMs?: number | undefined } & CallOptions,
  ): Promise<Date | undefined> {
    const keyForm = keyFormOf(key);
    const request = { cache: this.#cache, keyForm, leaseToken, lease: durationOf(leaseMs) };
    const response = await this.#connection.unary(methods.renewLease, request, call);
    return dateOf(response.leaseExpireTime);
  }

  async release(key: CacheKey, leaseToken: bigint, call: CallOptions): Promise<boolean> {
    const request = { cache: this.#cache, keyForm: keyFormOf(key), leaseToken };
    return (await this.#connection.unary(methods.releaseLease, request, call)).released;
  }
}

/** What a load needs of its cache. */
export interface LoadCalls<Item> {
  ask(waitMs: number): Promise<LeaseRead<Item>>;
  load(): Promise<Item>;
  store(item: Item, leaseToken: bigint): Promise<unknown>;
  renew(token: bigint): Promise<unknown>;
  release(token: bigint): Promise<unknown>;
}

const leaseDefaultMs = 10_000;
const loadWaitDefaultMs = 30_000;
/** The longest that one call waits. */
const waitMaxMs = 20_000;

/** Loads what nobody else is loading, or gets what somebody else loaded. */
export async function loadOnce<Item>(
  calls: LoadCalls<Item>,
  {
    leaseMs = leaseDefaultMs,
    loadWaitMs = loadWaitDefaultMs,
  }: Pick<GetOrLoadOptions<object>, "leaseMs" | "loadWaitMs">,
): Promise<Item> {
  const endsMs = nowMs() + loadWaitMs;
  for (;;) {
    const leftMs = Math.max(0, endsMs - nowMs());
    const read = await calls.ask(Math.min(leftMs, waitMaxMs));
    if (read.kind === "hit" || read.kind === "stale") return read.value;
    if (read.kind === "won") return loadUnder(calls, read.token, leaseMs);
    // Whoever loads takes too long for this caller, and may still write what is the same.
    if (leftMs === 0) return calls.load();
  }
}

async function loadUnder<Item>(
  calls: LoadCalls<Item>,
  token: bigint,
  leaseMs: number,
): Promise<Item> {
  const renewal = new LeaseRenewal(leaseMs, () => calls.renew(token));
  let item: Item;
  try {
    item = await calls.load();
  } catch (error) {
    await renewal.stop();
    // That it could not be released only makes others wait for its end, and the load's own error says more.
    await calls.release(token).catch(() => undefined);
    throw error;
  }
  await renewal.stop();
  try {
    await calls.store(item, token);
  } catch (error) {
    // Something newer came in between, and stays.
    if (!(error instanceof ForebayError && error.reason === "LEASE_LOST")) throw error;
  }
  return item;
}

const noBytes = new Uint8Array(0);
