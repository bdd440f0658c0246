// The pages that endpoints reach by the URLs in their messages.

import { describe, expect, test } from "vitest";
import { confirmUrl, unsubscribeUrl } from "../../src/delivery/envelopes.js";
import {
  type CertificatePageResult,
  type ConfirmPageRequest,
  type ConfirmPageResult,
  createPages,
  type PageRequest,
  type PageResponse,
  type UnsubscribePageResult,
} from "../../src/delivery/pages.js";
import {
  readSubscriptionArn,
  readTopicArn,
  type SubscriptionReference,
  subscriptionArnOf,
  topicArnOf,
} from "../../src/delivery/resource-names.js";

const prefix = "arn:forebay:topic";
const topicArn = "arn:forebay:topic:billing:orders.fifo";
const id = "0190b6f2-0000-7000-8000-000000000002";
const subscriptionArn = `${topicArn}:${id}`;
const certificateFile = `SimpleNotificationService-${"0a".repeat(16)}.pem`;
/** Of which nobody can say at the moment whether it is served. */
const unreadableFile = `SimpleNotificationService-${"0c".repeat(16)}.pem`;

function certificateOf(name: string): CertificatePageResult {
  if (name === unreadableFile) return { kind: "unavailable" };
  return name === certificateFile ? { kind: "found", pem: "PEM" } : { kind: "unknown" };
}

/** Pages over ports that say what they are told and note what they are asked. */
function pages(
  confirmed: ConfirmPageResult = { kind: "confirmed", subscriptionArn },
  ended: UnsubscribePageResult = { kind: "ended" },
) {
  const confirms: ConfirmPageRequest[] = [];
  const ends: SubscriptionReference[] = [];
  const answer = createPages({
    confirm: (request) => {
      confirms.push(request);
      return Promise.resolve(confirmed);
    },
    unsubscribe: (reference) => {
      ends.push(reference);
      return Promise.resolve(ended);
    },
    certificate: (name) => Promise.resolve(certificateOf(name)),
  });
  const get = (target: string, request: Partial<PageRequest> = {}): Promise<PageResponse> =>
    answer({ method: "GET", target, accept: undefined, requestId: "r-1", ...request });
  return { get, confirms, ends };
}

/** Path and query of a URL that is in a message. */
const targetOf = (url: string): string => url.slice("https://forebay.example".length);
const confirmTarget = targetOf(confirmUrl("https://forebay.example", topicArn, "t0k&n"));
const endTarget = targetOf(unsubscribeUrl("https://forebay.example", subscriptionArn));

describe("confirming", () => {
  test("by the URL of a confirmation answers with the subscription, as SNS's XML", async () => {
    const { get, confirms } = pages();
    const response = await get(confirmTarget);
    expect(response.statusCode).toBe(200);
    expect(response.headers["content-type"]).toBe("text/xml; charset=utf-8");
    expect(response.body).toBe(
      `<?xml version="1.0"?>\n<ConfirmSubscriptionResponse xmlns="http://sns.amazonaws.com/doc/2010-03-31/"><ConfirmSubscriptionResult><SubscriptionArn>${subscriptionArn}</SubscriptionArn></ConfirmSubscriptionResult><ResponseMetadata><RequestId>r-1</RequestId></ResponseMetadata></ConfirmSubscriptionResponse>\n`,
    );
    expect(confirms).toEqual([
      {
        topic: { namespace: "billing", topic: "orders.fifo" },
        token: "t0k&n",
        isAuthenticatedOnUnsubscribe: false,
      },
    ]);
  });

  test("answers JSON to who asks for it", async () => {
    const response = await pages().get(confirmTarget, { accept: "text/html, application/json" });
    expect(response.headers["content-type"]).toBe("application/json");
    expect(JSON.parse(response.body)).toEqual({
      ConfirmSubscriptionResponse: {
        ConfirmSubscriptionResult: { SubscriptionArn: subscriptionArn },
        ResponseMetadata: { RequestId: "r-1" },
      },
    });
  });

  test.each(["true", "True"])("with AuthenticateOnUnsubscribe=%s says so", async (flag) => {
    const { get, confirms } = pages();
    await get(`${confirmTarget}&AuthenticateOnUnsubscribe=${flag}`);
    expect(confirms[0]?.isAuthenticatedOnUnsubscribe).toBe(true);
  });

  test("is no page that a cache keeps or that tells another site its token", async () => {
    const { headers } = await pages().get(confirmTarget);
    expect(headers).toMatchObject({
      "cache-control": "no-store",
      "referrer-policy": "no-referrer",
      "x-content-type-options": "nosniff",
    });
  });

  test("with a token that is not one is refused", async () => {
    const response = await pages({ kind: "invalid_token" }).get(confirmTarget);
    expect(response.statusCode).toBe(400);
    expect(response.body).toContain("<Code>InvalidParameter</Code>");
    const missing = pages();
    const bare = `/?Action=ConfirmSubscription&TopicArn=${topicArn}`;
    expect((await missing.get(bare)).statusCode).toBe(400);
    expect((await missing.get(`${bare}&Token=${"a".repeat(257)}`)).statusCode).toBe(400);
    expect(missing.confirms).toEqual([]);
  });

  test("while nobody can decide is to be tried again", async () => {
    expect((await pages({ kind: "unavailable" }).get(confirmTarget)).statusCode).toBe(503);
  });

  test("does not happen when the page is only looked at", async () => {
    const { get, confirms } = pages();
    expect((await get(confirmTarget, { method: "HEAD" })).statusCode).toBe(200);
    expect((await get(confirmTarget, { method: "POST" })).statusCode).toBe(405);
    expect(confirms).toEqual([]);
  });
});

