// The connection to a server, or to the nodes of a cluster, and the calls on it: a deadline on every call, AbortSignals, typed
// errors, repetition of what is safe to repeat.
//
// Two layers repeat calls. The channel follows the published service config: refused calls, and lost calls that change
// nothing when repeated. Above it, this file goes on until the deadline, at another node if there is one, and also repeats
// lost calls that carry a request id, with the same id, so that the server recognises them; and calls that a node refused
// because it does not lead, which had no effect. A server that was never reached is given up on early: then it is more likely
// that the endpoint is wrong than that somebody restarts it.

import {
  type ClientDuplexStream,
  type ClientReadableStream,
  Metadata,
  type ServiceError,
  status as StatusCode,
} from "@grpc/grpc-js";
import { ClusterServiceDefinition } from "../gen/forebay/admin/v1/cluster_service.js";
import { CacheAdminServiceDefinition } from "../gen/forebay/cache/v1/cache_admin_service.js";
import { CacheServiceDefinition } from "../gen/forebay/cache/v1/cache_service.js";
import { ChannelServiceDefinition } from "../gen/forebay/cache/v1/channel_service.js";
import { DictionaryServiceDefinition } from "../gen/forebay/cache/v1/dictionary_service.js";
import { LeaseServiceDefinition } from "../gen/forebay/cache/v1/lease_service.js";
import { ListServiceDefinition } from "../gen/forebay/cache/v1/list_service.js";
import { LockServiceDefinition } from "../gen/forebay/cache/v1/lock_service.js";
import { SessionServiceDefinition } from "../gen/forebay/cache/v1/session_service.js";
import { SetServiceDefinition } from "../gen/forebay/cache/v1/set_service.js";
import { SortedSetServiceDefinition } from "../gen/forebay/cache/v1/sorted_set_service.js";
import { QueueServiceDefinition } from "../gen/forebay/queue/v1/queue_service.js";
import { ScheduleServiceDefinition } from "../gen/forebay/queue/v1/schedule_service.js";
import { TopicServiceDefinition } from "../gen/forebay/topic/v1/topic_service.js";
import { onAbort } from "./abort.js";
import { Backoff, type BackoffBounds } from "./backoff.js";
import { Channels } from "./channels.js";
import { nowMs, sleep } from "./clock.js";
import { describeLostConnection } from "./connection-errors.js";
import { type Consistency, consistencyToWire, isForAnyNode, laterPosition } from "./consistency.js";
import { ConnectionError, closedError, DeadlineError, ForebayError } from "./errors.js";
import { Routes } from "./routes.js";
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
  /** How fresh a read must be. Default: the client's. Other calls take no notice of it. */
  readonly consistency?: Consistency | undefined;
  /** How many nodes must have the effect of the call on disk before it is answered. Default: the client's. */
  readonly acks?: Acks | undefined;
}

/** `"all"`: every voter of the cluster; `"quorum"`: a majority. Never fewer than the cluster is set to, which is the default. */
export type Acks = "quorum" | "all";

/** When calls are repeated. */
export interface RetryOptions extends BackoffBounds {
  /** How long a server that was never reached is tried for, in milliseconds. */
  readonly firstContactMs: number;
}

export interface ConnectionOptions {
  readonly endpoint: string;
  /** Other nodes of the same cluster. */
  readonly alternatives?: readonly string[];
  readonly timeoutMs: number;
  readonly retry: RetryOptions | undefined;
  readonly consistency?: Consistency | undefined;
  readonly acks?: Acks | undefined;
}

/** A method as the generated definitions describe it. */
export interface Method<Request, Response> {
  readonly name: string;
  readonly requestType: { encode(message: Request): { finish(): Uint8Array } };
  readonly responseType: { decode(bytes: Uint8Array): Response };
  readonly options: { readonly idempotencyLevel?: string };
}

/** The calls of the services over lazily dialled HTTP/2 connections. */
export class Connection {
  /** The first one given. */
  readonly endpoint: string;
  readonly retry: RetryOptions | undefined;
  readonly #options: ConnectionOptions;
  readonly #routes: Routes;
  readonly #channels: Channels;
  readonly #timeoutMs: number;
  #position: string | undefined;
  #wasReached = false;
  #isClosed = false;
  /** The node that was named as the one that leads, while it is tried to reach it. */
  #reaching: string | undefined;

