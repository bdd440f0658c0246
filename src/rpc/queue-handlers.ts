// The queue service at the wire: request to command, outcome to response. No rule of the business lives here.
//
// Every handler reads the same way: parse what was given, refuse it if anything is wrong, run one command, render its
// outcome. Shape errors end here; what depends on the state is decided by the rules under the engine.

import type { DurationMs, Namespace } from "../base/brands.js";
import { sequence } from "../base/brands.js";
import type { Clock } from "../base/clock.js";
import { uuidText } from "../base/ids.js";
import type { Decision } from "../engine/command.js";
import type { Engine } from "../engine/engine.js";
import { DeleteOutcome, MessageState } from "../gen/forebay/queue/v1/message.js";
import {
  CreateQueueRequest,
  PurgeQueueRequest,
  type QueueServiceDefinition,
  ReceiveMessageRequest,
  type ReceiveMessageResponse,
  SendMessageBatchRequest,
  SendMessageRequest,
  type SendMessageResponse,
} from "../gen/forebay/queue/v1/queue_service.js";
import {
  decideDeleteQueue,
  decideFindQueue,
  decideListQueues,
  decidePurgeQueue,
  decideReportQueue,
  decideSetQueueSettings,
  decideTagQueue,
  decideUntagQueue,
  type QueueReport,
} from "../queue/administer-queue.js";
import { decideChangeVisibility } from "../queue/change-visibility.js";
import { decideCreateQueue, type QueueCreated } from "../queue/create-queue.js";
import { decideDeleteMessages } from "../queue/delete-messages.js";
import { limits } from "../queue/limits.js";
import { decideOnce, type RequestIdentity } from "../queue/once.js";
import { decidePeekMessages, type PeekedState } from "../queue/peek-messages.js";
import { etagOf, type QueueAddress } from "../queue/queue-name.js";
import type { ReceiptCodec } from "../queue/receipt.js";
import type { QueueRejection } from "../queue/rejections.js";
import { decideSendMessages } from "../queue/send-message.js";
import type { Stamp } from "../queue/stamp.js";
import type { QueueTransaction } from "../queue/view.js";
import { checkBatch, type FailedEntry, failedEntry } from "./batches.js";
import type { ServiceHandlers } from "./call.js";
import { createConsumeHandler } from "./consume-stream.js";
import type { PageTokens } from "./page-token.js";
import { type ParsedMessage, parseMessage } from "./parse-message.js";
import {
  applyMask,
  checkStandard,
  checkTagKey,
  checkTags,
  findLaterAttribute,
  parseAddress,
  parseAttributeNames,
  parseNewAddress,
  parseSettings,
} from "./parse-queue.js";
import { createProduceHandler } from "./produce-stream.js";
import { receiveCommand, undoReceive } from "./receive.js";
import {
  parseSelection,
  renderAttributes,
  renderCounters,
  renderPeeked,
  renderReceived,
  timestamp,
} from "./render.js";
import { jsonCodec, parseRequestId, sendResultsCodec } from "./request-ids.js";
import { traceParentOf } from "./trace-parent.js";
import { parseCount, parseDuration, Violations } from "./violations.js";
import { faultOf, notYet } from "./wire-errors.js";

export interface QueueHandlerParts {
  readonly engine: Engine;
  readonly clock: Clock;
  readonly receipts: ReceiptCodec;
  readonly pageTokens: PageTokens;
  /** `sqs_timing=strict`. */
  readonly isStrictTiming: boolean;
  /** How long results of request ids are kept. */
  readonly requestKeepMs: DurationMs;
  /** Aborted when the server drains: streams end. */
  readonly draining: AbortSignal;
}

/** Who calls. Without credentials on loopback: the development key of the default namespace (`design.md` 2). */
export const localCaller = {
  namespace: "default" as Namespace,
  senderId: "key:default:dev",
} as const;

/** The longest a handler waits beyond what was asked, so that the empty answer still reaches a caller with a deadline. */
const deadlineMarginMs = 50;

export function outcomeOf<Outcome>(decision: Decision<Outcome, QueueRejection>): Outcome {
  if (decision.kind === "rejected") throw faultOf(decision.rejection);
  return decision.outcome;
}

