// Messages that wait for their `deliver_time`, at the wire.

import { epochMs } from "../base/brands.js";
import { uuidBytes, uuidText } from "../base/ids.js";
import type { ScheduledMessage as WireMessage } from "../gen/forebay/queue/v1/message.js";
import { limits } from "../queue/limits.js";
import type { ScheduledMessage } from "../queue/model.js";
import { decideCancelScheduled, decideListScheduled } from "../queue/scheduled-messages.js";
import type { ScheduledPosition } from "../queue/view.js";
import {
  createTools,
  parsePageToken,
  type QueueHandlerParts,
  type QueueHandlers,
  run,
} from "./handler-context.js";
import { parseMessageId } from "./inspect-handlers.js";
import { cutBody, renderBody, renderMessageAttributes, timestamp } from "./render.js";
import { parseCount, Violations } from "./violations.js";
import { faultAboutMessage } from "./wire-errors.js";

export function createScheduledHandlers(
  parts: QueueHandlerParts,
): Pick<QueueHandlers, "listScheduledMessages" | "cancelScheduledMessage"> {
  const { engine, pageTokens } = parts;
  const { address } = createTools(parts);
  return {
    listScheduledMessages: async (request) => {
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
      const scope = `scheduled ${target.namespace}/${target.name}`;
      const position = parsePageToken(violations, pageTokens, scope, request.pageToken);
      violations.throwIfAny();
      const { messages, next } = await run(engine, "ListScheduledMessages", (transaction, stamp) =>
        decideListScheduled(
          transaction,
          {
            address: target,
            from: parsePosition(position),
            countMax,
            bytesMax: limits.replyBytesMax - countMax * scheduledOverheadBytes,
            bodyBytesMax,
          },
          stamp,
        ),
      );
      return {
        messages: messages.map((message) => renderScheduled(message, bodyBytesMax)),
        nextPageToken: next === undefined ? "" : pageTokens.encode(scope, positionText(next)),
      };
    },

    cancelScheduledMessage: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      const messageId = parseMessageId(violations, "message_id", request.messageId);
      violations.throwIfAny();
      await run(
        engine,
        "CancelScheduledMessage",
        (transaction, stamp) =>
          decideCancelScheduled(transaction, { address: target, messageId }, stamp),
        faultAboutMessage(uuidText(messageId), "scheduled"),
      );
      return {};
    },
  };
}

/** What a message may take beside body and attributes: ids, times, and the framing of attributes. */
const scheduledOverheadBytes = 1_024;

function renderScheduled(
  { messageId, deliverAt, acceptedAt, content }: ScheduledMessage,
  bodyBytesMax: number,
): WireMessage {
  return {
    messageId: uuidText(messageId),
    deliverTime: timestamp(deliverAt),
    sendTime: timestamp(acceptedAt),
    body: renderBody(content.isText, cutBody(content.isText, content.body, bodyBytesMax)),
    bodyBytes: content.body.length,
    attributes: renderMessageAttributes(content.attributes),
    groupId: content.groupId ?? "",
  };
}

const positionText = ({ deliverAt, messageId }: ScheduledPosition): string =>
  `${deliverAt} ${uuidText(messageId)}`;

/** What `positionText` wrote, out of a token that was checked. */
function parsePosition(text: string): ScheduledPosition | undefined {
  const [time, id = ""] = text.split(" ");
  const messageId = uuidBytes(id);
  return messageId && { deliverAt: epochMs(Number(time)), messageId };
}
