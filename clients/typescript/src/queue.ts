// A queue, as its users handle it. One method a call of the contract, in the caller's words: promises, milliseconds, strings
// and bytes. Sends and deletes made at the same time leave together (batcher.ts).

import type {
  BatchEntryError,
  DeleteOutcome as WireDeleteOutcome,
} from "../gen/forebay/queue/v1/message.js";
import { DeleteOutcome as WireOutcomes } from "../gen/forebay/queue/v1/message.js";
import {
  QueueServiceDefinition,
  type SendMessageBatchResponse,
} from "../gen/forebay/queue/v1/queue_service.js";
import { Batcher, type BatcherLimits, type Settled } from "./batcher.js";
import type { CallOptions } from "./connection.js";
import { type ConsumeOptions, Consumer } from "./consumer.js";
import { dateOf, durationOf } from "./durations.js";
import { ForebayError } from "./errors.js";
import { isFifo } from "./fifo.js";
import {
  batchesInFlightMax,
  longPollGraceMs,
  partialBatchesInFlightMax,
  waitTimeMaxMs,
} from "./limits.js";
import { verifyBody } from "./md5.js";
import {
  type MessageDescription,
  type MessageExplanation,
  messageDescriptionOf,
  messageExplanationOf,
} from "./message-life.js";
import {
  type DeleteOutcome,
  PeekedMessage,
  ReceivedMessage,
  ScheduledMessage,
  statesToWire,
  systemAttributesToWire,
} from "./messages.js";
import {
  type ListMovesOptions,
  listMoves,
  type MovePreview,
  type MoveTask,
  type MoveTaskDescription,
  type PreviewMoveOptions,
  previewMove,
  type StartMoveOptions,
  startMove,
} from "./move-tasks.js";
import {
  type Body,
  type OutgoingMessage,
  outgoing,
  outgoingBytes,
  type SendResult,
  sendResultOf,
} from "./outgoing.js";
import { pages } from "./pages.js";
import { Producer, type ProducerOptions } from "./producer.js";
import {
  attributeFieldNames,
  attributesFromWire,
  attributesToWire,
  descriptionOf,
  type QueueAttributes,
  type QueueDescription,
} from "./queue-attributes.js";
import type {
  BatchFailure,
  BatchMessage,
  BatchResult,
  DescribeMessageOptions,
  ListDeadLetterSourcesOptions,
  ListScheduledMessagesOptions,
  PeekOptions,
  Permission,
  QueueContext,
  ReceiveOptions,
  RequestIdOption,
  SendOptions,
  SetAttributesOptions,
} from "./queue-calls.js";
import { newRequestId } from "./random.js";
import {
  type RejectOptions,
  type RejectOutcome,
  rejectionToWire,
  rejectOutcomeOf,
} from "./rejection.js";
import { Schedules } from "./schedules.js";
import { errorOfEntry } from "./status-details.js";
import { type Handler, Worker, type WorkerOptions } from "./worker.js";

const { methods } = QueueServiceDefinition;

/** A queue by its name. Making one asks the server nothing; the queue need not exist yet. */
export class Queue {
  /** Its name: `orders`, or `billing/orders` in another namespace. */
  readonly name: string;
  /** The messages that the server sends to it by itself, again and again. */
  readonly schedules: Schedules;
  readonly #context: QueueContext;
  readonly #sends: Batcher<OutgoingMessage, SendResult>;
  readonly #deletes: Batcher<string, DeleteOutcome>;

  constructor(name: string, context: QueueContext) {
    this.name = name;
    this.schedules = new Schedules(name, context.connection);
    this.#context = context;
    this.#sends = new Batcher((entries) => this.#sendTogether(entries), sendLimitsFor(name));
    this.#deletes = new Batcher((handles) => this.#deleteTogether(handles));
  }

