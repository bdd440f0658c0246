// What can be subscribed to a topic, and how it wants its messages.

import {
  FilterPolicyScope as FilterScopes,
  TargetKind as Kinds,
  type SubscriptionSettings as WireSettings,
} from "../gen/forebay/topic/v1/topic.js";
import { type Choice, choiceOf } from "./choices.js";
import { type DeliveryPolicy, policyOf, policyToWire } from "./delivery-policy.js";
import { durationOf, millisecondsOf } from "./durations.js";

/**
 * Where messages go: to a queue of the topic's namespace; to a webhook, which must confirm first; to a function, a ReceiverService
 * of yours at `grpc(s)://host:port`; or into a stream, which consumers share (`Subscription.consume`).
 */
export type SubscriptionTarget =
  | { readonly queue: string }
  | { readonly webhook: string }
  | { readonly function: string }
  | { readonly stream: string };

/** What a filter looks at: the MESSAGE_ATTRIBUTES, or the MESSAGE_BODY, a JSON object. */
export type FilterPolicyScope = Choice<typeof FilterScopes>;

/** The settings of a subscription. What is left out gets its default, or stays as it is. */
export interface SubscriptionSettings {
  /** Whether the message alone is delivered, without the envelope. Not for functions. Default: false. */
  readonly rawMessageDelivery?: boolean | undefined;
  /** The queue for messages that cannot be delivered, of the topic's namespace; empty text: none, the default. */
  readonly deadLetterQueue?: string | undefined;
  /** Whether deliveries wait. Default: false. */
  readonly paused?: boolean | undefined;
  /** Which messages are for it, a JSON document as Amazon SNS's; empty text: all, the default. Acts on the next publish. */
  readonly filterPolicy?: string | undefined;
  /** Default: MESSAGE_ATTRIBUTES. */
  readonly filterPolicyScope?: FilterPolicyScope | undefined;
  /** When failed deliveries are tried again, and how many go out in a second. Default: the topic's. */
  readonly deliveryPolicy?: DeliveryPolicy | undefined;
  /** Webhooks only. */
  readonly webhook?: WebhookSettings | undefined;
  /** Functions only. */
  readonly function?: FunctionSettings | undefined;
  /** Streams only. */
  readonly stream?: StreamSettings | undefined;
  /** Whether a message whose time to live ended before it was delivered is a dead letter. Default: false. */
  readonly ttlToDlq?: boolean | undefined;
  /**
   * After so long without a success, in milliseconds, the subscription is disabled. Webhooks and functions. Range: an hour to 30
   * days; 0, the default: never.
   */
  readonly autoDisableAfterMs?: number | undefined;
}

/** What a webhook or a function is called with over TLS. PEM. */
export interface TargetTls {
  /** The certificates trusted for it, instead of the system's. */
  readonly caCertificates?: string | undefined;
  readonly clientCertificate?: string | undefined;
  /** Never returned. */
  readonly clientKey?: string | undefined;
}

export interface WebhookSettings extends TargetTls {
  /** The secret of the HMAC headers, 24 to 64 bytes. Default: the server makes one. */
  readonly hmacSecret?: Uint8Array | undefined;
  /** Whether raw deliveries carry the attributes as `x-forebay-attr-<name>` headers. Default: false. */
  readonly attributeHeaders?: boolean | undefined;
}

export interface FunctionSettings extends TargetTls {
  /** Messages one call carries at most. Range: 1 to 100. Default: 1. */
  readonly batchMax?: number | undefined;
  /** How long a call may take, in milliseconds. Range: 1000 to 900000. Default: 30000. */
  readonly timeoutMs?: number | undefined;
  /** Calls that run at once. Range: 1 to 1000. Default: 10. */
  readonly maxConcurrency?: number | undefined;
  /** Whether each message also carries the JSON a Lambda function would be given. Default: false. */
  readonly lambdaEvent?: boolean | undefined;
  /** Sent as `authorization: Bearer …`. Never returned. */
  readonly bearerToken?: string | undefined;
}

