// The judge of visibility windows is judged: windows that touch, windows that overlap, and what excuses an overlap.

import { describe, expect, test } from "vitest";
import { arrived, deleted, givenBack, overStream } from "../../crash/example-events.js";
import type { Arrived, Event } from "../../crash/history.js";
import { judgeWindows } from "./windows.js";

/** A receive at an instant of the group's time, for a second. */
const received = (atMs: number, receiveCount: number, change: Partial<Arrived> = {}): Arrived =>
  arrived({ receiveCount, leasedUntilMs: atMs + 1_000, ...change });

const kindsIn = (events: readonly Event[]) => judgeWindows(events).map(({ kind }) => kind);

const long = { startedMs: 0, endedMs: 10 };
const later = { startedMs: 500, endedMs: 510 };

describe("nothing is found", () => {
  test.each<[string, Event[]]>([
    ["a window that begins where the one before ended", [received(0, 1), received(1_000, 2)]],
    ["times rounded to a millisecond", [received(0, 1), received(999, 2)]],
    ["windows of two messages", [received(0, 1), received(500, 1, { messageId: "m2" })]],
    ["one receive told twice", [received(0, 1), received(0, 1)]],
    [
      "a message that was given back meanwhile",
      [received(0, 1, long), givenBack({ startedMs: 100, endedMs: 110 }), received(500, 2, later)],
    ],
    [
      "a message whose delete nobody knows the end of",
      [
        received(0, 1, long),
        deleted({ startedMs: 400, endedMs: 4_400, outcome: "unknown" }),
        received(500, 2, later),
      ],
    ],
    ["what came over a stream", [received(0, 1), received(500, 2, overStream)]],
    ["an event without the server's time", [received(0, 1), arrived({ receiveCount: 2 })]],
    ["later receives that are told of first", [received(1_000, 2), received(0, 1)]],
  ])("%s", (_, events) => {
    expect(judgeWindows(events)).toEqual([]);
  });
});

describe("what is wrong is found", () => {
  test.each<[string, Event[], string[]]>([
    [
      "a second holder in the window of the first",
      [received(0, 1, long), received(998, 2, later)],
      ["window shared"],
    ],
    [
      "also when the client was told so late that it could not have known",
      [received(0, 1, { startedMs: 0, endedMs: 5_000 }), received(500, 2, later)],
      ["window shared"],
    ],
    [
      "a message that was given back only afterwards",
      [received(0, 1, long), received(500, 2, later), givenBack({ startedMs: 511, endedMs: 512 })],
      ["window shared"],
    ],
    [
      "a message that was given back before",
      [givenBack({ startedMs: -20, endedMs: -10 }), received(0, 1, long), received(500, 2, later)],
      ["window shared"],
    ],
    [
      "a leader whose time lags behind the one before it",
      [received(5_000, 1, long), received(4_000, 2, later)],
      ["time went back"],
    ],
    [
      "the second and the third of three",
      [received(0, 1, long), received(1_000, 2, later), received(1_500, 3, later)],
      ["window shared"],
    ],
  ])("%s", (_, events, kinds) => {
    expect(kindsIn(events)).toEqual(kinds);
  });
});
