// Keys sort as what they stand for, both as the strings of the overlay and as the bytes that LMDB compares, so that a range of
// keys is a range of whatever they mean.

import fc from "fast-check";
import { expect, test } from "vitest";
import type { EpochMs, QueueNumber, Sequence } from "../../src/base/brands.js";
import type { GroupStanding, Place } from "../../src/queue/model.js";
import {
  attemptKey,
  chunkKey,
  countersKey,
  deadLetterSourceKey,
  dedupKey,
  deliveryKey,
  dueKey,
  endOfPrefix,
  groupKey,
  lateKey,
  lineKey,
  linePrefixLength,
  memberKey,
  membersPrefix,
  messageKey,
  moveOrderKey,
  moveTaskKey,
  moveTasksFrom,
  ownExpiryKey,
  queueKey,
  requestDueKey,
  returnedKey,
  scheduleDueKey,
  scheduledKey,
  segmentPrefix,
  segmentPrefixLength,
  tableLetters,
  u16Text,
  u64At,
  u64Text,
} from "../../src/store/keys.js";
import { runs } from "../support/property.js";
import {
  groupName,
  id16,
  instant,
  name,
  place,
  standingPlace,
  u64,
} from "../support/stored-rows.js";

const prefix = segmentPrefix(7, 1_234_567);

test("a number reads back from its eight characters, up to 2^53 - 1", () => {
  fc.assert(
    fc.property(u64, fc.string(), (value, before) => {
      expect(u64At(before + u64Text(value), before.length)).toBe(value);
      expect(u64Text(value)).toHaveLength(8);
    }),
    runs(2_000),
  );
});

/** Two keys compare as what they stand for, both as strings and as the bytes LMDB sees. */
function expectSameOrder(left: string, right: string, order: number): void {
  expect(Math.sign(left < right ? -1 : left > right ? 1 : 0)).toBe(Math.sign(order));
  expect(Math.sign(Buffer.compare(Buffer.from(left, "latin1"), Buffer.from(right, "latin1")))).toBe(
    Math.sign(order),
  );
}

const compareNumbers = (left: readonly number[], right: readonly number[]): number => {
  for (const [at, value] of left.entries()) {
    const other = right[at] ?? 0;
    if (value !== other) return value < other ? -1 : 1;
  }
  return 0;
};

test("keys of numbers sort as the numbers", () => {
  const parts = fc.tuple(fc.nat({ max: 0x3fff }), u64, u64, u64);
  fc.assert(
    fc.property(parts, parts, ([slotA, segmentA, a, aa], [slotB, segmentB, b, bb]) => {
      const same = segmentPrefix(slotA, segmentA);
      expectSameOrder(
        messageKey(same, a as Sequence),
        messageKey(same, b as Sequence),
        compareNumbers([a], [b]),
      );
      expectSameOrder(
        dueKey(same, a as EpochMs, aa as Sequence),
        dueKey(same, b as EpochMs, bb as Sequence),
        compareNumbers([a, aa], [b, bb]),
      );
      for (const keyOf of [ownExpiryKey, lateKey]) {
        expectSameOrder(
          keyOf(same, a as EpochMs, aa as Sequence),
          keyOf(same, b as EpochMs, bb as Sequence),
          compareNumbers([a, aa], [b, bb]),
        );
      }
      expectSameOrder(
        deliveryKey(same, a as Sequence),
        deliveryKey(same, b as Sequence),
        compareNumbers([a], [b]),
      );
      expectSameOrder(
        segmentPrefix(slotA, segmentA),
        segmentPrefix(slotB, segmentB),
        compareNumbers([slotA, segmentA], [slotB, segmentB]),
      );
      for (const keyOf of [moveTaskKey, moveOrderKey]) {
        expectSameOrder(
          keyOf({ source: a as QueueNumber, number: aa }),
          keyOf({ source: b as QueueNumber, number: bb }),
          compareNumbers([a, aa], [b, bb]),
        );
      }
      expectSameOrder(
        moveTasksFrom(a as QueueNumber),
        moveTaskKey({ source: b as QueueNumber, number: bb }),
        a <= b ? -1 : 1,
      );
      expectSameOrder(
        scheduleDueKey(a as EpochMs, "names"),
        scheduleDueKey(b as EpochMs, "names"),
        compareNumbers([a], [b]),
      );
      expectSameOrder(
        requestDueKey(a as EpochMs, "hash"),
        requestDueKey(b as EpochMs, "hash"),
        compareNumbers([a], [b]),
      );
      expectSameOrder(u16Text(slotA), u16Text(slotB), slotA - slotB);
    }),
    runs(2_000),
  );
});