  constructor(options: ConnectionOptions) {
    this.endpoint = options.endpoint;
    this.retry = options.retry;
    this.#options = options;
    this.#routes = new Routes([options.endpoint, ...(options.alternatives ?? [])]);
    this.#channels = new Channels(options.retry !== undefined);
    this.#timeoutMs = options.timeoutMs;
  }

  /** The latest position that an answer told of; undefined where there is no cluster. */
  get position(): string | undefined {
    return this.#position;
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
    const attempt = this.#planned(method, request, deadlineMs, options);
    const isHarmless = isRepeatable(method, request);
    const backoff = this.retry && new Backoff(this.retry);
    let lost: ForebayError | undefined;
    for (;;) {
      const endpoint = attempt.isForAnyNode ? this.#routes.nearest : this.#routes.leader;
      try {
        const response = await this.#attempt(attempt, endpoint);
        this.#wasReached = true;
        return response;
      } catch (failure) {
        options.signal?.throwIfAborted();
        // Made here and not where the answer arrives, so that its stack names the caller.
        lost = this.errorOf(failure, lost, endpoint);
        if (backoff === undefined || lost.code !== StatusCode.UNAVAILABLE) throw lost;
        if (!(isHarmless || hadNoEffect(lost, this.#routes.hasOthers))) throw lost;
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
    const endpoint = this.#routes.leader;
    const stream = this.#channel(endpoint).makeBidiStreamRequest<Request, Response>(
      pathOf(method),
      (message) => bufferOf(method.requestType.encode(message).finish()),
      (bytes) => method.responseType.decode(bytes),
      this.#metadata({}),
    );
    // A node that passes a stream on says at once who leads: the next one goes there.
    stream.on("metadata", (metadata) => this.#heed(endpoint, metadata));
    stream.on("status", (status) => this.#heedEnd(endpoint, status));
    return stream;
  }

  /** Opens a stream of answers to one request. It has no deadline either. */
  serverStream<Request, Response>(
    method: Method<Request, Response>,
    request: Request,
  ): ClientReadableStream<Response> {
    if (this.#isClosed) throw closedError("client");
    const endpoint = this.#routes.leader;
    const stream = this.#channel(endpoint).makeServerStreamRequest<Request, Response>(
      pathOf(method),
      (message) => bufferOf(method.requestType.encode(message).finish()),
      (bytes) => method.responseType.decode(bytes),
      request,
      this.#metadata({}),
    );
    stream.on("metadata", (metadata) => this.#heed(endpoint, metadata));
    stream.on("status", (status) => this.#heedEnd(endpoint, status));
    return stream;
  }

  /** Notes up to where the state was that an answer on a stream is of; empty where there is no cluster. */
  notePosition(position: string): void {
    if (position !== "") this.#position = laterPosition(this.#position, position);
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
  errorOf(failure: unknown, lost?: ForebayError, endpoint = this.endpoint): ForebayError {
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
    const message = describeLostConnection(failure, endpoint);
    if (message === undefined) {
      return errorOfStatus({ code: failure.code, message: failure.details, details: [] });
    }
    const reason = message.beforeContact ? "CONNECTION_FAILED" : "CONNECTION_LOST";
    return new ConnectionError(endpoint, { reason, message: message.text, cause: failure });
  }

  /** Closes the connection; calls under way end with CLIENT_CLOSED. */
  close(): void {
    this.#isClosed = true;
    this.#channels.close();
  }

  #planned<Request extends object, Response>(
    method: Method<Request, Response>,
    request: Request,
    deadlineMs: number,
    options: CallOptions,
  ): Attempt<Request, Response> {
    const consistency = options.consistency ?? this.#options.consistency;
    const isRead = method.options.idempotencyLevel === "NO_SIDE_EFFECTS";
    return {
      method,
      request:
        isRead && consistency !== undefined
          ? { ...request, consistency: consistencyToWire(consistency) }
          : request,
      isForAnyNode: isRead && isForAnyNode(consistency),
      metadata: this.#metadata(options),
      deadlineMs,
      signal: options.signal,
    };
  }

  #attempt<Request, Response>(
    { method, request, metadata, deadlineMs, signal }: Attempt<Request, Response>,
    endpoint: string,
  ): Promise<Response> {
    if (this.#isClosed) throw closedError("client");
    return new Promise((resolve, reject) => {
      const call = this.#channel(endpoint).makeUnaryRequest<Request, Response>(
        pathOf(method),
        (message) => bufferOf(method.requestType.encode(message).finish()),
        (bytes) => method.responseType.decode(bytes),
        request,
        metadata,
        { deadline: deadlineMs },
        (error, response) => {
          forget();
          if (error !== null) this.#heedEnd(endpoint, error);
          if (error === null && response !== undefined) resolve(response);
          else reject(error);
        },
      );
      const forget = onAbort(signal, () => call.cancel());
      call.on("status", (status) => this.#heed(endpoint, status.metadata));
    });
  }

  #channel(endpoint: string) {
    return this.#channels.to(endpoint, !this.#routes.hasOthers);
  }

  #metadata({ acks = this.#options.acks }: Pick<CallOptions, "acks">): Metadata {
    if (acks === undefined) return noMetadata;
    const metadata = new Metadata();
    metadata.set("forebay-acks", acks);
    return metadata;
  }

  /** Notes who leads, and up to where the state was that an answer is of. */
  #heed(endpoint: string, metadata: Metadata): void {
    const position = metadata.get("forebay-position")[0]?.toString();
    if (position !== undefined) this.#position = laterPosition(this.#position, position);
    const leader = metadata.get("forebay-leader")[0]?.toString();
    if (leader !== undefined && leader !== endpoint) this.#reach(leader);
  }

  // A call is never made to wait for it: whoever named the leader passes calls on to it meanwhile, and for as long as it takes.
  #reach(leader: string): void {
    if (this.#isClosed || leader === this.#reaching) return;
    this.#reaching = undefined;
    if (!this.#routes.isWorthReaching(leader)) return;
    this.#reaching = leader;
    this.#channels.to(leader, false).waitForReady(nowMs() + reachingMsMax, (error) => {
      if (this.#reaching !== leader) return;
      this.#reaching = undefined;
      if (error === undefined) this.#routes.leads(leader);
      else this.#routes.cannotReach(leader);
    });
  }

  /** Turns to another node after a failure that this one cannot help with. */
  #heedEnd(endpoint: string, ended: Pick<ServiceError, "code" | "metadata" | "details">): void {
    if (ended.code === StatusCode.OK) return;
    const status = statusOf(ended);
    if (status === undefined) {
      const isLost = describeLostConnection(ended, endpoint) !== undefined;
      if (isLost && !this.#isClosed) this.#routes.failed(endpoint, "unreachable");
      return;
    }
    const namesNobody = ended.metadata.get("forebay-leader").length === 0;
    if (ended.code === StatusCode.UNAVAILABLE && namesNobody) {
      this.#routes.failed(endpoint, "no_leader");
    }
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

/** How long a connection to the node that leads may take to stand: some round trips, as far as they may be. */
const reachingMsMax = 2_000;

/** One call, however often it is made. */
interface Attempt<Request, Response> {
  readonly method: Method<Request, Response>;
  readonly request: Request;
  readonly isForAnyNode: boolean;
  readonly metadata: Metadata;
  readonly deadlineMs: number;
  readonly signal: AbortSignal | undefined;
}

/** Whether a call that was not answered surely did nothing: the node refused it, or never got it and there is another to ask. */
const hadNoEffect = ({ reason }: ForebayError, hasOthers: boolean): boolean =>
  reason === "NOT_LEADER" || (reason === "CONNECTION_FAILED" && hasOthers);

/** Where each method is called. The generated definition of a method does not name the service it is of. */
const paths: ReadonlyMap<object, string> = new Map(
  [
    QueueServiceDefinition,
    ScheduleServiceDefinition,
    TopicServiceDefinition,
    CacheServiceDefinition,
    DictionaryServiceDefinition,
    SetServiceDefinition,
    ListServiceDefinition,
    SortedSetServiceDefinition,
    CacheAdminServiceDefinition,
    ChannelServiceDefinition,
    SessionServiceDefinition,
    LeaseServiceDefinition,
    LockServiceDefinition,
    ClusterServiceDefinition,
  ].flatMap(({ fullName, methods }) =>
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
