// What a tail keeps for a slow reader: never more than its bounds, and every message is shown or counted, in its place.

import fc from "fast-check";
import { expect, test } from "vitest";
import { sequence } from "../../src/base/brands.js";
import {
  type SlowPolicy,
  TailBuffer,
  type TailItem,
  TailMemory,
  type TailMessage,
} from "../../src/topic/tail-buffer.js";
import { runs } from "../support/property.js";

const message = (place: number, sizeBytes = 10): TailMessage => ({
  sequence: sequence(place),
  sizeBytes,
});

interface Kept {
  readonly messagesMax?: number;
  readonly bytesMax?: number;
  readonly policy?: SlowPolicy;
  readonly memory?: TailMemory;
}

const buffer = ({
  messagesMax = 3,
  bytesMax = 1_000,
  policy = "drop_oldest",
  memory = new TailMemory(1_000_000),
}: Kept = {}): TailBuffer<TailMessage> => new TailBuffer({ messagesMax, bytesMax, policy }, memory);

/** As text: places, and gaps as `-count@last`. */
function taken(from: TailBuffer<TailMessage>): string[] {
  const items: string[] = [];
  for (;;) {
    const item = from.take();
    if (item === undefined) return items;
    items.push(
      item.kind === "gap" ? `-${item.skipped}@${item.last}` : String(item.message.sequence),
    );
  }
}

test("what finds room is taken in order", () => {
  const kept = buffer();
  for (const place of [1, 2, 3]) expect(kept.offer(message(place))).toBe(true);
  expect(taken(kept)).toEqual(["1", "2", "3"]);
  expect(kept.isEmpty).toBe(true);
});

test("dropping the oldest leaves one gap before what is kept", () => {
  const kept = buffer();
  for (let place = 1; place <= 100; place += 1) kept.offer(message(place));
  expect(kept.count).toBe(3);
  expect(taken(kept)).toEqual(["-97@97", "98", "99", "100"]);
});

test("dropping the newest leaves one gap behind what is kept, told also when nothing follows", () => {
  const kept = buffer({ policy: "drop_newest" });
  for (let place = 1; place <= 100; place += 1) kept.offer(message(place));
  expect(taken(kept)).toEqual(["1", "2", "3", "-97@100"]);
  for (const place of [101, 102, 103, 104]) kept.offer(message(place));
  expect(kept.take()).toMatchObject({ kind: "message" });
  kept.offer(message(105));
  expect(taken(kept)).toEqual(["102", "103", "-1@104", "105"]);
});

test("to end it all changes nothing", () => {
  const kept = buffer({ policy: "disconnect", messagesMax: 2 });
  expect([1, 2, 3].map((place) => kept.offer(message(place)))).toEqual([true, true, false]);
  expect(taken(kept)).toEqual(["1", "2"]);
});

test("bytes bound it as well as messages, and one that never fits is skipped alone", () => {
  const kept = buffer({ messagesMax: 100, bytesMax: 25 });
  kept.offer(message(1));
  kept.offer(message(2));
  kept.offer(message(3, 26));
  kept.offer(message(4));
  expect(kept.bytes).toBe(20);
  expect(taken(kept)).toEqual(["-1@1", "2", "-1@3", "4"]);
});

test("the memory of all tails bounds each, and is given back", () => {
  const memory = new TailMemory(40);
  const one = buffer({ messagesMax: 100, memory });
  const other = buffer({ messagesMax: 100, memory });
  for (const place of [1, 2, 3]) one.offer(message(place));
  for (const place of [1, 2, 3]) other.offer(message(place));
  expect(memory.usedBytes).toBe(40);
  expect(taken(other)).toEqual(["-2@2", "3"]);
  one.clear();
  expect(memory.usedBytes).toBe(0);
});

const policies = ["drop_oldest", "drop_newest"] as const satisfies readonly SlowPolicy[];

test("every message offered is shown once in order, or counted in the gap that stands in its place", () => {
  const step = fc.oneof(
    fc.record({ kind: fc.constant("offer" as const), sizeBytes: fc.integer({ min: 1, max: 60 }) }),
    fc.record({ kind: fc.constant("take" as const), count: fc.integer({ min: 1, max: 8 }) }),
  );
  const property = fc.property(
    fc.constantFrom(...policies),
    fc.integer({ min: 1, max: 6 }),
    fc.integer({ min: 20, max: 200 }),
    fc.integer({ min: 20, max: 300 }),
    fc.array(step, { maxLength: 200 }),
    (policy, messagesMax, bytesMax, memoryBytesMax, steps) => {
      const memory = new TailMemory(memoryBytesMax);
      const kept = buffer({ policy, messagesMax, bytesMax, memory });
      let offered = 0;
      /** Everything up to here was shown or counted. */
      let told = 0;
      const tell = (item: TailItem<TailMessage>): void => {
        if (item.kind === "gap") {
          told += item.skipped;
          // The gap ends where it says, so it begins right behind what was told before.
          expect(item.last).toBe(told);
        } else {
          told += 1;
          expect(item.message.sequence).toBe(told);
        }
      };
      for (const each of steps) {
        if (each.kind === "offer") {
          offered += 1;
          kept.offer(message(offered, each.sizeBytes));
          expect(kept.count).toBeLessThanOrEqual(messagesMax);
          expect(kept.bytes).toBeLessThanOrEqual(bytesMax);
          expect(memory.usedBytes).toBe(kept.bytes);
          expect(memory.usedBytes).toBeLessThanOrEqual(memoryBytesMax);
          continue;
        }
        for (let left = each.count; left > 0; left -= 1) {
          const item = kept.take();
          if (item !== undefined) tell(item);
        }
      }
      for (let item = kept.take(); item !== undefined; item = kept.take()) tell(item);
      expect(told).toBe(offered);
      expect(memory.usedBytes).toBe(0);
    },
  );
  fc.assert(property, runs(500));
});
