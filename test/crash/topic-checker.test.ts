// The checker of topics is checked itself: histories in which all is well, and one with each thing that can be wrong.

import { describe, expect, test } from "vitest";
import {
  type Delivered,
  judgeTopics,
  type Published,
  type TargetPromise,
  type TopicEvent,
} from "./topic-checker.js";

const queue: TargetPromise = {
  name: "queue.fifo",
  topic: "news.fifo",
  isOnce: true,
  isInOrder: true,
  confirmedMs: 100,
};
const webhook: TargetPromise = { ...queue, name: "webhook", isOnce: false, isInOrder: false };

const published = (place: number, event: Partial<Published> = {}): Published => ({
  kind: "published",
  topic: "news.fifo",
  key: `a-${place}`,
  bodyHash: `hash of a-${place}`,
  outcome: "ok",
  publisher: "a",
  place,
  startedMs: 100 + place,
  ...event,
});

const came = (place: number, event: Partial<Delivered> = {}): Delivered => ({
  kind: "delivered",
  target: "queue.fifo",
  key: `a-${place}`,
  bodyHash: `hash of a-${place}`,
  copy: `m${place}`,
  ...event,
});

const kindsIn = (events: readonly TopicEvent[], target = queue) =>
  judgeTopics(events, [target]).violations.map(({ kind }) => kind);

describe("nothing is found", () => {
  test.each<[string, TopicEvent[]]>([
    ["published and delivered in order", [published(1), published(2), came(1), came(2)]],
    ["a message received twice from its queue", [published(1), came(1), came(1)]],
    ["an earlier one that comes again", [published(1), published(2), came(1), came(2), came(1)]],
    [
      "one that nobody answered, and came nevertheless",
      [published(1, { outcome: "unknown" }), came(1)],
    ],
    ["one that nobody answered, and never came", [published(1, { outcome: "unknown" })]],
    ["one that was refused", [published(1, { outcome: "refused" })]],
    ["one from before the target was confirmed", [published(1, { startedMs: 99 })]],
    ["one of another topic", [published(1, { topic: "other.fifo" })]],
    [
      "two publishers, in any order",
      [
        published(1),
        published(1, { publisher: "b", key: "b-1", bodyHash: "b" }),
        published(2),
        came(1),
        came(2),
        came(0, { key: "b-1", bodyHash: "b", copy: "m0" }),
      ],
    ],
  ])("in a history with %s", (_, events) => {
    expect(kindsIn(events)).toEqual([]);
  });

  test("where a target is promised less: twice, and in another order", () => {
    const at = { target: "webhook" };
    const events = [published(1), published(2), came(2, at), came(1, at), came(1, at)];
    expect(kindsIn(events, webhook)).toEqual([]);
  });
});

describe("it is found", () => {
  test.each<[string, string, TopicEvent[]]>([
    ["a copy was lost", "lost", [published(1), published(2), came(2)]],
    ["a copy came to another target only", "lost", [published(1), came(1, { target: "other" })]],
    [
      "a FIFO copy was doubled",
      "doubled",
      [published(1), came(1), came(1, { copy: "another message" })],
    ],
    ["the order was swapped", "out of order", [published(1), published(2), came(2), came(1)]],
    ["what was never published came", "invented", [came(1)]],
    ["what was refused came", "invented", [published(1, { outcome: "refused" }), came(1)]],
    [
      "what another topic was told came",
      "invented",
      [published(1, { topic: "other.fifo" }), came(1)],
    ],
    ["a body was altered", "altered", [published(1), came(1, { bodyHash: "another" })]],
    ["somebody was surprised", "surprise", [{ kind: "surprise", what: "INTERNAL" }]],
  ])("that %s", (_, kind, events) => {
    expect(kindsIn(events)).toEqual([kind]);
  });

  test("that a webhook never got a message", () => {
    expect(kindsIn([published(1)], webhook)).toEqual(["lost"]);
  });
});

test("the summary says what came, and what came again", () => {
  const events = [published(1), published(2, { outcome: "unknown" }), came(1), came(1)];
  expect(judgeTopics(events, [queue]).summary).toEqual({
    acknowledged: 1,
    unknown: 1,
    targets: { "queue.fifo": { came: 1, again: 1 } },
  });
});
