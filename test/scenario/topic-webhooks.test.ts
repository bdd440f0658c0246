// Webhooks from end to end: consent, envelopes and signatures, retries, dead letters, throttling, isolation.

import { expect, test } from "vitest";
import { verifyEnvelope } from "../../src/delivery/signature.js";
import { SubscriptionState, TargetKind } from "../../src/gen/forebay/topic/v1/topic.js";
import { createTopic, envelopeIn, publish, subscribe, topicCall } from "../support/topics.js";
import {
  callError,
  countersOf,
  hook,
  pause,
  subscribed,
  subscribeHook,
  until,
  visit,
  webhookConfig,
  webhookScenario,
} from "../support/webhooks.js";

const seconds = (count: number) => ({ seconds: BigInt(count), nanos: 0 });

test("T25 a webhook is asked first, gets nothing before it confirms, and everything from then on", async () => {
  const t = await webhookScenario();
  await createTopic(t, "news");
  // For whom the topic keeps what is published.
  await subscribe(t, "news", t.queue, { isPaused: true });
  const target = await hook();
  const id = await subscribeHook(t, "news", target.url);
  await until("it is asked", () => target.confirmations.length === 1);
  const [asked] = target.confirmations;
  expect(asked?.headers["x-amz-sns-message-type"]).toBe("SubscriptionConfirmation");
  expect(asked?.headers["x-amz-sns-subscription-arn"]).toBeUndefined();
  expect(asked?.headers["content-type"]).toBe("text/plain; charset=UTF-8");
  const { Token: token = "", SubscribeURL: subscribeUrl = "" } = asked?.envelope ?? {};
  expect(token).toMatch(/^[0-9a-f]{64}$/);
  expect(subscribeUrl).toBe(
    `http://messages.example/?Action=ConfirmSubscription&TopicArn=arn:forebay:topic:default:news&Token=${token}`,
  );
  await publish(t, "news", "too early");

  const page = await visit(t, subscribeUrl);
  expect(page.status).toBe(200);
  expect(page.body).toContain(
    `<SubscriptionArn>arn:forebay:topic:default:news:${id}</SubscriptionArn>`,
  );
  const { messageId } = await publish(t, "news", "in time", { attributes: { a: "1" } });
  await until("it is delivered", () => target.notifications.length === 1);
  const [got] = target.notifications;
  expect(got?.envelope).toMatchObject({
    Type: "Notification",
    MessageId: messageId,
    Message: "in time",
    MessageAttributes: { a: { Type: "String", Value: "1" } },
  });
  expect(got?.headers["x-amz-sns-subscription-arn"]).toBe(`arn:forebay:topic:default:news:${id}`);
  await until("it is counted", async () => (await countersOf(t, id))["delivered"] === 1);
  expect(await countersOf(t, id)).toMatchObject({ backlog: 0, inFlight: 0, failedAttempts: 0 });
});

test("T26 confirming again is the same, and an unknown token is refused", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news");
  await createTopic(t, "other");
  const target = await hook();
  const id = await subscribeHook(t, "news", target.url);
  const { token } = await topicCall(t, "getPendingToken", { subscription: id });
  for (const _time of ["first", "second"]) {
    const { subscription } = await topicCall(t, "confirmSubscription", { topic: "news", token });
    expect(subscription).toMatchObject({ subscription: id, state: SubscriptionState.CONFIRMED });
  }
  const random = await callError(
    topicCall(t, "confirmSubscription", { topic: "news", token: "f".repeat(64) }),
  );
  expect(random.reason).toBe("INVALID_TOKEN");
  const elsewhere = await callError(topicCall(t, "confirmSubscription", { topic: "other", token }));
  expect(elsewhere.reason).toBe("INVALID_TOKEN");
  const page = await visit(
    t,
    "http://x/?Action=ConfirmSubscription&TopicArn=arn:forebay:topic:default:news&Token=nonsense",
  );
  expect(page.status).toBe(400);
});

test("T27 what nobody confirmed in 48 hours is gone, and so is its token", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news");
  const target = await hook();
  const id = await subscribeHook(t, "news", target.url);
  const { token } = await topicCall(t, "getPendingToken", { subscription: id });
  await until("it is asked", () => target.confirmations.length === 1);
  await t.settle();
  await t.skip(48 * 3_600_000 - 1);
  const { topic } = await topicCall(t, "getTopic", { topic: "news" });
  expect(topic?.counters?.subscriptionsPending).toBe(1n);
  await t.skip(1_000);
  const gone = await callError(topicCall(t, "getSubscription", { subscription: id }));
  expect(gone.reason).toBe("SUBSCRIPTION_NOT_FOUND");
  const refused = await callError(topicCall(t, "confirmSubscription", { topic: "news", token }));
  expect(refused.reason).toBe("INVALID_TOKEN");
});

