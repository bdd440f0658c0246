// Load on the topics of a Forebay server, at the level of the wire: publishes, and the wait until every copy that they owe is in
// its queue; and the same messages sent to each of those queues by itself, one by one or in batches, as an application without
// topics would.

import type { ClientHttp2Session } from "node:http2";
import {
  CreateQueueRequest,
  SendMessageBatchRequest,
  SendMessageRequest,
} from "@forebay/client/gen/forebay/queue/v1/queue_service";
import { TargetKind } from "@forebay/client/gen/forebay/topic/v1/topic";
import {
  ConfirmSubscriptionRequest,
  CreateTopicRequest,
  GetTopicRequest,
  GetTopicResponse,
  PublishRequest,
  SubscribeRequest,
  TailRequest,
} from "@forebay/client/gen/forebay/topic/v1/topic_service";
import { countFields } from "./count-fields.js";
import { type LoadResult, runLoad, type StartCall, type Until } from "./load-run.js";
import { call, callUnary, framed, openDuplex } from "./wire-client.js";

export interface SubscribeQueuesOrder {
  readonly topic: string;
  /** Queues `<topic>-<index>`, each made and subscribed. */
  readonly queueCount: number;
  /** Whether each has a filter that takes the customer of its own index and nothing else. */
  readonly isFiltered: boolean;
}

export interface PublishOrder {
  readonly topic: string;
  readonly bodyBytes: number;
  readonly inFlight: number;
  readonly until: Until;
  /** The customer that the messages name, for filters; undefined: they have no attributes. */
  readonly customer?: number;
}

export interface SendToEachOrder {
  readonly topic: string;
  readonly queueCount: number;
  readonly bodyBytes: number;
  /** Messages in one call. */
  readonly entryCount: number;
  readonly inFlight: number;
  readonly until: Until;
}

const topicPath = (method: string): string => `/forebay.topic.v1.TopicService/${method}`;
const queuePath = (method: string): string => `/forebay.queue.v1.QueueService/${method}`;

/** Calls at once while nothing is measured. */
const preparingInFlight = 64;
const pollMs = 2;

const textOf = (bytes: number): string => "x".repeat(bytes);
const queueOf = (topic: string, index: number): string => `${topic}-${index}`;

export async function createTopic(session: ClientHttp2Session, topic: string): Promise<void> {
  const request = CreateTopicRequest.encode(CreateTopicRequest.fromPartial({ topic })).finish();
  await call(session, topicPath("CreateTopic"), request);
}

/** Makes queues and subscribes them, raw. */
export async function subscribeQueues(
  session: ClientHttp2Session,
  { topic, queueCount, isFiltered }: SubscribeQueuesOrder,
): Promise<void> {
  await inTurn(queueCount, (index) =>
    call(
      session,
      queuePath("CreateQueue"),
      CreateQueueRequest.encode(
        CreateQueueRequest.fromPartial({ queue: queueOf(topic, index) }),
      ).finish(),
    ),
  );
  await inTurn(queueCount, (index) =>
    call(
      session,
      topicPath("Subscribe"),
      SubscribeRequest.encode(
        SubscribeRequest.fromPartial({
          topic,
          kind: TargetKind.QUEUE,
          endpoint: queueOf(topic, index),
          settings: {
            rawMessageDelivery: true,
            ...(isFiltered && { filterPolicy: JSON.stringify({ customer: [`c${index}`] }) }),
          },
        }),
      ).finish(),
    ),
  );
}

export interface SubscribeOrder {
  readonly topic: string;
  readonly kind: TargetKind;
  readonly endpoint: string;
}

/** Subscribes one target, raw. */
export async function subscribe(
  session: ClientHttp2Session,
  { topic, kind, endpoint }: SubscribeOrder,
): Promise<void> {
  const settings = { rawMessageDelivery: true };
  const request = SubscribeRequest.fromPartial({ topic, kind, endpoint, settings });
  await call(session, topicPath("Subscribe"), SubscribeRequest.encode(request).finish());
}

/** Confirms a subscription by the token its target was sent. */
export async function confirm(
  session: ClientHttp2Session,
  { topic, token }: { readonly topic: string; readonly token: string },
): Promise<void> {
  const request = ConfirmSubscriptionRequest.fromPartial({ topic, token });
  const bytes = ConfirmSubscriptionRequest.encode(request).finish();
  await call(session, topicPath("ConfirmSubscription"), bytes);
}

async function inTurn(count: number, run: (index: number) => Promise<unknown>): Promise<void> {
  let next = 0;
  const goOn = async (): Promise<void> => {
    while (next < count) {
      next += 1;
      await run(next - 1);
    }
  };
  await Promise.all(Array.from({ length: preparingInFlight }, goOn));
}

/** Publishes; ends with the last answer, whatever is handed on later. */
export function publish(session: ClientHttp2Session, order: PublishOrder): Promise<LoadResult> {
  const { topic, bodyBytes, customer } = order;
  const attributes =
    customer === undefined
      ? {}
      : {
          customer: { dataType: "String", value: { $case: "stringValue", value: `c${customer}` } },
        };
  const request = PublishRequest.fromPartial({
    topic,
    body: { $case: "text", value: textOf(bodyBytes) },
    attributes: new Map(Object.entries(attributes)),
  } as Parameters<typeof PublishRequest.fromPartial>[0]);
  const frame = framed(PublishRequest.encode(request).finish());
  return runLoad(
    (settle) => {
      callUnary(session, topicPath("Publish"), frame, (answer) => {
        if (answer instanceof Error) settle(answer);
        else settle(answer.length > 0 ? 1 : new Error("an empty answer"));
      });
    },
    order.inFlight,
    order.until,
  );
}

