// A data listener with a throwaway service, and a client for it that can also send bytes that are no message. For tests of
// what stands between the wire and the handlers; the real handlers have their own tests.

import type { Readable } from "node:stream";
import {
  Client,
  type ClientDuplexStream,
  credentials,
  Metadata,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import { createSystemClock, wallMs } from "../../src/base/clock.js";
import type { Log } from "../../src/base/log.js";
import type { Address } from "../../src/config/address.js";
import type { DataListenerOptions } from "../../src/edge/data-listener.js";
import { createDataListener } from "../../src/edge/data-listener.js";
import type { Listener } from "../../src/edge/listener.js";
import { createMetrics, type Metrics } from "../../src/edge/metrics.js";
import {
  type GetQueueUrlRequest,
  type GetQueueUrlResponse,
  type ProduceRequest,
  ProduceRequest as ProduceRequestCodec,
  type ProduceResponse,
  ProduceResponse as ProduceResponseCodec,
  QueueServiceDefinition,
  GetQueueUrlRequest as UrlRequest,
  GetQueueUrlResponse as UrlResponse,
} from "../../src/gen/forebay/queue/v1/queue_service.js";
import { ErrorInfo } from "../../src/gen/google/rpc/error_details.js";
import { Status } from "../../src/gen/google/rpc/status.js";
import type { ServerStreamHandler, StreamHandler, UnaryHandler } from "../../src/rpc/call.js";

const { getQueueUrl, produce } = QueueServiceDefinition.methods;

/** One method of each kind, with messages borrowed from the queue service. */
const echoDefinition = {
  fullName: "forebay.test.EchoService",
  methods: {
    unary: { ...getQueueUrl, name: "Unary" },
    serverStream: { ...getQueueUrl, name: "ServerStream", responseStream: true },
    bidi: { ...produce, name: "Bidi" },
  },
} as const;

export interface EchoHandlers {
  unary: UnaryHandler<GetQueueUrlRequest, GetQueueUrlResponse>;
  serverStream: ServerStreamHandler<GetQueueUrlRequest, GetQueueUrlResponse>;
  bidi: StreamHandler<ProduceRequest, ProduceResponse>;
}

const echo: EchoHandlers = {
  unary: ({ queue }) => ({ queue }),
  serverStream: ({ queue }, stream) => {
    stream.write({ queue });
    stream.end();
  },
  bidi: (stream) => {
    stream.onRequest(({ entries }) => {
      stream.write({ firstIndex: BigInt(entries.length), results: [] });
    });
    stream.onRequestsEnd(() => stream.end());
  },
};

/** A line of the log: its level, its message and its fields. */
export interface LoggedLine {
  readonly level: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

export function recordingLog(): { readonly log: Log; readonly lines: LoggedLine[] } {
  const lines: LoggedLine[] = [];
  const at =
    (level: string) =>
    (fields: object, message = ""): void => {
      lines.push({ level, message, fields: { ...fields } });
    };
  const log = {
    trace: at("trace"),
    debug: at("debug"),
    info: at("info"),
    warn: at("warn"),
    error: at("error"),
    fatal: at("fatal"),
  } as unknown as Log;
  return { log, lines };
}

export interface EdgeServer {
  readonly listener: Listener;
  readonly address: Address;
  readonly metrics: Metrics;
  readonly logged: LoggedLine[];
  /** Replaced by tests; by default each echoes. */
  readonly handlers: EchoHandlers;
  client(): EdgeClient;
  close(): Promise<void>;
}

export async function startEdge(options: Partial<DataListenerOptions> = {}): Promise<EdgeServer> {
  const { log, lines } = recordingLog();
  const metrics = createMetrics("0.0.0");
  const listener = createDataListener({
    clock: createSystemClock(),
    wallMs,
    log,
    metrics,
    hasReflection: true,
    managementAddress: () => ({ host: "127.0.0.1", port: 7401 }),
    ...options,
  });
  const handlers: EchoHandlers = { ...echo };
  listener.add(echoDefinition, {
    unary: (request, context) => handlers.unary(request, context),
    serverStream: (request, stream, context) => handlers.serverStream(request, stream, context),
    bidi: (stream, context) => handlers.bidi(stream, context),
  });
  const address = await listener.listen({ host: "127.0.0.1", port: 0 });
  const clients: EdgeClient[] = [];
  return {
    listener,
    address,
    metrics,
    logged: lines,
    handlers,
    client: () => {
      const client = new EdgeClient(address);
      clients.push(client);
      return client;
    },
    close: async () => {
      for (const client of clients) client.close();
      await listener.drain(0);
      metrics.close();
    },
  };
}

export class EdgeClient {
  readonly #client: Client;

  constructor({ host, port }: Address) {
    this.#client = new Client(`${host}:${port}`, credentials.createInsecure());
  }

  unary(queue: string, options: { deadlineMs?: number } = {}): Promise<GetQueueUrlResponse> {
    return this.raw(
      "/forebay.test.EchoService/Unary",
      UrlRequest.encode({ queue }).finish(),
      options,
    );
  }

  /** Any bytes to any path. */
  raw(
    path: string,
    bytes: Uint8Array,
    { deadlineMs = 10_000 }: { deadlineMs?: number } = {},
  ): Promise<GetQueueUrlResponse> {
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        path,
        (value: Uint8Array) => Buffer.from(value),
        (value: Buffer) => UrlResponse.decode(value),
        bytes,
        new Metadata(),
        { deadline: Date.now() + deadlineMs },
        (error, response) => (response === undefined ? reject(error) : resolve(response)),
      );
    });
  }

  serverStream(bytes: Uint8Array) {
    return this.#client.makeServerStreamRequest(
      "/forebay.test.EchoService/ServerStream",
      (value: Uint8Array) => Buffer.from(value),
      (value: Buffer) => UrlResponse.decode(value),
      bytes,
      { deadline: Date.now() + 10_000 },
    );
  }

  bidi(): ClientDuplexStream<Uint8Array, ProduceResponse> {
    return this.#client.makeBidiStreamRequest(
      "/forebay.test.EchoService/Bidi",
      (value: Uint8Array) => Buffer.from(value),
      (value: Buffer) => ProduceResponseCodec.decode(value),
      { deadline: Date.now() + 10_000 },
    );
  }

  close(): void {
    this.#client.close();
  }
}

