// The client: the connection to a server or a cluster, and the queues and topics on it.

import { QueueServiceDefinition } from "../gen/forebay/queue/v1/queue_service.js";
import { Cache, type CacheContext } from "./cache.js";
import { CacheAdmin } from "./cache-admin.js";
import { plainCodec } from "./cache-codec.js";
import { Loads } from "./cache-loads.js";
import { Lock } from "./cache-locks.js";
import { CachePipeline } from "./cache-pipeline.js";
import { ChannelPublisher } from "./channel-publisher.js";
import {
  type Acks,
  type CallOptions,
  Connection,
  type Method,
  type RetryOptions,
} from "./connection.js";
import type { Consistency } from "./consistency.js";
import { parseEndpoints } from "./endpoint.js";
import { endpointFromEnvironment } from "./environment.js";
import { closedError } from "./errors.js";
import { type FilterTest, type FilterVerdict, testFilter } from "./filter-test.js";
import { cancelMove } from "./move-tasks.js";
import { pages } from "./pages.js";
import { Queue } from "./queue.js";
import { attributesToWire, type QueueAttributes } from "./queue-attributes.js";
import type { QueueContext, RequestIdOption } from "./queue-calls.js";
import { newRequestId } from "./random.js";
import { type SessionData, Sessions } from "./sessions.js";
import { listSubscriptions, Subscription } from "./subscription.js";
import {
  type CreateTopicOptions,
  createTopic,
  type ListTopicsOptions,
  listTopics,
  Topic,
} from "./topic.js";
import type { SubscriptionDescription, TopicDescription } from "./topic-description.js";

const { methods } = QueueServiceDefinition;

const timeoutDefaultMs = 30_000;
const retryDefaults: RetryOptions = { initialMs: 50, maxMs: 2_000, firstContactMs: 2_000 };

/** Queue handles kept at most, so that sends through `client.queue(name)` share batches; the oldest is dropped beyond. */
const queueHandlesMax = 1_000;

export interface ForebayClientOptions {
  /**
   * Where the server listens, as `host:port`; of a cluster some of its nodes or all, the nearest first, as a list or separated
   * by commas. Default: FOREBAY_ENDPOINT, else `127.0.0.1:7400`.
   */
  readonly endpoint?: string | readonly string[] | undefined;
  /** The deadline of every call that names none, in milliseconds, repetitions included; at least 1. Default: 30000. */
  readonly timeoutMs?: number | undefined;
  /**
   * When calls whose outcome was lost are repeated: those that change nothing when repeated, and those that carry a request
   * id (this client gives one to every send, create, purge, move and permission). `false`: never. Default: after 50 ms to
   * 2000 ms until the deadline; for 2000 ms while the server was never reached.
   */
  readonly retry?: Partial<RetryOptions> | false | undefined;
  /** Whether sends, and deletes, made at the same time leave in one call. Default: true. */
  readonly batching?: boolean | undefined;
  /** How fresh reads must be that do not say themselves. Default: the leader's latest state. */
  readonly consistency?: Consistency | undefined;
  /** How many nodes of a cluster must have an effect on disk before it is answered. Default: as the cluster is set. */
  readonly acks?: Acks | undefined;
  /** Whether the MD5 of every body sent and received is checked, at about 2 us each for 1 KiB. Default: true. */
  readonly verifyMd5?: boolean | undefined;
}

export interface CreateQueueOptions extends CallOptions, RequestIdOption {
  /** Its settings; what is left out gets its default. */
  readonly attributes?: QueueAttributes | undefined;
  /** Its tags; at most 50. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

export interface ListQueuesOptions extends CallOptions {
  /** Names asked for at a time. Range: 1 to 1000, the default. */
  readonly pageSize?: number | undefined;
}

/**
 * A connection to a Forebay server. Dials at the first call. Close it when done, or declare it with `await using`.
 *
 * ```ts
 * await using client = new ForebayClient();
 * await client.queue("orders").send("hello");
 * ```
 */
export class ForebayClient implements AsyncDisposable {
  /** The server's address, as `host:port`; of several the first. */
  readonly endpoint: string;
  readonly #connection: Connection;
  readonly #context: QueueContext;
  readonly #queues = new Map<string, Queue>();
  readonly #caches: CacheContext;
  /** By the names of their caches. */
  readonly #pipelines = new Map<string, CachePipeline>();
  readonly #publishers = new Map<string, ChannelPublisher>();
  readonly #open = new Set<AsyncDisposable>();
  #closing: Promise<void> | undefined;

