// Webhooks over TLS, end to end, at receivers of every kind of ill will: each comes to the end that the delivery policy gives it.
// And what the server posts is verified by AWS's own validator, which fetches the certificate where the message says that it is.

import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { createServer, globalAgent } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import MessageValidator from "sns-validator";
import { beforeAll, describe, expect, onTestFinished, test } from "vitest";
import {
  BackoffFunction,
  SignatureVersion,
  type SubscriptionSettings,
} from "../../src/gen/forebay/topic/v1/topic.js";
import { type LocalCertificate, localCertificate } from "../delivery/receivers.js";
import type { Scenario } from "../support/scenario.js";
import { createTopic, publish, topicCall } from "../support/topics.js";
import {
  countersOf,
  hook,
  subscribed,
  subscribeHook,
  until,
  webhookConfig,
  webhookScenario,
} from "../support/webhooks.js";

let mine: LocalCertificate;
let other: LocalCertificate;
beforeAll(() => {
  mine = localCertificate("127.0.0.1");
  other = localCertificate("hooks.example");
});

interface Target {
  readonly url: string;
  /** Notifications, as they came whole. */
  readonly got: readonly IncomingMessage[];
  /** Connections, with a handshake or without. */
  connections(): number;
}

type Behaviour = (response: ServerResponse, request: IncomingMessage) => void;

const ok: Behaviour = (response) => response.end();