export const produceRequest = (entryCount: number): Uint8Array =>
  ProduceRequestCodec.encode({
    queue: "",
    entries: Array.from({ length: entryCount }, (_, index) => ({
      id: String(index),
      body: { $case: "text" as const, value: "body" },
      attributes: new Map(),
      delay: undefined,
      systemAttributes: undefined,
      dedupId: "",
      groupId: "",
    })),
  }).finish();

/** What a failed call told its caller. */
export interface Failure {
  readonly code: keyof typeof status | string;
  readonly message: string;
  readonly reason: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  /** The names of all details, as `ErrorInfo`. */
  readonly details: readonly string[];
  readonly pushbackMs: string | undefined;
}

export function failureOf(error: unknown): Failure {
  const { code, details: message, metadata } = error as ServiceError;
  const [trailer] = metadata.get("grpc-status-details-bin");
  const [pushbackMs] = metadata.get("grpc-retry-pushback-ms");
  const sent = Buffer.isBuffer(trailer) ? Status.decode(trailer).details : [];
  const names = sent.map(({ typeUrl }) => typeUrl.replace("type.googleapis.com/google.rpc.", ""));
  const info = sent.find(({ typeUrl }) => typeUrl.endsWith(".ErrorInfo"));
  const decoded = info && ErrorInfo.decode(info.value);
  return {
    code: status[code] ?? String(code),
    message,
    reason: decoded?.reason,
    metadata: Object.fromEntries(decoded?.metadata ?? []),
    details: names,
    pushbackMs: pushbackMs === undefined ? undefined : String(pushbackMs),
  };
}

/** Resolves with how a call failed; fails the test when it does not. */
export async function failureOfCall(call: Promise<unknown>): Promise<Failure> {
  return await call.then(
    () => Promise.reject(new Error("the call succeeded")),
    (error: unknown) => failureOf(error),
  );
}

/** All responses of a stream, then how it ended. */
export function collect<Response>(
  stream: Readable,
): Promise<{ readonly responses: Response[]; readonly failure: Failure | undefined }> {
  const responses: Response[] = [];
  return new Promise((resolve) => {
    stream.on("data", (response: Response) => responses.push(response));
    stream.on("error", (error) => resolve({ responses, failure: failureOf(error) }));
    stream.on("end", () => resolve({ responses, failure: undefined }));
  });
}
