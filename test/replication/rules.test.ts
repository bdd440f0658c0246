// The rules, each on both sides of its boundary.

import { describe, expect, test } from "vitest";
import { epoch, logSeq } from "../../src/base/brands.js";
import { protocolRules as rules } from "../../src/replication/rules.js";

const at = (ofEpoch: number, seq: number) => ({ epoch: epoch(ofEpoch), seq: logSeq(seq) });

describe("E2: promises", () => {
  test("a message of the promised epoch or a later one is listened to, an earlier one is not", () => {
    expect([4, 5, 6].map((each) => rules.mayFollow(epoch(each), epoch(5)))).toEqual([
      false,
      true,
      true,
    ]);
  });

  test("a message is answered only when the promise on disk is of its very epoch", () => {
    expect([4, 5, 6].map((each) => rules.mayAnswer(epoch(each), epoch(5)))).toEqual([
      false,
      true,
      false,
    ]);
  });

  test("what agrees is confirmed as far as it is on disk, and what is on disk as far as it agrees", () => {
    expect(rules.confirmedSeq(logSeq(7), logSeq(9))).toBe(7);
    expect(rules.confirmedSeq(logSeq(9), logSeq(7))).toBe(7);
  });
});

test("E3 a leader writes records of its own epoch alone", () => {
  expect([4, 5, 6].map((each) => rules.mayAppend(epoch(each), epoch(5)))).toEqual([
    false,
    true,
    false,
  ]);
});

test("E4 a later epoch is more advanced whatever the seq, and in one epoch the longer log", () => {
  expect(rules.isMoreAdvanced(at(3, 1), at(2, 100))).toBe(true);
  expect(rules.isMoreAdvanced(at(2, 100), at(3, 1))).toBe(false);
  expect(rules.isMoreAdvanced(at(3, 8), at(3, 7))).toBe(true);
  expect(rules.isMoreAdvanced(at(3, 7), at(3, 7))).toBe(false);
});

test("E5 only records of the leader's own epoch are committed by count", () => {
  expect([4, 5, 6].map((each) => rules.countsByItself(epoch(each), epoch(5)))).toEqual([
    false,
    true,
    false,
  ]);
});

test("E6 a log is cut at what is applied or above, never below", () => {
  expect([6, 7, 8].map((each) => rules.mayTruncate(logSeq(each), logSeq(7)))).toEqual([
    false,
    true,
    true,
  ]);
});

test("E7 a coordinator that names an epoch below the promise is not trusted", () => {
  expect([4, 5, 6].map((each) => rules.mayTrust(epoch(each), epoch(5)))).toEqual([
    false,
    true,
    true,
  ]);
});

test("a takeover needs a majority, and so does a record unless the configuration says otherwise", () => {
  const voterCounts = [1, 2, 3, 4, 5];
  expect(voterCounts.map(rules.promisesNeeded)).toEqual([1, 2, 2, 3, 3]);
  expect(voterCounts.map((count) => rules.acksNeeded("quorum", count))).toEqual([1, 2, 2, 3, 3]);
  expect(voterCounts.map((count) => rules.acksNeeded("all", count))).toEqual([1, 2, 3, 4, 5]);
  expect(voterCounts.map((count) => rules.acksNeeded("async", count))).toEqual([1, 1, 1, 1, 1]);
});

test("any majority that promises meets any set of voters that made a record count, save in async", () => {
  for (const acks of ["quorum", "all"] as const) {
    for (const count of [1, 2, 3, 4, 5, 7]) {
      const together = rules.promisesNeeded(count) + rules.acksNeeded(acks, count);
      expect(together).toBeGreaterThan(count);
    }
  }
});
