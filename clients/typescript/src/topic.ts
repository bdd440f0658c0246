// Topics: what is published to one reaches all that is subscribed to it. A Topic is a handle by its name, as a Queue is.

import { TopicType } from "../gen/forebay/topic/v1/topic.js";
import { TopicServiceDefinition } from "../gen/forebay/topic/v1/topic_service.js";
import type { CallOptions, Connection } from "./connection.js";
import { type DeliveryReport, explainDelivery } from "./delivery-reports.js";
import type { Body } from "./outgoing.js";
import { pages } from "./pages.js";
import {
  type BatchPublish,
  entryToWire,
  type PublishBatchResult,
  type PublishCounts,
  type PublishCountsOption,
  type PublishOptions,
  type PublishResult,
  publishCountsOf,
  publishResultOf,
  publishToWire,
} from "./publishing.js";
import type { QueueContext, RequestIdOption } from "./queue-calls.js";
import { newRequestId } from "./random.js";
import { listReplays, type ReplayDescription } from "./replays.js";
import { listSubscriptions } from "./subscription.js";
import {
  type SubscriptionSettings,
  type SubscriptionTarget,
  settingsToWire,
  targetToWire,
} from "./subscription-settings.js";
import { type TailItem, type TailOptions, tail } from "./tail.js";
import {
  type SubscriptionDescription,
  subscriptionOf,
  type TopicDescription,
  topicOf,
} from "./topic-description.js";
import { type TopicSettings, topicMaskOf, topicSettingsToWire } from "./topic-settings.js";

const { methods } = TopicServiceDefinition;

export interface CreateTopicOptions extends CallOptions, RequestIdOption {
  readonly settings?: TopicSettings | undefined;
  /** At most 50. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
  /** What is looked for in messages, a JSON document as `Topic.protect` takes it. */
  readonly dataProtectionPolicy?: string | undefined;
}

export interface SetTopicOptions extends CallOptions {
  /** The change is made only while this is current. */
  readonly etag?: string | undefined;
  /** Whether an archive may end by it. Default: false. */
  readonly confirmArchiveDeletion?: boolean | undefined;
}

export interface RemoveTopicOptions extends CallOptions {
  /** It is deleted only while this is current. */
  readonly etag?: string | undefined;
  /** Whether its archive goes with it. Default: false. */
  readonly force?: boolean | undefined;
  /** Whether what waits is still delivered; its name is free when that is done. Default: false. */
  readonly drain?: boolean | undefined;
}

export interface ListTopicsOptions extends CallOptions {
  /** Only topics with all of these tags. */
  readonly tags?: Readonly<Record<string, string>> | undefined;
}

/** What others can be allowed to do with a topic. */
export type PermittedTopicAction =
  | "GetTopic"
  | "UpdateTopic"
  | "AddPermission"
  | "RemovePermission"
  | "DeleteTopic"
  | "Subscribe"
  | "ListSubscriptionsByTopic"
  | "Publish"
  | "Receive";

