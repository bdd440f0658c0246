// The checker of a queue and its dead letters is checked itself: histories in which all is well, and one with each thing that
// can be wrong.

import { describe, expect, test } from "vitest";
import type { FinalCounters } from "./checker.js";
import { judgeDeadLetters } from "./dead-letter-checker.js";
import { arrived, countersWith, deleted, givenBack, overStream, sent } from "./example-events.js";
import type { Arrived, Event, TaskEnded } from "./history.js";

const receiveCountMax = 2;
const task = (event: Partial<TaskEnded> = {}): TaskEnded => ({
  kind: "task",
  atMs: 5_000,
  status: "COMPLETED",
  movedCount: 1,
  hasResumed: false,
  ...event,
});
/** Received among the dead letters, after the leases before had ended. */
const dead = (event: Partial<Arrived> = {}): Arrived =>
  arrived({ queue: "dead", receiveCount: 2, startedMs: 2_000, endedMs: 2_010, ...event });
/** Received in its own queue again, as the message that a move made of it. */
const moved = (event: Partial<Arrived> = {}): Arrived =>
  arrived({
    messageId: "m2",
    originalMessageId: "m1",
    receiveCount: 3,
    startedMs: 4_000,
    endedMs: 4_010,
    ...event,
  });
const late = { startedMs: 6_000, endedMs: 6_010 } as const;

interface Numbers {
  readonly source?: Partial<FinalCounters>;
  readonly dead?: Partial<FinalCounters>;
}

const judged = (events: readonly Event[], { source = {}, dead: letters = {} }: Numbers = {}) =>
  judgeDeadLetters(events, {
    source: "q",
    receiveCountMax,
    sourceCounters: countersWith(source),
    deadLetterCounters: countersWith({ sentCount: 0, deletedCount: 0, ...letters }),
  }).violations;
const kindsIn = (events: readonly Event[], numbers?: Numbers) =>
  judged(events, numbers).map(({ kind }) => kind);

/** One message that died and was deleted there. */
const diedOnce: Numbers = {
  source: { deletedCount: 0, deadLetteredCount: 1 },
  dead: { arrivedCount: 1, deletedCount: 1 },
};
/** One message that died, was moved back, and was deleted in its own queue. */
const movedOnce: Numbers = {
  source: { deadLetteredCount: 1, arrivedCount: 1 },
  dead: { arrivedCount: 1, movedCount: 1 },
};

describe("nothing is found", () => {
  test.each<[string, Event[], Numbers]>([
    ["sent, received, deleted", [sent(), arrived(), deleted()], {}],
    ["dead, and deleted there", [sent(), arrived(), dead(), deleted(late)], diedOnce],
    [
      "dead, moved back and deleted",
      [sent(), arrived(), dead(), moved(), task(), deleted({ ...late, messageId: "m2" })],
      movedOnce,
    ],
    [
      "a delete whose answer was lost",
      [sent(), arrived(), deleted({ outcome: "unknown", hasRemoved: false })],
      {},
    ],
    [
      "gone when it was asked for again",
      [sent(), arrived(), deleted({ hasRemoved: false, attemptCount: 2 })],
      {},
    ],
    [
      "late over a stream after it had come among the dead letters",
      [
        sent(),
        dead(),
        arrived({ ...overStream, startedMs: 6_000, endedMs: 6_000 }),
        deleted({ startedMs: 6_010, endedMs: 6_020 }),
      ],
      diedOnce,
    ],
    [
      "a cancelled move",
      [sent(), arrived(), deleted(), task({ status: "CANCELLED", movedCount: 0 })],
      {},
    ],
  ])("%s", (_, events, numbers) => {
    expect(judged(events, numbers)).toEqual([]);
  });
});

