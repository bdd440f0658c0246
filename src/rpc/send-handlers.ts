// SendMessage and SendMessageBatch at the wire. Produce has a file of its own.

import { uuidText } from "../base/ids.js";
import {
  SendMessageBatchRequest,
  type SendMessageBatchResultEntry,
  SendMessageRequest,
  type SendMessageResponse,
} from "../gen/forebay/queue/v1/queue_service.js";
import { limits } from "../queue/limits.js";
import { decideOnce } from "../queue/once.js";
import { decideSendMessage, decideSendMessages, type SendResult } from "../queue/send-message.js";
import { checkBatch, type FailedEntry, failedEntry } from "./batches.js";
import {
  commandBytes,
  createTools,
  localCaller,
  outcomeOf,
  type QueueHandlerParts,
  type QueueHandlers,
} from "./handler-context.js";
import { type ParsedMessage, parseMessage } from "./parse-message.js";
import { sequenceText } from "./render.js";
import { inKeyOrder, sendResultsCodec } from "./request-ids.js";
import { traceParentOf } from "./trace-parent.js";
import { Violations } from "./violations.js";
import { faultOf } from "./wire-errors.js";

export function createSendHandlers(
  parts: QueueHandlerParts,
): Pick<QueueHandlers, "sendMessage" | "sendMessageBatch"> {
  const { engine } = parts;
  const { senderId } = localCaller;
  const { identify, address } = createTools(parts);
  return {
    sendMessage: (request, context) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      const parsed = parseMessage(violations, "", request, {
        senderId,
        traceParent: traceParentOf(context),
      });
      const identity = identify(violations, request.requestId, "SendMessage", () =>
        SendMessageRequest.encode({
          ...request,
          attributes: inKeyOrder(request.attributes),
          requestId: "",
        }).finish(),
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
              decideSendMessage(transaction, { address: target, entry: parsed.entry }, stamp),
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
            sequenceNumber: sequenceText(result.sequence),
            duplicate: result.isDuplicate,
            replayed: isReplayed,
          };
        });
    },

    sendMessageBatch: async (request, context) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      checkBatch(violations, request.entries);
      const identity = identify(violations, request.requestId, "SendMessageBatch", () =>
        SendMessageBatchRequest.encode({
          ...request,
          entries: request.entries.map((entry) => ({
            ...entry,
            attributes: inKeyOrder(entry.attributes),
          })),
          requestId: "",
        }).finish(),
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
                  entries: parsed.map(({ index, message }) => ({
                    ...message.entry,
                    fieldPrefix: `entries[${index}].`,
                  })),
                  isWhole: true,
                },
                stamp,
              ),
            ),
        }),
      );
      const successful = parsed.flatMap(({ index, message }, place) => {
        const result = outcome[place];
        const id = request.entries[index]?.id ?? "";
        if (result?.kind === "sent") return [renderSent(id, result, message)];
        if (result !== undefined) failed.set(index, failedEntry(id, faultOf(result.rejection)));
        return [];
      });
      return {
        successful,
        failed: [...failed].sort(([left], [right]) => left - right).map(([, entry]) => entry),
        replayed: isReplayed,
      };
    },
  };
}

/** A stored entry of a batch or a stream. */
export const renderSent = (
  id: string,
  { messageId, sequence, isDuplicate }: Extract<SendResult, { kind: "sent" }>,
  message: ParsedMessage,
): SendMessageBatchResultEntry => ({
  id,
  messageId: uuidText(messageId),
  md5OfBody: message.md5OfBody,
  md5OfAttributes: message.md5OfAttributes,
  md5OfSystemAttributes: message.md5OfSystemAttributes,
  sequenceNumber: sequenceText(sequence),
  duplicate: isDuplicate,
});