/** A statement that lets others use a topic. Kept, and not enforced yet. */
export interface TopicPermission {
  /** 1 to 80 of letters, digits and `-_`, not taken in the topic's policy. */
  readonly label: string;
  /** Who; at least one. */
  readonly principals: readonly string[];
  readonly actions: readonly PermittedTopicAction[];
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
    options: PublishOptions & PublishCountsOption & CallOptions & RequestIdOption = {},
  ): Promise<PublishResult & PublishCounts> {
    const request = {
      topic: this.name,
      ...publishToWire(body, options),
      requestId: options.requestId ?? newRequestId(),
      wantCounts: options.wantCounts ?? false,
    };
    const response = await this.#connection.unary(methods.publish, request, options);
    return { ...publishResultOf(response), ...publishCountsOf(response) };
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
    const request = {
      topic: this.name,
      entries: messages.map(entryToWire),
      allOrNothing: options.allOrNothing ?? false,
      requestId: options.requestId ?? newRequestId(),
    };
    const response = await this.#connection.unary(methods.publishBatch, request, options);
    return {
      successful: response.successful.map((wire) => ({ id: wire.id, ...publishResultOf(wire) })),
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
   * Changes exactly the settings given, all or none, for what is published next. To end an archive, which deletes what is in it,
   * needs `confirmArchiveDeletion`.
   *
   * @throws ForebayError TOPIC_NOT_FOUND, NOT_FIFO, INVALID_POLICY, RETRY_WINDOW_TOO_LONG, ARCHIVE_ACTIVE, ETAG_MISMATCH.
   */
  async set(settings: TopicSettings, options: SetTopicOptions = {}): Promise<TopicDescription> {
    const request = {
      topic: this.name,
      settings: topicSettingsToWire(settings),
      updateMask: topicMaskOf(settings),
      etag: options.etag ?? "",
      confirmArchiveDeletion: options.confirmArchiveDeletion ?? false,
    };
    const { topic } = await this.#connection.unary(methods.updateTopic, request, options);
    return topicOf(topic);
  }

  /**
   * Deletes the topic with its subscriptions; returns whether there was one. One with an archive is deleted only with `force`.
   * What waits is dropped, or with `drain` still delivered before the topic is gone.
   *
   * @throws ForebayError ARCHIVE_ACTIVE, ETAG_MISMATCH.
   */
  async remove(options: RemoveTopicOptions = {}): Promise<boolean> {
    const { etag = "", force = false, drain = false } = options;
    const request = { topic: this.name, force, drain, etag };
    return (await this.#connection.unary(methods.deleteTopic, request, options)).existed;
  }

  /** Sets tags, overwriting by key; at most 50. @throws ForebayError TOPIC_NOT_FOUND, TAG_LIMIT. */
  async tag(tags: Readonly<Record<string, string>>, options: CallOptions = {}): Promise<void> {
    const request = { topic: this.name, tags: new Map(Object.entries(tags)) };
    await this.#connection.unary(methods.tagTopic, request, options);
  }

  /** Removes tags; an absent one is OK. @throws ForebayError TOPIC_NOT_FOUND. */
  async untag(keys: readonly string[], options: CallOptions = {}): Promise<void> {
    const request = { topic: this.name, tagKeys: [...keys] };
    await this.#connection.unary(methods.untagTopic, request, options);
  }

  /** Its tags. @throws ForebayError TOPIC_NOT_FOUND. */
  async tags(options: CallOptions = {}): Promise<Readonly<Record<string, string>>> {
    const request = { topic: this.name };
    const { tags } = await this.#connection.unary(methods.listTopicTags, request, options);
    return Object.fromEntries(tags);
  }

  /** Adds a statement to its policy. @throws ForebayError TOPIC_NOT_FOUND, LABEL_EXISTS, POLICY_LIMIT. */
  async addPermission(
    { label, principals, actions }: TopicPermission,
    options: CallOptions & RequestIdOption = {},
  ): Promise<void> {
    const request = {
      topic: this.name,
      label,
      principals: [...principals],
      actions: [...actions],
      requestId: options.requestId ?? newRequestId(),
    };
    await this.#connection.unary(methods.addPermission, request, options);
  }

  /** Takes a permission back, by its label; an unknown one is OK. @throws ForebayError TOPIC_NOT_FOUND. */
  async removePermission(label: string, options: CallOptions = {}): Promise<void> {
    const request = { topic: this.name, label };
    await this.#connection.unary(methods.removePermission, request, options);
  }

  /**
   * Sets how long what is published stays for replays: one to 365 days, in milliseconds. 0 ends the archive and deletes what is
   * in it, which needs `confirmDeletion`; a shorter span deletes what is too old.
   *
   * @throws ForebayError TOPIC_NOT_FOUND, ARCHIVE_ACTIVE.
   */
  keepArchive(
    retentionMs: number,
    options: CallOptions & { readonly confirmDeletion?: boolean | undefined } = {},
  ): Promise<TopicDescription> {
    const { confirmDeletion: confirmArchiveDeletion, ...rest } = options;
    return this.set({ archiveRetentionMs: retentionMs }, { ...rest, confirmArchiveDeletion });
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
   * Confirms a subscription by the token its target was sent; again is the same. With `authenticateOnUnsubscribe` the link to end
   * it, which every envelope has, is refused from then on.
   *
   * @throws ForebayError TOPIC_NOT_FOUND, INVALID_TOKEN.
   */
  async confirm(
    token: string,
    options: CallOptions & { readonly authenticateOnUnsubscribe?: boolean | undefined } = {},
  ): Promise<SubscriptionDescription> {
    const { authenticateOnUnsubscribe = false } = options;
    const request = { topic: this.name, token, authenticateOnUnsubscribe };
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
    settings: topicSettingsToWire(settings),
    tags: new Map(Object.entries(tags)),
    dataProtectionPolicy: options.dataProtectionPolicy ?? "",
    requestId: options.requestId ?? newRequestId(),
  };
  const response = await connection.unary(methods.createTopic, request, options);
  return { topic: topicOf(response.topic), created: response.created };
}

/** Topics of the caller's namespace whose names start with `prefix`, and that have all the tags given, in order. */
export function listTopics(
  connection: Connection,
  prefix: string,
  options: ListTopicsOptions,
): AsyncGenerator<TopicDescription, void, undefined> {
  return pages(async (pageToken) => {
    const tags = new Map(Object.entries(options.tags ?? {}));
    const request = { namePrefix: prefix, pageToken, tags };
    const response = await connection.unary(methods.listTopics, request, options);
    return { items: response.topics.map(topicOf), nextPageToken: response.nextPageToken };
  });
}
