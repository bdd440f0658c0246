// The services as a test calls them: any method with a part of its request, over a real socket, through nothing but grpc-js
// and the generated codecs. Whatever goes wrong arrives as a CallError.
//
// Calls have no deadline unless a test gives one: the server would answer before it, in real time, whatever the test's clock.

import {
  Client,
  type ClientDuplexStream,
  credentials,
  Metadata,
  type ServiceError,
} from "@grpc/grpc-js";
import type { Address } from "../../src/config/address.js";
import {
  type ConsumeResponse,
  type ProduceResponse,
  QueueServiceDefinition,
} from "../../src/gen/forebay/queue/v1/queue_service.js";
import { ScheduleServiceDefinition } from "../../src/gen/forebay/queue/v1/schedule_service.js";
import { type CallError, callErrorOf } from "./call-error.js";

/** Of both services; no two have one name. */
export const serviceMethods = {
  ...QueueServiceDefinition.methods,
  ...ScheduleServiceDefinition.methods,
};
type Methods = typeof serviceMethods;
type StreamMethod = "produce" | "consume";
export type UnaryMethod = Exclude<keyof Methods, StreamMethod>;

interface Codec<Message> {
  encode(message: Message): { finish(): Uint8Array };
  decode(bytes: Uint8Array): Message;
}

/** A request as a test writes it: what is left out has its default. */
export type RequestPart<Method extends keyof Methods> = Parameters<
  Methods[Method]["requestType"]["fromPartial"]
>[0];
export type ResponseOf<Method extends keyof Methods> = ReturnType<
  Methods[Method]["responseType"]["decode"]
>;

export interface CallOptions {
  readonly deadlineMs?: number | undefined;
  readonly metadata?: Readonly<Record<string, string>> | undefined;
  readonly signal?: AbortSignal | undefined;
}

function pathOf(method: keyof Methods): string {
  const { fullName } =
    method in ScheduleServiceDefinition.methods
      ? ScheduleServiceDefinition
      : QueueServiceDefinition;
  return `/${fullName}/${serviceMethods[method].name}`;
}

export class QueueClient {
  readonly #client: Client;
  readonly #open = new Set<{ cancel(): void }>();

  constructor({ host, port }: Address) {
    this.#client = new Client(`${host}:${port}`, credentials.createInsecure(), {
      // A connection of its own, so that closing one client says nothing to another.
      "grpc.use_local_subchannel_pool": 1,
    });
  }

  call<Method extends UnaryMethod>(
    method: Method,
    request: RequestPart<Method>,
    options: CallOptions = {},
  ): Promise<ResponseOf<Method>> {
    const { requestType, responseType } = serviceMethods[method];
    const full = (requestType.fromPartial as (part: unknown) => unknown)(request);
    const bytes = (requestType as Codec<unknown>).encode(full).finish();
    return this.raw(pathOf(method), bytes, options).then((answer) =>
      (responseType as unknown as Codec<ResponseOf<Method>>).decode(answer),
    );
  }

  /** Any bytes to any path. */
  raw(path: string, bytes: Uint8Array, options: CallOptions = {}): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest(
        path,
        (value: Uint8Array) => Buffer.from(value),
        (value: Buffer) => value,
        bytes,
        metadataOf(options.metadata),
        options.deadlineMs === undefined ? {} : { deadline: Date.now() + options.deadlineMs },
        (error: ServiceError | null, answer?: Buffer) => {
          this.#open.delete(call);
          if (error !== null) reject(callErrorOf(error));
          else resolve(answer ?? Buffer.alloc(0));
        },
      );
      this.#open.add(call);
      options.signal?.addEventListener("abort", () => call.cancel());
    });
  }

  produce(options: CallOptions = {}): Duplex<"produce"> {
    return this.#duplex("produce", options);
  }

  consume(options: CallOptions = {}): Duplex<"consume"> {
    return this.#duplex("consume", options);
  }

  #duplex<Method extends StreamMethod>(method: Method, options: CallOptions): Duplex<Method> {
    const { requestType, responseType } = serviceMethods[method];
    const stream = this.#client.makeBidiStreamRequest<unknown, DuplexResponse<Method>>(
      pathOf(method),
      (value) => Buffer.from(value as Uint8Array),
      (bytes) => (responseType as unknown as Codec<DuplexResponse<Method>>).decode(bytes),
      metadataOf(options.metadata),
      options.deadlineMs === undefined ? {} : { deadline: Date.now() + options.deadlineMs },
    );
    const encode = (part: unknown): Uint8Array =>
      (requestType as Codec<unknown>)
        .encode((requestType.fromPartial as (part: unknown) => unknown)(part))
        .finish();
    this.#open.add(stream);
    const duplex = new Duplex<Method>(
      stream as ClientDuplexStream<Uint8Array, DuplexResponse<Method>>,
      encode,
    );
    void duplex.ended.then(() => this.#open.delete(stream));
    return duplex;
  }

  /** Ends whatever is under way and the connection. */
  close(): void {
    for (const call of this.#open) call.cancel();
    this.#client.close();
  }
}

