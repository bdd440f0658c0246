// Locks: a name that one holder has at a time, over all processes. The token fences: it is higher than those of all who held the
// lock before, so what the lock protects can refuse whoever comes with a lower one than it has seen.

import { LockServiceDefinition } from "../gen/forebay/cache/v1/lock_service.js";
import type { CallOptions, Connection } from "./connection.js";
import { dateOf, durationOf } from "./durations.js";
import { LeaseRenewal } from "./lease-renewal.js";
import { longPollGraceMs } from "./limits.js";
import type { RequestIdOption } from "./queue-calls.js";
import { newRequestId } from "./random.js";

const { methods } = LockServiceDefinition;

const leaseDefaultMs = 10_000;
const waitMaxMs = 20_000;

export interface AcquireLockOptions extends CallOptions, RequestIdOption {
  /** For how long, in milliseconds. Range: 100 to 300000. Default: 10000. */
  readonly leaseMs?: number | undefined;
  /** How long to wait for it, in milliseconds. Range: 0 to 20000. Default: 0. */
  readonly waitMs?: number | undefined;
}

/** As `AcquireLockOptions`; it waits 20000 milliseconds by default. */
export type WithLockOptions = Omit<AcquireLockOptions, "requestId">;

/** Somebody else has the lock, and had it for all the time that was waited. */
export class LockHeldError extends Error {
  override readonly name = "LockHeldError";
  readonly lock: string;

  constructor(lock: string) {
    super(`Somebody else has the lock "${lock}".`);
    this.lock = lock;
  }
}

/** A lock by its name. Making one asks the server nothing. */
export class Lock {
  readonly name: string;
  readonly cache: string;
  readonly #connection: Connection;

  /** Use `ForebayClient.lock`. */
  constructor(name: string, cache: string, connection: Connection) {
    this.name = name;
    this.cache = cache;
    this.#connection = connection;
  }

  /**
   * Takes the lock; undefined: somebody else has it.
   *
   * @throws ForebayError CACHE_NOT_FOUND, EMPTY_KEY, KEY_TOO_LONG, INVALID_PARAMETER, STORAGE_FULL, REQUEST_ID_REUSED.
   */
  async acquire(options: AcquireLockOptions = {}): Promise<HeldLock | undefined> {
    const { leaseMs, waitMs = 0, requestId = newRequestId(), ...call } = options;
    const { name, cache } = this;
    const lease = durationOf(leaseMs);
    const request = { cache, name, lease, wait: durationOf(waitMs), requestId };
    const response = await this.#connection.unary(methods.acquireLock, request, {
      ...call,
      ...(waitMs > 0 && { timeoutMs: call.timeoutMs ?? waitMs + longPollGraceMs }),
    });
    if (!response.acquired) return undefined;
    return new HeldLock(this, response.token, dateOf(response.expireTime));
  }

  /**
   * Makes a lock last so long from now on; answers with its end.
   *
   * @throws ForebayError LEASE_LOST.
   */
  async renew(
    token: bigint,
    options: { readonly leaseMs?: number | undefined } & CallOptions = {},
  ): Promise<Date | undefined> {
    const { leaseMs, ...call } = options;
    const { name, cache } = this;
    const request = { cache, name, token, lease: durationOf(leaseMs) };
    return dateOf((await this.#connection.unary(methods.renewLock, request, call)).expireTime);
  }

  /** Lets go of it, to whoever has waited longest; says whether it still was the holder's. */
  async release(token: bigint, options: CallOptions = {}): Promise<boolean> {
    const { name, cache } = this;
    const request = { cache, name, token };
    return (await this.#connection.unary(methods.releaseLock, request, options)).released;
  }

  /**
   * Does something while holding the lock, which is renewed meanwhile and let go of afterwards. `signal` is aborted when the lock is
   * lost; `token` is what fences.
   *
   * @throws LockHeldError somebody else had it all the time; ForebayError as `acquire`; whatever `work` throws.
   */
  async withLock<Result>(
    work: (held: { readonly token: bigint; readonly signal: AbortSignal }) => Promise<Result>,
    options: WithLockOptions = {},
  ): Promise<Result> {
    const { leaseMs = leaseDefaultMs, waitMs = waitMaxMs } = options;
    const held = await this.acquire({ ...options, leaseMs, waitMs });
    if (held === undefined) throw new LockHeldError(this.name);
    const { token } = held;
    const renewal = new LeaseRenewal(leaseMs, () => held.renew({ leaseMs }));
    try {
      return await work({ token, signal: renewal.lost });
    } finally {
      await renewal.stop();
      // What was done is done: that the lock could not be released only makes others wait for its end.
      await held.release().catch(() => undefined);
    }
  }
}

/** A lock that was acquired. */
export class HeldLock {
  /** Higher than those of all who held it before. */
  readonly token: bigint;
  /** When it ends unless it is renewed, as of when it was acquired. */
  readonly expiresAt: Date | undefined;
  readonly #lock: Lock;

  /** Use `Lock.acquire`. */
  constructor(lock: Lock, token: bigint, expiresAt: Date | undefined) {
    this.#lock = lock;
    this.token = token;
    this.expiresAt = expiresAt;
  }

  /** @throws ForebayError LEASE_LOST. */
  renew(options: Parameters<Lock["renew"]>[1] = {}): Promise<Date | undefined> {
    return this.#lock.renew(this.token, options);
  }

  release(options: CallOptions = {}): Promise<boolean> {
    return this.#lock.release(this.token, options);
  }
}