const standing = fc.record({ place: standingPlace, sequence: place });

test("visible messages sort by place, then by sequence, with and without a group", () => {
  fc.assert(
    fc.property(groupName, standing, standing, (id, left, right) => {
      const order = compareNumbers(
        [left.place.at, left.place.order, left.sequence],
        [right.place.at, right.place.order, right.sequence],
      );
      expectSameOrder(
        returnedKey(prefix, left.place, left.sequence),
        returnedKey(prefix, right.place, right.sequence),
        order,
      );
      expectSameOrder(
        memberKey(prefix, id, left.place, left.sequence),
        memberKey(prefix, id, right.place, right.sequence),
        order,
      );
    }),
    runs(2_000),
  );
});

test("the members of a group stand together, whatever the names of others begin with", () => {
  fc.assert(
    fc.property(groupName, groupName, fc.boolean(), standing, (a, other, isLonger, member) => {
      const b = isLonger ? (a + other).slice(0, 128) : other;
      const all = membersPrefix(prefix, a);
      const key = memberKey(prefix, b, member.place, member.sequence);
      expect(key >= all && key < endOfPrefix(all)).toBe(a === b);
    }),
    runs(2_000),
  );
});

/** What a line is sorted by: those that are ready by their turns, noisy ones by what they hold. */
const turnOf = (at: GroupStanding): readonly number[] =>
  at.kind === "ready"
    ? [at.place.at, at.place.order]
    : at.kind === "noisy"
      ? [at.inFlight, at.at]
      : [];

test("groups in line sort by their turns and are found by the line they stand in; an idle one stands in none", () => {
  const ready = (at: Place): GroupStanding => ({ kind: "ready", place: at });
  const noisy = (inFlight: number, at: EpochMs): GroupStanding => ({ kind: "noisy", inFlight, at });
  const inLine = fc.oneof(
    standingPlace.map(ready),
    fc.tuple(u64, instant).map(([inFlight, at]) => noisy(inFlight, at)),
  );
  fc.assert(
    fc.property(groupName, inLine, groupName, inLine, (a, left, b, right) => {
      const keys = [lineKey(prefix, a, left) ?? "", lineKey(prefix, b, right) ?? ""] as const;
      expect(keys.map((key) => key.slice(linePrefixLength))).toEqual([a, b]);
      const limited = lineKey(prefix, a, { kind: "limited" }) ?? "";
      expect(limited.slice(linePrefixLength)).toBe(a);
      for (const key of keys) expectSameOrder(key, limited, -1);
      expect(lineKey(prefix, a, { kind: "idle" })).toBeUndefined();
      if (left.kind !== right.kind) {
        expectSameOrder(...keys, left.kind === "ready" ? -1 : 1);
      } else {
        const order = compareNumbers(turnOf(left), turnOf(right));
        expectSameOrder(...keys, order === 0 ? Buffer.compare(latin1(a), latin1(b)) : order);
      }
    }),
    runs(2_000),
  );
});

const latin1 = (text: string): Buffer => Buffer.from(text, "latin1");

test("scheduled messages sort by their times, those of one time by their ids", () => {
  fc.assert(
    fc.property(instant, instant, id16, id16, (a, b, idA, idB) => {
      for (const other of [a, b]) {
        const order = compareNumbers([a], [other]);
        expectSameOrder(
          scheduledKey(prefix, a, idA),
          scheduledKey(prefix, other, idB),
          order === 0 ? Buffer.compare(idA, idB) : order,
        );
      }
    }),
    runs(2_000),
  );
});

