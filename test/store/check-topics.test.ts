// The check of topics: see `check.test.ts`.

import { expect, test } from "vitest";
import type { EpochMs, Namespace, Sequence, TopicName } from "../../src/base/brands.js";
import type { Stamp } from "../../src/queue/stamp.js";
import { segmentPrefix } from "../../src/store/keys.js";
import { tables } from "../../src/store/tables.js";
import {
  catchingUpKey,
  deliveriesKey,
  endedTopicKey,
  endpointKey,
  namespaceSubscriptionKey,
  ownPlaceKey,
  publishedKey,
  publishedTimeKey,
  subscriptionIdKey,
  subscriptionKey,
  topicCountersKey,
  topicCountKey,
  topicKey,
  topicMessageKey,
} from "../../src/store/topic-keys.js";
import { decideCreateTopic } from "../../src/topic/create-topic.js";
import type { Subscription, Topic, TopicCounters } from "../../src/topic/model.js";
import { decidePublish, type PublishEntry } from "../../src/topic/publish.js";
import type { TopicDecided } from "../../src/topic/rejections.js";
import { decideSubscribe } from "../../src/topic/subscribe.js";
import type { StateTransaction } from "../../src/topic/view.js";
import { addressOf } from "../support/engine-entries.js";
import type { EngineHarness } from "../support/engine-harness.js";
import { expectLines, type PlantedCase, PlantedStore } from "../support/planted-store.js";

const address = {
  namespace: "default" as Namespace,
  name: "news.fifo" as TopicName,
  given: "news.fifo",
};

const entryOf = (text: string): PublishEntry => ({
  isText: true,
  isStructured: false,
  body: Buffer.from(text),
  contentType: "",
  subject: undefined,
  attributes: [],
  groupId: "g",
  dedupId: text,
  sizeBytes: text.length,
  senderId: "somebody",
  traceParent: undefined,
  delayMs: undefined,
  timeToLiveMs: undefined,
  fieldPrefix: "",
});

async function decided(
  { engine }: EngineHarness,
  decide: (transaction: StateTransaction, stamp: Stamp) => TopicDecided<unknown>,
): Promise<void> {
  const command = { name: "Test", bytes: 0, isGrowing: true, decide };
  expect((await engine.execute(command)).kind).toBe("accepted");
}

/** A topic with two messages that wait for a subscription which is paused. */
async function topicStore(): Promise<PlantedStore> {
  return await PlantedStore.of("orders.fifo", async (harness) => {
    await harness.createQueue("orders.fifo");
    await harness.createQueue("other.fifo");
    await decided(harness, (transaction, stamp) =>
      decideCreateTopic(
        transaction,
        { address, isFifo: true, settings: {}, tags: new Map(), owner: "somebody" },
        stamp,
      ),
    );
    for (const [queue, isPaused] of [
      ["orders.fifo", true],
      ["other.fifo", false],
    ] as const) {
      const settings = { isPaused };
      await decided(harness, (transaction, stamp) =>
        decideSubscribe(
          transaction,
          { address, queue: addressOf(queue), settings, owner: "somebody" },
          stamp,
        ),
      );
    }
    const entries = [entryOf("one"), entryOf("two")];
    await decided(harness, (transaction, stamp) =>
      decidePublish(transaction, { address, entries, isWhole: true, isCounted: false }, stamp),
    );
  });
}

const topicOf = (planted: PlantedStore): Topic =>
  planted.row(tables.topic, topicKey("default", "news.fifo"));

function prefixOf(planted: PlantedStore): string {
  const { slot, segment } = topicOf(planted);
  return segmentPrefix(slot, segment);
}

/** The one that is paused was made first. */
function pausedOne(planted: PlantedStore): Subscription {
  const prefix = prefixOf(planted);
  const [key = ""] = planted.store.keys(`${prefix}S`, `${prefix}T`, 1);
  return planted.row(tables.subscription, key);
}

async function changeCounters(
  planted: PlantedStore,
  change: Partial<TopicCounters>,
): Promise<void> {
  const key = topicCountersKey(prefixOf(planted));
  await planted.put(tables.topicCounters, key, {
    ...planted.row(tables.topicCounters, key),
    ...change,
  });
}

test("a topic with messages that wait contradicts nothing, and is counted", async () => {
  const planted = await topicStore();
  expect(await planted.lines()).toEqual([]);
});

const first = 1 as Sequence;
const topicName = "topic default/news\\.fifo";

