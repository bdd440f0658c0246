// ListDeliveryAttempts: what a subscription's owner is shown of every attempt to deliver, for how long, and after a restart.

import { expect, test } from "vitest";
import { TargetKind } from "../../src/gen/forebay/topic/v1/topic.js";
import { attemptLetters, attemptsDueByte } from "../../src/store/attempt-keys.js";
import { rowCount } from "../support/broken-rows.js";
import { scenario } from "../support/scenario.js";
import { createTopic, publish, subscribe, topicCall } from "../support/topics.js";
import {
  callError,
  countersOf,
  hook,
  subscribed,
  until,
  webhookScenario,
} from "../support/webhooks.js";

type Owner = Parameters<typeof topicCall>[0];

const attemptsOf = async (t: Owner, subscription: string, messageId = "") =>
  (await topicCall(t, "listDeliveryAttempts", { subscription, messageId })).attempts;

const isAttemptRow = (key: string): boolean =>
  key.startsWith(attemptsDueByte) ||
  (key < "\x80" && Object.values(attemptLetters).some((letter) => letter === key[10]));

test("T28 every failed attempt is listed with its status and the next one, also after a restart", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news");
  const target = await hook([500, 503, 404]);
  const id = await subscribed(t, "news", target);
  const { messageId } = await publish(t, "news", "again");
  for (const attempt of [1, 2, 3]) {
    await until(`attempt ${attempt} is settled`, async () => {
      const { failedAttempts, inFlight } = await countersOf(t, id);
      return failedAttempts === attempt && inFlight === 0;
    });
    if (attempt < 3) await t.advance(20_000);
  }
  const check = async () => {
    const attempts = await attemptsOf(t, id);
    expect(attempts).toMatchObject([
      { messageId, subscription: id, attempt: 3, isSuccess: false, statusCode: 404 },
      { messageId, attempt: 2, isSuccess: false, statusCode: 503 },
      { messageId, attempt: 1, isSuccess: false, statusCode: 500 },
    ]);
    const [last, second, first] = attempts;
    expect(last?.nextAttemptTime).toBeUndefined();
    expect(last?.error).not.toBe("");
    expect(Number(second?.startTime?.seconds) - Number(first?.startTime?.seconds)).toBe(20);
    expect(first?.nextAttemptTime).toEqual(second?.startTime);
  };
  await check();
  await t.restart();
  await check();
});

test("successes are listed as the topic samples them, and the same ones whenever that is asked", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "none");
  await createTopic(t, "some", {
    deliveryLogging: [{ kind: TargetKind.HTTP, successSamplePercent: 50, logFailures: undefined }],
  });
  const [unsampled, sampled] = [await hook(), await hook()];
  const none = await subscribed(t, "none", unsampled);
  const some = await subscribed(t, "some", sampled);
  const ids: string[] = [];
  for (let index = 0; index < 24; index += 1) {
    await publish(t, "none", `m${index}`);
    ids.push((await publish(t, "some", `m${index}`)).messageId);
  }
  for (const id of [none, some]) {
    await until("all are delivered", async () => (await countersOf(t, id))["delivered"] === 24);
  }
  expect(await attemptsOf(t, none)).toEqual([]);
  const listed = await attemptsOf(t, some);
  // The last four bytes of the id decide.
  const wanted = ids.filter((id) => Number.parseInt(id.slice(-8), 16) % 100 < 50);
  expect(listed.map(({ messageId }) => messageId).sort()).toEqual([...wanted].sort());
  expect(
    listed.every(
      ({ isSuccess, error, statusCode }) => isSuccess && error === "" && statusCode === 200,
    ),
  ).toBe(true);
});

test("attempts come in pages, newest first, and those of one message alone", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news");
  const target = await hook([404]);
  const id = await subscribed(t, "news", target);
  const ids: string[] = [];
  for (let index = 0; index < 5; index += 1) {
    ids.push((await publish(t, "news", `m${index}`)).messageId);
    await until("it failed", async () => (await countersOf(t, id))["failedAttempts"] === index + 1);
  }
  const found: string[] = [];
  let pageToken = "";
  do {
    const page = await topicCall(t, "listDeliveryAttempts", {
      subscription: id,
      pageSize: 2,
      pageToken,
    });
    expect(page.attempts.length).toBeLessThanOrEqual(2);
    found.push(...page.attempts.map(({ messageId }) => messageId));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(found).toEqual([...ids].reverse());
  const one = await attemptsOf(t, id, ids[2]);
  expect(one.map(({ messageId }) => messageId)).toEqual([ids[2]]);
  const wrong = await callError(
    topicCall(t, "listDeliveryAttempts", { subscription: id, pageToken: "bm9wZQ" }),
  );
  expect(wrong.reason).toBe("INVALID_PAGE_TOKEN");
});

test("retries of one message are found page by page among those of others", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news");
  const target = await hook([500]);
  const id = await subscribed(t, "news", target);
  const { messageId } = await publish(t, "news", "one");
  await publish(t, "news", "another");
  for (const round of [1, 2, 3]) {
    await until("both failed", async () => {
      const { failedAttempts, inFlight } = await countersOf(t, id);
      return failedAttempts === round * 2 && inFlight === 0;
    });
    if (round < 3) await t.advance(20_000);
  }
  const numbers: number[] = [];
  let pageToken = "";
  do {
    const request = { subscription: id, messageId, pageSize: 1, pageToken };
    const page = await topicCall(t, "listDeliveryAttempts", request);
    numbers.push(...page.attempts.map(({ attempt }) => attempt));
    pageToken = page.nextPageToken;
  } while (pageToken !== "");
  expect(numbers).toEqual([3, 2, 1]);
});

test("a queue that does not take a message is an attempt that failed for good", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news");
  await t.createQueue("small", { messageBytesMax: 1_024 });
  const id = await subscribe(t, "news", "small");
  const { messageId } = await publish(t, "news", "x".repeat(2_000));
  const [attempt, ...more] = await attemptsOf(t, id);
  expect(more).toEqual([]);
  expect(attempt).toMatchObject({ messageId, attempt: 1, isSuccess: false, statusCode: undefined });
  expect(attempt?.error).toContain("2000 bytes");
});

test("attempts are forgotten after a day, and with their subscription", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news");
  const target = await hook([404]);
  const id = await subscribed(t, "news", target);
  await publish(t, "news", "lost");
  await until("it failed", async () => (await countersOf(t, id))["failedAttempts"] === 1);
  // The record, the attempt, the last one of its message, and when they are looked at.
  expect(await rowCount(t, isAttemptRow)).toBe(4);
  await t.skip(24 * 3_600_000 - 1_000);
  expect(await attemptsOf(t, id)).toHaveLength(1);
  await t.skip(2_000);
  expect(await attemptsOf(t, id)).toEqual([]);
  await t.advance(3_000);
  expect(await rowCount(t, isAttemptRow)).toBe(0);
  await publish(t, "news", "lost too");
  await until("it failed", async () => (await countersOf(t, id))["failedAttempts"] === 2);
  expect(await attemptsOf(t, id)).toHaveLength(1);
  await topicCall(t, "unsubscribe", { subscription: id });
  const gone = await callError(attemptsOf(t, id));
  expect(gone.reason).toBe("SUBSCRIPTION_NOT_FOUND");
  await t.advance(3_000);
  expect(await rowCount(t, isAttemptRow)).toBe(0);
});