/** Runs a decision that grows nothing. */
export async function run<Outcome>(
  engine: Engine,
  name: string,
  decide: (transaction: QueueTransaction, stamp: Stamp) => Decision<Outcome, QueueRejection>,
): Promise<Outcome> {
  return outcomeOf(await engine.execute({ name, bytes: commandBytes, isGrowing: false, decide }));
}

/** What a command without a payload is taken to write, for the engine's bound on uncommitted bytes. */
export const commandBytes = 256;

export function createQueueHandlers(
  parts: QueueHandlerParts,
): ServiceHandlers<typeof QueueServiceDefinition> {
  const { engine, receipts, pageTokens } = parts;
  const { namespace, senderId } = localCaller;

  const identify = (
    violations: Violations,
    requestId: string,
    method: string,
    payload: () => Uint8Array,
  ): RequestIdentity | undefined =>
    parseRequestId(
      violations,
      requestId,
      { namespace, method, keepMs: parts.requestKeepMs },
      payload,
    );

  const address = (violations: Violations, given: string): QueueAddress =>
    parseAddress(violations, given, namespace);

  /** For calls whose only parameter is the queue. */
  const addressOnly = (given: string): QueueAddress => {
    const violations = new Violations();
    const parsed = address(violations, given);
    violations.throwIfAny();
    return parsed;
  };

  return {
    createQueue: async (request) => {
      const violations = new Violations();
      const isFifo = request.attributes?.fifoQueue === true;
      const target = parseNewAddress(violations, request.queue, isFifo, namespace);
      if (!isFifo && request.attributes !== undefined)
        checkStandard(violations, request.attributes);
      const settings = parseSettings(violations, request.attributes);
      checkTags(violations, "tags", request.tags);
      const identity = identify(violations, request.requestId, "CreateQueue", () =>
        CreateQueueRequest.encode({ ...request, requestId: "" }).finish(),
      );
      violations.throwIfAny();
      if (isFifo) throw notYet("FIFO queues are", "attributes.fifo_queue");
      const later = findLaterAttribute(request.attributes);
      if (later !== undefined) throw later;
      const { outcome, isReplayed } = outcomeOf(
        await engine.execute({
          name: "CreateQueue",
          bytes: commandBytes,
          isGrowing: true,
          decide: (transaction, stamp) =>
            decideOnce(transaction, stamp, identity, jsonCodec<QueueCreated>(), () =>
              decideCreateQueue(
                transaction,
                { address: target, settings, tags: request.tags },
                stamp,
              ),
            ),
        }),
      );
      return { queue: target.name, created: outcome.isNew, replayed: isReplayed };
    },

    getQueueUrl: async (request) => {
      const target = addressOnly(request.queue);
      await run(engine, "GetQueueUrl", (transaction) => decideFindQueue(transaction, target));
      return { queue: target.given };
    },

    getQueueAttributes: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      const wanted = parseAttributeNames(violations, request.names);
      violations.throwIfAny();
      const report = await exactReport(engine, target);
      return {
        queue: target.given,
        attributes: renderAttributes(report.queue.settings, wanted),
        counters: renderCounters(report),
        etag: etagOf(report.queue),
        createTime: timestamp(report.queue.createdAt),
        updateTime: timestamp(report.queue.updatedAt),
      };
    },

    setQueueAttributes: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      if (request.attributes !== undefined) checkStandard(violations, request.attributes);
      const given = parseSettings(violations, request.attributes);
      const settings = applyMask(violations, request.updateMask, given);
      violations.throwIfAny();
      const later = findLaterAttribute(request.attributes);
      if (later !== undefined) throw later;
      const queue = await run(engine, "SetQueueAttributes", (transaction, stamp) =>
        decideSetQueueSettings(
          transaction,
          { address: target, settings, etag: request.etag },
          stamp,
        ),
      );
      return { attributes: renderAttributes(queue.settings, undefined), etag: etagOf(queue) };
    },

    listQueues: async (request) => {
      const violations = new Violations();
      const countMax =
        parseCount(violations, "page_size", request.pageSize, {
          min: 1,
          max: limits.listPageMax,
        }) ?? limits.listPageMax;
      const scope = `queues ${namespace} ${request.prefix}`;
      const afterName = parsePageToken(violations, pageTokens, scope, request.pageToken);
      violations.throwIfAny();
      const { names, hasMore } = await run(engine, "ListQueues", (transaction) =>
        decideListQueues(transaction, { namespace, prefix: request.prefix, afterName, countMax }),
      );
      const last = names.at(-1);
      return {
        queues: [...names],
        nextPageToken: hasMore && last !== undefined ? pageTokens.encode(scope, last) : "",
      };
    },

    deleteQueue: async (request) => {
      const target = addressOnly(request.queue);
      await run(engine, "DeleteQueue", (transaction) =>
        decideDeleteQueue(transaction, { address: target, etag: request.etag }),
      );
      return {};
    },

    purgeQueue: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      const identity = identify(violations, request.requestId, "PurgeQueue", () =>
        PurgeQueueRequest.encode({ ...request, requestId: "" }).finish(),
      );
      violations.throwIfAny();
      const { outcome, isReplayed } = await run(engine, "PurgeQueue", (transaction, stamp) =>
        decideOnce(
          transaction,
          stamp,
          identity,
          jsonCodec<{ readonly purgedCount: number }>(),
          () =>
            decidePurgeQueue(
              transaction,
              { address: target, isStrict: parts.isStrictTiming },
              stamp,
            ),
        ),
      );
      return { purgedCount: BigInt(outcome.purgedCount), replayed: isReplayed };
    },

    tagQueue: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      if (request.tags.size === 0)
        violations.add("MISSING_PARAMETER", "tags", "at least one tag is needed");
      checkTags(violations, "tags", request.tags);
      violations.throwIfAny();
      await run(engine, "TagQueue", (transaction) =>
        decideTagQueue(transaction, target, request.tags),
      );
      return {};
    },

    untagQueue: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      if (request.keys.length === 0)
        violations.add("MISSING_PARAMETER", "keys", "at least one key is needed");
      if (request.keys.length > limits.tagsMax) {
        violations.add(
          "INVALID_PARAMETER",
          "keys",
          `at most ${limits.tagsMax} keys, not ${request.keys.length}`,
        );
      }
      request.keys.slice(0, limits.tagsMax).forEach((key, index) => {
        checkTagKey(violations, `keys[${index}]`, key);
      });
      violations.throwIfAny();
      await run(engine, "UntagQueue", (transaction) =>
        decideUntagQueue(transaction, target, request.keys),
      );
      return {};
    },

    listQueueTags: async (request) => {
      const target = addressOnly(request.queue);
      const queue = await run(engine, "ListQueueTags", (transaction) =>
        decideFindQueue(transaction, target),
      );
      return { tags: new Map(queue.tags) };
    },

    sendMessage: (request, context) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      const parsed = parseMessage(violations, "", request, {
        senderId,
        traceParent: traceParentOf(context),
      });
      const identity = identify(violations, request.requestId, "SendMessage", () =>
        SendMessageRequest.encode({ ...request, requestId: "" }).finish(),
      );
      if (parsed === undefined || !violations.isEmpty) {
        throw violations.fault();
      }
      return engine
        .execute({
          name: "SendMessage",
          bytes: commandBytes + parsed.entry.sizeBytes,
          isGrowing: true,
          decide: (transaction, stamp) =>
            decideOnce(transaction, stamp, identity, sendResultsCodec, () =>
              decideSendMessages(
                transaction,
                {
                  address: target,
                  entries: [parsed.entry],
                  unsupportedField: parsed.unsupportedField,
                },
                stamp,
              ),
            ),
        })
        .then((decision): SendMessageResponse => {
          const { outcome, isReplayed } = outcomeOf(decision);
          const result = outcome[0];
          if (result?.kind !== "sent") {
            throw faultOf(result?.rejection ?? { kind: "queue_not_found", queue: target.given });
          }
          return {
            messageId: uuidText(result.messageId),
            md5OfBody: parsed.md5OfBody,
            md5OfAttributes: parsed.md5OfAttributes,
            md5OfSystemAttributes: parsed.md5OfSystemAttributes,
            sequenceNumber: "",
            duplicate: false,
            replayed: isReplayed,
          };
        });
    },

    sendMessageBatch: async (request, context) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      checkBatch(violations, request.entries);
      const identity = identify(violations, request.requestId, "SendMessageBatch", () =>
        SendMessageBatchRequest.encode({ ...request, requestId: "" }).finish(),
      );
      violations.throwIfAny();
      const sender = { senderId, traceParent: traceParentOf(context) };
      const failed = new Map<number, FailedEntry>();
      const parsed: { readonly index: number; readonly message: ParsedMessage }[] = [];
      let bytes = 0;
      request.entries.forEach((entry, index) => {
        const entryViolations = new Violations();
        const message = parseMessage(entryViolations, "", entry, sender);
        bytes += message?.entry.sizeBytes ?? 0;
        const fault = entryViolations.fault();
        if (fault !== undefined) failed.set(index, failedEntry(entry.id, fault));
        else if (message !== undefined) parsed.push({ index, message });
      });
      if (bytes > limits.batchBytesMax) {
        violations.add(
          "BATCH_TOO_LONG",
          "entries",
          `the entries have ${bytes} bytes together; a batch takes at most ${limits.batchBytesMax}`,
          { size: String(bytes), limit: String(limits.batchBytesMax) },
        );
        violations.throwIfAny();
      }
      const { outcome, isReplayed } = outcomeOf(
        await engine.execute({
          name: "SendMessageBatch",
          bytes: commandBytes + bytes,
          isGrowing: true,
          decide: (transaction, stamp) =>
            decideOnce(transaction, stamp, identity, sendResultsCodec, () =>
              decideSendMessages(
                transaction,
                {
                  address: target,
                  entries: parsed.map(({ message }) => message.entry),
                  unsupportedField: parsed.find(
                    ({ message }) => message.unsupportedField !== undefined,
                  )?.message.unsupportedField,
                },
                stamp,
              ),
            ),
        }),
      );
      const successful = parsed.flatMap(({ index, message }, place) => {
        const result = outcome[place];
        const id = request.entries[index]?.id ?? "";
        if (result?.kind === "sent") return [renderSent(id, result.messageId, message)];
        if (result !== undefined) failed.set(index, failedEntry(id, faultOf(result.rejection)));
        return [];
      });
      return {
        successful,
        failed: [...failed].sort(([left], [right]) => left - right).map(([, entry]) => entry),
        replayed: isReplayed,
      };
    },

    receiveMessage: async (request, context): Promise<ReceiveMessageResponse> => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      const countMax =
        parseCount(violations, "max_messages", request.maxMessages, {
          min: 1,
          max: limits.receiveMessagesMax,
        }) ?? 1;
      const bytesMax =
        parseCount(violations, "max_bytes", request.maxBytes, {
          min: 1,
          max: limits.replyBytesMax,
        }) ?? limits.replyBytesMax;
      const visibilityTimeoutMs = parseDuration(
        violations,
        "visibility_timeout",
        request.visibilityTimeout,
        {
          minMs: 0,
          maxMs: limits.visibilityTimeoutMsMax,
        },
      );
      const waitMs = parseDuration(violations, "wait_time", request.waitTime, {
        minMs: 0,
        maxMs: limits.waitMsMax,
      });
      const identity = identify(violations, request.requestId, "ReceiveMessage", () =>
        ReceiveMessageRequest.encode({ ...request, requestId: "" }).finish(),
      );
      violations.throwIfAny();
      const selection = parseSelection(request.systemAttributeNames, request.messageAttributeNames);
      const command = receiveCommand({
        address: target,
        countMax,
        bytesMax,
        visibilityTimeoutMs,
        waitMs,
        endsBy: context.deadline === undefined ? undefined : context.deadline - deadlineMarginMs,
        identity,
        unsupportedField: request.receiveAttemptId === "" ? undefined : "receive_attempt_id",
      });
      const wait = engine.executeOrWait(command);
      context.onCancelled(() => {
        wait.cancel();
      });
      const { outcome, isReplayed } = outcomeOf(await wait.decision);
      if (outcome === undefined || outcome.messages.length === 0) {
        return { messages: [], replayed: isReplayed };
      }
      if (context.isCancelled) {
        // Nobody will see these messages: they go back as they were (queue.md 3.4.4).
        if (!isReplayed) await undoReceive(engine, target, outcome, identity?.key);
        return { messages: [], replayed: false };
      }
      return {
        messages: outcome.messages.map((message) =>
          renderReceived(message, outcome.queue, selection, receipts),
        ),
        replayed: isReplayed,
      };
    },

    deleteMessage: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      checkHandle(violations, "receipt_handle", request.receiptHandle);
      violations.throwIfAny();
      const [result] = await run(engine, "DeleteMessage", (transaction, stamp) =>
        decideDeleteMessages(
          transaction,
          { address: target, receipts: [receipts.decode(request.receiptHandle)] },
          stamp,
        ),
      );
      if (result?.kind === "refused") throw faultOf(result.rejection);
      return { outcome: deleteOutcomes[result?.kind ?? "already_gone"] };
    },

    deleteMessageBatch: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      checkBatch(violations, request.entries);
      violations.throwIfAny();
      const results = await run(engine, "DeleteMessageBatch", (transaction, stamp) =>
        decideDeleteMessages(
          transaction,
          {
            address: target,
            receipts: request.entries.map(({ receiptHandle }) => receipts.decode(receiptHandle)),
          },
          stamp,
        ),
      );
      const failed: FailedEntry[] = [];
      const successful = results.flatMap((result, index) => {
        const id = request.entries[index]?.id ?? "";
        if (result.kind !== "refused") return [{ id, outcome: deleteOutcomes[result.kind] }];
        failed.push(failedEntry(id, faultOf(result.rejection)));
        return [];
      });
      return { successful, failed };
    },

    changeMessageVisibility: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      checkHandle(violations, "receipt_handle", request.receiptHandle);
      const timeoutMs = parseTimeout(violations, request.visibilityTimeout);
      violations.throwIfAny();
      const receipt = receipts.decode(request.receiptHandle);
      const [result] = await run(engine, "ChangeMessageVisibility", (transaction, stamp) =>
        decideChangeVisibility(
          transaction,
          { address: target, entries: [{ receipt, timeoutMs }] },
          stamp,
        ),
      );
      if (result?.kind !== "changed") {
        throw faultOf(result?.rejection ?? { kind: "message_not_found", queue: target.given });
      }
      return { visibleTime: timestamp(result.visibleAt) };
    },

    changeMessageVisibilityBatch: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      checkBatch(violations, request.entries);
      violations.throwIfAny();
      const failed = new Map<number, FailedEntry>();
      const entries = request.entries.flatMap((entry, index) => {
        const entryViolations = new Violations();
        const timeoutMs = parseTimeout(entryViolations, entry.visibilityTimeout);
        const fault = entryViolations.fault();
        if (fault !== undefined) {
          failed.set(index, failedEntry(entry.id, fault));
          return [];
        }
        return [{ index, id: entry.id, receipt: receipts.decode(entry.receiptHandle), timeoutMs }];
      });
      const results = await run(engine, "ChangeMessageVisibilityBatch", (transaction, stamp) =>
        decideChangeVisibility(transaction, { address: target, entries }, stamp),
      );
      const successful = entries.flatMap(({ index, id }, place) => {
        const result = results[place];
        if (result?.kind === "changed") return [{ id, visibleTime: timestamp(result.visibleAt) }];
        if (result !== undefined) failed.set(index, failedEntry(id, faultOf(result.rejection)));
        return [];
      });
      return {
        successful,
        failed: [...failed].sort(([left], [right]) => left - right).map(([, entry]) => entry),
      };
    },

    peekMessages: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      const countMax =
        parseCount(violations, "page_size", request.pageSize, {
          min: 1,
          max: limits.peekPageMax,
        }) ?? limits.peekPageDefault;
      const bodyBytesMax =
        parseCount(violations, "body_bytes_max", request.bodyBytesMax, {
          min: 0,
          max: limits.messageBytesMax,
        }) ?? limits.messageBytesMax;
      const states = parseStates(violations, request.states);
      const scope = `peek ${target.namespace}/${target.name} ${JSON.stringify([
        [...states].sort(),
        request.groupId,
        [...request.attributes].sort(),
        request.bodyContains,
      ])}`;
      const position = parsePageToken(violations, pageTokens, scope, request.pageToken);
      violations.throwIfAny();
      const { messages, next } = await run(engine, "PeekMessages", (transaction, stamp) =>
        decidePeekMessages(
          transaction,
          {
            address: target,
            states,
            groupId: request.groupId,
            attributes: request.attributes,
            bodyContains: Buffer.from(request.bodyContains, "utf8"),
            countMax,
            bytesMax: limits.replyBytesMax - countMax * peekOverheadBytes,
            bodyBytesMax,
            from: sequence(position === "" ? 0 : Number(position)),
          },
          stamp,
        ),
      );
      return {
        messages: messages.map((message) => renderPeeked(message, bodyBytesMax)),
        nextPageToken: next === undefined ? "" : pageTokens.encode(scope, String(next)),
      };
    },

    produce: createProduceHandler({ engine, namespace, senderId, draining: parts.draining }),
    consume: createConsumeHandler({
      engine,
      clock: parts.clock,
      namespace,
      receipts,
      draining: parts.draining,
    }),

    listDeadLetterSourceQueues: () => {
      throw notYet("Dead-letter queues are");
    },
    startMessageMoveTask: () => {
      throw notYet("Move tasks are");
    },
    cancelMessageMoveTask: () => {
      throw notYet("Move tasks are");
    },
    listMessageMoveTasks: () => {
      throw notYet("Move tasks are");
    },
    addPermission: () => {
      throw notYet("Permissions are");
    },
    removePermission: () => {
      throw notYet("Permissions are");
    },
  };
}

