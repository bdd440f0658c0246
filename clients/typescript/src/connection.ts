// One connection to a server and the calls on it: a deadline on every call, AbortSignals, typed errors, repetition of what
// is safe to repeat.
//
// Two layers repeat calls. The channel follows the published service config: refused calls, and lost calls that change
// nothing when repeated. Above it, this file goes on until the deadline, and also repeats lost calls that carry a request
// id, with the same id, so that the server recognises them. A server that was never reached is given up on early: then it
// is more likely that the endpoint is wrong than that somebody restarts it.

import {
  Client,
  type ClientDuplexStream,
  credentials,
  Metadata,
  type ServiceError,
  status as StatusCode,
} from "@grpc/grpc-js";
import { ClusterServiceDefinition } from "../gen/forebay/admin/v1/cluster_service.js";
import { QueueServiceDefinition } from "../gen/forebay/queue/v1/queue_service.js";
import { ScheduleServiceDefinition } from "../gen/forebay/queue/v1/schedule_service.js";
import { onAbort } from "./abort.js";
import { Backoff, type BackoffBounds } from "./backoff.js";
import { nowMs, sleep } from "./clock.js";
import { describeLostConnection } from "./connection-errors.js";
import { ConnectionError, closedError, DeadlineError, ForebayError } from "./errors.js";
import { serviceConfigJson } from "./service-config.js";
import { errorOfStatus, statusOf } from "./status-details.js";

/** What every call takes. */
export interface CallOptions {
  /** Ends the call; it then throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /**
   * When to give up, in milliseconds from the call, repetitions included. Default: the client's `timeoutMs`; a receive: the
   * time it waits for messages plus 5000.
   */
  readonly timeoutMs?: number | undefined;
}

/** When calls are repeated. */
export interface RetryOptions extends BackoffBounds {
  /** How long a server that was never reached is tried for, in milliseconds. */
  readonly firstContactMs: number;
}

export interface ConnectionOptions {
  readonly endpoint: string;
  readonly timeoutMs: number;
  readonly retry: RetryOptions | undefined;
}

/** A method as the generated definitions describe it. */
export interface Method<Request, Response> {
  readonly name: string;
  readonly requestType: { encode(message: Request): { finish(): Uint8Array } };
  readonly responseType: { decode(bytes: Uint8Array): Response };
  readonly options: { readonly idempotencyLevel?: string };
}

/** The calls of the services over one lazily dialled HTTP/2 connection. */
export class Connection {
  readonly endpoint: string;
  readonly retry: RetryOptions | undefined;
  readonly #client: Client;
  readonly #timeoutMs: number;
  #wasReached = false;
  #isClosed = false;