export interface StreamSettings {
  /** How long a consumer has a message before another gets it, in milliseconds. Range: 10000 to 600000. Default: 30000. */
  readonly ackDeadlineMs?: number | undefined;
  /** Messages with all consumers at once at most. Range: 1 to 10000. Default: 100. */
  readonly maxInFlight?: number | undefined;
}

/** The wire's form of a target. */
export function targetToWire(target: SubscriptionTarget | string): {
  readonly kind: Kinds;
  readonly endpoint: string;
} {
  if (typeof target === "string") return { kind: Kinds.QUEUE, endpoint: target };
  if ("queue" in target) return { kind: Kinds.QUEUE, endpoint: target.queue };
  if ("function" in target) return { kind: Kinds.FUNCTION, endpoint: target.function };
  if ("stream" in target) return { kind: Kinds.STREAM, endpoint: target.stream };
  const isSecure = /^https:/i.test(target.webhook);
  return { kind: isSecure ? Kinds.HTTPS : Kinds.HTTP, endpoint: target.webhook };
}

const settingPaths = {
  rawMessageDelivery: "raw_message_delivery",
  deadLetterQueue: "dead_letter_queue",
  paused: "paused",
  filterPolicy: "filter_policy",
  filterPolicyScope: "filter_policy_scope",
  deliveryPolicy: "delivery_policy",
  webhook: "webhook",
  function: "function",
  stream: "stream",
  ttlToDlq: "ttl_to_dlq",
  autoDisableAfterMs: "auto_disable_after",
} as const satisfies Record<keyof SubscriptionSettings, string>;

/** The paths of the settings that are given. */
export const maskOf = (settings: SubscriptionSettings): string[] =>
  (Object.keys(settingPaths) as (keyof SubscriptionSettings)[])
    .filter((name) => settings[name] !== undefined)
    .map((name) => settingPaths[name]);

/** The wire's form of settings. */
export function settingsToWire(settings: SubscriptionSettings): WireSettings {
  const { function: called, stream, webhook } = settings;
  return {
    rawMessageDelivery: settings.rawMessageDelivery,
    deadLetterQueue: settings.deadLetterQueue,
    paused: settings.paused,
    filterPolicy: settings.filterPolicy,
    filterPolicyScope: FilterScopes[settings.filterPolicyScope ?? "UNSPECIFIED"],
    deliveryPolicy: settings.deliveryPolicy && policyToWire(settings.deliveryPolicy),
    webhook: webhook && { ...webhook },
    function: called && {
      ...called,
      timeout: durationOf(called.timeoutMs),
    },
    stream: stream && {
      ackDeadline: durationOf(stream.ackDeadlineMs),
      maxInFlight: stream.maxInFlight,
    },
    ttlToDlq: settings.ttlToDlq,
    autoDisableAfter: durationOf(settings.autoDisableAfterMs),
  };
}

/** Settings as the server has them. */
export function settingsOf(wire: WireSettings): SubscriptionSettings {
  const { function: called, stream, webhook, deliveryPolicy } = wire;
  return {
    rawMessageDelivery: wire.rawMessageDelivery,
    deadLetterQueue: wire.deadLetterQueue,
    paused: wire.paused,
    filterPolicy: wire.filterPolicy,
    filterPolicyScope: choiceOf(FilterScopes, wire.filterPolicyScope),
    deliveryPolicy: deliveryPolicy && policyOf(deliveryPolicy),
    webhook,
    function: called && functionOf(called),
    stream: stream && {
      ackDeadlineMs: millisecondsOf(stream.ackDeadline),
      maxInFlight: stream.maxInFlight,
    },
    ttlToDlq: wire.ttlToDlq,
    autoDisableAfterMs: millisecondsOf(wire.autoDisableAfter),
  };
}

function functionOf({
  timeout,
  ...settings
}: NonNullable<WireSettings["function"]>): FunctionSettings {
  return { ...settings, timeoutMs: millisecondsOf(timeout) };
}
