// What @forebay/client exports. The generated messages and stubs are at `@forebay/client/gen/forebay/queue/v1/...`.

export type { AttributeInput, Attributes, AttributesInput, TypedAttribute } from "./attributes.js";
export type { BackoffBounds } from "./backoff.js";
export {
  type CreateQueueOptions,
  ForebayClient,
  type ForebayClientOptions,
  type ListQueuesOptions,
} from "./client.js";
export type { CallOptions, RetryOptions } from "./connection.js";
export type { ConsumedMessage, GiveBackOptions } from "./consumed-message.js";
export type { ConsumeOptions, Consumer } from "./consumer.js";
export {
  ConnectionError,
  DeadlineError,
  type ErrorResource,
  type FieldViolation,
  ForebayError,
  type QuotaViolation,
} from "./errors.js";
export type {
  DeleteOutcome,
  Message,
  MessageState,
  PeekedMessage,
  ReceivedMessage,
  Rejection,
  SystemAttributeName,
} from "./messages.js";
export { Reject, Retry } from "./outcomes.js";
export type { Body, MessageOptions, SendResult } from "./outgoing.js";
export type { Producer, ProducerOptions } from "./producer.js";
export type { Queue } from "./queue.js";
export type {
  QueueAttributes,
  QueueCounters,
  QueueDescription,
  RedriveAllowPolicy,
  RedrivePolicy,
} from "./queue-attributes.js";
export type {
  BatchFailure,
  BatchMessage,
  BatchResult,
  PeekOptions,
  ReceiveOptions,
  RequestIdOption,
  SendOptions,
  SetAttributesOptions,
} from "./queue-calls.js";
export type { Handler, HandlerContext, Worker, WorkerOptions } from "./worker.js";
