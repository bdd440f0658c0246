// Messages that a subscription gave up and no dead-letter queue took: the server keeps them, lists them, and tries them again when it
// is told to.

import {
  UndeliverableReason as Reasons,
  type UndeliverableMessage as WireMessage,
} from "../gen/forebay/topic/v1/message.js";
import { TopicServiceDefinition } from "../gen/forebay/topic/v1/topic_service.js";
import { type Choice, choiceOf } from "./choices.js";
import type { CallOptions, Connection } from "./connection.js";
import { dateOf } from "./durations.js";
import { pages } from "./pages.js";
import type { RequestIdOption } from "./queue-calls.js";
import { newRequestId } from "./random.js";
import { TopicMessage } from "./topic-message.js";

const { methods } = TopicServiceDefinition;

/** Why a message was given up. */
export type UndeliverableReason = Choice<typeof Reasons>;

export interface UndeliverableMessage {
  /** Names it where it is tried again: one for each message and subscription. */
  readonly id: string;
  readonly message: TopicMessage;
  /** Undefined: one that only a newer server knows. */
  readonly reason: UndeliverableReason | undefined;
  /** The error of the last attempt. */
  readonly lastError: string;
  /** How often it was tried. */
  readonly attempts: number;
  readonly firstAttemptTime: Date | undefined;
  readonly giveUpTime: Date | undefined;
}

export interface RedriveOptions extends CallOptions, RequestIdOption {
  /** Which of them, 1 to 1000. Default: all. */
  readonly ids?: readonly string[] | undefined;
  /** How many a second at most. Range: 1 to 500. Default: as fast as it goes. */
  readonly maxPerSecond?: number | undefined;
}

export function listUndeliverable(
  connection: Connection,
  subscription: string,
  options: CallOptions,
): AsyncGenerator<UndeliverableMessage, void, undefined> {
  return pages(async (pageToken) => {
    const request = { subscription, pageToken };
    const response = await connection.unary(methods.listUndeliverable, request, options);
    return { items: response.messages.map(messageOf), nextPageToken: response.nextPageToken };
  });
}

/** @throws RangeError if `ids` is an empty list, which on the wire would mean all of them. */
export async function redriveUndeliverable(
  connection: Connection,
  subscription: string,
  options: RedriveOptions,
): Promise<number> {
  const { ids, maxPerSecond } = options;
  if (ids?.length === 0) throw new RangeError("ids is empty; leave it out to redrive all.");
  const request = {
    subscription,
    ids: [...(ids ?? [])],
    maxPerSecond,
    requestId: options.requestId ?? newRequestId(),
  };
  return Number((await connection.unary(methods.redriveUndeliverable, request, options)).redriven);
}

const messageOf = (wire: WireMessage): UndeliverableMessage => {
  const { id, notification, reason, lastError, attempts, firstAttemptTime, giveUpTime } = wire;
  if (notification === undefined) throw new TypeError(`The message ${id} came without itself.`);
  return {
    id,
    message: new TopicMessage(notification),
    reason: choiceOf(Reasons, reason),
    lastError,
    attempts,
    firstAttemptTime: dateOf(firstAttemptTime),
    giveUpTime: dateOf(giveUpTime),
  };
};
