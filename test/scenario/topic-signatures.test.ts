// Envelopes in queues are signed as those of webhooks are: AWS's own validator takes them, with the certificate that this server
// serves.

import { createServer, globalAgent } from "node:https";
import type { AddressInfo } from "node:net";
import MessageValidator from "sns-validator";
import { expect, onTestFinished, test } from "vitest";
import { MessageStructure } from "../../src/gen/forebay/topic/v1/message.js";
import { SignatureVersion, SubscriptionState } from "../../src/gen/forebay/topic/v1/topic.js";
import { localCertificate } from "../delivery/receivers.js";
import type { Scenario } from "../support/scenario.js";
import { createTopic, envelopeIn, publish, subscribe, topicCall } from "../support/topics.js";
import {
  countersOf,
  hook,
  subscribed,
  until,
  visit,
  webhookScenario,
} from "../support/webhooks.js";

/** A server whose pages are served over HTTPS under its public address, as the validator wants them. */
async function signingScenario(): Promise<{ readonly t: Scenario; readonly baseUrl: string }> {
  const local = localCertificate("localhost");
  let pages: ((url: string) => Promise<string>) | undefined;
  const proxy = createServer(
    { cert: local.certificate, key: local.key },
    async (request, response) => {
      response.end(await pages?.(`https://localhost${request.url}`));
    },
  );
  await new Promise<void>((resolve) => {
    proxy.listen(0, "127.0.0.1", resolve);
  });
  const before = globalAgent.options.ca;
  // The validator fetches with Node's own agent and takes no other.
  globalAgent.options.ca = local.certificate;
  onTestFinished(() => {
    globalAgent.options.ca = before;
    proxy.closeAllConnections();
    proxy.close();
  });
  const baseUrl = `https://localhost:${(proxy.address() as AddressInfo).port}`;
  const t = await webhookScenario({ config: { publicBaseUrl: baseUrl } });
  pages = async (url) => (await visit(t, url)).body;
  return { t, baseUrl };
}

/** What AWS's validator says of an envelope: undefined when it is good. */
const problemOf = (envelope: unknown): Promise<string | undefined> =>
  new Promise((resolve) => {
    new MessageValidator(/^localhost:\d+$/).validate(JSON.stringify(envelope), (error) =>
      resolve(error?.message),
    );
  });

async function receivedBy(t: Scenario, queue: string): Promise<Record<string, unknown>> {
  let got: Record<string, unknown> | undefined;
  await until(`something is in ${queue}`, async () => {
    const [message] = await t.receive({ queue });
    got = message && envelopeIn(message);
    return got !== undefined;
  });
  return got ?? {};
}

test.each([
  [1, SignatureVersion.SHA1],
  [2, SignatureVersion.SHA256],
])(
  "T33 an envelope in a queue is signed by version %i, with and without a subject, and one byte more is noticed",
  async (version, signatureVersion) => {
    const { t, baseUrl } = await signingScenario();
    await createTopic(t, "news", { signatureVersion });
    const id = await subscribe(t, "news", t.queue);
    for (const subject of ["Grüße ☕", undefined]) {
      const { messageId } = await publish(t, "news", 'line one\nline "two" \u{1F600}', {
        ...(subject !== undefined && { subject }),
        attributes: { a: "1" },
      });
      const envelope = await receivedBy(t, t.queue);
      expect(envelope).toMatchObject({
        Type: "Notification",
        MessageId: messageId,
        SignatureVersion: String(version),
        UnsubscribeURL: `${baseUrl}/?Action=Unsubscribe&SubscriptionArn=arn:forebay:topic:default:news:${id}`,
      });
      expect("Subject" in envelope).toBe(subject !== undefined);
      expect(await problemOf(envelope)).toBeUndefined();
      for (const name of ["Message", "MessageId", "Timestamp", "TopicArn"]) {
        const altered = { ...envelope, [name]: `${String(envelope[name])}!` };
        expect(await problemOf(altered)).toBe("The message signature is invalid.");
      }
    }
  },
);

test("T33 of a structured message the text for queues is signed, once for all of them, and what goes alone is not held up by that", async () => {
  const { t } = await signingScenario();
  await createTopic(t, "news");
  await t.createQueue("second");
  await t.createQueue("raw");
  await subscribe(t, "news", t.queue);
  await subscribe(t, "news", "second");
  await subscribe(t, "news", "raw", { isRaw: true });
  await publish(t, "news", JSON.stringify({ default: "for others", queue: "for queues" }), {
    messageStructure: MessageStructure.JSON,
  });
  const first = await receivedBy(t, t.queue);
  const second = await receivedBy(t, "second");
  expect(first["Message"]).toBe("for queues");
  expect(await problemOf(first)).toBeUndefined();
  expect(second["Signature"]).toBe(first["Signature"]);
  expect(second["UnsubscribeURL"]).not.toBe(first["UnsubscribeURL"]);
  expect(await t.receive({ queue: "raw" })).toMatchObject([{ body: "for queues" }]);
});

