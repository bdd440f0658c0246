// The messages as they are sent, to the byte: fields, their order, what is absent; and the headers of requests.

import { describe, expect, test } from "vitest";
import { epochMs } from "../../src/base/brands.js";
import {
  type ConfirmationRequest,
  confirmationEnvelope,
  type EnvelopeSignature,
  lambdaEvent,
  type NotificationContent,
  notificationEnvelope,
  subscriptionConfirmation,
  unsubscribeConfirmation,
  unsubscribeUrl,
} from "../../src/delivery/envelopes.js";
import {
  userAgentDefault,
  type WebhookMessage,
  webhookRequest,
} from "../../src/delivery/webhook-request.js";

const topicArn = "arn:forebay:topic:default:orders";
const subscriptionArn = `${topicArn}:0190b6f2-0000-7000-8000-000000000002`;
const messageId = "0190b6f2-0000-7000-8000-000000000001";
const unsubscribe = unsubscribeUrl("https://forebay.example", subscriptionArn);

const content: NotificationContent = {
  type: "Notification",
  messageId,
  sequenceNumber: undefined,
  topicArn,
  subject: undefined,
  message: 'Ein "Gruß" ☕\n',
  publishedAt: epochMs(Date.UTC(2030, 0, 1, 0, 0, 0, 7)),
  attributes: [],
  isReplayed: false,
};

const signature: EnvelopeSignature = {
  version: 2,
  signature: "c2ln",
  certificateUrl: "https://forebay.example/SimpleNotificationService-0.pem",
};

describe("a notification", () => {
  test("of a standard topic, without anything that may be absent", () => {
    expect(notificationEnvelope(content, unsubscribe, signature)).toBe(
      `{"Type":"Notification","MessageId":"${messageId}","TopicArn":"${topicArn}","Message":"Ein \\"Gruß\\" ☕\\n","Timestamp":"2030-01-01T00:00:00.007Z","SignatureVersion":"2","Signature":"c2ln","SigningCertURL":"https://forebay.example/SimpleNotificationService-0.pem","UnsubscribeURL":"https://forebay.example/?Action=Unsubscribe&SubscriptionArn=${subscriptionArn}"}`,
    );
  });

  test("of a FIFO topic with everything, which is not signed", () => {
    const full: NotificationContent = {
      ...content,
      sequenceNumber: "00000000000000000042",
      subject: "Hello",
      attributes: [
        { name: "count", dataType: "Number.int", isText: true, value: Buffer.from("007") },
        { name: "key", dataType: "Binary", isText: false, value: Buffer.from([0, 255]) },
        { name: "tags", dataType: "String.Array", isText: true, value: Buffer.from('["ä"]') },
      ],
      isReplayed: true,
    };
    const envelope = notificationEnvelope(full, unsubscribe, undefined);
    const value = JSON.parse(envelope) as Record<string, unknown>;
    expect(Object.keys(value)).toEqual([
      "Type",
      "MessageId",
      "SequenceNumber",
      "TopicArn",
      "Subject",
      "Message",
      "Timestamp",
      "UnsubscribeURL",
      "MessageAttributes",
      "Replayed",
    ]);
    expect(value["Replayed"]).toBe(true);
    expect(value["MessageAttributes"]).toEqual({
      count: { Type: "Number.int", Value: "007" },
      key: { Type: "Binary", Value: "AP8=" },
      tags: { Type: "String.Array", Value: '["ä"]' },
    });
  });

  test("as the event of a Lambda function writes keys its own way and leaves out neither subject nor attributes", () => {
    const event = JSON.parse(lambdaEvent(content, subscriptionArn, unsubscribe, signature)) as {
      Records: { Sns: Record<string, unknown> }[];
    };
    const [record] = event.Records;
    expect(record).toMatchObject({
      EventSource: "aws:sns",
      EventVersion: "1.0",
      EventSubscriptionArn: subscriptionArn,
    });
    expect(record?.Sns).toEqual({
      Type: "Notification",
      MessageId: messageId,
      TopicArn: topicArn,
      Subject: null,
      Message: content.message,
      Timestamp: "2030-01-01T00:00:00.007Z",
      SignatureVersion: "2",
      Signature: "c2ln",
      SigningCertUrl: signature.certificateUrl,
      UnsubscribeUrl: unsubscribe,
      MessageAttributes: {},
    });
  });
});

