// Topics: what is published to one reaches all that is subscribed to it. A Topic is a handle by its name, as a Queue is.

import { MessageStructure, type PublishFailure } from "../gen/forebay/topic/v1/message.js";
import {
  TargetKind as Kinds,
  FifoThroughputScope as Scopes,
  SignatureVersion,
  SubscriptionState as States,
  TopicType,
  TracingMode,
  type Subscription as WireSubscription,
  type Topic as WireTopic,
} from "../gen/forebay/topic/v1/topic.js";
import { TopicServiceDefinition } from "../gen/forebay/topic/v1/topic_service.js";
import { type AttributesInput, attributesToWire } from "./attributes.js";
import { type Choice, choiceOf } from "./choices.js";
import type { CallOptions, Connection } from "./connection.js";
import {
  type DeliveryAttempt,
  type DeliveryReport,
  explainDelivery,
  listAttempts,
} from "./delivery-reports.js";
import { dateOf, durationOf, millisecondsOf } from "./durations.js";
import { type Body, bodyToWire } from "./outgoing.js";
import { pages } from "./pages.js";
import type { QueueContext, RequestIdOption } from "./queue-calls.js";
import { newRequestId } from "./random.js";
import {
  createSnapshot,
  deleteSnapshot,
  getReplay,
  listReplays,
  listSnapshots,
  type ReplayDescription,
  type ReplayOptions,
  type SnapshotDescription,
  startReplay,
  stopReplay,
} from "./replays.js";
import { StreamConsumer, type StreamOptions } from "./stream-consumer.js";
import {
  maskOf,
  type SubscriptionSettings,
  type SubscriptionTarget,
  settingsOf,
  settingsToWire,
  targetToWire,
} from "./subscription-settings.js";
import { type TailItem, type TailOptions, tail } from "./tail.js";

const { methods } = TopicServiceDefinition;

/** Where a deduplication id of a FIFO topic is looked up: in the whole TOPIC or in the MESSAGE_GROUP. */
export type FifoThroughputScope = Choice<typeof Scopes>;

/** The settings of a topic. What is left out gets its default, or stays as it is. */
export interface TopicSettings {
  /** For people; at most 100 characters. Default: empty. */
  readonly displayName?: string | undefined;
  /** The largest message with its attributes, in bytes. Range: 1024 to 1048576, the default. */
  readonly maximumMessageBytes?: number | undefined;
  /** Who may do what, a JSON document of at most 30720 bytes; empty text: the owner only, the default. Not enforced yet. */
  readonly policy?: string | undefined;
  /** FIFO: whether a publish without a deduplication id gets the SHA-256 of its message. Default: false. */
  readonly contentBasedDeduplication?: boolean | undefined;
  /** FIFO. Default: TOPIC. */
  readonly fifoThroughputScope?: FifoThroughputScope | undefined;
  /** How long what is published stays for replays, in milliseconds. Range: one to 365 days; 0, the default: it does not. */
  readonly archiveRetentionMs?: number | undefined;
}