test("a webhook that was not confirmed is asked again with another token when it is subscribed again", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news");
  const target = await hook();
  const id = await subscribeHook(t, "news", target.url);
  await until("it is asked", () => target.confirmations.length === 1);
  expect(await subscribeHook(t, "news", target.url)).toBe(id);
  await until("it is asked again", () => target.confirmations.length === 2);
  const [first, second] = target.confirmations.map(({ envelope }) => envelope["Token"] ?? "");
  expect(second).not.toBe(first);
  const old = await callError(
    topicCall(t, "confirmSubscription", { topic: "news", token: first ?? "" }),
  );
  expect(old.reason).toBe("INVALID_TOKEN");
  await topicCall(t, "confirmSubscription", { topic: "news", token: second ?? "" });
});

test("T28 a webhook that fails twice gets the same message a third time", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news");
  const target = await hook([500, 500, 200]);
  const id = await subscribed(t, "news", target);
  await publish(t, "news", "again");
  for (const attempt of [1, 2, 3]) {
    await until(`attempt ${attempt}`, () => target.notifications.length === attempt);
    await until("it is settled", async () => (await countersOf(t, id))["inFlight"] === 0);
    await t.advance(20_000);
  }
  expect(new Set(target.notifications.map(({ envelope }) => envelope["MessageId"])).size).toBe(1);
  expect(target.notifications.map(({ headers }) => headers["x-forebay-attempt"])).toEqual([
    "1",
    "2",
    "3",
  ]);
  expect(await countersOf(t, id)).toMatchObject({ delivered: 1, failedAttempts: 2, backlog: 0 });
  expect(t.logged.filter(({ message }) => message === "delivery")).toHaveLength(2);
});

test("T29 a webhook that answers 404 is asked once, and the dead-letter queue gets the envelope", async () => {
  const t = await webhookScenario({ queue: "dead" });
  await createTopic(t, "news");
  const target = await hook([404]);
  const id = await subscribed(t, "news", target, { deadLetterQueue: "dead" });
  const { messageId } = await publish(t, "news", "lost");
  await until("it is given up", async () => (await countersOf(t, id))["deadLettered"] === 1);
  expect(target.notifications).toHaveLength(1);
  const dead = await t.receiveOne({ queue: "dead" });
  expect(envelopeIn(dead)).toMatchObject({ Type: "Notification", MessageId: messageId });
  expect(dead.message.systemAttributes?.deliveryFailure).toMatchObject({
    topic: "news",
    subscription: id,
    lastError: expect.stringContaining("404"),
    attempts: 1,
    firstAttemptTime: expect.anything(),
  });
  expect(await countersOf(t, id)).toMatchObject({ backlog: 0, failedAttempts: 1 });
});

test("T30 one webhook that has too much to do holds up no other", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news");
  const busy = await hook([429]);
  const silent = await hook(["silence"]);
  const others = [await hook(), await hook(), await hook()];
  for (const target of [busy, silent, ...others]) await subscribed(t, "news", target);
  await publish(t, "news", "for all");
  await until("the others have it", () =>
    others.every(({ notifications }) => notifications.length === 1),
  );
  await until("so has the busy one", () => busy.notifications.length === 1);
});

test("T31 retries come after the delays of the policy", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news");
  const target = await hook([500], { now: () => t.now });
  const id = await subscribed(t, "news", target, {
    deliveryPolicy: {
      retry: {
        retries: 8,
        noDelayRetries: 2,
        minDelayRetries: 1,
        maxDelayRetries: 1,
        minDelay: seconds(2),
        maxDelay: seconds(16),
        backoff: 4,
      },
      maxReceivesPerSecond: undefined,
      headerContentType: undefined,
      disableSubscriptionOverrides: undefined,
    },
  });
  await publish(t, "news", "again and again");
  const isQuiet = async () => {
    const { inFlight, failedAttempts } = await countersOf(t, id);
    return inFlight === 0 && failedAttempts === target.notifications.length;
  };
  for (let second = 0; second < 60 && target.notifications.length < 9; second += 1) {
    await until("nothing is under way", async () => {
      if (!(await isQuiet())) return false;
      // What is tried again at once, which the first two are, has been leased by then.
      await pause(target.notifications.length < 3 ? 250 : 20);
      return await isQuiet();
    });
    await t.advance(1_000);
  }
  await until("it is given up", async () => (await countersOf(t, id))["undeliverable"] === 1);
  const times = target.notifications.map(({ at }) => at);
  const delays = times.slice(1).map((at, index) => Math.round((at - (times[index] ?? 0)) / 1_000));
  expect(delays).toEqual([0, 0, 2, 2, 4, 8, 16, 16]);
  expect(await countersOf(t, id)).toMatchObject({ undeliverable: 1, backlog: 0 });
});