/** A receiver with TLS that does with each notification what comes next, the last again and again; it takes confirmations. */
async function secureTarget(
  behaviours: readonly Behaviour[],
  certificate: LocalCertificate = mine,
): Promise<Target> {
  const got: IncomingMessage[] = [];
  let connections = 0;
  const listener: RequestListener = (request, response) => {
    request.resume().on("end", () => {
      if (request.headers["x-amz-sns-message-type"] !== "Notification") return response.end();
      got.push(request);
      const behave = behaviours[Math.min(got.length, behaviours.length) - 1] ?? ok;
      return behave(response, request);
    });
  };
  const server = createServer({ cert: certificate.certificate, key: certificate.key }, listener);
  server.on("connection", () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  return { url: `https://127.0.0.1:${port}/hook`, got, connections: () => connections };
}

/** Subscribes it with its certificate for the one that is trusted, confirms, and publishes one message. */
async function delivered(
  behaviours: readonly Behaviour[],
  { retries = 3, certificate = mine }: { retries?: number; certificate?: LocalCertificate } = {},
): Promise<{ t: Scenario; target: Target; id: string; errors: () => unknown[] }> {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news");
  const target = await secureTarget(behaviours, certificate);
  const settings: Partial<SubscriptionSettings> = {
    webhook: trusting(mine),
    deliveryPolicy: { retry: { ...everyTwentySeconds, retries, minDelayRetries: retries } },
  };
  const id = await subscribeHook(t, "news", target.url, settings);
  const { token } = await topicCall(t, "getPendingToken", { subscription: id });
  await topicCall(t, "confirmSubscription", { topic: "news", token });
  await publish(t, "news", "hello");
  const errors = (): unknown[] =>
    t.logged.filter(({ message }) => message === "delivery").map(({ fields }) => fields);
  return { t, target, id, errors };
}

const trusting = ({ certificate }: LocalCertificate): SubscriptionSettings["webhook"] => ({
  hmacSecret: undefined,
  attributeHeaders: undefined,
  caCertificates: certificate,
  clientCertificate: undefined,
  clientKey: undefined,
});

const everyTwentySeconds = {
  minDelay: { seconds: 20n, nanos: 0 },
  maxDelay: { seconds: 60n, nanos: 0 },
  noDelayRetries: undefined,
  maxDelayRetries: undefined,
  backoff: BackoffFunction.LINEAR,
};

/** Attempts that failed, and nothing under way. */
const failed = (t: Scenario, id: string, count: number): Promise<void> =>
  until(`${count} attempts have failed`, async () => {
    const { failedAttempts, inFlight } = await countersOf(t, id);
    return failedAttempts === count && inFlight === 0;
  });

const isDelivered = (t: Scenario, id: string): Promise<void> =>
  until("it is delivered", async () => (await countersOf(t, id))["delivered"] === 1);

const status =
  (code: number, headers: Readonly<Record<string, string>> = {}): Behaviour =>
  (response) =>
    response.writeHead(code, headers).end();

describe("a receiver with TLS", () => {
  test("whose certificate is trusted and that fails once gets the message the second time", async () => {
    const { t, target, id } = await delivered([status(500), ok]);
    await failed(t, id, 1);
    await t.advance(19_999);
    expect(target.got).toHaveLength(1);
    await t.advance(1);
    await isDelivered(t, id);
    expect(target.got.map(({ headers }) => headers["x-forebay-attempt"])).toEqual(["1", "2"]);
  });

  test("that stalls is given up on after 15 s, and tried again", async () => {
    const { t, target, id, errors } = await delivered([() => undefined, ok]);
    await until("it is asked", () => target.got.length === 1);
    await t.advance(14_999);
    expect(await countersOf(t, id)).toMatchObject({ inFlight: 1, failedAttempts: 0 });
    await t.advance(1);
    await failed(t, id, 1);
    expect(JSON.stringify(errors())).toContain("15 s");
    await t.advance(20_000);
    await isDelivered(t, id);
  });

  test("that redirects is not followed, and not asked again", async () => {
    const elsewhere = await secureTarget([ok]);
    const { t, target, id } = await delivered([status(307, { location: elsewhere.url })]);
    await until("it is given up", async () => (await countersOf(t, id))["undeliverable"] === 1);
    await t.advance(60_000);
    expect(target.got).toHaveLength(1);
    expect(elsewhere.connections()).toBe(0);
    expect(await countersOf(t, id)).toMatchObject({ failedAttempts: 1, backlog: 0 });
  });

  test("that answers 429 is left alone for as long as it says, and no longer than the greatest delay", async () => {
    const busy = (time: string) => status(429, { "retry-after": time });
    const { t, target, id } = await delivered([busy("50"), busy("3600"), ok]);
    for (const [index, waitMs] of [50_000, 60_000].entries()) {
      await failed(t, id, index + 1);
      await t.advance(waitMs - 1);
      expect(target.got).toHaveLength(index + 1);
      await t.advance(1);
    }
    await isDelivered(t, id);
  });

  test("that resets the connection is tried again until no retry is left", async () => {
    const reset: Behaviour = (_, { socket }) => (socket as Socket).destroy();
    const { t, target, id } = await delivered([reset], { retries: 2 });
    for (const count of [1, 2]) {
      await failed(t, id, count);
      await t.advance(20_000);
    }
    await until("it is given up", async () => (await countersOf(t, id))["undeliverable"] === 1);
    // On the connection that was kept from its confirmation one of them is sent twice: it may have ended meanwhile.
    const attempts = target.got.map(({ headers }) => headers["x-forebay-attempt"]);
    expect([...new Set(attempts)]).toEqual(["1", "2", "3"]);
    expect(attempts.length).toBeLessThanOrEqual(4);
    expect(await countersOf(t, id)).toMatchObject({ failedAttempts: 3, delivered: 0, backlog: 0 });
  });

  test("whose certificate is not the one that is trusted gets not a byte of the message", async () => {
    const { t, target, id, errors } = await delivered([ok], { certificate: other, retries: 1 });
    await failed(t, id, 1);
    await t.advance(20_000);
    await until("it is given up", async () => (await countersOf(t, id))["undeliverable"] === 1);
    expect(target.connections()).toBeGreaterThan(1);
    expect(target.got).toEqual([]);
    expect(JSON.stringify(errors())).toContain("TLS with 127.0.0.1");
  });

  test("whose certificate is for another name gets nothing, although it is trusted", async () => {
    const { t, target, id, errors } = await delivered([ok], { certificate: other });
    await failed(t, id, 1);
    await topicCall(t, "updateSubscription", {
      subscription: id,
      settings: { webhook: trusting(other) },
      updateMask: ["webhook"],
    });
    await t.advance(20_000);
    await failed(t, id, 2);
    expect(target.got).toEqual([]);
    expect(JSON.stringify(errors())).toContain("ERR_TLS_CERT_ALTNAME_INVALID");
  });
});

/** What AWS's validator says of a message: undefined when it is good. */
const validated = (message: string): Promise<string | undefined> =>
  new Promise((resolve) => {
    new MessageValidator(/^localhost:\d+$/).validate(message, (error) => resolve(error?.message));
  });

test.each([
  ["1", SignatureVersion.SHA1],
  ["2", SignatureVersion.SHA256],
])(
  "AWS's validator takes what the server posts in version %s with the certificate it fetches, and nothing that was changed",
  async (version, signatureVersion) => {
    // What a user's proxy does: TLS in front of the server's pages.
    const local = localCertificate("localhost");
    let pagesPort = 0;
    const proxy = createServer({ cert: local.certificate, key: local.key }, (request, response) => {
      void fetch(`http://127.0.0.1:${pagesPort}${request.url}`).then(async (page) => {
        response.writeHead(page.status).end(Buffer.from(await page.arrayBuffer()));
      });
    });
    await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
    const trusted = globalAgent.options.ca;
    // The validator fetches with Node's own agent and takes no other.
    globalAgent.options.ca = local.certificate;
    onTestFinished(() => {
      globalAgent.options.ca = trusted;
      proxy.close();
      proxy.closeAllConnections();
    });
    const publicBaseUrl = `https://localhost:${(proxy.address() as AddressInfo).port}`;
    const t = await webhookScenario({
      create: "none",
      config: { ...webhookConfig, publicBaseUrl },
    });
    pagesPort = t.server.pageAddress?.port ?? 0;
    await createTopic(t, "news", { signatureVersion });
    const target = await hook();
    await subscribed(t, "news", target);
    await publish(t, "news", 'Grüße ☕ "quoted"\nsecond line', { subject: "Subject" });
    await publish(t, "news", "without a subject");
    await until("all are there", () => target.posted.length === 3);
    for (const { body, envelope } of target.posted) {
      expect(envelope["SignatureVersion"]).toBe(version);
      expect(envelope["SigningCertURL"]).toMatch(new RegExp(`^${publicBaseUrl}/.+\\.pem$`));
      expect(await validated(body)).toBeUndefined();
      const changed = JSON.stringify({ ...envelope, Message: `${envelope["Message"]}!` });
      expect(await validated(changed)).toBe("The message signature is invalid.");
    }
  },
);