/** What a peeked message may take beside body and attributes: ids, times, trace header, a rejection's text. */
const peekOverheadBytes = 6_144;

const deleteOutcomes = {
  deleted: DeleteOutcome.DELETED,
  already_gone: DeleteOutcome.ALREADY_GONE,
} as const;

/** Counters exact at the instant of the answer, however much time had to be caught up with. */
export async function exactReport(engine: Engine, address: QueueAddress): Promise<QueueReport> {
  for (;;) {
    const report = await run(engine, "GetQueueAttributes", (transaction, stamp) =>
      decideReportQueue(transaction, address, stamp),
    );
    // Each turn settles up to limits.settleMax rows, so this ends.
    if (!report.hasMore) return report;
  }
}

function parsePageToken(
  violations: Violations,
  tokens: PageTokens,
  scope: string,
  token: string,
): string {
  if (token === "") return "";
  const position = tokens.decode(scope, token);
  if (position === undefined) {
    violations.add(
      "INVALID_PAGE_TOKEN",
      "page_token",
      "is not a token of this list with these filters; start without one",
    );
  }
  return position ?? "";
}

function checkHandle(violations: Violations, field: string, handle: string): void {
  if (handle === "")
    violations.add("MISSING_PARAMETER", field, "the handle of a receive is needed");
}

