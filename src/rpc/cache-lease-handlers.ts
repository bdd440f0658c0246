// Leases at the wire: request to rule, outcome to answer.

import type { DurationMs, EpochMs, Version } from "../base/brands.js";
import { type GotOrLeased, getOrLease, releaseLease, renewLease } from "../cache/leases.js";
import { cacheLimits } from "../cache/limits.js";
import type { Item, Lease } from "../cache/model.js";
import type { Value } from "../cache/scalars.js";
import {
  GetOrLeaseRequest,
  GetOrLeaseResponse,
  LeaseOutcome,
  type LeaseServiceDefinition,
} from "../gen/forebay/cache/v1/lease_service.js";
import type { Duration } from "../gen/google/protobuf/duration.js";
import { accept } from "../queue/rejections.js";
import type { CacheHandlerParts } from "./cache-handler-context.js";
import { createLeaseWaits, type Taken } from "./cache-lease-waits.js";
import { parseKeyForm } from "./cache-parse.js";
import { renderValueForm } from "./cache-render.js";
import { createValueCalls } from "./cache-value-calls.js";
import type { ServiceHandlers } from "./call.js";
import { duration, timestamp } from "./render.js";
import { parseDuration, Violations } from "./violations.js";

export type LeaseHandlers = ServiceHandlers<typeof LeaseServiceDefinition>;

export function createLeaseHandlers(parts: CacheHandlerParts): LeaseHandlers {
  const { handle } = createValueCalls(parts);
  const waits = createLeaseWaits(parts);
  return {
    getOrLease: async (request, context) => {
      const violations = new Violations();
      const address = waits.address(violations, request.cache);
      const key = parseKeyForm(violations, "", request.keyForm);
      const leaseMs = parseLease(violations, request.lease);
      const waitMs = parseWait(violations, request.wait);
      const refreshBelowMs = parseDuration(violations, "refresh_below", request.refreshBelow, {
        minMs: 0,
        maxMs: cacheLimits.refreshBelowMsMax,
      });
      const identity = waits.identify(violations, request.requestId, "GetOrLease", () =>
        GetOrLeaseRequest.encode({ ...request, requestId: "" }).finish(),
      );
      violations.throwIfAny();
      const order = { key, leaseMs, refreshBelowMs: refreshBelowMs ?? (0 as DurationMs) };
      return waits.take(
        {
          name: "GetOrLease",
          address,
          lease: { kind: "load", key },
          waitMs,
          identity,
          codec: GetOrLeaseResponse,
          rule: (open) => {
            const done = getOrLease(open, order);
            return done.kind === "rejected" ? done : accept(answerTo(done.outcome));
          },
          tokenOf: ({ leaseToken }) => leaseToken,
          held: ({ endsAt, now }) => ({
            ...nothing,
            outcome: LeaseOutcome.MISS_WAIT,
            leaseExpireTime: timestamp(endsAt as EpochMs),
            retryAfter: duration(endsAt - now),
          }),
        },
        context,
      );
    },

    renewLease: handle({
      name: "RenewLease",
      parse: (violations, request) => ({
        name: { kind: "load", key: parseKeyForm(violations, "", request.keyForm) } as const,
        token: parseToken(violations, "lease_token", request.leaseToken),
        leaseMs: parseLease(violations, request.lease),
      }),
      rule: renewLease,
      render: ({ endsAt }) => ({ leaseExpireTime: timestamp(endsAt) }),
    }),

    releaseLease: handle({
      name: "ReleaseLease",
      parse: (violations, request) => ({
        name: { kind: "load", key: parseKeyForm(violations, "", request.keyForm) } as const,
        token: parseToken(violations, "lease_token", request.leaseToken),
      }),
      rule: releaseLease,
      render: (released) => ({ released }),
    }),
  };
}

const nothing: GetOrLeaseResponse = {
  outcome: LeaseOutcome.UNSPECIFIED,
  version: 0n,
  flags: 0,
  contentType: "",
  leaseToken: 0n,
  replayed: false,
};

function answerTo(got: GotOrLeased): Taken<GetOrLeaseResponse> {
  switch (got.kind) {
    case "hit":
      return done(LeaseOutcome.HIT, got, "hit");
    case "stale":
      return done(LeaseOutcome.STALE, got, "stale");
    case "stale_won":
      return done(LeaseOutcome.STALE_WON, got, "stale");
    case "miss_won":
      return done(LeaseOutcome.MISS_WON, got, "miss");
    case "miss_wait":
      return { kind: "held", until: got.holderEndsAt };
  }
}

const done = (
  outcome: LeaseOutcome,
  { item, value, lease }: { readonly item?: Item; readonly value?: Value; readonly lease?: Lease },
  kind: "hit" | "stale" | "miss",
): Taken<GetOrLeaseResponse> => ({
  kind: "done",
  response: {
    ...nothing,
    outcome,
    ...(item && {
      version: BigInt(item.version),
      flags: item.flags,
      contentType: item.contentType,
    }),
    ...(value && { valueForm: renderValueForm(value) }),
    ...(lease && { leaseToken: BigInt(lease.token), leaseExpireTime: timestamp(lease.endsAt) }),
  },
  found: { kind, item },
});

const { leaseMsMin, leaseMsMax, leaseMsDefault, leaseWaitMsMax } = cacheLimits;

export const parseLease = (violations: Violations, lease: Duration | undefined): DurationMs =>
  parseDuration(violations, "lease", lease, { minMs: leaseMsMin, maxMs: leaseMsMax }) ??
  (leaseMsDefault as DurationMs);

export const parseWait = (violations: Violations, wait: Duration | undefined): number =>
  parseDuration(violations, "wait", wait, { minMs: 0, maxMs: leaseWaitMsMax }) ?? 0;

export function parseToken(violations: Violations, field: string, token: bigint): Version {
  if (token === 0n) violations.add("INVALID_PARAMETER", field, "is needed: what was answered");
  return Number(token) as Version;
}
