// The checker of the order of FIFO queues is checked itself: histories in which all is well, and one with each thing that can
// be wrong.

import { describe, expect, test } from "vitest";
import { arrived, deleted, givenBack, overStream, sent } from "./example-events.js";
import type { Arrived, Event, Sent } from "./history.js";
import { judgeOrder } from "./order-checker.js";

/** The message at a place of the group, by the client at the same place of its own sends. */
const sentAt = (sequence: number, event: Partial<Sent> = {}): Sent =>
  sent({
    key: `a-${sequence}`,
    messageId: `m${sequence}`,
    startedMs: sequence * 10,
    endedMs: sequence * 10 + 5,
    order: { group: "g", client: "a", place: sequence, sequence },
    ...event,
  });
const arrivedAt = (sequence: number, event: Partial<Arrived> = {}): Arrived =>
  arrived({
    key: `a-${sequence}`,
    messageId: `m${sequence}`,
    handle: `h${sequence}`,
    startedMs: 100,
    endedMs: 110,
    order: { group: "g", sequence },
    ...event,
  });

const kindsIn = (events: readonly Event[]) => judgeOrder(events).map(({ kind }) => kind);

describe("nothing is found", () => {
  test.each<[string, Event[]]>([
    ["sent and received in order", [sentAt(1), sentAt(2), arrivedAt(1), arrivedAt(2)]],
    [
      "two clients at the same time, in either order",
      [
        sentAt(2, { startedMs: 0, endedMs: 9 }),
        sentAt(1, {
          startedMs: 1,
          endedMs: 8,
          order: { group: "g", client: "b", place: 7, sequence: 1 },
        }),
      ],
    ],
    [
      "a send nobody answered, whose place nobody knows",
      [sentAt(2), sentAt(3, { outcome: "unknown", order: { group: "g", client: "a", place: 1 } })],
    ],
    [
      "another group, in another order",
      [
        sentAt(2),
        sentAt(1, {
          startedMs: 90,
          endedMs: 91,
          order: { group: "h", client: "a", place: 9, sequence: 1 },
        }),
      ],
    ],
    [
      "the first again after one behind it, once its lease had ended",
      [
        arrivedAt(1),
        arrivedAt(2),
        arrivedAt(1, { queueReceiveCount: 2, startedMs: 1_200, endedMs: 1_201 }),
      ],
    ],
    [
      "the next after the first was deleted",
      [
        arrivedAt(1),
        deleted({ messageId: "m1", handle: "h1", startedMs: 120, endedMs: 130 }),
        arrivedAt(2, { startedMs: 121, endedMs: 135 }),
      ],
    ],
    [
      "the next after the first was given back, and both received together",
      [
        arrivedAt(1),
        givenBack({ messageId: "m1", startedMs: 120, endedMs: 130 }),
        arrivedAt(1, { queueReceiveCount: 2, handle: "h1b", startedMs: 140, endedMs: 150 }),
        arrivedAt(2, { startedMs: 140, endedMs: 150 }),
      ],
    ],
    [
      "the next by a call that had begun before the first came",
      [arrivedAt(1), arrivedAt(2, { startedMs: 90, endedMs: 500 })],
    ],
    [
      "one before it, while a later one is held",
      [arrivedAt(2), arrivedAt(1, { queueReceiveCount: 2, startedMs: 200, endedMs: 210 })],
    ],
    [
      "late over a stream",
      [
        arrivedAt(2, { startedMs: 100, endedMs: 110 }),
        arrivedAt(1, { ...overStream, startedMs: 5_100, endedMs: 5_100 }),
      ],
    ],
  ])("%s", (_, events) => {
    expect(judgeOrder(events)).toEqual([]);
  });
});

describe("what is wrong is found", () => {
  test.each<[string, Event[], string[]]>([
    [
      "two messages of one client the other way round",
      [
        sentAt(1, {
          startedMs: 0,
          endedMs: 9,
          order: { group: "g", client: "a", place: 2, sequence: 1 },
        }),
        sentAt(2, {
          startedMs: 0,
          endedMs: 9,
          order: { group: "g", client: "a", place: 1, sequence: 2 },
        }),
      ],
      ["out of order"],
    ],
    [
      "a message before one that was acknowledged before it was sent",
      [
        sentAt(2, { startedMs: 0, endedMs: 9 }),
        sentAt(1, {
          startedMs: 10,
          endedMs: 11,
          order: { group: "g", client: "b", place: 1, sequence: 1 },
        }),
      ],
      ["out of order"],
    ],
    [
      "a message for the first time after one behind it",
      [arrivedAt(2), arrivedAt(1, { startedMs: 111, endedMs: 120 })],
      ["out of order"],
    ],
    [
      "over a stream, long after one behind it",
      [arrivedAt(2), arrivedAt(1, { ...overStream, startedMs: 5_111, endedMs: 5_111 })],
      ["out of order"],
    ],
    [
      "the next one while the first was leased",
      [arrivedAt(1), arrivedAt(2, { startedMs: 111, endedMs: 900 })],
      ["group shared"],
    ],
    [
      "the next one before the first, held by a stream, was deleted",
      [
        arrivedAt(1, { ...overStream, startedMs: 110, endedMs: 110 }),
        arrivedAt(2, { startedMs: 3_000, endedMs: 3_010 }),
        deleted({ messageId: "m1", handle: "h1", startedMs: 3_011, endedMs: 3_020 }),
      ],
      ["group shared"],
    ],
    [
      "the next one after the time of a lease that a delete proves to have gone on",
      [
        arrivedAt(1),
        arrivedAt(2, { startedMs: 3_000, endedMs: 3_010 }),
        deleted({ messageId: "m1", handle: "h1", startedMs: 3_011, endedMs: 3_020 }),
      ],
      ["group shared"],
    ],
  ])("%s", (_, events, kinds) => {
    expect(kindsIn(events)).toEqual(kinds);
  });
});
