// How far two logs agree, against two real lists of epochs: the place is the end of their longest common beginning.

import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { epoch, logSeq } from "../../src/base/brands.js";
import {
  beginsFrom,
  beginsThrough,
  beginsWith,
  commonSeq,
  epochAt,
  type History,
} from "../../src/replication/positions.js";

/** The epochs of the records 1, 2, 3 and so on. */
type Epochs = readonly number[];

function historyOf(epochs: Epochs): History {
  const begins = epochs.reduce(
    (known, each, index) => beginsWith(known, { epoch: epoch(each), seq: logSeq(index + 1) }),
    [{ epoch: epoch(0), firstSeq: logSeq(0) }] as History["begins"],
  );
  return { begins, endSeq: logSeq(epochs.length) };
}

const trimmed = ({ begins, endSeq }: History, baseSeq: number): History => ({
  begins: beginsFrom(begins, logSeq(baseSeq)),
  endSeq,
});

const commonLength = (one: Epochs, other: Epochs): number => {
  const parting = one.findIndex((each, index) => each !== other[index]);
  return parting === -1 ? one.length : parting;
};

/** Epochs that do not fall, each some records long. */
const epochsFrom = (isOdd: boolean, least: number) =>
  fc
    .array(
      fc.record({ step: fc.integer({ min: 1, max: 3 }), count: fc.integer({ min: 1, max: 4 }) }),
      {
        maxLength: 5,
      },
    )
    .map((runs) => {
      let last = least + (least % 2 === (isOdd ? 1 : 0) ? 0 : 1);
      return runs.flatMap(({ step, count }) => {
        last += 2 * step;
        return Array.from({ length: count }, () => last);
      });
    });

/** Two logs that one protocol could make: what they share, then epochs that only one of them has. */
const twoLogs = fc
  .tuple(epochsFrom(true, 0), epochsFrom(false, 0))
  .map(([odd, even]) => [...odd, ...even].sort((a, b) => a - b))
  .chain((shared) => {
    const last = shared.at(-1) ?? 0;
    return fc
      .tuple(fc.integer({ min: 0, max: 3 }), epochsFrom(true, last), epochsFrom(false, last))
      .map(([more, odd, even]) => {
        const further = last === 0 ? [] : Array.from({ length: more }, () => last);
        return { one: [...shared, ...further, ...odd], other: [...shared, ...even] };
      });
  });

describe("the last place at which two logs agree", () => {
  test("is the end of their common beginning, whichever is asked first", () => {
    fc.assert(
      fc.property(twoLogs, ({ one, other }) => {
        const expected = commonLength(one, other);
        expect(commonSeq(historyOf(one), historyOf(other))).toBe(expected);
        expect(commonSeq(historyOf(other), historyOf(one))).toBe(expected);
      }),
    );
  });

  test("is found in logs without their beginnings too, as long as both still know of it", () => {
    fc.assert(
      fc.property(twoLogs, fc.nat(), fc.nat(), ({ one, other }, cutOne, cutOther) => {
        const expected = commonLength(one, other);
        const ownBase = cutOne % (one.length + 1);
        const otherBase = cutOther % (other.length + 1);
        const found = commonSeq(
          trimmed(historyOf(one), ownBase),
          trimmed(historyOf(other), otherBase),
        );
        // Where a log's beginning is gone, so may be the epoch that both had.
        if (Math.max(ownBase, otherBase) <= expected) expect(found).toBe(expected);
        else expect(found === undefined || found <= expected).toBe(true);
      }),
    );
  });

  test("is not what a shorter search finds after two fast failovers (KIP-279)", () => {
    const one = historyOf([1, 1, 2, 2]);
    const other = historyOf([1, 1, 1, 3]);
    expect(commonSeq(one, other)).toBe(2);
  });

  test("does not exist for an empty log and one that grew out of a store with data", () => {
    const empty = historyOf([]);
    const grown = { begins: [{ epoch: epoch(0), firstSeq: logSeq(1) }], endSeq: logSeq(1) };
    expect(commonSeq(empty, grown)).toBeUndefined();
    expect(commonSeq(empty, historyOf([1, 1]))).toBe(0);
  });
});

describe("the epochs of a log", () => {
  const history = historyOf([1, 1, 2, 2, 5]);

  test("are known at every place, and at none behind its end", () => {
    const epochs = [0, 1, 2, 3, 4, 5, 6].map((seq) => epochAt(history, logSeq(seq)));
    expect(epochs).toEqual([0, 1, 1, 2, 2, 5, undefined]);
  });

  test("are cut with the log, save the one that covers the place before it", () => {
    expect(beginsThrough(history.begins, logSeq(2)).map(({ epoch: each }) => each)).toEqual([0, 1]);
    expect(beginsThrough(history.begins, logSeq(3)).map(({ epoch: each }) => each)).toEqual([
      0, 1, 2,
    ]);
    expect(beginsThrough([{ epoch: epoch(4), firstSeq: logSeq(9) }], logSeq(3))).toHaveLength(1);
  });

  test("are forgotten when they ended before the log begins, save the last of them", () => {
    expect(beginsFrom(history.begins, logSeq(2)).map(({ epoch: each }) => each)).toEqual([1, 2, 5]);
    expect(beginsFrom(history.begins, logSeq(3)).map(({ epoch: each }) => each)).toEqual([2, 5]);
  });
});