function parseTimeout(
  violations: Violations,
  timeout: Parameters<typeof parseDuration>[2],
): DurationMs {
  const parsed = parseDuration(violations, "visibility_timeout", timeout, {
    minMs: 0,
    maxMs: limits.visibilityTimeoutMsMax,
  });
  if (timeout === undefined) {
    violations.add(
      "MISSING_PARAMETER",
      "visibility_timeout",
      "is needed; 0s makes the message visible at once",
    );
  }
  return parsed ?? (0 as DurationMs);
}

const peekableStates = new Map<MessageState, PeekedState>([
  [MessageState.VISIBLE, "visible"],
  [MessageState.IN_FLIGHT, "in_flight"],
  [MessageState.DELAYED, "delayed"],
]);

function parseStates(
  violations: Violations,
  states: readonly MessageState[],
): ReadonlySet<PeekedState> {
  const parsed = new Set<PeekedState>();
  states.forEach((state, index) => {
    const known = peekableStates.get(state);
    if (known !== undefined) parsed.add(known);
    else
      violations.add(
        "INVALID_PARAMETER",
        `states[${index}]`,
        `must be VISIBLE, IN_FLIGHT or DELAYED, not ${state}`,
      );
  });
  return parsed;
}

/** A stored entry of a batch or a stream. */
export const renderSent = (id: string, messageId: Buffer, message: ParsedMessage) => ({
  id,
  messageId: uuidText(messageId),
  md5OfBody: message.md5OfBody,
  md5OfAttributes: message.md5OfAttributes,
  md5OfSystemAttributes: message.md5OfSystemAttributes,
  sequenceNumber: "",
  duplicate: false,
});