  /** @throws TypeError if the endpoint is none; RangeError if a time is none. */
  constructor(options: ForebayClientOptions = {}) {
    const timeoutMs = options.timeoutMs ?? timeoutDefaultMs;
    const retry = options.retry === false ? undefined : { ...retryDefaults, ...options.retry };
    for (const [name, spanMs] of Object.entries({ timeoutMs, ...retry })) {
      if (!(spanMs >= 1))
        throw new RangeError(`${name} is ${spanMs}; give at least 1 millisecond.`);
    }
    const [endpoint, ...alternatives] = parseEndpoints(
      options.endpoint ?? endpointFromEnvironment(),
    );
    this.endpoint = endpoint;
    const { consistency, acks } = options;
    this.#connection = new Connection({
      endpoint,
      alternatives,
      timeoutMs,
      retry,
      consistency,
      acks,
    });
    this.#context = {
      connection: this.#connection,
      isBatching: options.batching ?? true,
      isMd5Verified: options.verifyMd5 ?? true,
      timeoutMs,
      closeWithClient: (closable) => {
        if (this.#closing !== undefined) throw closedError("client");
        this.#open.add(closable);
        return () => this.#open.delete(closable);
      },
    };
    this.#caches = {
      connection: this.#connection,
      pipeline: (cache) => this.#pipelineOf(cache),
      publisher: (cache) => this.#publisherOf(cache),
      loads: new Loads(),
      closeWithClient: this.#context.closeWithClient,
    };
  }

  /**
   * The latest position of a cluster's log that an answer to this client told of: what `{ atLeast }` takes to read no older
   * state, here or in another process. Undefined on a server without a cluster.
   */
  get position(): string | undefined {
    return this.#connection.position;
  }

  /** The queue of this name. Asks the server nothing. */
  queue(name: string): Queue {
    const known = this.#queues.get(name);
    if (known !== undefined) return known;
    const queue = new Queue(name, this.#context);
    const [oldest] = this.#queues.keys();
    if (oldest !== undefined && this.#queues.size >= queueHandlesMax) this.#queues.delete(oldest);
    this.#queues.set(name, queue);
    return queue;
  }

  /**
   * Creates a queue, usable at once; `created` is false if it existed already with the settings given.
   *
   * @throws ForebayError QUEUE_ALREADY_EXISTS, INVALID_PARAMETER, INVALID_ATTRIBUTE_VALUE, UNKNOWN_ATTRIBUTE, TAG_LIMIT,
   * POLICY_LIMIT; DLQ_NOT_FOUND, DLQ_TYPE_MISMATCH, DLQ_NOT_ALLOWED for a redrive policy.
   */
  async createQueue(
    name: string,
    options: CreateQueueOptions = {},
  ): Promise<{ readonly queue: Queue; readonly created: boolean }> {
    const request = {
      queue: name,
      attributes: options.attributes && attributesToWire(options.attributes),
      tags: new Map(Object.entries(options.tags ?? {})),
      requestId: options.requestId ?? newRequestId(),
    };
    const response = await this.#connection.unary(methods.createQueue, request, options);
    return { queue: this.queue(response.queue), created: response.created };
  }

  /**
   * The names of the queues that start with `prefix`, in order, over all pages until the loop is left.
   *
   * @throws ForebayError INVALID_PARAMETER.
   */
  queues(prefix = "", options: ListQueuesOptions = {}): AsyncGenerator<string, void, undefined> {
    return pages(async (pageToken) => {
      const request = { prefix, pageSize: options.pageSize, pageToken };
      const response = await this.#connection.unary(methods.listQueues, request, options);
      return { items: response.queues, nextPageToken: response.nextPageToken };
    });
  }

  /** The cache of this name, of values as bytes and texts. Asks the server nothing. */
  cache(name = "default"): Cache {
    return new Cache(name, this.#caches, plainCodec);
  }

  /** The sessions of users in the cache of this name. Asks the server nothing. */
  sessions<Data extends SessionData = Readonly<Record<string, unknown>>>(
    cache = "default",
  ): Sessions<Data> {
    return new Sessions<Data>(cache, this.#connection);
  }

  /** The lock of this name, which is one holder's at a time over all processes. Asks the server nothing. */
  lock(name: string, options: { readonly cache?: string | undefined } = {}): Lock {
    return new Lock(name, options.cache ?? "default", this.#connection);
  }

  /** The administration of caches. */
  get caches(): CacheAdmin {
    return new CacheAdmin(this.#connection);
  }

  #pipelineOf(cache: string): CachePipeline {
    if (this.#closing !== undefined) throw closedError("client");
    let pipeline = this.#pipelines.get(cache);
    if (pipeline === undefined) {
      pipeline = new CachePipeline(cache, this.#context);
      this.#pipelines.set(cache, pipeline);
    }
    return pipeline;
  }

  /**
   * Calls a method of the contract by its generated definition, as in
   * `@forebay/client/gen/forebay/cache/v1/set_service`: for what has no method of its own here. It has the deadline, the errors
   * and the repetitions of the others; a request that takes a request id and has none gets one.
   *
   * @throws ForebayError what the contract says of the method; TypeError if it is of a service that this client does not call.
   */
  call<Request extends object, Response>(
    method: Method<Request, Response>,
    request: Request,
    options: CallOptions = {},
  ): Promise<Response> {
    const isAnonymous = "requestId" in request && request.requestId === "";
    const named = isAnonymous ? { ...request, requestId: newRequestId() } : request;
    return this.#connection.unary(method, named, options);
  }

  #publisherOf(cache: string): ChannelPublisher {
    if (this.#closing !== undefined) throw closedError("client");
    let publisher = this.#publishers.get(cache);
    if (publisher === undefined) {
      publisher = new ChannelPublisher(cache, this.#connection);
      this.#publishers.set(cache, publisher);
    }
    return publisher;
  }

  /** The topic of this name. Asks the server nothing. */
  topic(name: string): Topic {
    return new Topic(name, this.#context);
  }

  /**
   * Creates a topic, usable at once; `created` is false if it existed already with the settings and tags given. The name of a
   * FIFO topic ends in `.fifo`.
   *
   * @throws ForebayError TOPIC_EXISTS_DIFFERENT_ATTRIBUTES, TOPIC_EXISTS_DIFFERENT_TAGS, INVALID_PARAMETER, NOT_FIFO,
   * INVALID_POLICY, POLICY_LIMIT, TAG_LIMIT, TOPIC_LIMIT.
   */
  createTopic(
    name: string,
    options: CreateTopicOptions = {},
  ): Promise<{ readonly topic: TopicDescription; readonly created: boolean }> {
    return createTopic(this.#connection, name, options);
  }

  /** The topics whose names start with `prefix`, in order, over all pages until the loop is left. */
  topics(
    prefix = "",
    options: ListTopicsOptions = {},
  ): AsyncGenerator<TopicDescription, void, undefined> {
    return listTopics(this.#connection, prefix, options);
  }

  /**
   * Says whether a filter takes a message, and why. Nothing is published.
   *
   * @throws ForebayError FILTER_INVALID, FILTER_TOO_COMPLEX, FILTER_TOO_MANY_KEYS, FILTER_NUMBER_RANGE.
   */
  testFilter(test: FilterTest, options: CallOptions = {}): Promise<FilterVerdict> {
    return testFilter(this.#connection, test, options);
  }

  /** The subscription of this id. Asks the server nothing. */
  subscription(id: string): Subscription {
    return new Subscription(id, this.#context);
  }

  /** The subscriptions of all topics, oldest first, over all pages until the loop is left. */
  subscriptions(
    options: CallOptions = {},
  ): AsyncGenerator<SubscriptionDescription, void, undefined> {
    return listSubscriptions(this.#connection, "", options);
  }

  /**
   * Cancels a move task by its handle; what was moved stays moved. Returns how many messages that is.
   *
   * @throws ForebayError MOVE_TASK_HANDLE_INVALID, MOVE_RESOURCE_NOT_FOUND, MOVE_TASK_NOT_RUNNING.
   */
  cancelMove(taskHandle: string, options?: CallOptions): Promise<number> {
    return cancelMove(this.#connection, taskHandle, options);
  }

  /**
   * Stops workers, consumers and producers, waits for joined sends and deletes, and closes the connection. Calls under way
   * end with CLIENT_CLOSED, as do later ones.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await Promise.allSettled([...this.#open].map((closable) => closable[Symbol.asyncDispose]()));
    // Each of them ends by its deadline at the latest, so this does too.
    await Promise.all([...this.#queues.values()].map((queue) => queue.idle()));
    await Promise.all([...this.#pipelines.values()].map((pipeline) => pipeline.close()));
    await Promise.all([...this.#publishers.values()].map((publisher) => publisher.close()));
    this.#connection.close();
  }
}