describe("a confirmation", () => {
  const request: ConfirmationRequest = {
    messageId,
    token: "ab".repeat(32),
    topicArn,
    publicBaseUrl: "https://forebay.example",
    sentAt: epochMs(Date.UTC(2030, 0, 1)),
  };
  const keys = [
    "Type",
    "MessageId",
    "Token",
    "TopicArn",
    "Message",
    "SubscribeURL",
    "Timestamp",
    "SignatureVersion",
    "Signature",
    "SigningCertURL",
  ];

  test("of a subscription names topic and token, in its URL too", () => {
    const envelope = confirmationEnvelope(subscriptionConfirmation(request), signature);
    const value = JSON.parse(envelope) as Record<string, string>;
    expect(Object.keys(value)).toEqual(keys);
    expect(value).toMatchObject({
      Type: "SubscriptionConfirmation",
      Token: request.token,
      SubscribeURL: `https://forebay.example/?Action=ConfirmSubscription&TopicArn=${topicArn}&Token=${request.token}`,
      Message: `You have chosen to subscribe to the topic ${topicArn}.\nTo confirm the subscription, visit the SubscribeURL included in this message.`,
    });
  });

  test("of its end names the subscription", () => {
    const asked = unsubscribeConfirmation(request, subscriptionArn);
    const value = JSON.parse(confirmationEnvelope(asked, signature)) as Record<string, string>;
    expect(Object.keys(value)).toEqual(keys);
    expect(value["Type"]).toBe("UnsubscribeConfirmation");
    expect(value["Message"]).toContain(subscriptionArn);
  });

  test("has a URL that holds whatever a token is", () => {
    const { subscribeUrl } = subscriptionConfirmation({ ...request, token: "a&b=c d" });
    expect(new URL(subscribeUrl).searchParams.get("Token")).toBe("a&b=c d");
  });
});

describe("a request", () => {
  const message: WebhookMessage = {
    messageId,
    topicArn,
    attempt: 3,
    startedAt: epochMs(Date.UTC(2030, 0, 1)),
    body: Buffer.from("☕"),
    hmacSecrets: [],
    traceParent: undefined,
    userAgent: userAgentDefault,
    form: { kind: "enveloped", subscriptionArn, contentType: "application/json" },
  };

  test("with an envelope has SNS's headers, and ours", () => {
    expect(webhookRequest(message).headers).toEqual({
      "content-type": "application/json",
      "content-length": "3",
      "user-agent": "Amazon Simple Notification Service Agent",
      "accept-encoding": "gzip,deflate",
      "x-amz-sns-message-type": "Notification",
      "x-amz-sns-message-id": messageId,
      "x-amz-sns-topic-arn": topicArn,
      "x-amz-sns-subscription-arn": subscriptionArn,
      "x-forebay-attempt": "3",
    });
  });

  test("to confirm a subscription is plain text and names no subscription", () => {
    const { headers } = webhookRequest({ ...message, form: { kind: "subscription_confirmation" } });
    expect(headers["content-type"]).toBe("text/plain; charset=UTF-8");
    expect(headers["x-amz-sns-message-type"]).toBe("SubscriptionConfirmation");
    expect(headers).not.toHaveProperty("x-amz-sns-subscription-arn");
  });

  test("to confirm the end of a subscription names it", () => {
    const form = { kind: "unsubscribe_confirmation", subscriptionArn } as const;
    const { headers } = webhookRequest({ ...message, form });
    expect(headers["x-amz-sns-message-type"]).toBe("UnsubscribeConfirmation");
    expect(headers["x-amz-sns-subscription-arn"]).toBe(subscriptionArn);
  });

  const raw = { kind: "raw", subscriptionArn, contentType: "text/csv", attributes: [] } as const;

  test("that is raw says so, and hands the trace on", () => {
    const traceParent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const { headers, body } = webhookRequest({ ...message, form: raw, traceParent });
    expect(headers["x-amz-sns-rawdelivery"]).toBe("true");
    expect(headers["content-type"]).toBe("text/csv");
    expect(headers["traceparent"]).toBe(traceParent);
    expect(body).toEqual(message.body);
    expect(Object.keys(headers).filter((name) => name.includes("attr"))).toEqual([]);
  });

  test("that is raw can have attributes as headers, which end no header and are not too long", () => {
    const attributes = [
      {
        name: "Color",
        dataType: "String",
        isText: true,
        value: Buffer.from("blue 100%\r\nx: y ü"),
      },
      { name: "key", dataType: "Binary", isText: false, value: Buffer.from([0, 255]) },
      { name: "long", dataType: "String", isText: true, value: Buffer.from("x".repeat(8_192)) },
    ];
    const { headers } = webhookRequest({ ...message, form: { ...raw, attributes } });
    expect(headers["x-forebay-attr-color"]).toBe("blue%20100%25%0D%0Ax:%20y%20%C3%BC");
    expect(headers["x-forebay-attr-key"]).toBe("AP8=");
    expect(headers).not.toHaveProperty("x-forebay-attr-long");
    expect(headers["x-forebay-attributes-omitted"]).toBe("1");
  });
});
