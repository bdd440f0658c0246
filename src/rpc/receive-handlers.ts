// ReceiveMessage, DeleteMessage, ChangeMessageVisibility and their batches at the wire. Consume has a file of its own.

import type { DurationMs } from "../base/brands.js";
import { DeleteOutcome } from "../gen/forebay/queue/v1/message.js";
import {
  ReceiveMessageRequest,
  type ReceiveMessageResponse,
} from "../gen/forebay/queue/v1/queue_service.js";
import { decideChangeVisibility } from "../queue/change-visibility.js";
import { decideDeleteMessages } from "../queue/delete-messages.js";
import { limits } from "../queue/limits.js";
import { AttemptsUnderWay } from "./attempts-under-way.js";
import { checkBatch, type FailedEntry, failedEntry } from "./batches.js";
import {
  createTools,
  outcomeOf,
  type QueueHandlerParts,
  type QueueHandlers,
  run,
} from "./handler-context.js";
import { receiveCommand, undoReceive } from "./receive.js";
import { checkSelection, parseSelection, renderReceived, timestamp } from "./render.js";
import { checkId, parseCount, parseDuration, Violations } from "./violations.js";
import { faultOf } from "./wire-errors.js";

/** The longest a handler waits beyond what was asked, so that the empty answer still reaches a caller with a deadline. */
const deadlineMarginMs = 50;

export function createReceiveHandlers(
  parts: QueueHandlerParts,
): Pick<
  QueueHandlers,
  | "receiveMessage"
  | "deleteMessage"
  | "deleteMessageBatch"
  | "changeMessageVisibility"
  | "changeMessageVisibilityBatch"
> {
  const { engine, receipts } = parts;
  const { identify, address } = createTools(parts);
  const attempts = new AttemptsUnderWay(parts.clock);
  return {
    receiveMessage: async (request, context): Promise<ReceiveMessageResponse> => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      const parsed = parseReceive(violations, request);
      const identity = identify(violations, request.requestId, "ReceiveMessage", () =>
        ReceiveMessageRequest.encode({ ...request, requestId: "" }).finish(),
      );
      violations.throwIfAny();
      const selection = parseSelection(request.systemAttributeNames, request.messageAttributeNames);
      const { attemptId } = parsed;
      const endsBy =
        context.deadline === undefined ? undefined : context.deadline - deadlineMarginMs;
      let waitedMs = 0;
      if (attemptId !== undefined) {
        const leftMs = endsBy === undefined ? limits.waitMsMax : endsBy - parts.clock.now();
        const waitMsMax = Math.max(0, Math.min(parsed.waitMs ?? limits.waitMsMax, leftMs));
        waitedMs = await attempts.join(target, attemptId, waitMsMax, context);
      }
      const command = receiveCommand({ address: target, ...parsed, waitedMs, endsBy, identity });
      const wait = engine.executeOrWait(command);
      if (attemptId !== undefined) attempts.begin(target, attemptId, wait.decision);
      context.onCancelled(() => {
        wait.cancel();
      });
      const { outcome, isReplayed } = outcomeOf(await wait.decision);
      if (outcome === undefined || outcome.messages.length === 0) {
        return { messages: [], replayed: isReplayed };
      }
      if (context.isCancelled) {
        // Nobody will see these messages: they go back as they were (queue.md 3.4.4).
        if (!isReplayed) {
          await undoReceive(engine, target, outcome, { requestKey: identity?.key, attemptId });
        }
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
  };
}

/** What a receive asks for; what is wrong with it goes to `violations`. */
function parseReceive(violations: Violations, request: ReceiveMessageRequest) {
  const countMax = parseCount(violations, "max_messages", request.maxMessages, {
    min: 1,
    max: limits.receiveMessagesMax,
  });
  const bytesMax = parseCount(violations, "max_bytes", request.maxBytes, {
    min: 1,
    max: limits.replyBytesMax,
  });
  const visibilityTimeoutMs = parseDuration(
    violations,
    "visibility_timeout",
    request.visibilityTimeout,
    { minMs: 0, maxMs: limits.visibilityTimeoutMsMax },
  );
  const waitMs = parseDuration(violations, "wait_time", request.waitTime, {
    minMs: 0,
    maxMs: limits.waitMsMax,
  });
  checkSelection(violations, "", request);
  const { receiveAttemptId } = request;
  checkId(violations, "receive_attempt_id", receiveAttemptId, limits.idCharactersMax);
  return {
    countMax: countMax ?? 1,
    bytesMax: bytesMax ?? limits.replyBytesMax,
    visibilityTimeoutMs,
    waitMs,
    attemptId: receiveAttemptId === "" ? undefined : receiveAttemptId,
  };
}

const deleteOutcomes = {
  deleted: DeleteOutcome.DELETED,
  already_gone: DeleteOutcome.ALREADY_GONE,
} as const;

export function checkHandle(violations: Violations, field: string, handle: string): void {
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
