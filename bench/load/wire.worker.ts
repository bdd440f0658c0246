// Load on a Forebay server at the level of the wire (wire-client.ts): sends, batches, Produce streams, receives. The no-op
// service takes the same requests, so an order names the service and everything else is the same.

import type { ClientHttp2Session } from "node:http2";
import {
  CreateQueueRequest,
  DeleteMessageBatchRequest,
  GetQueueAttributesRequest,
  GetQueueAttributesResponse,
  ProduceRequest,
  ReceiveMessageRequest,
  ReceiveMessageResponse,
  SendMessageBatchRequest,
  SendMessageRequest,
} from "@forebay/client/gen/forebay/queue/v1/queue_service";
import { countFields, countItems } from "./count-fields.js";
import {
  type LoadResult,
  type Pace,
  runLoad,
  runPaced,
  type StartCall,
  type Until,
} from "./load-run.js";
import { answerOrders } from "./orders.js";
import {
  confirm,
  createTopic,
  handedOn,
  type PublishOrder,
  publish,
  publishAndHandOn,
  type SendToEachOrder,
  type SubscribeOrder,
  type SubscribeQueuesOrder,
  sendToEach,
  subscribe,
  subscribeQueues,
  Tails,
} from "./topic-load.js";
import { call, callUnary, framed, openDuplex, openSession } from "./wire-client.js";

const services = {
  queue: "forebay.queue.v1.QueueService",
  noop: "forebay.bench.NoopService",
} as const;

export type Service = keyof typeof services;

export interface SendOrder {
  readonly service: Service;
  readonly queue: string;
  readonly bodyBytes: number;
  readonly inFlight: number;
  readonly until: Until;
}

export interface PacedOrder extends Pace {
  readonly queue: string;
  readonly bodyBytes: number;
}

export interface BatchOrder extends SendOrder {
  /** Messages in one call, or in one request of a stream. */
  readonly entryCount: number;
  /** Message groups, each of which gets one message in turn; undefined: none. Streams only. */
  readonly groupCount?: number;
}

export interface ReceiveOrder {
  readonly queue: string;
  readonly inFlight: number;
  readonly callCount: number;
}

const receiveMessagesMax = 10;
/** How long what a measurement receives stays with it, in seconds: longer than any measurement takes. */
const leaseSeconds = 3_600n;

let session: ClientHttp2Session | undefined;
let tails: Tails | undefined;
/** Received and not yet deleted, by queue. */
const handles = new Map<string, string[]>();

function openedSession(): ClientHttp2Session {
  if (session === undefined) throw new Error("connect first");
  return session;
}

const pathOf = (service: Service, method: string): string => `/${services[service]}/${method}`;
const queuePath = (method: string): string => pathOf("queue", method);

const textOf = (bytes: number): string =>
  "0123456789abcdef".repeat(Math.ceil(bytes / 16)).slice(0, bytes);
const bodyOf = (bytes: number) => ({ $case: "text", value: textOf(bytes) }) as const;

const entriesOf = (count: number, bodyBytes: number, groupOf = (_index: number) => "") =>
  Array.from({ length: count }, (_, index) => ({
    id: String(index),
    body: bodyOf(bodyBytes),
    attributes: new Map(),
    dedupId: "",
    groupId: groupOf(index),
    delay: undefined,
    systemAttributes: undefined,
  }));

/** Calls the same request again and again; `count` says what an answer is worth, or what is wrong with it. */
function repeated(
  path: string,
  message: Uint8Array,
  count: (answer: Buffer) => number | Error,
): StartCall {
  const opened = openedSession();
  const frame = framed(message);
  return (settle) => {
    callUnary(opened, path, frame, (answer) => {
      settle(answer instanceof Error ? answer : count(answer));
    });
  };
}

const send = (order: SendOrder): Promise<LoadResult> =>
  runLoad(sending(order), order.inFlight, order.until);

const sendPaced = (order: PacedOrder): Promise<LoadResult> =>
  runPaced(sending({ ...order, service: "queue" }), order);

function sending({
  service,
  queue,
  bodyBytes,
}: Pick<SendOrder, "service" | "queue" | "bodyBytes">): StartCall {
  const request = SendMessageRequest.encode(
    SendMessageRequest.fromPartial({ queue, body: bodyOf(bodyBytes) }),
  ).finish();
  return repeated(pathOf(service, "SendMessage"), request, (answer) =>
    answer.length > 0 ? 1 : new Error("an empty answer"),
  );
}

const successfulField = 1;
const receivedField = 1;
const resultsField = 2;
const sentField = 1;

function sendBatches(order: BatchOrder): Promise<LoadResult> {
  const { entryCount } = order;
  const request = SendMessageBatchRequest.encode(
    SendMessageBatchRequest.fromPartial({
      queue: order.queue,
      entries: entriesOf(entryCount, order.bodyBytes),
    }),
  ).finish();
  const count = (answer: Buffer): number | Error => {
    const stored = countFields(answer, successfulField);
    return stored === entryCount ? stored : new Error(`${stored} of ${entryCount} were stored`);
  };
  const path = pathOf(order.service, "SendMessageBatch");
  return runLoad(repeated(path, request, count), order.inFlight, order.until);
}

const isFifo = (queue: string): boolean => queue.endsWith(".fifo");
/** Streams so far: no deduplication id is used by two. */
let dedupRuns = 0;