test("the sources of a dead-letter queue stand together, in the order of their names", () => {
  const address = fc.tuple(name, name, name);
  fc.assert(
    fc.property(address, address, ([spaceA, a, sourceA], [spaceB, b, sourceB]) => {
      expectSameOrder(
        deadLetterSourceKey(spaceA, a, sourceA),
        deadLetterSourceKey(spaceA, a, sourceB),
        Buffer.compare(latin1(sourceA), latin1(sourceB)),
      );
      const all = deadLetterSourceKey(spaceA, a, "");
      const other = deadLetterSourceKey(spaceB, b, sourceB);
      expect(other >= all && other < endOfPrefix(all)).toBe(spaceA === spaceB && a === b);
    }),
    runs(2_000),
  );
});

test("every row of a segment stands in its table, and no two tables meet", () => {
  expect(new Set(Object.values(tableLetters)).size).toBe(Object.values(tableLetters).length);
  fc.assert(
    fc.property(groupName, standing, id16, (id, { place: at, sequence }, hash) => {
      const bytes = hash.toString("latin1");
      const keys = {
        message: messageKey(prefix, sequence),
        delivery: deliveryKey(prefix, sequence),
        due: dueKey(prefix, at.at, sequence),
        returned: returnedKey(prefix, at, sequence),
        member: memberKey(prefix, id, at, sequence),
        group: groupKey(prefix, id),
        line: lineKey(prefix, id, { kind: "ready", place: at }) ?? "",
        ownExpiry: ownExpiryKey(prefix, at.at, sequence),
        late: lateKey(prefix, at.at, sequence),
        dedup: dedupKey(prefix, bytes),
        attempt: attemptKey(prefix, bytes),
        scheduled: scheduledKey(prefix, at.at, hash),
        counters: countersKey(prefix),
        chunk: chunkKey(messageKey(prefix, sequence), 1),
      } satisfies Record<keyof typeof tableLetters, string>;
      for (const [table, key] of Object.entries(keys)) {
        expect(key.startsWith(prefix)).toBe(true);
        expect(key[segmentPrefixLength]).toBe(tableLetters[table as keyof typeof tableLetters]);
      }
    }),
    runs(300),
  );
});

test("queues sort by namespace, then by name, and all of a namespace stand together", () => {
  fc.assert(
    fc.property(fc.tuple(name, name), fc.tuple(name, name), ([spaceA, a], [spaceB, b]) => {
      const order = spaceA === spaceB ? (a < b ? -1 : a > b ? 1 : 0) : spaceA < spaceB ? -1 : 1;
      expectSameOrder(queueKey(spaceA, a), queueKey(spaceB, b), order);
      const isInside =
        queueKey(spaceB, b) >= queueKey(spaceA, "") &&
        queueKey(spaceB, b) < endOfPrefix(queueKey(spaceA, ""));
      expect(isInside).toBe(spaceA === spaceB);
    }),
    runs(2_000),
  );
});

test("the chunks of a row stay in its segment, in order, and meet no other key", () => {
  fc.assert(
    fc.property(place, place, fc.integer({ min: 1, max: 65_534 }), (a, b, index) => {
      const key = messageKey(prefix, a);
      expect(chunkKey(key, index).startsWith(prefix)).toBe(true);
      expectSameOrder(chunkKey(key, index), chunkKey(key, index + 1), -1);
      expectSameOrder(
        chunkKey(key, index),
        chunkKey(messageKey(prefix, b), index),
        compareNumbers([a], [b]),
      );
      const wholeStore = queueKey("default", "orders");
      expect(chunkKey(wholeStore, index).startsWith("\xff")).toBe(true);
      expect(chunkKey(wholeStore, index)).not.toBe(chunkKey(queueKey("default", "orders2"), index));
    }),
    runs(1_000),
  );
});
