// Locks at the wire: request to rule, outcome to answer.

import type { CacheKey, EpochMs } from "../base/brands.js";
import { releaseLease, renewLease } from "../cache/leases.js";
import { acquireLock, lockNamed } from "../cache/locks.js";
import {
  AcquireLockRequest,
  AcquireLockResponse,
  type LockServiceDefinition,
} from "../gen/forebay/cache/v1/lock_service.js";
import { accept } from "../queue/rejections.js";
import type { CacheHandlerParts } from "./cache-handler-context.js";
import { parseLease, parseToken, parseWait } from "./cache-lease-handlers.js";
import { createLeaseWaits } from "./cache-lease-waits.js";
import { parseKey } from "./cache-parse.js";
import { createValueCalls } from "./cache-value-calls.js";
import type { ServiceHandlers } from "./call.js";
import { duration, timestamp } from "./render.js";
import { Violations } from "./violations.js";

export type LockHandlers = ServiceHandlers<typeof LockServiceDefinition>;

export function createLockHandlers(parts: CacheHandlerParts): LockHandlers {
  const { handle } = createValueCalls(parts);
  const waits = createLeaseWaits(parts);
  return {
    acquireLock: async (request, context) => {
      const violations = new Violations();
      const address = waits.address(violations, request.cache);
      const key = parseName(violations, request.name);
      const leaseMs = parseLease(violations, request.lease);
      const waitMs = parseWait(violations, request.wait);
      const identity = waits.identify(violations, request.requestId, "AcquireLock", () =>
        AcquireLockRequest.encode({ ...request, requestId: "" }).finish(),
      );
      violations.throwIfAny();
      return waits.take(
        {
          name: "AcquireLock",
          address,
          lease: lockNamed(key),
          waitMs,
          identity,
          codec: AcquireLockResponse,
          rule: (open) => {
            const done = acquireLock(open, { key, leaseMs });
            if (done.kind === "rejected") return done;
            const acquired = done.outcome;
            if (acquired.kind === "held") {
              return accept({ kind: "held", until: acquired.holderEndsAt });
            }
            const { token, endsAt } = acquired.lease;
            const response = {
              acquired: true,
              token: BigInt(token),
              expireTime: timestamp(endsAt),
              replayed: false,
            };
            return accept({ kind: "done", response, found: undefined });
          },
          tokenOf: ({ token }) => token,
          held: ({ endsAt, now }) => ({
            acquired: false,
            token: 0n,
            expireTime: timestamp(endsAt as EpochMs),
            retryAfter: duration(endsAt - now),
            replayed: false,
          }),
        },
        context,
      );
    },

    renewLock: handle({
      name: "RenewLock",
      parse: (violations, request) => ({
        name: lockNamed(parseName(violations, request.name)),
        token: parseToken(violations, "token", request.token),
        leaseMs: parseLease(violations, request.lease),
      }),
      rule: renewLease,
      render: ({ endsAt }) => ({ expireTime: timestamp(endsAt) }),
    }),

    releaseLock: handle({
      name: "ReleaseLock",
      parse: (violations, request) => ({
        name: lockNamed(parseName(violations, request.name)),
        token: parseToken(violations, "token", request.token),
      }),
      rule: releaseLease,
      render: (released) => ({ released }),
    }),
  };
}

const parseName = (violations: Violations, name: string): CacheKey =>
  parseKey(violations, "name", { key: { $case: "text", value: name } });
