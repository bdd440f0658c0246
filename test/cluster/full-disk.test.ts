// When a leader with a full disk lets another lead: the rule, with a clock moved by hand.

import { expect, test } from "vitest";
import { type MemberId, memberId } from "../../src/base/brands.js";
import type { FollowerStatus, MemberStatus } from "../../src/replication/ports.js";
import { FullDisk } from "../../src/server/full-disk.js";
import { ManualClock } from "../support/manual-clock.js";

const reserveBytes = 1_000;

interface Voter {
  readonly free: number;
  readonly isConnected?: boolean;
  readonly isTakingCopy?: boolean;
  readonly isVoter?: boolean;
}

/** Which member was asked to lead within `forMs`, how often. */
function asked(
  others: Readonly<Record<string, Voter>>,
  { isFull = true, forMs = 1_000 } = {},
): readonly MemberId[] {
  const clock = new ManualClock();
  const followers = Object.entries(others).map(([id, { free, ...how }]) => ({
    isConnected: true,
    isTakingCopy: false,
    ...how,
    id: memberId(id),
    diskFreeBytes: free,
  })) as unknown as FollowerStatus[];
  const members = Object.entries(others).map(([id, { isVoter = true }]) => ({ id, isVoter }));
  const targets: MemberId[] = [];
  const fullDisk = new FullDisk({
    member: {
      status: () => ({ followers, configuration: { members } }) as unknown as MemberStatus,
    },
    isFull: () => isFull,
    reserveBytes,
    handOver: async (target) => {
      targets.push(target);
    },
    clock,
    log: { warn: () => undefined },
  });
  fullDisk.start();
  clock.advanceAtOnce(forMs);
  fullDisk.stop();
  return targets;
}

test("the voter with the most room is to lead", () => {
  expect(asked({ b: { free: 5_000 }, c: { free: 9_000 } })).toEqual(["c"]);
});

test("nobody is asked who is away, takes a copy, has no vote, or is nearly full as well", () => {
  expect(
    asked({
      b: { free: 9_000, isConnected: false },
      c: { free: 9_000, isTakingCopy: true },
      d: { free: 9_000, isVoter: false },
      e: { free: 2 * reserveBytes - 1 },
    }),
  ).toEqual([]);
});

test("with room here nobody is asked, and after a try the next is half a minute later", () => {
  expect(asked({ b: { free: 9_000 } }, { isFull: false })).toEqual([]);
  expect(asked({ b: { free: 9_000 } }, { forMs: 29_000 })).toHaveLength(1);
  expect(asked({ b: { free: 9_000 } }, { forMs: 31_500 })).toHaveLength(2);
});
