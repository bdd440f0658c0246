// A published message as a function gets it: every field, over the bytes of the contract.

import { expect, test } from "vitest";
import { epochMs, sequence } from "../../src/base/brands.js";
import { deliveredNotification } from "../../src/delivery/function-notification.js";
import { DeliveredNotification } from "../../src/gen/forebay/topic/v1/receiver_service.js";
import type { TopicMessage } from "../../src/topic/model.js";

const message: TopicMessage = {
  sequence: sequence(42),
  messageId: Buffer.from("0190b6f2000070008000000000000001", "hex"),
  publishedAt: epochMs(1_893_456_000_007),
  sizeBytes: 0,
  isText: true,
  isStructured: true,
  body: Buffer.from('{"default":"d","lambda":"for functions","http":"h"}'),
  contentType: "",
  subject: "Hello",
  attributes: [
    { name: "n", dataType: "Number", isText: true, value: Buffer.from("007") },
    { name: "b", dataType: "Binary", isText: false, value: Buffer.from([0, 255]) },
  ],
  groupId: "g",
  dedupId: undefined,
  deliverAt: undefined,
  expiresAt: undefined,
  senderId: "somebody",
  traceParent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
};
const delivery = {
  topic: "orders",
  message,
  attempt: 3,
  isReplayed: true,
  lambdaEvent: '{"Records":[]}',
};

test("a text has what its structure says for functions, and everything that travels with it", () => {
  const made = deliveredNotification(delivery);
  const sent = DeliveredNotification.decode(DeliveredNotification.encode(made).finish());
  expect(sent).toEqual({
    attempt: 3,
    lambdaEvent: '{"Records":[]}',
    notification: {
      messageId: "0190b6f2-0000-7000-8000-000000000001",
      topic: "orders",
      subject: "Hello",
      body: { $case: "text", value: "for functions" },
      contentType: "",
      attributes: new Map([
        ["n", { dataType: "Number", value: { $case: "stringValue", value: "007" } }],
        [
          "b",
          { dataType: "Binary", value: { $case: "binaryValue", value: new Uint8Array([0, 255]) } },
        ],
      ]),
      publishTime: { seconds: 1_893_456_000n, nanos: 7_000_000 },
      sequenceNumber: "00000000000000000042",
      groupId: "g",
      dedupId: undefined,
      isReplayed: true,
      traceparent: message.traceParent,
    },
  });
});

test("bytes stay bytes, and what is absent is absent", () => {
  const plain: TopicMessage = {
    ...message,
    isText: false,
    isStructured: false,
    body: Buffer.from([1, 2]),
    contentType: "application/x-orders",
    subject: undefined,
    groupId: undefined,
    attributes: [],
    traceParent: undefined,
  };
  const made = deliveredNotification({ ...delivery, message: plain, lambdaEvent: undefined });
  const sent = DeliveredNotification.decode(DeliveredNotification.encode(made).finish());
  expect(sent.lambdaEvent).toBe("");
  expect(sent.notification).toMatchObject({
    body: { $case: "data", value: new Uint8Array([1, 2]) },
    contentType: "application/x-orders",
    subject: undefined,
    groupId: undefined,
    attributes: new Map(),
    traceparent: "",
  });
});
