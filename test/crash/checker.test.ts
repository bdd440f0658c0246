// The checker of the crash tests is checked itself: a history in which all is well, and one with each thing that can be
// wrong in it. A checker that finds nothing would make every crash test pass.

import { describe, expect, test } from "vitest";
import { type FinalCounters, judge } from "./checker.js";
import { arrived, countersWith, deleted, givenBack, overStream, sent } from "./example-events.js";
import type { Event } from "./history.js";

const kindsIn = (events: readonly Event[], end = countersWith()) =>
  judge(events, end).violations.map(({ kind }) => kind);

describe("nothing is found", () => {
  test.each<[string, Event[]]>([
    ["sent, received, deleted", [sent(), arrived(), deleted()]],
    [
      "a send nobody answered that was stored",
      [sent({ outcome: "unknown" }), arrived(), deleted()],
    ],
    [
      "a send nobody answered that was not stored",
      [sent(), sent({ key: "a-2", outcome: "unknown" }), arrived(), deleted()],
    ],
    [
      "received again after its lease",
      [
        sent(),
        arrived(),
        arrived({ receiveCount: 2, startedMs: 1_020, endedMs: 1_021 }),
        deleted({ startedMs: 2_000, endedMs: 2_001 }),
      ],
    ],
    [
      "received again after it was given back",
      [
        sent(),
        arrived(),
        givenBack(),
        arrived({ receiveCount: 2, startedMs: 36, endedMs: 37 }),
        deleted(),
      ],
    ],
    [
      "deleted twice, the second time already gone",
      [sent(), arrived(), deleted(), deleted({ hasRemoved: false })],
    ],
    [
      "received by a call that began before the delete was answered",
      [
        sent(),
        arrived(),
        arrived({ startedMs: 49, endedMs: 60, receiveCount: 2 }),
        givenBack(),
        deleted(),
      ],
    ],
    [
      "late over a stream, after somebody else's delete",
      [sent(), arrived({ ...overStream, startedMs: 5_050, endedMs: 5_050 }), deleted()],
    ],
  ])("%s", (_, events) => {
    expect(judge(events, countersWith()).violations).toEqual([]);
  });
});

describe("what is wrong is found", () => {
  test.each<[string, Event[], string[]]>([
    [
      "an acknowledged send that never came",
      [sent(), sent({ key: "a-2", messageId: "m2" }), arrived()],
      ["lost"],
    ],
    ["a message nobody sent", [arrived()], ["invented"]],
    ["a message whose send was refused", [sent({ outcome: "refused" }), arrived()], ["invented"]],
    ["another body", [sent(), arrived({ bodyHash: "other" })], ["altered"]],
    [
      "another id than was acknowledged",
      [
        sent({ messageId: "m0" }),
        arrived(),
        arrived({ messageId: "m0", key: "b" }),
        sent({ key: "b", messageId: "m0" }),
      ],
      ["altered", "miscounted", "miscounted"],
    ],
    [
      "one send that became two messages",
      [
        sent({ outcome: "unknown", messageId: undefined as never }),
        arrived(),
        arrived({ messageId: "m2" }),
      ],
      ["doubled", "miscounted", "miscounted"],
    ],
    [
      "received after its delete",
      [
        sent(),
        arrived(),
        deleted(),
        arrived({ receiveCount: 2, startedMs: 2_000, endedMs: 2_001 }),
      ],
      ["resurrected"],
    ],
    [
      "come over a stream long after its delete",
      [
        sent(),
        arrived(),
        deleted(),
        arrived({ ...overStream, receiveCount: 2, startedMs: 5_051, endedMs: 5_051 }),
      ],
      ["resurrected"],
    ],
    ["removed twice", [sent(), arrived(), deleted(), deleted()], ["resurrected"]],
    [
      "received again during its lease",
      [sent(), arrived(), arrived({ receiveCount: 2, startedMs: 500, endedMs: 510 })],
      ["lease broken"],
    ],
    [
      "come over a stream during its lease",
      [
        sent(),
        arrived(),
        arrived({ ...overStream, receiveCount: 2, startedMs: 900, endedMs: 900 }),
      ],
      ["lease broken"],
    ],
    [
      "received again with the same count",
      [sent(), arrived(), arrived({ startedMs: 2_000, endedMs: 2_010 })],
      ["receive lost"],
    ],
    [
      "a surprise",
      [sent(), arrived(), { kind: "surprise", atMs: 1, what: "INTERNAL" }],
      ["surprise"],
    ],
  ])("%s", (_, events, kinds) => {
    expect(kindsIn(events)).toEqual(kinds);
  });

  test.each<Partial<FinalCounters>>([
    { storedMessageCount: 1 },
    { visibleMessageCount: 1 },
    { inFlightMessageCount: 1 },
    { delayedMessageCount: 1 },
    { sentCount: 2 },
    { deletedCount: 0 },
    { expiredCount: 1 },
    { purgedCount: 1 },
    { deadLetteredCount: 1 },
    { movedCount: 1 },
    { arrivedCount: 1 },
    { receivedCount: 0 },
  ])("counters with %o", (change) => {
    expect(kindsIn([sent(), arrived(), deleted()], countersWith(change))).toEqual(["miscounted"]);
  });
});

test("the summary counts what happened", () => {
  const events = [
    sent({ attemptCount: 3 }),
    sent({ key: "a-2", outcome: "unknown" }),
    sent({ key: "a-3", outcome: "refused" }),
    arrived(),
    arrived({ messageId: "m2", key: "a-2" }),
    deleted(),
    deleted({ outcome: "unknown", hasRemoved: false }),
  ];
  expect(judge(events, countersWith()).summary).toEqual({
    sent: 3,
    acknowledged: 1,
    unknown: 1,
    refused: 1,
    repeated: 1,
    arrivals: 2,
    deletesAcknowledged: 1,
    storedUnacknowledged: 1,
  });
});
