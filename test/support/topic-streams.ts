// The streams of the topic service as a test reads them, each over a connection of its own.

import {
  Client,
  type ClientDuplexStream,
  type ClientReadableStream,
  credentials,
  type ServiceError,
} from "@grpc/grpc-js";
import { onTestFinished } from "vitest";
import {
  ConsumeRequest,
  ConsumeResponse,
  type TailDiscontinuity,
  TailRequest,
  TailResponse,
} from "../../src/gen/forebay/topic/v1/topic_service.js";
import { type CallError, callErrorOf } from "./call-error.js";
import type { Scenario } from "./scenario.js";
import type { TopicRequest } from "./topics.js";

export function connect(t: Scenario): Client {
  const { host, port } = t.server.dataAddress;
  const client = new Client(`${host}:${port}`, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  });
  onTestFinished(() => client.close());
  return client;
}

/** What a stream answered so far, and how it ended. */
export class Answers<Response> {
  readonly responses: Response[] = [];
  /** Undefined for OK. Never rejects. */
  readonly ended: Promise<CallError | undefined>;
  isEnded = false;
  protected readonly call: ClientReadableStream<Response>;
  #arrived: (() => void)[] = [];

  constructor(call: ClientReadableStream<Response>) {
    this.call = call;
    call.on("data", (response: Response) => {
      this.responses.push(response);
      this.#wake();
    });
    this.ended = new Promise((resolve) => {
      const finish = (error: CallError | undefined): void => {
        this.isEnded = true;
        this.#wake();
        resolve(error);
      };
      call.on("error", (error: ServiceError) => finish(callErrorOf(error)));
      call.on("end", () => finish(undefined));
    });
    onTestFinished(() => call.cancel());
  }

  #wake(): void {
    const arrived = this.#arrived;
    this.#arrived = [];
    for (const resolve of arrived) resolve();
  }

  /** Resolves once `isThere` holds or the stream has ended. */
  async until(isThere: () => boolean): Promise<void> {
    while (!isThere() && !this.isEnded) {
      await new Promise<void>((resolve) => {
        this.#arrived.push(resolve);
      });
    }
  }

  pause(): void {
    this.call.pause();
  }

  resume(): void {
    this.call.resume();
  }

  cancel(): void {
    this.call.cancel();
  }
}

export class TailStream extends Answers<TailResponse> {
  /** Bodies of the messages so far. */
  get bodies(): string[] {
    return this.responses.flatMap(({ item }) =>
      item?.$case === "message" && item.value.body?.$case === "text" ? [item.value.body.value] : [],
    );
  }

  /** Their places in the topic. */
  get places(): number[] {
    return this.responses.flatMap(({ item }) =>
      item?.$case === "message" ? [Number(item.value.sequenceNumber)] : [],
    );
  }

  get gaps(): TailDiscontinuity[] {
    return this.responses.flatMap(({ item }) =>
      item?.$case === "discontinuity" ? [item.value] : [],
    );
  }

  /** What was skipped, as far as it was said how much. */
  get skipped(): number {
    return this.gaps.reduce((sum, { skippedCount }) => sum + Number(skippedCount ?? 0n), 0);
  }

  /** The kinds of all items, in order. */
  get kinds(): (string | undefined)[] {
    return this.responses.map(({ item }) => item?.$case);
  }

  async ready(): Promise<{ readonly currentSequence: string; readonly topicEpoch: string }> {
    await this.until(() => this.responses.length > 0);
    const item = this.responses[0]?.item;
    if (item?.$case !== "ready") throw new Error(`Expected ready: ${JSON.stringify(this.kinds)}`);
    return item.value;
  }
}

export function openTail(t: Scenario, request: TopicRequest<"tail">): TailStream {
  const call = connect(t).makeServerStreamRequest<TailRequest, TailResponse>(
    "/forebay.topic.v1.TopicService/Tail",
    (value) => Buffer.from(TailRequest.encode(value).finish()),
    (bytes) => TailResponse.decode(bytes),
    TailRequest.fromPartial(request),
  );
  return new TailStream(call);
}

/** A tail that is live. */
export async function tail(
  t: Scenario,
  topic: string,
  request: Omit<TopicRequest<"tail">, "topic"> = {},
): Promise<TailStream> {
  const stream = openTail(t, { ...request, topic });
  await stream.ready();
  return stream;
}

export type ConsumeCommand = NonNullable<TopicRequest<"consume">["command"]>;

/** A consumer of a subscription, as its messages and results come. */
export class TopicConsumer extends Answers<ConsumeResponse> {
  readonly #duplex: ClientDuplexStream<ConsumeRequest, ConsumeResponse>;

  constructor(call: ClientDuplexStream<ConsumeRequest, ConsumeResponse>) {
    super(call);
    this.#duplex = call;
  }

  say(command: ConsumeCommand): void {
    this.#duplex.write(ConsumeRequest.fromPartial({ command }));
  }

  halfClose(): void {
    this.#duplex.end();
  }

  get messages() {
    return this.responses.flatMap(({ item }) => (item?.$case === "message" ? [item.value] : []));
  }

  get results() {
    return this.responses.flatMap(({ item }) => (item?.$case === "result" ? [item.value] : []));
  }

  get bodies(): string[] {
    return this.messages.map(({ notification }) =>
      notification?.body?.$case === "text" ? notification.body.value : "",
    );
  }

  /** The first so many messages. */
  async take(count: number) {
    await this.until(() => this.messages.length >= count);
    return this.messages.slice(0, count);
  }

  handle(index: number): string {
    return this.messages[index]?.handle ?? "";
  }
}

export function openConsumer(t: Scenario): TopicConsumer {
  const call = connect(t).makeBidiStreamRequest<ConsumeRequest, ConsumeResponse>(
    "/forebay.topic.v1.TopicService/Consume",
    (value) => Buffer.from(ConsumeRequest.encode(value).finish()),
    (bytes) => ConsumeResponse.decode(bytes),
  );
  return new TopicConsumer(call);
}

/** A consumer that has begun, with room for so many messages. */
export async function consumer(
  t: Scenario,
  subscription: string,
  credit = 10,
): Promise<TopicConsumer> {
  const stream = openConsumer(t);
  stream.say({ $case: "start", value: { subscription, credit } });
  await stream.until(() => stream.responses.length > 0);
  return stream;
}
