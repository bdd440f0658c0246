// What happened to one message, and why it is not delivered now.

import {
  MessageEventKind as EventKinds,
  ObstacleKind as ObstacleKinds,
  type MessageEvent as WireEvent,
  type Obstacle as WireObstacle,
} from "../gen/forebay/queue/v1/message.js";
import type {
  DescribeMessageResponse,
  ExplainMessageResponse,
} from "../gen/forebay/queue/v1/queue_service.js";
import { type Choice, choiceOf } from "./choices.js";
import { dateOf } from "./durations.js";
import { type MessageState, PeekedMessage, stateOf } from "./messages.js";

/**
 * What happened to a message: SENT, or joined the queue at its `deliverTime`; RECEIVED; LEASE_ENDED without a delete; RELEASED
 * by its receiver, or received for 0 ms; REJECTED by it; DEAD_LETTERED, so that it came to this queue; MOVED here by a move task. UNKNOWN: something
 * that only a newer client can name.
 */
export type MessageEventKind = Choice<typeof EventKinds> | "UNKNOWN";

/** One event in the life of a message. */
export interface MessageEvent {
  readonly kind: MessageEventKind;
  /** When. */
  readonly eventTime: Date | undefined;
  /** DEAD_LETTERED: the queue it came from. */
  readonly queue: string | undefined;
  /** RECEIVED: when the lease ends, if it still runs. */
  readonly visibleTime: Date | undefined;
  /** REJECTED: the consumer's reason, of the last rejection only. DEAD_LETTERED: MAX_RECEIVES or REJECTED. */
  readonly reason: string | undefined;
}

/** A message and its life. */
export interface MessageDescription {
  /** Of a scheduled message `visibleTime` is its `deliverTime`. */
  readonly message: PeekedMessage;
  /**
   * What happened to it, in order: the last 16 receives, and how it came to this queue, not to those before. None while it is
   * scheduled.
   */
  readonly events: readonly MessageEvent[];
}

/**
 * Why a message is not delivered now: SCHEDULED, DELAYED, BACKING_OFF or IN_FLIGHT until `untilTime`; GROUP_BLOCKED by
 * `blockingMessageId`; GROUP_LIMIT or QUEUE_LIMIT of messages in flight; PAUSED, the queue; NOISY_GROUP, messages of quiet
 * groups come first; DEAD_LETTER_DUE, the next receive that meets it moves it; EXPIRED. UNKNOWN: something that only a newer
 * client can name.
 */
export type ObstacleKind = Choice<typeof ObstacleKinds> | "UNKNOWN";

/** One reason why a message is not delivered now. */
export interface Obstacle {
  readonly kind: ObstacleKind;
  /** When it ends by itself; undefined if it does not. */
  readonly untilTime: Date | undefined;
  /** GROUP_BLOCKED: the message that blocks it. */
  readonly blockingMessageId: string | undefined;
  /** What to do about it, a sentence. */
  readonly advice: string;
}

/** Why a message is not delivered, or that nothing is in its way. */
export interface MessageExplanation {
  /** Where the message stands. */
  readonly state: MessageState;
  /** Every reason that holds; none: the next receive may get it. */
  readonly obstacles: readonly Obstacle[];
  /** Visible messages that come before it: all those in line, on a FIFO queue those of its group; at most 1000 are counted. */
  readonly aheadMessageCount: number;
}

export function messageDescriptionOf(wire: DescribeMessageResponse): MessageDescription {
  if (wire.message === undefined) throw new Error("The server's answer lacks the message.");
  return { message: new PeekedMessage(wire.message), events: wire.events.map(eventOf) };
}

export function messageExplanationOf(wire: ExplainMessageResponse): MessageExplanation {
  return {
    state: stateOf(wire.state),
    obstacles: wire.obstacles.map(obstacleOf),
    aheadMessageCount: wire.aheadMessageCount,
  };
}

function eventOf(wire: WireEvent): MessageEvent {
  return {
    kind: choiceOf(EventKinds, wire.kind) ?? "UNKNOWN",
    eventTime: dateOf(wire.eventTime),
    queue: wire.queue || undefined,
    visibleTime: dateOf(wire.visibleTime),
    reason: wire.reason || undefined,
  };
}

function obstacleOf(wire: WireObstacle): Obstacle {
  return {
    kind: choiceOf(ObstacleKinds, wire.kind) ?? "UNKNOWN",
    untilTime: dateOf(wire.untilTime),
    blockingMessageId: wire.blockingMessageId || undefined,
    advice: wire.advice,
  };
}