  /**
   * Sends one message; resolves once it is flushed to disk. Sends made at the same time leave in one call, each with its
   * own result; one with a `timeoutMs` or a `requestId` of its own leaves alone. To a FIFO queue they leave in the order of
   * these calls, each once those before it are answered; one that fails does not stop those after it.
   *
   * @throws ForebayError QUEUE_NOT_FOUND, INVALID_MESSAGE_CONTENTS, MESSAGE_TOO_LONG, INVALID_PARAMETER, MISSING_PARAMETER,
   * UNSUPPORTED_FOR_QUEUE_TYPE, STORAGE_FULL, REQUEST_ID_REUSED, CLIENT_BACKLOG.
   */
  async send(body: Body, options: SendOptions = {}): Promise<SendResult> {
    const message = outgoing(body, options);
    if (
      this.#context.isBatching &&
      options.timeoutMs === undefined &&
      options.acks === undefined &&
      options.requestId === undefined
    ) {
      options.signal?.throwIfAborted();
      return this.#sends.add(message, outgoingBytes(message), options.signal);
    }
    return this.#inTurn(outgoingBytes(message), options, (rest) => this.#sendAlone(message, rest));
  }

  /**
   * Sends 1 to 10 messages as one step, in their order; to a FIFO queue after what was sent before. Refused ones are in
   * `failed` and do not stop the others.
   *
   * @throws ForebayError QUEUE_NOT_FOUND, EMPTY_BATCH, TOO_MANY_ENTRIES, BATCH_ENTRY_ID_INVALID,
   * BATCH_ENTRY_IDS_NOT_DISTINCT, BATCH_TOO_LONG, MISSING_PARAMETER, STORAGE_FULL, REQUEST_ID_REUSED.
   */
  async sendBatch(
    messages: readonly (Body | BatchMessage)[],
    options: CallOptions & RequestIdOption = {},
  ): Promise<BatchResult<SendResult>> {
    const entries = messages.map((message, index) => {
      const isBody = typeof message === "string" || message instanceof Uint8Array;
      const { body, id, ...rest }: BatchMessage = isBody ? { body: message } : message;
      return outgoing(body, rest, id ?? String(index));
    });
    const bytes = entries.reduce((sum, entry) => sum + outgoingBytes(entry), 0);
    const response = await this.#inTurn(bytes, options, (rest) => this.#sendBatch(entries, rest));
    const bodies = new Map(entries.map(({ id, body }) => [id, body.value]));
    const successful = response.successful.map((wire) => {
      this.#verify(bodies.get(wire.id) ?? "", wire);
      return { id: wire.id, ...sendResultOf(wire) };
    });
    return { successful, failed: response.failed.map(failureOf) };
  }