const cases: readonly PlantedCase[] = [
  [
    "a topic without its numbers",
    async (planted) => await planted.remove(topicCountersKey(prefixOf(planted))),
    [/^topic default\/news\.fifo: It has no counters\.$/],
  ],
  [
    "a topic that its namespace does not count",
    async (planted) =>
      await planted.put(tables.topicCount, topicCountKey("default"), {
        standard: 0,
        fifo: 0,
        filters: 0,
        pending: 0,
      }),
    [/^namespace default: It is said to have 0 topics and has 1\.$/],
  ],
  [
    "a topic that is gone while its segment is there",
    async (planted) => await planted.remove(topicKey("default", "news.fifo")),
    [
      /^segment \d+ in slot \d+: It belongs to no queue, topic or cache/,
      /is said to have 1 topics/,
    ],
  ],
  [
    "a message that is gone",
    async (planted) => await planted.remove(topicMessageKey(prefixOf(planted), first)),
    [new RegExp(`^${topicName}: Its numbers say 2 messages kept, and there are 1\\.$`)],
  ],
  [
    "a lane beyond the last message",
    async (planted) => {
      const place = 9 as Sequence;
      await changeCounters(planted, { lane: { from: place, to: place, after: Buffer.alloc(0) } });
    },
    [new RegExp(`^${topicName}: Its lane is from 9 to 9, with messages from 1 to 3\\.$`)],
  ],
  [
    "subscriptions that are not counted",
    async (planted) => await changeCounters(planted, { confirmed: 5 }),
    [new RegExp(`^${topicName}: Its numbers say 5 subscriptions, and there are 2\\.$`)],
  ],
  [
    "a subscription that is not found by its id",
    async (planted) => await planted.remove(subscriptionIdKey(pausedOne(planted).id)),
    [
      /subscription \S+: It is not found by its id\.$/,
      /^subscription \S+: It is listed and is not found by its id\.$/,
    ],
  ],
  [
    "a subscription that is not listed",
    async (planted) =>
      await planted.remove(namespaceSubscriptionKey("default", pausedOne(planted).id)),
    [/subscription \S+: It is not listed in its namespace\.$/],
  ],
  [
    "a subscription that is not found by its target",
    async (planted) => {
      const { kind, endpoint } = pausedOne(planted);
      await planted.remove(endpointKey(prefixOf(planted), kind, endpoint));
    },
    [/subscription \S+: It is not found by its target\.$/],
  ],
  [
    "a subscription that is gone while all that leads to it is there",
    async (planted) => {
      const { id } = pausedOne(planted);
      await planted.remove(subscriptionKey(prefixOf(planted), id));
    },
    [
      /It is found by its target and is not there\.$/,
      /A row says that it is at place 1, and it is not\.$/,
      /Its numbers say 2 subscriptions, and there are 1\.$/,
      /^subscription \S+: Its id leads to where it is not\.$/,
    ],
  ],
  [
    "a subscription whose own place no row tells",
    async (planted) =>
      await planted.remove(ownPlaceKey(prefixOf(planted), first, pausedOne(planted).id)),
    [/subscription \S+: No row says that it is at place 1\.$/],
  ],
  [
    "a paused subscription that is said to catch up",
    async (planted) =>
      await planted.put(
        tables.catchingUp,
        catchingUpKey(prefixOf(planted), pausedOne(planted).id),
        true,
      ),
    [/A row says that it catches up, and it does not\.$/],
  ],
  [
    "deliveries of nobody",
    async (planted) =>
      await planted.put(tables.deliveries, deliveriesKey(prefixOf(planted), Buffer.alloc(16, 7)), {
        delivered: 1,
        failedAttempts: 0,
        deadLettered: 0,
        givenUp: 0,
        expired: 0,
      }),
    [/subscription 07070707-\S+: It has deliveries and is not there\.$/],
  ],
  [
    "a deduplication id without its time",
    async (planted) =>
      await planted.remove(publishedTimeKey(prefixOf(planted), planted.now, "one")),
    [/deduplication id "one": No row says that it came at \d+\.$/],
  ],
  [
    "a time without its deduplication id",
    async (planted) => await planted.remove(publishedKey(prefixOf(planted), "one")),
    [/deduplication id "one": It is said to have come at \d+ and is not there\.$/],
  ],
  [
    "a topic of the future",
    async (planted) =>
      await planted.put(tables.topic, topicKey("default", "news.fifo"), {
        ...topicOf(planted),
        createdAt: (planted.now + 1) as EpochMs,
      }),
    [new RegExp(`^${topicName}: It was created or updated after the last instant`)],
  ],
  [
    "a row of no table",
    async (planted) => await planted.put(tables.raw, `${prefixOf(planted)}!x`, true),
    [/No table of topics has this letter\.$/],
  ],
];

test.each(cases)("the check names %s", async (_title, plant, expected) => {
  await expectLines(await topicStore(), plant, expected);
});

test("what is left of a deleted topic is no stray", async () => {
  const planted = await topicStore();
  const { slot, segment } = topicOf(planted);
  await planted.remove(topicKey("default", "news.fifo"));
  await planted.put(tables.topicCount, topicCountKey("default"), {
    standard: 0,
    fifo: 0,
    filters: 0,
    pending: 0,
  });
  await planted.put(tables.endedTopic, endedTopicKey(slot, segment), "default");
  expect(await planted.lines()).toEqual([]);
});
