// Functions from end to end: a user's own gRPC service is called for each message, and answers for each.

import { type Metadata, Server, ServerCredentials, type ServiceError, status } from "@grpc/grpc-js";
import { expect, onTestFinished, test } from "vitest";
import {
  type DeliverRequest,
  DeliverResponse,
  ReceiverServiceService,
} from "../../src/gen/forebay/topic/v1/receiver_service.js";
import type { SubscriptionSettings } from "../../src/gen/forebay/topic/v1/topic.js";
import { SubscriptionState, TargetKind } from "../../src/gen/forebay/topic/v1/topic.js";
import type { Scenario } from "../support/scenario.js";
import { createTopic, envelopeIn, publish, topicCall } from "../support/topics.js";
import { callError, countersOf, until, webhookScenario } from "../support/webhooks.js";

type Results = Parameters<typeof DeliverResponse.fromPartial>[0];
type Answer = status | ((request: DeliverRequest) => Results);

const acknowledged: Answer = ({ notifications }) => ({
  results: notifications.map(({ notification }) => ({
    messageId: notification?.messageId ?? "",
    result: { $case: "ack" as const, value: {} },
  })),
});

interface FunctionServer {
  readonly endpoint: string;
  readonly calls: readonly { readonly request: DeliverRequest; readonly metadata: Metadata }[];
}