/** Waits until no subscription is owed a copy. */
export async function handedOn(session: ClientHttp2Session, topic: string): Promise<void> {
  const request = GetTopicRequest.encode(GetTopicRequest.fromPartial({ topic })).finish();
  for (;;) {
    const answer = await call(session, topicPath("GetTopic"), request);
    const { counters } = GetTopicResponse.decode(answer).topic ?? {};
    if (Number(counters?.fanOutPending ?? 0n) === 0) return;
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

export interface HandedOn {
  /** Publishes. */
  readonly count: number;
  /** From the first publish to its last answer. */
  readonly answeredMs: number;
  /** From the first publish until the last copy is in its queue. */
  readonly elapsedMs: number;
}

/** Publishes, and ends when the last copy is in its queue. */
export async function publishAndHandOn(
  session: ClientHttp2Session,
  order: PublishOrder,
): Promise<HandedOn> {
  const startedMs = performance.now();
  const { count, elapsedMs: answeredMs } = await publish(session, order);
  await handedOn(session, order.topic);
  return { count, answeredMs, elapsedMs: performance.now() - startedMs };
}

/** Readers of one topic: what all of them were shown, but the item that says that a tail is live. */
export class Tails {
  #items = 0;
  #failure: Error | undefined;
  #look: () => void = () => undefined;
  readonly #tailCount: number;

  private constructor(tailCount: number) {
    this.#tailCount = tailCount;
  }

  /** Resolves when all are live. */
  static async open(
    session: ClientHttp2Session,
    { topic, tailCount }: { readonly topic: string; readonly tailCount: number },
  ): Promise<Tails> {
    const tails = new Tails(tailCount);
    const request = TailRequest.fromPartial({ topic, bufferMaxMessages: 10_000 });
    const frame = framed(TailRequest.encode(request).finish());
    for (let opened = 0; opened < tailCount; opened += 1) {
      openDuplex(session, topicPath("Tail"), {
        onMessage: (message) => tails.#shown(message),
        onError: (error) => {
          tails.#failure = error;
          tails.#look();
        },
      }).write(frame, true);
    }
    await tails.#until(tailCount);
    tails.#items = 0;
    return tails;
  }

  #shown(message: Buffer): void {
    const [tag] = message;
    if (tag === discontinuityTag) this.#failure = new Error("a tail has skipped messages");
    else if (tag !== heartbeatTag) this.#items += 1;
    this.#look();
  }

  async #until(items: number): Promise<void> {
    while (this.#items < items && this.#failure === undefined) {
      await new Promise<void>((resolve) => {
        this.#look = resolve;
      });
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Publishes, and ends when every tail has shown everything. */
  async publish(session: ClientHttp2Session, order: PublishOrder): Promise<HandedOn> {
    this.#items = 0;
    const startedMs = performance.now();
    const { count, elapsedMs: answeredMs } = await publish(session, order);
    await this.#until(count * this.#tailCount);
    return { count, answeredMs, elapsedMs: performance.now() - startedMs };
  }
}

/** The first byte of an item: its field's number, and that it has a length. */
const heartbeatTag = (3 << 3) | 2;
const discontinuityTag = (4 << 3) | 2;

/** Sends to the queues of a topic in turn, past the topic. */
export function sendToEach(
  session: ClientHttp2Session,
  order: SendToEachOrder,
): Promise<LoadResult> {
  const frames = Array.from({ length: order.queueCount }, (_, index) => {
    const queue = queueOf(order.topic, index);
    return order.entryCount === 1 ? sendFrame(queue, order) : batchFrame(queue, order);
  });
  const path = queuePath(order.entryCount === 1 ? "SendMessage" : "SendMessageBatch");
  let sentCount = 0;
  const start: StartCall = (settle) => {
    const frame = frames[sentCount % frames.length] as Buffer;
    sentCount += 1;
    callUnary(session, path, frame, (answer) => {
      settle(answer instanceof Error ? answer : storedBy(answer, order.entryCount));
    });
  };
  return runLoad(start, order.inFlight, order.until);
}

function sendFrame(queue: string, { bodyBytes }: SendToEachOrder): Buffer {
  const body = { $case: "text", value: textOf(bodyBytes) } as const;
  return framed(
    SendMessageRequest.encode(SendMessageRequest.fromPartial({ queue, body })).finish(),
  );
}

function batchFrame(queue: string, { bodyBytes, entryCount }: SendToEachOrder): Buffer {
  const body = { $case: "text", value: textOf(bodyBytes) } as const;
  const entries = Array.from({ length: entryCount }, (_, index) => ({ id: String(index), body }));
  return framed(
    SendMessageBatchRequest.encode(
      SendMessageBatchRequest.fromPartial({ queue, entries }),
    ).finish(),
  );
}

const successfulField = 1;

function storedBy(answer: Buffer, entryCount: number): number | Error {
  if (entryCount === 1) return answer.length > 0 ? 1 : new Error("an empty answer");
  const stored = countFields(answer, successfulField);
  return stored === entryCount ? stored : new Error(`${stored} of ${entryCount} were stored`);
}