test("T33 what is tried again is signed, though nobody remembers a signature of it", async () => {
  const { t } = await signingScenario();
  await createTopic(t, "news");
  await t.createQueue("small", { messageBytesMax: 1_024 });
  const id = await subscribe(t, "news", "small");
  const text = "long".repeat(300);
  const { messageId } = await publish(t, "news", text);
  await until("it is given up", async () => (await countersOf(t, id))["undeliverable"] === 1);
  await t.setQueue({ messageBytesMax: 4_096 }, "small");
  await t.restart();
  const { redriven } = await topicCall(t, "redriveUndeliverable", { subscription: id });
  expect(redriven).toBe(1n);
  await until("it is handed on", async () => {
    await t.advance(10);
    return (await countersOf(t, id))["delivered"] === 1;
  });
  const envelope = await receivedBy(t, "small");
  expect(envelope).toMatchObject({ MessageId: messageId, Message: text });
  expect(await problemOf(envelope)).toBeUndefined();
  expect(await t.receive({ queue: "small" })).toEqual([]);
});

test("T33 more messages than are signed at once all arrive once, in order of publishing to each subscriber that catches up", async () => {
  const { t } = await signingScenario();
  await createTopic(t, "news");
  const id = await subscribe(t, "news", t.queue, { isPaused: true });
  for (let index = 0; index < 30; index += 1) await publish(t, "news", `number ${index}`);
  await topicCall(t, "updateSubscription", {
    subscription: id,
    settings: { paused: false },
    updateMask: ["paused"],
  });
  const got: unknown[] = [];
  await until("all arrive", async () => {
    const messages = await t.receive({ queue: t.queue, max: 10 });
    for (const message of messages) {
      const envelope = envelopeIn(message);
      expect(await problemOf(envelope)).toBeUndefined();
      got.push(envelope["Message"]);
    }
    return got.length >= 30;
  });
  expect(got).toEqual(Array.from({ length: 30 }, (_, index) => `number ${index}`));
});

test("T33 a dead letter of a webhook is signed, though only the attempt that failed needed no signature", async () => {
  const { t } = await signingScenario();
  await createTopic(t, "news");
  await t.createQueue("dead");
  const refusing = await hook([404]);
  await subscribed(t, "news", refusing, { deadLetterQueue: "dead" });
  await publish(t, "news", "nobody wants me");
  const envelope = await receivedBy(t, "dead");
  expect(envelope["Message"]).toBe("nobody wants me");
  expect(await problemOf(envelope)).toBeUndefined();
  const broken = { ...envelope, Message: "another" };
  expect(await problemOf(broken)).toBeDefined();
});

test("envelopes of FIFO topics are not signed, nor is anything where the certificate could not be had", async () => {
  const { t, baseUrl } = await signingScenario();
  await createTopic(t, "line.fifo");
  await subscribe(t, "line.fifo", t.queue);
  await publish(t, "line.fifo", "in order", { groupId: "g", dedupId: "d" });
  const ordered = await receivedBy(t, t.queue);
  expect(ordered["UnsubscribeURL"]).toContain(`${baseUrl}/?Action=Unsubscribe`);
  for (const name of ["SignatureVersion", "Signature", "SigningCertURL"]) {
    expect(ordered).not.toHaveProperty(name);
  }

  const alone = await webhookScenario({ config: { publicBaseUrl: "" } });
  await createTopic(alone, "news");
  await subscribe(alone, "news", alone.queue);
  await publish(alone, "news", "nobody can verify it");
  const [unsigned] = await alone.receive({ queue: alone.queue });
  const envelope = envelopeIn(unsigned ?? { body: "{}" });
  expect(envelope["Message"]).toBe("nobody can verify it");
  expect(envelope).not.toHaveProperty("Signature");
});

test("the link in an envelope from a queue ends nothing: who ends a queue's subscription must say who it is", async () => {
  const { t } = await signingScenario();
  await createTopic(t, "news");
  const id = await subscribe(t, "news", t.queue);
  await publish(t, "news", "with a link");
  const { UnsubscribeURL: link } = await receivedBy(t, t.queue);
  expect((await visit(t, String(link))).status).toBe(403);
  const { subscription } = await topicCall(t, "getSubscription", { subscription: id });
  expect(subscription?.state).toBe(SubscriptionState.CONFIRMED);
});
