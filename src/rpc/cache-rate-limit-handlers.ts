// Limits of rates at the wire: request to rule, outcome to answer.

import { milliseconds } from "../base/brands.js";
import { acquire, peekRate, resetRate } from "../cache/rate-limit.js";
import {
  type RateAlgorithm,
  type RateLimit,
  type RateStanding,
  rateLimits,
} from "../cache/rate-limiters.js";
import {
  AcquireRateLimitRequest,
  AcquireRateLimitResponse,
  RateLimitAlgorithm,
  type RateLimitServiceDefinition,
} from "../gen/forebay/cache/v1/rate_limit_service.js";
import type { Duration } from "../gen/google/protobuf/duration.js";
import type { CacheHandlerParts } from "./cache-handler-context.js";
import { parseKeyForm } from "./cache-parse.js";
import { always, createValueCalls } from "./cache-value-calls.js";
import type { ServiceHandlers } from "./call.js";
import { duration } from "./render.js";
import { parseDuration, parseEnum, type Violations } from "./violations.js";

export type RateLimitHandlers = ServiceHandlers<typeof RateLimitServiceDefinition>;

export function createRateLimitHandlers(parts: CacheHandlerParts): RateLimitHandlers {
  const { handle, handleOnce } = createValueCalls(parts);
  return {
    acquireRateLimit: handleOnce(
      {
        name: "RateLimitAcquire",
        isGrowing: true,
        isLookup: ({ isDryRun }) => isDryRun,
        parse: (violations, request) => ({
          ...parseRateLimit(violations, request),
          key: parseKeyForm(violations, "", request.keyForm),
          cost: parseAmount(violations, "cost", request.cost || 1n),
          isDryRun: request.dryRun,
        }),
        rule: acquire,
        render: ({ isAllowed, retryAfterMs, ...standing }) => ({
          allowed: isAllowed,
          ...renderStanding(standing),
          retryAfter: retryAfterMs === undefined ? undefined : duration(retryAfterMs),
          replayed: false,
        }),
      },
      { request: AcquireRateLimitRequest, response: AcquireRateLimitResponse },
    ),

    peekRateLimit: handle({
      name: "RateLimitPeek",
      isLookup: always,
      parse: (violations, request) => ({
        ...parseRateLimit(violations, request),
        key: parseKeyForm(violations, "", request.keyForm),
      }),
      rule: peekRate,
      render: (peeked) => renderStanding(peeked),
      found: ({ key }, { item }) => [{ key, item }],
    }),

    resetRateLimit: handle({
      name: "RateLimitReset",
      parse: (violations, request) => ({ key: parseKeyForm(violations, "", request.keyForm) }),
      rule: resetRate,
      render: (existed) => ({ existed }),
    }),
  };
}

const renderStanding = ({ remaining, resetAfterMs }: RateStanding) => ({
  remaining: BigInt(remaining),
  resetAfter: duration(resetAfterMs),
});

const algorithms = {
  FIXED: "fixed",
  SLIDING: "sliding",
  TOKEN_BUCKET: "token_bucket",
} as const satisfies Readonly<Record<string, RateAlgorithm>>;

const windowRange = { minMs: 1, maxMs: rateLimits.windowMsMax };

function parseRateLimit(
  violations: Violations,
  request: {
    readonly limit: bigint;
    readonly window?: Duration | undefined;
    readonly algorithm: RateLimitAlgorithm;
  },
): RateLimit {
  if (request.window === undefined) {
    violations.add("MISSING_PARAMETER", "window", "is needed");
  }
  const name = parseEnum(violations, "algorithm", request.algorithm, RateLimitAlgorithm);
  return {
    limit: parseAmount(violations, "limit", request.limit),
    windowMs: parseDuration(violations, "window", request.window, windowRange) ?? milliseconds(1),
    algorithm: name === undefined ? "sliding" : algorithms[name],
  };
}

/** 1 where it is wrong. */
function parseAmount(violations: Violations, field: string, amount: bigint): number {
  const { limitMax } = rateLimits;
  if (amount >= 1n && amount <= BigInt(limitMax)) return Number(amount);
  violations.add("INVALID_PARAMETER", field, `must be from 1 to ${limitMax}, not ${amount}`);
  return 1;
}
