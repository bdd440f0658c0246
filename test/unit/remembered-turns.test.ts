// Whose turn it is to have remembered ids swept: those that have much to forget go on, the others cost little.

import { expect, test } from "vitest";
import type { Namespace, QueueName } from "../../src/base/brands.js";
import { RememberedTurns } from "../../src/engine/remembered-turns.js";
import type { RememberedCursor, RememberedSwept } from "../../src/queue/sweep-remembered.js";

const cursor = (name: string): RememberedCursor => ({
  namespace: "default" as Namespace,
  name: name as QueueName,
  table: "dedup",
  after: "",
});

const names = (cursors: readonly RememberedCursor[]): string[] => cursors.map(({ name }) => name);

/** A step over one queue. */
function step(turns: RememberedTurns, lookedAt: number, removed: number): string {
  const [next] = turns.next(1);
  if (next === undefined) throw new Error("No queue has a turn.");
  turns.swept([{ lookedAt, removed, next }]);
  return next.name;
}

const all = (cursors: readonly RememberedCursor[], removed: number): readonly RememberedSwept[] =>
  cursors.map((next) => ({ lookedAt: 10, removed, next }));

test("queues are met once, and go on where they were left", () => {
  const turns = new RememberedTurns();
  turns.meet([cursor("a"), cursor("b")]);
  turns.meet([cursor("b"), cursor("c")]);
  expect(names(turns.next(100))).toEqual(["a", "b", "c"]);
  turns.swept([{ lookedAt: 5, removed: 0, next: { ...cursor("a"), after: "key" } }]);
  turns.meet([cursor("a")]);
  turns.startRound();
  // It was looked at, so the others come first.
  expect(turns.next(100)).toEqual([cursor("b"), cursor("c"), { ...cursor("a"), after: "key" }]);
});

test("a queue that is gone or empty has no turn until it is met again", () => {
  const turns = new RememberedTurns();
  turns.meet([cursor("a"), cursor("b")]);
  turns.swept([{ lookedAt: 0, removed: 0, next: undefined }]);
  turns.startRound();
  expect(names(turns.next(100))).toEqual(["b"]);
  turns.meet([cursor("a")]);
  expect(names(turns.next(100))).toEqual(["b", "a"]);
});

test("a queue goes on in the same round while a third of what was looked at is removed, behind the others", () => {
  const turns = new RememberedTurns();
  turns.meet([cursor("a"), cursor("b")]);
  expect(step(turns, 3_000, 1_000)).toBe("a");
  expect(step(turns, 3_000, 1_000)).toBe("b");
  expect(step(turns, 3_000, 999)).toBe("a");
  expect(step(turns, 3_000, 1_000)).toBe("b");
  expect(names(turns.next(100))).toEqual(["b"]);
  expect(turns.hasMore).toBe(true);
  expect(step(turns, 0, 0)).toBe("b");
  expect(turns.hasMore).toBe(false);
});

test("steps that remove little are four a round, however many queues there are, and the next round begins behind them", () => {
  const turns = new RememberedTurns();
  turns.meet(Array.from({ length: 10 }, (_, at) => cursor(`q${at}`)));
  const round = (): string[] => {
    turns.startRound();
    const served: string[] = [];
    do served.push(step(turns, 2_000, 10));
    while (turns.hasMore);
    return served;
  };
  expect(round()).toEqual(["q0", "q1", "q2", "q3"]);
  expect(round()).toEqual(["q4", "q5", "q6", "q7"]);
  expect(round()).toEqual(["q8", "q9", "q0", "q1"]);
});

test("steps that find nothing to look at are not counted, those that are worth their while are a hundred", () => {
  const turns = new RememberedTurns();
  turns.meet(Array.from({ length: 50 }, (_, at) => cursor(`q${at}`)));
  for (let at = 0; at < 49; at += 1) {
    step(turns, 0, 0);
    expect(turns.hasMore).toBe(true);
  }
  turns.startRound();
  let steps = 0;
  do {
    step(turns, 2_000, 2_000);
    steps += 1;
  } while (turns.hasMore);
  expect(steps).toBe(100);
});

test("many queues in one step are judged one by one, the step as a whole", () => {
  const turns = new RememberedTurns();
  turns.meet([cursor("a"), cursor("b"), cursor("c")]);
  const [a, ...others] = turns.next(100);
  if (a === undefined) throw new Error("No queue has a turn.");
  turns.swept([{ lookedAt: 10, removed: 10, next: a }, ...all(others, 0)]);
  expect(names(turns.next(100))).toEqual(["a"]);
});

test("queues whose step failed come behind the others, from their start", () => {
  const turns = new RememberedTurns();
  turns.meet([cursor("a"), cursor("b"), cursor("c")]);
  turns.failed(2);
  expect(names(turns.next(100))).toEqual(["c"]);
  turns.meet([cursor("a"), cursor("b"), cursor("c")]);
  expect(names(turns.next(100))).toEqual(["c", "a", "b"]);
});