test("T32 a throttled webhook gets as many a second as it said, and no retry is used", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news");
  const target = await hook([200], { now: () => t.now });
  const id = await subscribed(t, "news", target, {
    deliveryPolicy: {
      retry: undefined,
      maxReceivesPerSecond: 10,
      headerContentType: undefined,
      disableSubscriptionOverrides: undefined,
    },
  });
  const start = t.now;
  for (let index = 0; index < 50; index += 1) await publish(t, "news", `${index}`);
  const arrived = () => target.notifications.length;
  await until("a second's worth is there at once", () => arrived() >= 10);
  for (let tenth = 1; tenth <= 60 && arrived() < 50; tenth += 1) {
    await t.advance(100);
    // In real time, as long as it takes: one more each tenth, of which the last may be under way.
    await until("a tenth's worth is there", () => arrived() >= Math.min(50, 9 + tenth));
  }
  await until("all are there", async () => (await countersOf(t, id))["delivered"] === 50);
  const perSecond = [0, 1, 2, 3].map(
    (second) =>
      target.notifications.filter(({ at }) => Math.floor((at - start) / 1_000) === second).length,
  );
  // The bucket is full at the start.
  expect(perSecond[0]).toBeGreaterThanOrEqual(15);
  expect(perSecond[0]).toBeLessThanOrEqual(20);
  for (const count of perSecond.slice(1)) expect(Math.abs(count - 10)).toBeLessThanOrEqual(1);
  expect(new Set(target.notifications.map(({ envelope }) => envelope["Message"])).size).toBe(50);
  expect(await countersOf(t, id)).toMatchObject({ failedAttempts: 0 });
});

test("T33 envelopes verify with the certificate that is served, and not with one byte changed", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news");
  const target = await hook();
  await subscribed(t, "news", target);
  await publish(t, "news", "plain");
  await publish(t, "news", "with a subject", { subject: "Hear, hear" });
  await until("both are there", () => target.notifications.length === 2);
  await until("the confirmation too", () => target.confirmations.length === 1);
  const url = target.notifications[0]?.envelope["SigningCertURL"] ?? "";
  const certificate = await visit(t, url);
  expect(certificate.status).toBe(200);
  for (const { body } of target.posted) {
    expect(verifyEnvelope(body, certificate.body)).toEqual({ kind: "verified" });
    const changed = body.replace('"Timestamp":"2030', '"Timestamp":"2031');
    expect(changed).not.toBe(body);
    expect(verifyEnvelope(changed, certificate.body).kind).toBe("not_verified");
  }
  // After a restart it is the same key.
  await t.restart();
  await publish(t, "news", "after a restart");
  await until("it is there", () => target.notifications.length === 3);
  expect(target.notifications[2]?.envelope["SigningCertURL"]).toBe(url);
});

test("T34 a raw webhook gets the message alone", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news");
  const target = await hook();
  await subscribed(t, "news", target, { rawMessageDelivery: true });
  await publish(t, "news", "bare", { attributes: { color: "red" } });
  await until("it is there", () => target.notifications.length === 1);
  const [got] = target.notifications;
  expect(got?.body).toBe("bare");
  expect(got?.headers["x-amz-sns-rawdelivery"]).toBe("true");
  expect(Object.keys(got?.headers ?? {}).filter((name) => name.includes("attr"))).toEqual([]);
  expect(got?.headers["x-forebay-signature"]).toMatch(/^t=\d+,v1=[0-9a-f]{64}$/);
});

test("a webhook can be subscribed only where endpoints can find this server, and only to open places", async () => {
  const closed = await webhookScenario({ create: "none", config: { publicBaseUrl: "" } });
  await createTopic(closed, "news");
  const target = await hook();
  const unset = await callError(subscribeHook(closed, "news", target.url));
  expect(unset.reason).toBe("PUBLIC_URL_UNSET");

  const { publicBaseUrl, publicListen } = webhookConfig;
  const t = await webhookScenario({
    create: "none",
    config: { publicBaseUrl, publicListen, webhookAllowedCidrs: [] } as typeof webhookConfig,
  });
  await createTopic(t, "news");
  const blocked = await callError(subscribeHook(t, "news", target.url));
  expect(blocked.reason).toBe("ENDPOINT_NOT_ALLOWED");
  await createTopic(t, "ordered.fifo");
  const onFifo = await callError(
    topicCall(t, "subscribe", {
      topic: "ordered.fifo",
      kind: TargetKind.HTTPS,
      endpoint: "https://example.com/hook",
    }),
  );
  expect(onFifo.reason).toBe("TARGET_NOT_ALLOWED_ON_FIFO");
});

test("a link ends a subscription whose owner left that open, and the endpoint can take it back", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news");
  const target = await hook();
  const id = await subscribed(t, "news", target);
  await publish(t, "news", "one");
  await until("it is there", () => target.notifications.length === 1);
  const link = target.notifications[0]?.envelope["UnsubscribeURL"] ?? "";
  expect((await visit(t, link)).status).toBe(200);
  const gone = await callError(topicCall(t, "getSubscription", { subscription: id }));
  expect(gone.reason).toBe("SUBSCRIPTION_NOT_FOUND");
  const asked = () => target.posted.filter(({ type }) => type === "UnsubscribeConfirmation");
  await until("the endpoint is told", () => asked().length === 1);
  await publish(t, "news", "meanwhile");
  expect((await visit(t, asked()[0]?.envelope["SubscribeURL"] ?? "")).status).toBe(200);
  await publish(t, "news", "back again");
  await until("it is there", () => target.notifications.length === 2);
  expect(target.notifications[1]?.envelope["Message"]).toBe("back again");
});