/** A stream on which up to `inFlight` requests are unanswered; each answer that completes a request starts the next. */
async function produce(order: BatchOrder): Promise<LoadResult> {
  const { entryCount, groupCount } = order;
  const frameFrom = (sentCount: number): Buffer => {
    const groupOf = (index: number): string =>
      groupCount === undefined ? "" : `group-${(sentCount + index) % groupCount}`;
    const entries = entriesOf(entryCount, order.bodyBytes, groupOf);
    // The bodies are all the same, so what makes a message of a FIFO queue one of its own is its deduplication id.
    const identified = entries.map((entry, index) => ({
      ...entry,
      dedupId: isFifo(order.queue) ? `${dedupPrefix}-${sentCount + index}` : "",
    }));
    return framed(
      ProduceRequest.encode(
        ProduceRequest.fromPartial({ queue: order.queue, entries: identified }),
      ).finish(),
    );
  };
  dedupRuns += 1;
  const dedupPrefix = `run-${dedupRuns}`;
  const isSame = groupCount === undefined && !isFifo(order.queue);
  const sameFrame = frameFrom(0);
  let startedCount = 0;
  const unanswered: ((answer: number | Error) => void)[] = [];
  let answeredCount = 0;
  const stream = openDuplex(openedSession(), pathOf(order.service, "Produce"), {
    onError: (error) => {
      for (const settle of unanswered.splice(0)) settle(error);
    },
    onMessage: (message) => {
      // Answers come in the order of the entries, but not one answer a request.
      answeredCount += countItems(message, resultsField, sentField);
      while (answeredCount >= entryCount && unanswered.length > 0) {
        answeredCount -= entryCount;
        unanswered.shift()?.(entryCount);
      }
    },
  });
  const result = await runLoad(
    (settle) => {
      unanswered.push(settle);
      stream.write(isSame ? sameFrame : frameFrom(startedCount));
      startedCount += entryCount;
    },
    order.inFlight,
    order.until,
  );
  await stream.end();
  return result;
}

function receive(order: ReceiveOrder): Promise<LoadResult> {
  const request = ReceiveMessageRequest.encode(
    ReceiveMessageRequest.fromPartial({
      queue: order.queue,
      maxMessages: receiveMessagesMax,
      visibilityTimeout: { seconds: leaseSeconds, nanos: 0 },
    }),
  ).finish();
  const kept = handles.get(order.queue) ?? [];
  handles.set(order.queue, kept);
  const count = (answer: Buffer): number | Error => {
    const received = countFields(answer, receivedField);
    if (received === 0) return new Error(`${order.queue} has nothing to receive`);
    for (const { receiptHandle } of ReceiveMessageResponse.decode(answer).messages) {
      kept.push(receiptHandle);
    }
    return received;
  };
  return runLoad(repeated(queuePath("ReceiveMessage"), request, count), order.inFlight, {
    kind: "count",
    count: order.callCount,
  });
}

/** Deletes what was received from a queue. */
async function deleteReceived(order: {
  readonly queue: string;
  readonly inFlight: number;
}): Promise<LoadResult> {
  const opened = openedSession();
  const path = queuePath("DeleteMessageBatch");
  const kept = handles.get(order.queue) ?? [];
  handles.delete(order.queue);
  const frames: Buffer[] = [];
  for (let at = 0; at < kept.length; at += receiveMessagesMax) {
    const entries = kept
      .slice(at, at + receiveMessagesMax)
      .map((receiptHandle, index) => ({ id: String(index), receiptHandle }));
    frames.push(framed(DeleteMessageBatchRequest.encode({ queue: order.queue, entries }).finish()));
  }
  const count = frames.length;
  return await runLoad(
    (settle) => {
      callUnary(opened, path, frames.pop() ?? Buffer.alloc(0), (answer) => {
        settle(answer instanceof Error ? answer : countFields(answer, successfulField));
      });
    },
    order.inFlight,
    { kind: "count", count },
  );
}

const handlers = {
  connect: async ({ address }: { readonly address: string }): Promise<void> => {
    session?.destroy();
    handles.clear();
    session = await openSession(address);
  },
  createQueue: async ({ queue }: { readonly queue: string }): Promise<void> => {
    const attributes = isFifo(queue) ? { fifoQueue: true } : undefined;
    const request = CreateQueueRequest.encode(
      CreateQueueRequest.fromPartial({ queue, attributes }),
    ).finish();
    await call(openedSession(), queuePath("CreateQueue"), request);
  },
  storedCount: async ({ queue }: { readonly queue: string }): Promise<number> => {
    const request = GetQueueAttributesRequest.encode(
      GetQueueAttributesRequest.fromPartial({ queue }),
    ).finish();
    const answer = await call(openedSession(), queuePath("GetQueueAttributes"), request);
    return Number(GetQueueAttributesResponse.decode(answer).counters?.storedMessageCount ?? 0n);
  },
  send,
  sendPaced,
  sendBatches,
  produce,
  receive,
  deleteReceived,
  createTopic: ({ topic }: { readonly topic: string }) => createTopic(openedSession(), topic),
  subscribeQueues: (order: SubscribeQueuesOrder) => subscribeQueues(openedSession(), order),
  subscribe: (order: SubscribeOrder) => subscribe(openedSession(), order),
  confirm: (order: { readonly topic: string; readonly token: string }) =>
    confirm(openedSession(), order),
  publish: (order: PublishOrder) => publish(openedSession(), order),
  publishAndHandOn: (order: PublishOrder) => publishAndHandOn(openedSession(), order),
  openTails: async (order: { readonly topic: string; readonly tailCount: number }) => {
    tails = await Tails.open(openedSession(), order);
  },
  publishAndTail: async (order: PublishOrder) => {
    if (tails === undefined) throw new Error("open the tails first");
    return await tails.publish(openedSession(), order);
  },
  handedOn: ({ topic }: { readonly topic: string }) => handedOn(openedSession(), topic),
  sendToEach: (order: SendToEachOrder) => sendToEach(openedSession(), order),
};

export type WireHandlers = typeof handlers;

answerOrders(handlers);