  /**
   * Leases up to `maxMessages` messages: they stay invisible to others until deleted or until the visibility timeout ends.
   * Waits up to `waitTimeMs` for one; none is an empty list. An aborted receive gives its messages back.
   *
   * On a FIFO queue one receive may hold several messages of a group, in their order.
   *
   * @throws ForebayError QUEUE_NOT_FOUND, IN_FLIGHT_LIMIT, INVALID_PARAMETER; UNSUPPORTED_FOR_QUEUE_TYPE and
   * RECEIVE_ATTEMPT_STALE for a `receiveAttemptId`; MD5_MISMATCH.
   */
  async receive(options: ReceiveOptions = {}): Promise<ReceivedMessage[]> {
    const { waitTimeMs, visibilityTimeoutMs } = options;
    const response = await this.#context.connection.unary(
      methods.receiveMessage,
      {
        queue: this.name,
        maxMessages: options.maxMessages,
        visibilityTimeout: durationOf(visibilityTimeoutMs),
        waitTime: durationOf(waitTimeMs),
        systemAttributeNames: systemAttributesToWire(options.systemAttributeNames ?? ["ALL"]),
        messageAttributeNames: [...(options.attributeNames ?? ["All"])],
        receiveAttemptId: options.receiveAttemptId ?? "",
        maxBytes: options.maxBytes,
        requestId: options.requestId ?? "",
      },
      {
        signal: options.signal,
        // A receive that names no wait may wait as long as a queue can be set to.
        timeoutMs: options.timeoutMs ?? (waitTimeMs ?? waitTimeMaxMs) + longPollGraceMs,
      },
    );
    return response.messages.map((wire) => {
      const message = new ReceivedMessage(wire, this);
      this.#verify(message.body, wire);
      return message;
    });
  }

  /**
   * Deletes a message by the handle of a receive; it was processed. Deletes made at the same time leave in one call; one with
   * a `timeoutMs` of its own leaves alone. Repeating one is harmless.
   *
   * @throws ForebayError QUEUE_NOT_FOUND, RECEIPT_HANDLE_INVALID, RECEIPT_HANDLE_EXPIRED.
   */
  async delete(receiptHandle: string, options: CallOptions = {}): Promise<DeleteOutcome> {
    const hasWishes = options.timeoutMs !== undefined || options.acks !== undefined;
    if (this.#context.isBatching && !hasWishes) {
      options.signal?.throwIfAborted();
      return this.#deletes.add(receiptHandle, receiptHandle.length, options.signal);
    }
    return this.#deleteAlone(receiptHandle, options);
  }

  /**
   * Deletes 1 to 10 messages as one step, each by itself; an entry's id is its place in the list.
   *
   * @throws ForebayError as `sendBatch` for the batch as a whole; those of `delete` are in `failed`.
   */
  async deleteBatch(
    receiptHandles: readonly string[],
    options: CallOptions = {},
  ): Promise<BatchResult<{ readonly outcome: DeleteOutcome }>> {
    const entries = receiptHandles.map((receiptHandle, index) => ({
      id: String(index),
      receiptHandle,
    }));
    const request = { queue: this.name, entries };
    const response = await this.#context.connection.unary(
      methods.deleteMessageBatch,
      request,
      options,
    );
    return {
      successful: response.successful.map(({ id, outcome }) => ({
        id,
        outcome: outcomeOf(outcome),
      })),
      failed: response.failed.map(failureOf),
    };
  }

  /**
   * Replaces what is left of a lease, counted from now. Range: 0 to 43200000 milliseconds; 0 gives the message back at once.
   * Returns when it becomes visible.
   *
   * @throws ForebayError MESSAGE_NOT_FOUND, MESSAGE_NOT_IN_FLIGHT, RECEIPT_HANDLE_EXPIRED, RECEIPT_HANDLE_INVALID,
   * VISIBILITY_LIMIT_EXCEEDED, QUEUE_NOT_FOUND.
   */
  async changeVisibility(
    receiptHandle: string,
    visibilityTimeoutMs: number,
    options: CallOptions = {},
  ): Promise<Date> {
    const response = await this.#context.connection.unary(
      methods.changeMessageVisibility,
      { queue: this.name, receiptHandle, visibilityTimeout: durationOf(visibilityTimeoutMs) },
      options,
    );
    return dateOf(response.visibleTime ?? { seconds: 0n, nanos: 0 });
  }

  /**
   * Gives a received message back because it cannot be processed, with a reason that is kept with it and shown by receives
   * and peeks: it becomes visible behind all others (on a FIFO queue at its place), or goes to the dead-letter queue at once.
   *
   * @throws ForebayError as `changeVisibility`, the handle being of the message's newest receive; DLQ_NOT_FOUND with
   * `deadLetter`, if the queue has no dead-letter queue, or it does not exist: the lease is then as before.
   */
  async reject(
    receiptHandle: string,
    rejection: RejectOptions,
    options: CallOptions = {},
  ): Promise<RejectOutcome> {
    const request = { queue: this.name, receiptHandle, ...rejectionToWire(rejection) };
    return rejectOutcomeOf(
      await this.#context.connection.unary(methods.rejectMessage, request, options),
    );
  }

  /**
   * Replaces what is left of 1 to 10 leases as one step, each by itself; an entry's id is its place in the list.
   *
   * @throws ForebayError as `sendBatch` for the batch as a whole; those of `changeVisibility` are in `failed`.
   */
  async changeVisibilityBatch(
    changes: readonly { readonly receiptHandle: string; readonly visibilityTimeoutMs: number }[],
    options: CallOptions = {},
  ): Promise<BatchResult<{ readonly visibleTime: Date }>> {
    const entries = changes.map(({ receiptHandle, visibilityTimeoutMs }, index) => ({
      id: String(index),
      receiptHandle,
      visibilityTimeout: durationOf(visibilityTimeoutMs),
    }));
    const request = { queue: this.name, entries };
    const response = await this.#context.connection.unary(
      methods.changeMessageVisibilityBatch,
      request,
      options,
    );
    return {
      successful: response.successful.map(({ id, visibleTime }) => ({
        id,
        visibleTime: dateOf(visibleTime ?? { seconds: 0n, nanos: 0 }),
      })),
      failed: response.failed.map(failureOf),
    };
  }

  /**
   * Shows stored messages, oldest first, without receiving them. Goes on over all pages until the loop is left.
   *
   * @throws ForebayError QUEUE_NOT_FOUND, INVALID_PARAMETER.
   */
  peek(options: PeekOptions = {}): AsyncGenerator<PeekedMessage, void, undefined> {
    return pages(async (pageToken) => {
      const response = await this.#context.connection.unary(
        methods.peekMessages,
        {
          queue: this.name,
          states: statesToWire(options.states ?? []),
          groupId: options.groupId ?? "",
          attributes: new Map(Object.entries(options.attributes ?? {})),
          bodyContains: options.bodyContains ?? "",
          pageSize: options.pageSize,
          pageToken,
          bodyBytesMax: options.bodyBytesMax,
        },
        options,
      );
      return {
        items: response.messages.map((wire) => new PeekedMessage(wire)),
        nextPageToken: response.nextPageToken,
      };
    });
  }

  /**
   * Shows one stored or scheduled message and what happened to it.
   *
   * @throws ForebayError QUEUE_NOT_FOUND; MESSAGE_NOT_FOUND: what was deleted or expired is not remembered.
   */
  async describeMessage(
    messageId: string,
    options: DescribeMessageOptions = {},
  ): Promise<MessageDescription> {
    const request = { queue: this.name, messageId, bodyBytesMax: options.bodyBytesMax };
    return messageDescriptionOf(
      await this.#context.connection.unary(methods.describeMessage, request, options),
    );
  }

  /**
   * Says why a message is not being delivered now: every reason that holds, or none when the next receive may get it.
   *
   * @throws ForebayError QUEUE_NOT_FOUND, MESSAGE_NOT_FOUND.
   */
  async explainMessage(messageId: string, options: CallOptions = {}): Promise<MessageExplanation> {
    const request = { queue: this.name, messageId };
    return messageExplanationOf(
      await this.#context.connection.unary(methods.explainMessage, request, options),
    );
  }

  /**
   * The messages that wait for their `deliverTime`, earliest first, over all pages until the loop is left.
   *
   * @throws ForebayError QUEUE_NOT_FOUND, INVALID_PARAMETER.
   */
  listScheduledMessages(
    options: ListScheduledMessagesOptions = {},
  ): AsyncGenerator<ScheduledMessage, void, undefined> {
    return pages(async (pageToken) => {
      const { pageSize, bodyBytesMax } = options;
      const response = await this.#context.connection.unary(
        methods.listScheduledMessages,
        { queue: this.name, pageSize, pageToken, bodyBytesMax },
        options,
      );
      return {
        items: response.messages.map((wire) => new ScheduledMessage(wire)),
        nextPageToken: response.nextPageToken,
      };
    });
  }

  /**
   * Removes a message that waits for its `deliverTime`. Its deduplication id stays remembered.
   *
   * @throws ForebayError QUEUE_NOT_FOUND; MESSAGE_NOT_FOUND: it has joined the queue, was cancelled before, or never was.
   */
  async cancelScheduledMessage(messageId: string, options: CallOptions = {}): Promise<void> {
    const request = { queue: this.name, messageId };
    await this.#context.connection.unary(methods.cancelScheduledMessage, request, options);
  }

  /** Whether a queue of this name exists. */
  async exists(options: CallOptions = {}): Promise<boolean> {
    try {
      await this.#context.connection.unary(methods.getQueueUrl, { queue: this.name }, options);
      return true;
    } catch (error) {
      if (error instanceof ForebayError && error.reason === "QUEUE_NOT_FOUND") return false;
      throw error;
    }
  }

  /** Its settings, counters and etag. @throws ForebayError QUEUE_NOT_FOUND. */
  async attributes(options: CallOptions = {}): Promise<QueueDescription> {
    const request = { queue: this.name, names: [] };
    return descriptionOf(
      await this.#context.connection.unary(methods.getQueueAttributes, request, options),
    );
  }

  /**
   * Changes settings, all or none, acting at once. A setting given as `null` goes back to its default. Returns all settings
   * after the change and the new etag.
   *
   * @throws ForebayError QUEUE_NOT_FOUND, INVALID_ATTRIBUTE_VALUE, UNKNOWN_ATTRIBUTE, ETAG_MISMATCH, POLICY_LIMIT;
   * DLQ_NOT_FOUND, DLQ_TYPE_MISMATCH, DLQ_NOT_ALLOWED for a redrive policy.
   */
  async setAttributes(
    changes: { readonly [Name in keyof QueueAttributes]: QueueAttributes[Name] | null },
    options: SetAttributesOptions = {},
  ): Promise<{ readonly attributes: QueueAttributes; readonly etag: string }> {
    const named = Object.entries(changes).filter(([, value]) => value !== undefined);
    const given = named.filter(([, value]) => value !== null);
    const mask = named.map(([name]) => attributeFieldNames[name as keyof QueueAttributes]);
    const request = {
      queue: this.name,
      attributes: attributesToWire(Object.fromEntries(given)),
      etag: options.etag ?? "",
      updateMask: mask.length > 0 ? mask : undefined,
    };
    const response = await this.#context.connection.unary(
      methods.setQueueAttributes,
      request,
      options,
    );
    return { attributes: attributesFromWire(response.attributes), etag: response.etag };
  }

  /**
   * Stops deliveries until `resume`: sends are accepted, receives find nothing and wait, leases held go on. Pausing a paused
   * queue is fine. @throws ForebayError QUEUE_NOT_FOUND.
   */
  async pause(options: CallOptions = {}): Promise<void> {
    await this.setAttributes({ deliveryPaused: true }, options);
  }

  /**
   * Delivers again, to those who wait first. Resuming a queue that is not paused is fine.
   *
   * @throws ForebayError QUEUE_NOT_FOUND.
   */
  async resume(options: CallOptions = {}): Promise<void> {
    await this.setAttributes({ deliveryPaused: false }, options);
  }

  /**
   * Removes every message sent before this call; returns how many. Those that wait for their `deliverTime` go too, and are not
   * among these. Schedules stay.
   *
   * @throws ForebayError QUEUE_NOT_FOUND.
   */
  async purge(options: CallOptions & RequestIdOption = {}): Promise<number> {
    const request = { queue: this.name, requestId: options.requestId ?? newRequestId() };
    const response = await this.#context.connection.unary(methods.purgeQueue, request, options);
    return Number(response.purgedCount);
  }

  /** Deletes the queue with all it holds, its schedules included. @throws ForebayError QUEUE_NOT_FOUND, ETAG_MISMATCH. */
  async remove(options: SetAttributesOptions = {}): Promise<void> {
    const request = { queue: this.name, etag: options.etag ?? "" };
    await this.#context.connection.unary(methods.deleteQueue, request, options);
  }

  /** Its tags. @throws ForebayError QUEUE_NOT_FOUND. */
  async tags(options: CallOptions = {}): Promise<Readonly<Record<string, string>>> {
    const request = { queue: this.name };
    const response = await this.#context.connection.unary(methods.listQueueTags, request, options);
    return Object.fromEntries(response.tags);
  }

  /** Sets tags, overwriting by key; at most 50 in all. @throws ForebayError QUEUE_NOT_FOUND, TAG_LIMIT, INVALID_PARAMETER. */
  async tag(tags: Readonly<Record<string, string>>, options: CallOptions = {}): Promise<void> {
    const request = { queue: this.name, tags: new Map(Object.entries(tags)) };
    await this.#context.connection.unary(methods.tagQueue, request, options);
  }

  /** Removes tags; an absent key is fine. @throws ForebayError QUEUE_NOT_FOUND, INVALID_PARAMETER. */
  async untag(keys: readonly string[], options: CallOptions = {}): Promise<void> {
    const request = { queue: this.name, keys: [...keys] };
    await this.#context.connection.unary(methods.untagQueue, request, options);
  }

  /**
   * Lets others use the queue: adds a statement to its policy.
   *
   * @throws ForebayError QUEUE_NOT_FOUND, LABEL_EXISTS, POLICY_LIMIT, INVALID_PARAMETER.
   */
  async addPermission(
    { label, principals, actions }: Permission,
    options: CallOptions & RequestIdOption = {},
  ): Promise<void> {
    const request = {
      queue: this.name,
      label,
      principals: [...principals],
      actions: [...actions],
      requestId: options.requestId ?? newRequestId(),
    };
    await this.#context.connection.unary(methods.addPermission, request, options);
  }

  /** Takes a permission back, by its label. @throws ForebayError QUEUE_NOT_FOUND, LABEL_NOT_FOUND. */
  async removePermission(label: string, options: CallOptions = {}): Promise<void> {
    const request = { queue: this.name, label };
    await this.#context.connection.unary(methods.removePermission, request, options);
  }

  /** The names of the queues whose redrive policy names this one, in order. @throws ForebayError QUEUE_NOT_FOUND. */
  listDeadLetterSources(
    options: ListDeadLetterSourcesOptions = {},
  ): AsyncGenerator<string, void, undefined> {
    return pages(async (pageToken) => {
      const request = { queue: this.name, pageSize: options.pageSize, pageToken };
      const response = await this.#context.connection.unary(
        methods.listDeadLetterSourceQueues,
        request,
        options,
      );
      return { items: response.queues, nextPageToken: response.nextPageToken };
    });
  }

  /**
   * Starts moving messages out of this dead-letter queue, oldest first: those that are in it now, visible when reached, and
   * chosen by the filter. Each becomes a new message of its destination. The task goes on by itself, over restarts too.
   *
   * ```ts
   * const move = await deadLetters.startMove({ filter: { rejectionReason: "no_invoice" }, maxPerSecond: 10 });
   * console.log(await move.status());
   * ```
   *
   * @throws ForebayError MOVE_RESOURCE_NOT_FOUND, MOVE_SOURCE_NOT_DLQ, MOVE_TASK_ALREADY_RUNNING, DLQ_TYPE_MISMATCH,
   * INVALID_PARAMETER.
   */
  startMove(options: StartMoveOptions = {}): Promise<MoveTask> {
    return startMove(this.#context.connection, this.name, options);
  }

  /**
   * Says what `startMove` with this filter and edit would do now, with samples, and moves nothing.
   *
   * @throws ForebayError MOVE_RESOURCE_NOT_FOUND, MOVE_SOURCE_NOT_DLQ, DLQ_TYPE_MISMATCH, INVALID_PARAMETER.
   */
  previewMove(options: PreviewMoveOptions = {}): Promise<MovePreview> {
    return previewMove(this.#context.connection, this.name, options);
  }

  /** The moves out of this queue, newest first; at least the last 10 are kept. @throws ForebayError MOVE_RESOURCE_NOT_FOUND. */
  listMoves(options: ListMovesOptions = {}): AsyncGenerator<MoveTaskDescription, void, undefined> {
    return listMoves(this.#context.connection, this.name, options);
  }

  /** Opens a stream to send many messages over. */
  producer(options: ProducerOptions = {}): Producer {
    return new Producer(this.name, this.#context, options);
  }

  /**
   * Messages as they come, over a stream: `for await (const message of queue.consume()) …`. Leaving the loop closes the
   * stream; what was not acked is visible to others at once.
   */
  consume(options: ConsumeOptions = {}): Consumer {
    return new Consumer(this, this.#context, options);
  }

  /** Runs `handler` for every message until stopped. */
  work(handler: Handler, options: WorkerOptions = {}): Worker {
    return new Worker(this, handler, this.#context, options);
  }

  /** Resolves once every send and delete that was joined into batches is answered. */
  async idle(): Promise<void> {
    await Promise.all([this.#sends.idle(), this.#deletes.idle()]);
  }

  /** Makes a call that is not joined with others; on a FIFO queue after everything that was sent before it. */
  async #inTurn<Options extends CallOptions, Answer>(
    bytes: number,
    options: Options,
    call: (options: Options) => Promise<Answer>,
  ): Promise<Answer> {
    if (!isFifo(this.name)) return call(options);
    const { signal, timeoutMs = this.#context.timeoutMs } = options;
    signal?.throwIfAborted();
    return this.#sends.alone((leftMs) => call({ ...options, timeoutMs: leftMs }), {
      bytes,
      timeoutMs,
      signal,
    });
  }

  async #sendAlone(
    { id: _, ...message }: OutgoingMessage,
    options: CallOptions & RequestIdOption = {},
  ): Promise<SendResult> {
    const requestId = options.requestId ?? newRequestId();
    const request = { queue: this.name, ...message, requestId };
    const response = await this.#context.connection.unary(methods.sendMessage, request, options);
    this.#verify(message.body.value, response);
    return sendResultOf(response);
  }

  #sendBatch(
    entries: OutgoingMessage[],
    options: CallOptions & RequestIdOption = {},
  ): Promise<SendMessageBatchResponse> {
    const requestId = options.requestId ?? newRequestId();
    const request = { queue: this.name, entries, requestId };
    return this.#context.connection.unary(methods.sendMessageBatch, request, options);
  }

  async #sendTogether(entries: readonly OutgoingMessage[]): Promise<Settled<SendResult>[]> {
    const [first] = entries;
    // Alone it gets the answer, and the details of an error, of a call of its own.
    if (first !== undefined && entries.length === 1) {
      return [{ kind: "done", result: await this.#sendAlone(first) }];
    }
    const numbered = entries.map((entry, index) => ({ ...entry, id: String(index) }));
    const response = await this.#sendBatch(numbered);
    return inOrder(entries.length, response.failed, response.successful, (wire) => {
      this.#verify(entries[Number(wire.id)]?.body.value ?? "", wire);
      return sendResultOf(wire);
    });
  }

  async #deleteAlone(receiptHandle: string, options: CallOptions = {}): Promise<DeleteOutcome> {
    const request = { queue: this.name, receiptHandle };
    const response = await this.#context.connection.unary(methods.deleteMessage, request, options);
    return outcomeOf(response.outcome);
  }

  async #deleteTogether(handles: readonly string[]): Promise<Settled<DeleteOutcome>[]> {
    const [first] = handles;
    if (first !== undefined && handles.length === 1) {
      return [{ kind: "done", result: await this.#deleteAlone(first) }];
    }
    const entries = handles.map((receiptHandle, index) => ({ id: String(index), receiptHandle }));
    const request = { queue: this.name, entries };
    const response = await this.#context.connection.unary(methods.deleteMessageBatch, request);
    return inOrder(handles.length, response.failed, response.successful, ({ outcome }) =>
      outcomeOf(outcome),
    );
  }

  #verify(
    body: Body,
    { md5OfBody, messageId }: { readonly md5OfBody: string; readonly messageId: string },
  ): void {
    if (this.#context.isMd5Verified) verifyBody(body, md5OfBody, messageId);
  }
}

// Batches under way at the same time may be stored in either order, which only a FIFO queue promises anything about.
function sendLimitsFor(queue: string): BatcherLimits {
  return isFifo(queue)
    ? { batchesInFlightMax: 1, partialBatchesInFlightMax: 1 }
    : { batchesInFlightMax, partialBatchesInFlightMax };
}

function outcomeOf(outcome: WireDeleteOutcome): DeleteOutcome {
  return outcome === WireOutcomes.DELETED ? "DELETED" : "ALREADY_GONE";
}

function failureOf(wire: BatchEntryError): BatchFailure {
  return { id: wire.id, error: errorOfEntry(wire), senderFault: wire.senderFault };
}

/** The results of a batch whose ids are places, in the order of these. */
function inOrder<Wire extends { readonly id: string }, Result>(
  count: number,
  failed: readonly BatchEntryError[],
  successful: readonly Wire[],
  resultOf: (wire: Wire) => Result,
): Settled<Result>[] {
  const settled = new Array<Settled<Result>>(count);
  for (const wire of failed) {
    settled[Number(wire.id)] = { kind: "failed", error: errorOfEntry(wire) };
  }
  for (const wire of successful) {
    try {
      settled[Number(wire.id)] = { kind: "done", result: resultOf(wire) };
    } catch (error) {
      settled[Number(wire.id)] = { kind: "failed", error };
    }
  }
  return settled;
}