describe("ending a subscription", () => {
  test("by the URL of a notification", async () => {
    const { get, ends } = pages();
    const response = await get(endTarget);
    expect(response.statusCode).toBe(200);
    expect(response.body).toContain("<UnsubscribeResponse xmlns=");
    expect(ends).toEqual([{ namespace: "billing", topic: "orders.fifo", subscription: id }]);
  });

  test("is refused where it needs to be authenticated", async () => {
    const response = await pages(undefined, { kind: "authentication_required" }).get(endTarget);
    expect(response.statusCode).toBe(403);
    expect(response.body).toContain("<Code>AuthorizationError</Code>");
  });

  test("needs a subscription", async () => {
    const { get, ends } = pages();
    expect((await get("/?Action=Unsubscribe")).statusCode).toBe(400);
    expect((await get(`/?Action=Unsubscribe&SubscriptionArn=${topicArn}`)).statusCode).toBe(400);
    expect(ends).toEqual([]);
  });
});

describe("a certificate", () => {
  test("is served by its name, and may be kept", async () => {
    const response = await pages().get(`/${certificateFile}`);
    expect(response).toMatchObject({ statusCode: 200, body: "PEM" });
    expect(response.headers["cache-control"]).toContain("public");
  });

  test("of which nobody can say whether it is served is to be asked for again", async () => {
    expect((await pages().get(`/${unreadableFile}`)).statusCode).toBe(503);
  });

  test.each([
    `/${certificateFile.replace("0a0a", "0b0b")}`,
    `/${certificateFile}/`,
    `/../${certificateFile}`,
    "/SimpleNotificationService-.pem",
    "/favicon.ico",
    "//",
    "",
  ])("is not at %s", async (target) => {
    expect((await pages().get(target)).statusCode).toBe(404);
  });
});

test("a text in an answer is no markup", async () => {
  const result = { kind: "confirmed", subscriptionArn: `<a href="x">&'` } as const;
  const { body } = await pages(result).get(confirmTarget);
  expect(body).toContain("&lt;a href=&quot;x&quot;&gt;&amp;&apos;");
});

test.each([
  ["/", 400],
  ["/?Action=Publish", 400],
  [`/?Action=${"a".repeat(4_097)}`, 414],
])("%s is answered with %d", async (target, statusCode) => {
  expect((await pages().get(target)).statusCode).toBe(statusCode);
});

describe("names", () => {
  test("are read as they are written", () => {
    const topic = readTopicArn(prefix, topicArn);
    expect(topic && topicArnOf(prefix, topic)).toBe(topicArn);
    const subscription = readSubscriptionArn(prefix, subscriptionArn);
    expect(subscription && subscriptionArnOf(prefix, subscription)).toBe(subscriptionArn);
    expect(
      readTopicArn("arn:aws:sns:eu-west-1", "arn:aws:sns:eu-west-1:123456789012:orders"),
    ).toEqual({ namespace: "123456789012", topic: "orders" });
  });

  test.each([
    "",
    prefix,
    `${prefix}:billing`,
    `${prefix}:billing:`,
    `${prefix}::orders`,
    `${prefix}:Billing:orders`,
    `${prefix}:billing:or ders`,
    `${prefix}x:billing:orders`,
    subscriptionArn,
  ])("%s is no topic", (text) => {
    expect(readTopicArn(prefix, text)).toBeUndefined();
  });

  test.each([topicArn, `${topicArn}:1`, `${subscriptionArn}:`])("%s is no subscription", (text) => {
    expect(readSubscriptionArn(prefix, text)).toBeUndefined();
  });
});