/** Answers each call with what comes next, the last answer again and again. */
async function functionServer(answers: readonly Answer[]): Promise<FunctionServer> {
  const calls: { readonly request: DeliverRequest; readonly metadata: Metadata }[] = [];
  const server = new Server();
  server.addService(ReceiverServiceService, {
    deliver: (
      call: { readonly request: DeliverRequest; readonly metadata: Metadata },
      done: (error: Partial<ServiceError> | null, value?: DeliverResponse) => void,
    ) => {
      calls.push({ request: call.request, metadata: call.metadata });
      const answer = answers[Math.min(calls.length, answers.length) - 1] ?? acknowledged;
      if (typeof answer === "number") done({ code: answer, details: "no" });
      else done(null, DeliverResponse.fromPartial(answer(call.request)));
    },
    confirm: (
      call: { readonly request: { readonly token: string } },
      done: (e: null, v: object) => void,
    ) => done(null, { token: call.request.token }),
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  onTestFinished(() => server.forceShutdown());
  return { endpoint: `grpc://127.0.0.1:${port}`, calls };
}

async function subscribeFunction(
  t: Scenario,
  endpoint: string,
  settings: Partial<SubscriptionSettings> = {},
): Promise<string> {
  const { subscription } = await topicCall(t, "subscribe", {
    topic: "news",
    kind: TargetKind.FUNCTION,
    endpoint,
    settings,
  });
  return subscription?.subscription ?? "";
}

const isSettled = async (t: Scenario, id: string): Promise<boolean> =>
  (await countersOf(t, id))["inFlight"] === 0;

test("T35 a function that is not there twice gets the message a third time", async () => {
  const t = await webhookScenario({ create: "none", config: { publicBaseUrl: "" } });
  await createTopic(t, "news");
  const target = await functionServer([status.UNAVAILABLE, status.UNAVAILABLE, acknowledged]);
  const id = await subscribeFunction(t, target.endpoint, {
    function: functionSettings({ bearerToken: "open sesame" }),
  });
  const { messageId } = await publish(t, "news", "hello", { attributes: { a: "1" } });
  await until("it is delivered", async () => (await countersOf(t, id))["delivered"] === 1);
  expect(target.calls).toHaveLength(3);
  for (const [index, { request, metadata }] of target.calls.entries()) {
    expect(request.subscription).toBe(id);
    expect(request.notifications).toHaveLength(1);
    expect(request.notifications[0]).toMatchObject({
      attempt: index + 1,
      notification: { messageId, topic: "news", body: { $case: "text", value: "hello" } },
    });
    expect(metadata.get("authorization")).toEqual(["Bearer open sesame"]);
  }
  expect(await countersOf(t, id)).toMatchObject({ failedAttempts: 2, backlog: 0 });
  const { subscription } = await topicCall(t, "getSubscription", { subscription: id });
  expect(subscription?.state).toBe(SubscriptionState.CONFIRMED);
  expect(subscription?.settings?.function?.bearerToken).toBeUndefined();
});

test("T35 a function that refuses for good is asked once, and the dead-letter queue gets the message", async () => {
  const t = await webhookScenario({ queue: "dead" });
  await createTopic(t, "news");
  const target = await functionServer([status.PERMISSION_DENIED]);
  const id = await subscribeFunction(t, target.endpoint, { deadLetterQueue: "dead" });
  const { messageId } = await publish(t, "news", "refused");
  await until("it is given up", async () => (await countersOf(t, id))["deadLettered"] === 1);
  expect(target.calls).toHaveLength(1);
  const dead = await t.receiveOne({ queue: "dead" });
  expect(envelopeIn(dead)).toMatchObject({ MessageId: messageId, Message: "refused" });
});

test("T36 of a batch of three the second comes again when the function asked, and the third is a dead letter", async () => {
  const t = await webhookScenario({ queue: "dead" });
  await createTopic(t, "news");
  const each: Answer = ({ notifications }) => ({
    results: notifications.map(({ notification }) => {
      const messageId = notification?.messageId ?? "";
      const text = notification?.body?.$case === "text" ? notification.body.value : "";
      if (text === "later") {
        const delay = { seconds: 5n, nanos: 0 };
        return { messageId, result: { $case: "retry" as const, value: { delay } } };
      }
      if (text === "never") {
        return { messageId, result: { $case: "reject" as const, value: { reason: "no good" } } };
      }
      return { messageId, result: { $case: "ack" as const, value: {} } };
    }),
  });
  const target = await functionServer([each, acknowledged]);
  const id = await subscribeFunction(t, target.endpoint, {
    paused: true,
    deadLetterQueue: "dead",
    function: functionSettings({ batchMax: 3 }),
  });
  for (const text of ["now", "later", "never"]) await publish(t, "news", text);
  expect(target.calls).toHaveLength(0);
  await topicCall(t, "updateSubscription", {
    subscription: id,
    settings: { paused: false },
    updateMask: ["paused"],
  });
  await until("they are judged", async () => (await countersOf(t, id))["deadLettered"] === 1);
  await until("nothing is under way", async () => await isSettled(t, id));
  expect(target.calls.map(({ request }) => request.notifications.length)).toEqual([3]);
  await t.advance(4_999);
  expect(target.calls).toHaveLength(1);
  await t.advance(1);
  await until("it comes again", async () => (await countersOf(t, id))["delivered"] === 2);
  expect(target.calls[1]?.request.notifications).toMatchObject([
    { attempt: 2, notification: { body: { $case: "text", value: "later" } } },
  ]);
  const dead = await t.receiveOne({ queue: "dead" });
  expect(envelopeIn(dead)).toMatchObject({ Message: "never" });
  expect(await countersOf(t, id)).toMatchObject({ backlog: 0 });
});

test("what a function rejected and no queue took is tried again as a first attempt, and is delivered", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news");
  const target = await functionServer([status.PERMISSION_DENIED, acknowledged]);
  const id = await subscribeFunction(t, target.endpoint);
  const { messageId } = await publish(t, "news", "again", { attributes: { a: "1" } });
  await until("it is given up", async () => (await countersOf(t, id))["undeliverable"] === 1);
  await t.restart();
  const { redriven } = await topicCall(t, "redriveUndeliverable", { subscription: id });
  expect(redriven).toBe(1n);
  await until("it is delivered", async () => {
    await t.advance(10);
    return (await countersOf(t, id))["delivered"] === 1;
  });
  expect(target.calls).toHaveLength(2);
  expect(target.calls[1]?.request.notifications).toMatchObject([
    { attempt: 1, notification: { messageId, body: { $case: "text", value: "again" } } },
  ]);
  expect(target.calls[1]?.request.notifications[0]?.notification?.attributes.size).toBe(1);
  expect(await countersOf(t, id)).toMatchObject({ undeliverable: 0, backlog: 0, filtered: 0 });
  const { messages } = await topicCall(t, "listUndeliverable", { subscription: id });
  expect(messages).toEqual([]);
});

test("a filter keeps messages from a function, and raw delivery is not for functions", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news");
  const target = await functionServer([acknowledged]);
  const raw = await callError(
    topicCall(t, "subscribe", {
      topic: "news",
      kind: TargetKind.FUNCTION,
      endpoint: target.endpoint,
      settings: { rawMessageDelivery: true },
    }),
  );
  expect(raw.reason).toBe("INVALID_PARAMETER");
  const id = await subscribeFunction(t, target.endpoint, { filterPolicy: '{"color":["red"]}' });
  await publish(t, "news", "blue one", { attributes: { color: "blue" } });
  await publish(t, "news", "red one", { attributes: { color: "red" } });
  await until("the red one is there", async () => (await countersOf(t, id))["delivered"] === 1);
  expect(target.calls).toHaveLength(1);
  expect(await countersOf(t, id)).toMatchObject({ filtered: 1, backlog: 0 });
});

const functionSettings = (
  settings: Partial<NonNullable<SubscriptionSettings["function"]>>,
): SubscriptionSettings["function"] => ({
  batchMax: undefined,
  timeout: undefined,
  maxConcurrency: undefined,
  lambdaEvent: undefined,
  bearerToken: undefined,
  caCertificates: undefined,
  clientCertificate: undefined,
  clientKey: undefined,
  ...settings,
});
