// What became of messages: attempts to deliver to one subscription, and one message for every subscription of its topic.

import type { DeliveryAttempt as WireAttempt } from "../gen/forebay/topic/v1/message.js";
import {
  DeliveryState as States,
  type SubscriptionDelivery,
  TopicServiceDefinition,
} from "../gen/forebay/topic/v1/topic_service.js";
import { type Choice, choiceOf } from "./choices.js";
import type { CallOptions, Connection } from "./connection.js";
import { dateOf, millisecondsOf } from "./durations.js";
import { pages } from "./pages.js";

const { methods } = TopicServiceDefinition;

/** What became of a message for a subscription. */
export type DeliveryState = Choice<typeof States>;

/** One attempt to deliver. */
export interface DeliveryAttempt {
  readonly messageId: string;
  readonly subscription: string;
  /** Which attempt, from 1. */
  readonly attempt: number;
  readonly startTime: Date | undefined;
  readonly durationMs: number | undefined;
  readonly isSuccess: boolean;
  /** Of HTTP for webhooks, of gRPC for functions; undefined without an answer. */
  readonly statusCode: number | undefined;
  /** What the target said. */
  readonly response: string;
  /** What went wrong, in words; empty for a success. */
  readonly error: string;
  /** When it is tried again; undefined when it is not. */
  readonly nextAttemptTime: Date | undefined;
}

/** What became of a message for one subscription. */
export interface DeliveryReport {
  readonly subscription: string;
  /** Undefined: one that only a newer server knows. */
  readonly state: DeliveryState | undefined;
  /** How often it was tried. */
  readonly attempts: number;
  /** The error of the last attempt; of a message that the filter keeps back, why it does. */
  readonly lastError: string;
  readonly nextAttemptTime: Date | undefined;
}

/** Attempts to deliver, newest first; of one message, if it is given. */
export function listAttempts(
  connection: Connection,
  subscription: string,
  messageId: string,
  options: CallOptions,
): AsyncGenerator<DeliveryAttempt, void, undefined> {
  return pages(async (pageToken) => {
    const request = { subscription, messageId, pageToken };
    const response = await connection.unary(methods.listDeliveryAttempts, request, options);
    return { items: response.attempts.map(attemptOf), nextPageToken: response.nextPageToken };
  });
}

export function explainDelivery(
  connection: Connection,
  topic: string,
  messageId: string,
  options: CallOptions,
): AsyncGenerator<DeliveryReport, void, undefined> {
  return pages(async (pageToken) => {
    const request = { topic, messageId, pageToken };
    const response = await connection.unary(methods.explainDelivery, request, options);
    return { items: response.deliveries.map(reportOf), nextPageToken: response.nextPageToken };
  });
}

const attemptOf = ({
  startTime,
  duration,
  statusCode,
  nextAttemptTime,
  ...rest
}: WireAttempt): DeliveryAttempt => ({
  ...rest,
  statusCode,
  startTime: dateOf(startTime),
  durationMs: duration && millisecondsOf(duration),
  nextAttemptTime: dateOf(nextAttemptTime),
});

const reportOf = ({ state, nextAttemptTime, ...rest }: SubscriptionDelivery): DeliveryReport => ({
  ...rest,
  state: choiceOf(States, state),
  nextAttemptTime: dateOf(nextAttemptTime),
});
