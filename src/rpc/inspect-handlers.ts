// DescribeMessage and ExplainMessage at the wire.

import type { EpochMs } from "../base/brands.js";
import { uuidBytes, uuidText } from "../base/ids.js";
import {
  MessageEventKind,
  MessageState,
  ObstacleKind,
  type MessageEvent as WireEvent,
  type Obstacle as WireObstacle,
} from "../gen/forebay/queue/v1/message.js";
import {
  decideDescribeMessage,
  decideExplainMessage,
  type MessageEvent,
  type Obstacle,
} from "../queue/inspect-message.js";
import { limits } from "../queue/limits.js";
import { createTools, type QueueHandlerParts, type QueueHandlers, run } from "./handler-context.js";
import { renderPeeked, renderScheduledAsPeeked, timestamp } from "./render.js";
import { parseCount, Violations } from "./violations.js";
import { faultAboutMessage } from "./wire-errors.js";

export function createInspectHandlers(
  parts: QueueHandlerParts,
): Pick<QueueHandlers, "describeMessage" | "explainMessage"> {
  const { engine } = parts;
  const { address } = createTools(parts);
  return {
    describeMessage: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      const messageId = parseMessageId(violations, "message_id", request.messageId);
      const bodyBytesMax =
        parseCount(violations, "body_bytes_max", request.bodyBytesMax, {
          min: 0,
          max: limits.messageBytesMax,
        }) ?? limits.messageBytesMax;
      violations.throwIfAny();
      const found = await run(
        engine,
        "DescribeMessage",
        (transaction, stamp) =>
          decideDescribeMessage(transaction, { address: target, messageId }, stamp),
        faultAboutMessage(uuidText(messageId), "stored"),
      );
      if (found.kind === "scheduled") {
        return {
          message: renderScheduledAsPeeked(found.message, bodyBytesMax),
          events: [],
        };
      }
      const { queue, standing, events, ...rest } = found;
      return {
        message: renderPeeked({ ...rest, ...standing }, queue, bodyBytesMax),
        events: events.map(renderEvent),
      };
    },

    explainMessage: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      const messageId = parseMessageId(violations, "message_id", request.messageId);
      violations.throwIfAny();
      const { state, obstacles, aheadCount } = await run(
        engine,
        "ExplainMessage",
        (transaction, stamp) =>
          decideExplainMessage(transaction, { address: target, messageId }, stamp),
        faultAboutMessage(uuidText(messageId), "stored"),
      );
      return {
        state: states[state],
        obstacles: obstacles.map(renderObstacle),
        aheadMessageCount: aheadCount,
      };
    },
  };
}

/** The id of a message; what is none goes to `violations`. */
export function parseMessageId(violations: Violations, field: string, text: string): Buffer {
  const bytes = uuidBytes(text);
  if (text === "") violations.add("MISSING_PARAMETER", field, "the id of a message is needed");
  else if (bytes === undefined) {
    violations.add("INVALID_PARAMETER", field, "must be a UUID, as its send answered it");
  }
  return bytes ?? Buffer.alloc(16);
}

const states = {
  visible: MessageState.VISIBLE,
  in_flight: MessageState.IN_FLIGHT,
  delayed: MessageState.DELAYED,
  scheduled: MessageState.SCHEDULED,
} as const;

const eventKinds = {
  sent: MessageEventKind.SENT,
  received: MessageEventKind.RECEIVED,
  lease_ended: MessageEventKind.LEASE_ENDED,
  released: MessageEventKind.RELEASED,
  rejected: MessageEventKind.REJECTED,
  dead_lettered: MessageEventKind.DEAD_LETTERED,
  moved: MessageEventKind.MOVED,
} as const satisfies Record<MessageEvent["kind"], MessageEventKind>;

function renderEvent(event: MessageEvent): WireEvent {
  const common = {
    kind: eventKinds[event.kind],
    eventTime: timestamp(event.at),
    queue: "",
    reason: "",
  };
  switch (event.kind) {
    case "received":
      return { ...common, ...untilTime("visibleTime", event.until) };
    case "rejected":
      return { ...common, reason: event.reason ?? "" };
    case "dead_lettered":
      return { ...common, queue: event.source, reason: event.reason.toUpperCase() };
    case "sent":
    case "lease_ended":
    case "released":
    case "moved":
      return common;
  }
}

const untilTime = <Name extends string>(name: Name, until: EpochMs | undefined) =>
  (until === undefined ? {} : { [name]: timestamp(until) }) as {
    readonly [Field in Name]?: ReturnType<typeof timestamp>;
  };

/** What each obstacle is called and what can be done about it. */
const obstacles = {
  scheduled: [
    ObstacleKind.SCHEDULED,
    "It joins the queue at its deliver_time. Cancel it with CancelScheduledMessage and send it anew for another time.",
  ],
  delayed: [
    ObstacleKind.DELAYED,
    "Its delay has not ended. On a FIFO queue the delay is the queue's and can be lowered at once.",
  ],
  backing_off: [
    ObstacleKind.BACKING_OFF,
    "It was given back or not deleted in time and waits, as the call or the queue's retry_policy says.",
  ],
  in_flight: [
    ObstacleKind.IN_FLIGHT,
    "A receiver has it. It is delivered again when the lease ends, unless it is deleted before.",
  ],
  group_blocked: [
    ObstacleKind.GROUP_BLOCKED,
    "An earlier message of its group is in flight or delayed. Finish or reject that one; a redrive_policy gets it out of the way.",
  ],
  group_limit: [
    ObstacleKind.GROUP_LIMIT,
    "Its group has as many messages in flight as max_in_flight_per_group allows. Delete what is done, or raise the limit.",
  ],
  queue_limit: [
    ObstacleKind.QUEUE_LIMIT,
    "The queue has as many messages in flight as max_in_flight allows. Delete what is done, or raise the limit.",
  ],
  paused: [ObstacleKind.PAUSED, "The queue is paused. Set delivery_paused to false to go on."],
  noisy_group: [
    ObstacleKind.NOISY_GROUP,
    "Its group has much in flight, so messages of quiet groups come first. More consumers serve both.",
  ],
  dead_letter_due: [
    ObstacleKind.DEAD_LETTER_DUE,
    "It was delivered max_receive_count times. The next receive that meets it moves it to the dead-letter queue.",
  ],
  expired: [
    ObstacleKind.EXPIRED,
    "Its retention or its own time to live is over; it is removed shortly.",
  ],
} as const satisfies Record<Obstacle["kind"], readonly [ObstacleKind, string]>;

function renderObstacle(obstacle: Obstacle): WireObstacle {
  const [kind, advice] = obstacles[obstacle.kind];
  const blocking = "blockingMessageId" in obstacle ? obstacle.blockingMessageId : undefined;
  return {
    kind,
    advice,
    blockingMessageId: blocking === undefined ? "" : uuidText(blocking),
    ...("until" in obstacle && { untilTime: timestamp(obstacle.until) }),
  };
}
