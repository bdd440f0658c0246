// Subscriptions: who gets what is published to a topic, how it is delivered, and what became of it. A Subscription is a handle by its
// id, as a Topic is by its name.

import { TopicServiceDefinition } from "../gen/forebay/topic/v1/topic_service.js";
import type { CallOptions, Connection } from "./connection.js";
import { type DeliveryAttempt, listAttempts } from "./delivery-reports.js";
import { dateOf, timestampOf } from "./durations.js";
import { pages } from "./pages.js";
import type { QueueContext, RequestIdOption } from "./queue-calls.js";
import { newRequestId } from "./random.js";
import {
  createSnapshot,
  deleteSnapshot,
  getReplay,
  listSnapshots,
  type ReplayDescription,
  type ReplayOptions,
  type SnapshotDescription,
  startReplay,
  stopReplay,
} from "./replays.js";
import { StreamConsumer, type StreamOptions } from "./stream-consumer.js";
import { maskOf, type SubscriptionSettings, settingsToWire } from "./subscription-settings.js";
import { type SubscriptionDescription, subscriptionOf } from "./topic-description.js";
import {
  listUndeliverable,
  type RedriveOptions,
  redriveUndeliverable,
  type UndeliverableMessage,
} from "./undeliverable.js";

const { methods } = TopicServiceDefinition;

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
   * FILTER_NUMBER_RANGE, RETRY_WINDOW_TOO_LONG, DLQ_NOT_FOUND, DLQ_TYPE_MISMATCH.
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
   * The token that the target of a pending subscription was sent, and until when it is good: for tests.
   *
   * @throws ForebayError SUBSCRIPTION_NOT_FOUND, SUBSCRIPTION_NOT_PENDING.
   */
  async pendingToken(
    options: CallOptions = {},
  ): Promise<{ readonly token: string; readonly expireTime: Date | undefined }> {
    const request = { subscription: this.id };
    const response = await this.#connection.unary(methods.getPendingToken, request, options);
    return { token: response.token, expireTime: dateOf(response.expireTime) };
  }

  /**
   * Messages that were given up and that no dead-letter queue took, oldest first, over all pages until the loop is left. They are
   * kept for 14 days, of a topic at most 100000 and 1 GiB.
   *
   * @throws ForebayError SUBSCRIPTION_NOT_FOUND.
   */
  undeliverable(options: CallOptions = {}): AsyncGenerator<UndeliverableMessage, void, undefined> {
    return listUndeliverable(this.#connection, this.id, options);
  }

  /**
   * Has undeliverable messages tried again as if they were new for it, all of them or those named; returns how many. It answers
   * when the order is on disk, and they follow.
   *
   * @throws ForebayError SUBSCRIPTION_NOT_FOUND, INVALID_PARAMETER, REQUEST_ID_REUSED.
   */
  redrive(options: RedriveOptions = {}): Promise<number> {
    return redriveUndeliverable(this.#connection, this.id, options);
  }

  /**
   * Drops what waits for it, or of that what was published before a time, and no dead-letter queue gets it. Returns how many
   * messages that were.
   *
   * @throws ForebayError SUBSCRIPTION_NOT_FOUND, REQUEST_ID_REUSED.
   */
  async purge(
    options: CallOptions & RequestIdOption & { readonly before?: Date | undefined } = {},
  ): Promise<number> {
    const request = {
      subscription: this.id,
      beforeTime: timestampOf(options.before),
      requestId: options.requestId ?? newRequestId(),
    };
    return Number((await this.#connection.unary(methods.purgeBacklog, request, options)).purged);
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