export interface CreateTopicOptions extends CallOptions, RequestIdOption {
  readonly settings?: TopicSettings | undefined;
  /** At most 50. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

/** A topic as the server describes it. */
export interface TopicDescription {
  /** Its name; with the namespace in front when it is another one than the caller's. */
  readonly topic: string;
  readonly isFifo: boolean;
  readonly settings: TopicSettings & {
    readonly displayName: string;
    readonly maximumMessageBytes: number;
  };
  /** Who created it: a principal. */
  readonly owner: string;
  readonly createTime: Date | undefined;
  /** Changes with every change of settings, tags or policy. */
  readonly etag: string;
  /** The earliest publish that a replay can begin at; undefined without an archive. */
  readonly beginningArchiveTime: Date | undefined;
  /** Undefined in lists. */
  readonly counters: TopicCounters | undefined;
}

/** Numbers of a topic, exact at the moment of the answer. */
export interface TopicCounters {
  /** Subscriptions that get messages, and those that ended since the topic was created. */
  readonly subscriptionCount: number;
  readonly endedSubscriptionCount: number;
  /** Messages accepted since it was created, repeats not counted. */
  readonly publishedCount: number;
  /** Messages not yet handed on to every subscription. */
  readonly pendingCount: number;
  /** Messages in the archive, and their bytes. */
  readonly archivedCount: number;
  readonly archivedBytes: number;
}

/** What can be said about a message beside its body. */
export interface PublishOptions {
  /** 1 to 100 characters; shown in the envelope. */
  readonly subject?: string | undefined;
  /** At most 100; a queue that gets messages alone takes ten. */
  readonly attributes?: AttributesInput | undefined;
  /**
   * `json`: the text is an object with a text for each kind of target (`queue`, …) and a `default` for the others. Default: the
   * text is the message.
   */
  readonly structure?: "json" | undefined;
  /** FIFO topics: the group whose order counts, required. Others: handed on to standard queues. */
  readonly groupId?: string | undefined;
  /** FIFO topics: a second message of this id within 5 minutes is dropped. Required unless the topic makes one. */
  readonly dedupId?: string | undefined;
  /** Delivered no earlier than so many milliseconds from now. Standard topics. Range: 0 to 43200000. */
  readonly delayMs?: number | undefined;
  /** Not delivered later than so many milliseconds from now. Range: 1000 to 1209600000. */
  readonly timeToLiveMs?: number | undefined;
}

/** A published message. */
export interface PublishResult {
  /** Its identity: a UUID; of a repeat, the first one's. */
  readonly messageId: string;
  /** Its place in the topic: decimal text of 20 digits. */
  readonly sequenceNumber: string;
  /** FIFO topics: whether it repeats a publish of the last 5 minutes, and went to nobody. */
  readonly duplicate: boolean;
}

/** A message of a batch. */
export interface BatchPublish extends PublishOptions {
  readonly body: Body;
  /** Distinct in the batch, 1 to 80 of `A-Za-z0-9_-`. Default: its place, from `0`. */
  readonly id?: string | undefined;
}

/** What became of a batch; both lists in the order of the messages. */
export interface PublishBatchResult {
  readonly successful: readonly (PublishResult & { readonly id: string })[];
  readonly failed: readonly PublishFailure[];
}

/** The life of a subscription. */
export type SubscriptionState = Choice<typeof States>;
/** The kind of what is subscribed. */
export type TargetKind = Choice<typeof Kinds>;

/** A subscription as the server describes it. */
export interface SubscriptionDescription {
  /** Its id: a UUID. */
  readonly subscription: string;
  readonly topic: string;
  readonly kind: TargetKind | undefined;
  /** The queue's name, the URL or the stream's name. */
  readonly endpoint: string;
  readonly state: SubscriptionState | undefined;
  readonly createTime: Date | undefined;
  readonly etag: string;
  /** Undefined in lists. */
  readonly settings: SubscriptionSettings | undefined;
  /** Only where one is asked for by its id. */
  readonly counters: SubscriptionCounters | undefined;
}

/** Numbers of a subscription, exact at the moment of the answer. */
export interface SubscriptionCounters {
  readonly backlogCount: number;
  /** How long the oldest of them has waited, in milliseconds. */
  readonly oldestPendingAgeMs: number | undefined;
  readonly deliveredCount: number;
  readonly filteredCount: number;
  readonly deadLetteredCount: number;
  readonly undeliverableCount: number;
}

/** A topic by its name. Making one asks the server nothing; the topic need not exist yet. */
export class Topic {
  /** Its name: `orders`, or `billing/orders` in another namespace. */
  readonly name: string;
  readonly #connection: Connection;
  readonly #context: QueueContext;

