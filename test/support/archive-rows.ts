// Any row of archives, replays and snapshots that the store may hold, for properties.

import fc from "fast-check";
import type { Archive, Replay, ReplayPoint, Snapshot } from "../../src/topic/archive-model.js";
import { id16, instant, maybe, place, text, u64 } from "./stored-rows.js";

export const archive: fc.Arbitrary<Archive> = fc.record({
  since: instant,
  from: place,
  bytes: u64,
});

const point: fc.Arbitrary<ReplayPoint> = fc.oneof(
  fc.record({ kind: fc.constant("time" as const), at: instant }),
  fc.record({ kind: fc.constant("sequence" as const), sequence: place }),
  fc.record({ kind: fc.constantFrom("beginning" as const, "latest" as const) }),
  fc.record({ kind: fc.constant("snapshot" as const), name: text(80) }),
);

export const replay: fc.Arbitrary<Replay> = fc.record({
  id: id16,
  state: fc.constantFrom("pending", "in_progress", "completed", "failed", "stopped"),
  from: point,
  until: maybe(point),
  speed: fc.oneof(
    fc.record({ kind: fc.constant("unlimited" as const) }),
    fc.record({ kind: fc.constant("rate" as const), perSecond: fc.nat(100_000) }),
    fc.record({ kind: fc.constant("original" as const), times: fc.constantFrom(0.01, 0.5, 1_000) }),
  ),
  afterwards: fc.constantFrom("resume", "pause"),
  position: place,
  end: maybe(place),
  endsAt: maybe(instant),
  pace: maybe(fc.record({ atUs: u64, publishedAt: instant })),
  delivered: u64,
  filtered: u64,
  failed: u64,
  failure: text(200),
  startedAt: instant,
  endedAt: maybe(instant),
  extra: fc.integer(),
});

export const snapshotOf = (name: string): fc.Arbitrary<Snapshot> =>
  fc.record({
    name: fc.constant(name),
    sequence: place,
    createdAt: instant,
    expiresAt: instant,
  });