  constructor(options: ConnectionOptions) {
    this.endpoint = options.endpoint;
    this.retry = options.retry;
    this.#timeoutMs = options.timeoutMs;
    this.#client = new Client(options.endpoint, credentials.createInsecure(), {
      "grpc.service_config": serviceConfigJson,
      // Only the config above counts; without this every new connection asks the DNS for another one.
      "grpc.service_config_disable_resolution": 1,
      "grpc.enable_retries": options.retry === undefined ? 0 : 1,
      // A connection of its own, closed with the client, and not shared with other clients of the process.
      "grpc.use_local_subchannel_pool": 1,
      // A server restarts in well under a second; grpc's own first wait of 1 s and last of 120 s would hide that it is back.
      "grpc.initial_reconnect_backoff_ms": 100,
      "grpc.max_reconnect_backoff_ms": 2_000,
      // A peer that vanished without a word is noticed within 40 s, also by a stream that waits for messages.
      "grpc.keepalive_time_ms": 30_000,
      "grpc.keepalive_timeout_ms": 10_000,
    });
  }

  /**
   * One unary call.
   *
   * @throws ForebayError the server refused; ConnectionError nobody answered; DeadlineError too late.
   */
  async unary<Request extends object, Response>(
    method: Method<Request, Response>,
    request: Request,
    options: CallOptions = {},
  ): Promise<Response> {
    options.signal?.throwIfAborted();
    const startedMs = nowMs();
    const deadlineMs = startedMs + (options.timeoutMs ?? this.#timeoutMs);
    const retry = isRepeatable(method, request) ? this.retry : undefined;
    const backoff = retry && new Backoff(retry);
    let lost: ForebayError | undefined;
    for (;;) {
      try {
        const response = await this.#attempt(method, request, deadlineMs, options.signal);
        this.#wasReached = true;
        return response;
      } catch (failure) {
        options.signal?.throwIfAborted();
        // Made here and not where the answer arrives, so that its stack names the caller.
        lost = this.errorOf(failure, lost);
        if (backoff === undefined || lost.code !== StatusCode.UNAVAILABLE) throw lost;
        const delayMs = Math.max(backoff.next(), lost.retryAfterMs ?? 0);
        if (nowMs() + delayMs >= this.#givesUpAtMs(startedMs, deadlineMs)) throw lost;
        await sleep(delayMs, options.signal);
      }
    }
  }

  /** Opens a bidirectional stream. It has no deadline, as it lives as long as its user wants; keepalive finds a dead peer. */
  duplex<Request, Response>(
    method: Method<Request, Response>,
  ): ClientDuplexStream<Request, Response> {
    if (this.#isClosed) throw closedError("client");
    return this.#client.makeBidiStreamRequest<Request, Response>(
      pathOf(method),
      (message) => bufferOf(method.requestType.encode(message).finish()),
      (bytes) => method.responseType.decode(bytes),
      new Metadata(),
    );
  }

  /** Notes that a server answered on a stream; unary calls note it themselves. */
  markReached(): void {
    this.#wasReached = true;
  }

  /** Whether a server ever answered. */
  get wasReached(): boolean {
    return this.#wasReached;
  }

  /** The error a call or stream failed with, `lost` being what kept an earlier attempt from being answered. */
  errorOf(failure: unknown, lost?: ForebayError): ForebayError {
    if (failure instanceof ForebayError) return failure;
    if (!isServiceError(failure)) throw failure;
    const status = statusOf(failure);
    if (status !== undefined) {
      this.#wasReached = true;
      return errorOfStatus(status);
    }
    if (this.#isClosed) return closedError("client");
    if (failure.code === StatusCode.DEADLINE_EXCEEDED) {
      return new DeadlineError(this.#lateMessage(lost), lost ?? failure);
    }
    const message = describeLostConnection(failure, this.endpoint);
    if (message === undefined) {
      return errorOfStatus({ code: failure.code, message: failure.details, details: [] });
    }
    const reason = message.beforeContact ? "CONNECTION_FAILED" : "CONNECTION_LOST";
    return new ConnectionError(this.endpoint, { reason, message: message.text, cause: failure });
  }

  /** Closes the connection; calls under way end with CLIENT_CLOSED. */
  close(): void {
    this.#isClosed = true;
    this.#client.close();
  }

  #attempt<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
    deadlineMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Response> {
    if (this.#isClosed) throw closedError("client");
    return new Promise((resolve, reject) => {
      const call = this.#client.makeUnaryRequest<Request, Response>(
        pathOf(method),
        (message) => bufferOf(method.requestType.encode(message).finish()),
        (bytes) => method.responseType.decode(bytes),
        request,
        noMetadata,
        { deadline: deadlineMs },
        (error, response) => {
          forget();
          if (error === null && response !== undefined) resolve(response);
          else reject(error);
        },
      );
      const forget = onAbort(signal, () => call.cancel());
    });
  }

  #givesUpAtMs(startedMs: number, deadlineMs: number): number {
    if (this.#wasReached || this.retry === undefined) return deadlineMs;
    return Math.min(deadlineMs, startedMs + this.retry.firstContactMs);
  }

  #lateMessage(lost: ForebayError | undefined): string {
    if (lost !== undefined) return `No answer before the deadline. Before that: ${lost.message}`;
    return `The server at ${this.endpoint} did not answer before the deadline. Whether the call took effect is unknown.`;
  }
}

const noMetadata = new Metadata();

/** Where each method is called. The generated definition of a method does not name the service it is of. */
const paths: ReadonlyMap<object, string> = new Map(
  [QueueServiceDefinition, ScheduleServiceDefinition, ClusterServiceDefinition].flatMap(
    ({ fullName, methods }) =>
      Object.values(methods).map((method) => [method, `/${fullName}/${method.name}`] as const),
  ),
);

function pathOf(method: Method<never, unknown>): string {
  const path = paths.get(method);
  if (path === undefined) throw new TypeError(`${method.name} is a method of no known service.`);
  return path;
}

function isServiceError(failure: unknown): failure is ServiceError {
  return failure instanceof Error && "code" in failure && "details" in failure;
}

/**
 * A call whose repetition changes nothing: by its nature, or because the server recognises its request id, or the attempt id
 * of a receive from a FIFO queue.
 */
function isRepeatable(method: Method<never, unknown>, request: Recognisable): boolean {
  return (
    method.options.idempotencyLevel !== undefined ||
    (request.requestId ?? "") !== "" ||
    (request.receiveAttemptId ?? "") !== ""
  );
}

/** What a server may recognise a repeated request by. */
interface Recognisable {
  readonly requestId?: string;
  readonly receiveAttemptId?: string;
}

// The generated serializers copy what they encoded; grpc-js only needs to see it as a Buffer.
function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