describe("what is wrong is found", () => {
  test.each<[string, Event[], string[], Numbers?]>([
    [
      "an acknowledged send that never came",
      [sent(), sent({ key: "a-2", messageId: "m9" }), arrived(), deleted()],
      ["lost"],
    ],
    ["a message that is gone though nobody deleted it", [sent(), arrived()], ["lost"]],
    [
      "a message that is gone, of which one delete was told at once that it was gone before",
      [sent(), arrived(), deleted({ hasRemoved: false, attemptCount: 1 })],
      ["lost"],
    ],
    ["a message nobody sent", [arrived(), deleted()], ["invented"]],
    [
      "a message whose send was refused",
      [sent({ outcome: "refused" }), arrived(), deleted()],
      ["invented"],
    ],
    ["another body", [sent(), arrived({ bodyHash: "other" }), deleted()], ["altered"]],
    [
      "another id than was acknowledged",
      [sent({ messageId: "m0" }), arrived(), deleted()],
      ["altered"],
    ],
    [
      "one send that became two messages",
      [sent(), arrived(), arrived({ messageId: "m2" }), deleted()],
      ["doubled"],
    ],
    [
      "a dead letter that was moved twice",
      [
        sent(),
        dead(),
        moved(),
        moved({ messageId: "m3" }),
        task(),
        deleted({ ...late, messageId: "m2" }),
      ],
      ["doubled"],
      movedOnce,
    ],
    [
      "deleted among the dead letters and in its own queue",
      [
        sent(),
        dead(),
        moved(),
        task(),
        deleted({ startedMs: 4_020, endedMs: 4_030 }),
        deleted(late),
      ],
      ["doubled"],
      movedOnce,
    ],
    [
      "received after its delete",
      [sent(), arrived(), deleted(), arrived({ receiveCount: 2, ...late })],
      ["resurrected"],
    ],
    [
      "back in its queue without being moved",
      [
        sent(),
        dead(),
        arrived({ receiveCount: 3, startedMs: 3_500, endedMs: 3_510 }),
        deleted(late),
      ],
      ["resurrected"],
      diedOnce,
    ],
    [
      "among the dead letters while it was leased in its queue",
      [sent(), arrived(), dead({ startedMs: 500, endedMs: 510 }), deleted(late)],
      ["lease broken"],
      diedOnce,
    ],
    [
      "a receive that the dead letters know nothing of",
      [sent(), arrived({ receiveCount: 2 }), givenBack(), dead(), deleted(late)],
      ["receive lost"],
      diedOnce,
    ],
    [
      "more often than the policy allows",
      [sent(), arrived({ queueReceiveCount: 3 }), deleted()],
      ["delivered too often"],
    ],
    [
      "a move that failed",
      [sent(), arrived(), deleted(), task({ status: "FAILED", movedCount: 0 })],
      ["move failed"],
    ],
    [
      "a surprise",
      [sent(), arrived(), deleted(), { kind: "surprise", atMs: 1, what: "INTERNAL" }],
      ["surprise"],
    ],
    [
      "more moved than the tasks say",
      [
        sent(),
        arrived(),
        dead(),
        moved(),
        task({ movedCount: 0 }),
        deleted({ ...late, messageId: "m2" }),
      ],
      ["miscounted", "miscounted", "miscounted", "miscounted"],
      movedOnce,
    ],
  ])("%s", (_, events, kinds, numbers) => {
    expect(kindsIn(events, numbers)).toEqual(kinds);
  });

  test.each<Numbers>([
    { source: { storedMessageCount: 1 } },
    { source: { sentCount: 2 } },
    { source: { expiredCount: 1 } },
    { source: { purgedCount: 1 } },
    { source: { arrivedCount: 1 } },
    { source: { movedCount: 1 } },
    { dead: { storedMessageCount: 1 } },
    { dead: { sentCount: 1 } },
    { dead: { deletedCount: 1 } },
    { dead: { movedCount: 1 } },
    { dead: { arrivedCount: 1 } },
    { source: { receivedCount: 0 }, dead: { receivedCount: 0 } },
  ])("counters with %o", (numbers) => {
    expect(kindsIn([sent(), arrived(), deleted()], numbers)).toEqual(["miscounted"]);
  });

  test("a message that died and is counted as deleted", () => {
    const events = [sent(), arrived(), dead(), deleted(late)];
    const numbers = { ...diedOnce, source: { deletedCount: 1, deadLetteredCount: 1 } };
    expect(kindsIn(events, numbers)).toEqual(["miscounted"]);
  });
});