type DuplexResponse<Method extends StreamMethod> = Method extends "produce"
  ? ProduceResponse
  : ConsumeResponse;

type DuplexRequest<Method extends StreamMethod> = Method extends "produce"
  ? RequestPart<"produce">
  : RequestPart<"consume">;

/** Both directions of a stream: what was answered so far, and how it ended. */
export class Duplex<Method extends StreamMethod> {
  readonly responses: DuplexResponse<Method>[] = [];
  /** How the stream ended: undefined for OK. Never rejects. */
  readonly ended: Promise<CallError | undefined>;
  isEnded = false;
  readonly #stream: ClientDuplexStream<Uint8Array, DuplexResponse<Method>>;
  readonly #encode: (part: unknown) => Uint8Array;
  #arrived: (() => void)[] = [];

  constructor(
    stream: ClientDuplexStream<Uint8Array, DuplexResponse<Method>>,
    encode: (part: unknown) => Uint8Array,
  ) {
    this.#stream = stream;
    this.#encode = encode;
    stream.on("data", (response: DuplexResponse<Method>) => {
      this.responses.push(response);
      this.#wake();
    });
    this.ended = new Promise((resolve) => {
      const finish = (error: CallError | undefined): void => {
        this.isEnded = true;
        this.#wake();
        resolve(error);
      };
      stream.on("error", (error: ServiceError) => finish(callErrorOf(error)));
      stream.on("end", () => finish(undefined));
    });
  }

  #wake(): void {
    const arrived = this.#arrived;
    this.#arrived = [];
    for (const resolve of arrived) resolve();
  }

  /** Sends a request; false: the transport asks to wait for `drained`. */
  write(request: DuplexRequest<Method>): boolean {
    return this.#stream.write(this.#encode(request));
  }

  /** Sends bytes that need not be a request. */
  writeBytes(bytes: Uint8Array): void {
    this.#stream.write(bytes);
  }

  drained(): Promise<void> {
    return new Promise((resolve) => {
      this.#stream.once("drain", resolve);
    });
  }

  /** Resolves once `isThere` holds or the stream has ended. */
  async until(isThere: () => boolean): Promise<void> {
    while (!isThere() && !this.isEnded) {
      await new Promise<void>((resolve) => {
        this.#arrived.push(resolve);
      });
    }
  }

  /** Stops reading answers, so that the transport fills up. */
  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  /** Nothing more will be asked. */
  halfClose(): void {
    this.#stream.end();
  }

  /** Resets the stream. */
  cancel(): void {
    this.#stream.cancel();
  }
}

export type ProduceCall = Duplex<"produce">;
export type ConsumeCall = Duplex<"consume">;

function metadataOf(entries: CallOptions["metadata"]): Metadata {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(entries ?? {})) metadata.set(key, value);
  return metadata;
}