  constructor(name: string, context: QueueContext) {
    this.name = name;
    this.#connection = context.connection;
    this.#context = context;
  }

  /**
   * Publishes a message; resolves once it is flushed to disk, from when on every subscription will get it.
   *
   * @throws ForebayError TOPIC_NOT_FOUND, EMPTY_MESSAGE, INVALID_MESSAGE_CONTENTS, MESSAGE_TOO_LONG, INVALID_SUBJECT,
   * STRUCTURE_NOT_JSON, STRUCTURE_NO_DEFAULT, INVALID_ATTRIBUTE_NAME, INVALID_ATTRIBUTE_TYPE, INVALID_ATTRIBUTE_VALUE,
   * GROUP_ID_REQUIRED, DEDUP_ID_REQUIRED, DEDUP_ID_NOT_ALLOWED, DATA_PROTECTION_DENIED, STORAGE_FULL, REQUEST_ID_REUSED.
   */
  async publish(
    body: Body,
    options: PublishOptions & CallOptions & RequestIdOption = {},
  ): Promise<PublishResult> {
    const request = {
      topic: this.name,
      ...published(body, options),
      requestId: options.requestId ?? newRequestId(),
      wantCounts: false,
    };
    return resultOf(await this.#connection.unary(methods.publish, request, options));
  }

  /**
   * Publishes 1 to 10 messages as one step, in their order. Refused ones are in `failed` and do not stop the others, unless
   * `allOrNothing` is set.
   *
   * @throws ForebayError TOPIC_NOT_FOUND, EMPTY_BATCH, TOO_MANY_ENTRIES, BATCH_ENTRY_ID_INVALID,
   * BATCH_ENTRY_IDS_NOT_DISTINCT, BATCH_TOO_LONG, BATCH_REJECTED, STORAGE_FULL, REQUEST_ID_REUSED.
   */
  async publishBatch(
    messages: readonly (Body | BatchPublish)[],
    options: CallOptions & RequestIdOption & { readonly allOrNothing?: boolean | undefined } = {},
  ): Promise<PublishBatchResult> {
    const entries = messages.map((message, index) => {
      const isBody = typeof message === "string" || message instanceof Uint8Array;
      const { body, id, ...rest }: BatchPublish = isBody ? { body: message } : message;
      return { id: id ?? String(index), ...published(body, rest) };
    });
    const request = {
      topic: this.name,
      entries,
      allOrNothing: options.allOrNothing ?? false,
      requestId: options.requestId ?? newRequestId(),
    };
    const response = await this.#connection.unary(methods.publishBatch, request, options);
    return {
      successful: response.successful.map((wire) => ({ id: wire.id, ...resultOf(wire) })),
      failed: response.failed,
    };
  }

  /** The topic with its settings and exact counters. @throws ForebayError TOPIC_NOT_FOUND. */
  async describe(options: CallOptions = {}): Promise<TopicDescription> {
    const request = { topic: this.name };
    const { topic } = await this.#connection.unary(methods.getTopic, request, options);
    return topicOf(topic);
  }

  /**
   * Deletes the topic with its subscriptions; returns whether there was one. One with an archive is deleted only with `force`.
   *
   * @throws ForebayError ARCHIVE_ACTIVE, ETAG_MISMATCH.
   */
  async remove(
    options: CallOptions & {
      readonly etag?: string | undefined;
      readonly force?: boolean | undefined;
    } = {},
  ): Promise<boolean> {
    const { etag = "", force = false } = options;
    const request = { topic: this.name, force, drain: false, etag };
    return (await this.#connection.unary(methods.deleteTopic, request, options)).existed;
  }

  /**
   * Sets how long what is published stays for replays: one to 365 days, in milliseconds. 0 ends the archive and deletes what is
   * in it, which needs `confirmDeletion`; a shorter span deletes what is too old.
   *
   * @throws ForebayError TOPIC_NOT_FOUND, ARCHIVE_ACTIVE.
   */
  async keepArchive(
    retentionMs: number,
    options: CallOptions & { readonly confirmDeletion?: boolean | undefined } = {},
  ): Promise<TopicDescription> {
    const request = {
      topic: this.name,
      settings: { ...unset, archiveRetention: durationOf(retentionMs) },
      updateMask: ["archive_retention"],
      etag: "",
      confirmArchiveDeletion: options.confirmDeletion ?? false,
    };
    const { topic } = await this.#connection.unary(methods.updateTopic, request, options);
    return topicOf(topic);
  }

  /** Replays of its subscriptions, the last one of each, until the loop is left. @throws ForebayError TOPIC_NOT_FOUND. */
  replays(options: CallOptions = {}): AsyncGenerator<ReplayDescription, void, undefined> {
    return listReplays(this.#connection, this.name, options);
  }

  /**
   * Subscribes a target, a queue by its name: it gets what is published from now on. A webhook is asked first whether it wants
   * to, and is pending until it confirms. Subscribing the same again is the same subscription, `created` being false; a webhook
   * that is pending is asked again.
   *
   * @throws ForebayError TOPIC_NOT_FOUND, QUEUE_NOT_FOUND, SUBSCRIPTION_EXISTS_DIFFERENT_ATTRIBUTES,
   * FIFO_QUEUE_ON_STANDARD_TOPIC, TARGET_NOT_ALLOWED_ON_FIFO, ENDPOINT_NOT_ALLOWED, PUBLIC_URL_UNSET, FILTER_INVALID,
   * FILTER_TOO_COMPLEX, FILTER_TOO_MANY_KEYS, FILTER_NUMBER_RANGE, RETRY_WINDOW_TOO_LONG, DLQ_NOT_FOUND, DLQ_TYPE_MISMATCH,
   * SUBSCRIPTION_LIMIT.
   */
  async subscribe(
    target: SubscriptionTarget | string,
    options: CallOptions & RequestIdOption & { readonly settings?: SubscriptionSettings } = {},
  ): Promise<{ readonly subscription: SubscriptionDescription; readonly created: boolean }> {
    const request = {
      topic: this.name,
      ...targetToWire(target),
      settings: settingsToWire(options.settings ?? {}),
      requestId: options.requestId ?? newRequestId(),
    };
    const response = await this.#connection.unary(methods.subscribe, request, options);
    return {
      subscription: subscriptionOf(response.subscription),
      created: response.created,
    };
  }

  /**
   * Confirms a subscription by the token its target was sent; again is the same.
   *
   * @throws ForebayError TOPIC_NOT_FOUND, INVALID_TOKEN.
   */
  async confirm(token: string, options: CallOptions = {}): Promise<SubscriptionDescription> {
    const request = { topic: this.name, token, authenticateOnUnsubscribe: false };
    const response = await this.#connection.unary(methods.confirmSubscription, request, options);
    return subscriptionOf(response.subscription);
  }

  /**
   * Sets what is looked for in messages and what is done about it, a JSON document as Amazon SNS has it; empty text removes it.
   *
   * @throws ForebayError TOPIC_NOT_FOUND, INVALID_POLICY.
   */
  async protect(dataProtectionPolicy: string, options: CallOptions = {}): Promise<void> {
    const request = { topic: this.name, dataProtectionPolicy };
    await this.#connection.unary(methods.putDataProtectionPolicy, request, options);
  }

  /** The data protection policy as it was set; empty text without one. @throws ForebayError TOPIC_NOT_FOUND. */
  async protection(options: CallOptions = {}): Promise<string> {
    const request = { topic: this.name };
    const { getDataProtectionPolicy } = methods;
    const response = await this.#connection.unary(getDataProtectionPolicy, request, options);
    return response.dataProtectionPolicy;
  }

  /**
   * What is published, as it is published, until the loop is left: live, with nothing stored for it. A broken connection is
   * opened again behind what was shown last, and what is skipped is shown as a gap.
   *
   * @throws ForebayError TOPIC_NOT_FOUND, FILTER_INVALID, INVALID_PARAMETER, TAIL_LIMIT.
   */
  tail(options: TailOptions = {}): AsyncGenerator<TailItem, void, undefined> {
    return tail(this.name, this.#context, options);
  }

  /** Its subscriptions, oldest first, over all pages until the loop is left. @throws ForebayError TOPIC_NOT_FOUND. */
  subscriptions(
    options: CallOptions = {},
  ): AsyncGenerator<SubscriptionDescription, void, undefined> {
    return listSubscriptions(this.#connection, this.name, options);
  }

  /**
   * Says for every subscription what became of a message, over all pages until the loop is left.
   *
   * @throws ForebayError TOPIC_NOT_FOUND, MESSAGE_NOT_FOUND.
   */
  explain(
    messageId: string,
    options: CallOptions = {},
  ): AsyncGenerator<DeliveryReport, void, undefined> {
    return explainDelivery(this.#connection, this.name, messageId, options);
  }
}

/** Creates a topic. */
export async function createTopic(
  connection: Connection,
  name: string,
  options: CreateTopicOptions,
): Promise<{ readonly topic: TopicDescription; readonly created: boolean }> {
  const { settings = {}, tags = {} } = options;
  const request = {
    topic: name,
    type: TopicType.UNSPECIFIED,
    settings: {
      ...unset,
      displayName: settings.displayName,
      maximumMessageBytes: settings.maximumMessageBytes,
      policy: settings.policy,
      contentBasedDeduplication: settings.contentBasedDeduplication,
      fifoThroughputScope: Scopes[settings.fifoThroughputScope ?? "UNSPECIFIED"],
      archiveRetention: durationOf(settings.archiveRetentionMs),
    },
    tags: new Map(Object.entries(tags)),
    dataProtectionPolicy: "",
    requestId: options.requestId ?? newRequestId(),
  };
  const response = await connection.unary(methods.createTopic, request, options);
  return { topic: topicOf(response.topic), created: response.created };
}

/** Topics of the caller's namespace whose names start with `prefix`, in order. */
export function listTopics(
  connection: Connection,
  prefix: string,
  options: CallOptions,
): AsyncGenerator<TopicDescription, void, undefined> {
  return pages(async (pageToken) => {
    const request = { namePrefix: prefix, pageToken, tags: new Map<string, string>() };
    const response = await connection.unary(methods.listTopics, request, options);
    return { items: response.topics.map(topicOf), nextPageToken: response.nextPageToken };
  });
}

/** Of a topic, or with an empty name of all topics of the caller's namespace. */
export function listSubscriptions(
  connection: Connection,
  topic: string,
  options: CallOptions,
): AsyncGenerator<SubscriptionDescription, void, undefined> {
  return pages(async (pageToken) => {
    const request = { topic, pageToken };
    const response = await connection.unary(methods.listSubscriptions, request, options);
    return {
      items: response.subscriptions.map(subscriptionOf),
      nextPageToken: response.nextPageToken,
    };
  });
}

/** A subscription by its id. */
export class Subscription {
  /** A UUID. */
  readonly id: string;
  readonly #connection: Connection;
  readonly #context: QueueContext;

  constructor(id: string, context: QueueContext) {
    this.id = id;
    this.#connection = context.connection;
    this.#context = context;
  }

  /**
   * Attempts to deliver, newest first, over all pages until the loop is left: failures of the last 24 hours, and successes as the
   * topic samples them.
   *
   * @throws ForebayError SUBSCRIPTION_NOT_FOUND.
   */
  attempts(
    options: CallOptions & { readonly messageId?: string | undefined } = {},
  ): AsyncGenerator<DeliveryAttempt, void, undefined> {
    return listAttempts(this.#connection, this.id, options.messageId ?? "", options);
  }

  /** The subscription with its settings and exact counters. @throws ForebayError SUBSCRIPTION_NOT_FOUND. */
  async describe(options: CallOptions = {}): Promise<SubscriptionDescription> {
    const request = { subscription: this.id };
    const response = await this.#connection.unary(methods.getSubscription, request, options);
    return subscriptionOf(response.subscription);
  }

  /**
   * Changes exactly the settings given.
   *
   * @throws ForebayError SUBSCRIPTION_NOT_FOUND, ETAG_MISMATCH, FILTER_INVALID, FILTER_TOO_COMPLEX, FILTER_TOO_MANY_KEYS,
   * FILTER_NUMBER_RANGE, DLQ_NOT_FOUND, DLQ_TYPE_MISMATCH.
   */
  async set(
    settings: SubscriptionSettings,
    options: CallOptions & { readonly etag?: string | undefined } = {},
  ): Promise<SubscriptionDescription> {
    const request = {
      subscription: this.id,
      settings: settingsToWire(settings),
      updateMask: maskOf(settings),
      etag: options.etag ?? "",
    };
    const response = await this.#connection.unary(methods.updateSubscription, request, options);
    return subscriptionOf(response.subscription);
  }

  /**
   * The token that the target of a pending subscription was sent: for tests.
   *
   * @throws ForebayError SUBSCRIPTION_NOT_FOUND, SUBSCRIPTION_NOT_PENDING.
   */
  async pendingToken(options: CallOptions = {}): Promise<string> {
    const request = { subscription: this.id };
    return (await this.#connection.unary(methods.getPendingToken, request, options)).token;
  }

  /**
   * The messages of a subscription of kind STREAM, as they come, shared with other consumers of it. Each is this consumer's until
   * it is acked, nacked, rejected or its deadline passes; what is held when the loop is left goes to others.
   */
  consume(options: StreamOptions = {}): StreamConsumer {
    return new StreamConsumer(this.id, this.#context, options);
  }

  /**
   * Delivers archived messages to it once more, marked as replayed and by the filter it has now; without an end it goes over into
   * what is published. One that is under way is replaced, and a paused subscription is resumed.
   *
   * @throws ForebayError SUBSCRIPTION_NOT_FOUND, SUBSCRIPTION_PENDING, NO_ARCHIVE, REPLAY_RANGE, REPLAY_LIMIT,
   * SNAPSHOT_NOT_FOUND.
   */
  startReplay(options: ReplayOptions): Promise<ReplayDescription> {
    return startReplay(this.#connection, this.id, options);
  }

  /**
   * Ends the replay under way, undefined being answered without one. It goes on with what is published from now on, or where the
   * replay was.
   *
   * @throws ForebayError SUBSCRIPTION_NOT_FOUND.
   */
  stopReplay(
    options: CallOptions & { readonly resumeFrom?: "now" | "position" | undefined } = {},
  ): Promise<ReplayDescription | undefined> {
    return stopReplay(this.#connection, this.id, options);
  }

  /** The replay under way or ended last. @throws ForebayError SUBSCRIPTION_NOT_FOUND, REPLAY_NOT_FOUND. */
  replay(options: CallOptions = {}): Promise<ReplayDescription> {
    return getReplay(this.#connection, this.id, options);
  }

  /**
   * Gives the place where it is a name, for as long as the archive keeps messages or for so many milliseconds.
   *
   * @throws ForebayError SUBSCRIPTION_NOT_FOUND, NO_ARCHIVE, SNAPSHOT_EXISTS, SNAPSHOT_LIMIT.
   */
  createSnapshot(
    name: string,
    options: CallOptions & RequestIdOption & { readonly timeToLiveMs?: number | undefined } = {},
  ): Promise<SnapshotDescription> {
    return createSnapshot(this.#connection, { subscription: this.id, name }, options);
  }

  /** Returns whether there was one. @throws ForebayError SUBSCRIPTION_NOT_FOUND. */
  removeSnapshot(name: string, options: CallOptions = {}): Promise<boolean> {
    return deleteSnapshot(this.#connection, { subscription: this.id, name }, options);
  }

  /** In name order, until the loop is left. @throws ForebayError SUBSCRIPTION_NOT_FOUND. */
  snapshots(options: CallOptions = {}): AsyncGenerator<SnapshotDescription, void, undefined> {
    return listSnapshots(this.#connection, this.id, options);
  }

  /** Ends it; what waits for it is dropped. Returns whether there was one. */
  async remove(options: CallOptions = {}): Promise<boolean> {
    const request = { subscription: this.id };
    return (await this.#connection.unary(methods.unsubscribe, request, options)).existed;
  }
}

/** Settings of which none is given. */
const unset = {
  signatureVersion: SignatureVersion.UNSPECIFIED,
  tracing: TracingMode.UNSPECIFIED,
  deliveryLogging: [],
  fifoThroughputScope: Scopes.UNSPECIFIED,
};

function published(body: Body, options: PublishOptions) {
  return {
    body: bodyToWire(body),
    contentType: "",
    subject: options.subject,
    messageStructure: MessageStructure[options.structure === "json" ? "JSON" : "UNSPECIFIED"],
    attributes: attributesToWire(options.attributes),
    groupId: options.groupId ?? "",
    dedupId: options.dedupId ?? "",
    delay: durationOf(options.delayMs),
    ttl: durationOf(options.timeToLiveMs),
  };
}

const resultOf = ({ messageId, sequenceNumber, duplicate }: PublishResult): PublishResult => ({
  messageId,
  sequenceNumber,
  duplicate,
});

function topicOf(wire: WireTopic | undefined): TopicDescription {
  const { settings, counters } = wire ?? {};
  return {
    topic: wire?.topic ?? "",
    isFifo: wire?.topic.endsWith(".fifo") ?? false,
    settings: {
      displayName: settings?.displayName ?? "",
      maximumMessageBytes: settings?.maximumMessageBytes ?? 0,
      policy: settings?.policy,
      contentBasedDeduplication: settings?.contentBasedDeduplication,
      fifoThroughputScope: choiceOf(Scopes, settings?.fifoThroughputScope),
      archiveRetentionMs: millisecondsOf(settings?.archiveRetention),
    },
    owner: wire?.owner ?? "",
    createTime: dateOf(wire?.createTime),
    etag: wire?.etag ?? "",
    beginningArchiveTime: dateOf(wire?.beginningArchiveTime),
    counters: counters && {
      subscriptionCount: Number(counters.subscriptionsConfirmed),
      endedSubscriptionCount: Number(counters.subscriptionsDeleted),
      publishedCount: Number(counters.published),
      pendingCount: Number(counters.fanOutPending),
      archivedCount: Number(counters.archived),
      archivedBytes: Number(counters.archivedBytes),
    },
  };
}

function subscriptionOf(wire: WireSubscription | undefined): SubscriptionDescription {
  const { settings, counters } = wire ?? {};
  return {
    subscription: wire?.subscription ?? "",
    topic: wire?.topic ?? "",
    kind: choiceOf(Kinds, wire?.kind),
    endpoint: wire?.endpoint ?? "",
    state: choiceOf(States, wire?.state),
    createTime: dateOf(wire?.createTime),
    etag: wire?.etag ?? "",
    settings: settings && settingsOf(settings),
    counters: counters && {
      backlogCount: Number(counters.backlog),
      oldestPendingAgeMs: millisecondsOf(counters.oldestPendingAge),
      deliveredCount: Number(counters.delivered),
      filteredCount: Number(counters.filtered),
      deadLetteredCount: Number(counters.deadLettered),
      undeliverableCount: Number(counters.undeliverable),
    },
  };
}
