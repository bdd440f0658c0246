// The settings of a topic, as callers write them and as the wire has them.

import {
  TargetKind as Kinds,
  FifoThroughputScope as Scopes,
  SignatureVersion as Signatures,
  TracingMode as Tracings,
  type TopicSettings as WireSettings,
} from "../gen/forebay/topic/v1/topic.js";
import { type Choice, choiceOf } from "./choices.js";
import { type DeliveryPolicy, policyOf, policyToWire } from "./delivery-policy.js";
import { durationOf, millisecondsOf } from "./durations.js";

/** Where a deduplication id of a FIFO topic is looked up: in the whole TOPIC or in the MESSAGE_GROUP. */
export type FifoThroughputScope = Choice<typeof Scopes>;
/** With which hash envelopes are signed: SHA1 is version 1 of Amazon SNS, SHA256 version 2. */
export type SignatureVersion = Choice<typeof Signatures>;
/** What happens to a publisher's trace. */
export type TracingMode = Choice<typeof Tracings>;
/** The kind of what is subscribed. */
export type TargetKind = Choice<typeof Kinds>;

/** The settings of a topic. What is left out gets its default, or stays as it is. */
export interface TopicSettings {
  /** For people; at most 100 characters. Default: empty. */
  readonly displayName?: string | undefined;
  /** The largest message with its attributes, in bytes. Range: 1024 to 1048576, the default. */
  readonly maximumMessageBytes?: number | undefined;
  /** Who may do what, a JSON document of at most 30720 bytes; empty text: the owner only, the default. Not enforced yet. */
  readonly policy?: string | undefined;
  /** When deliveries to webhooks are tried again, where a subscription does not say. `{}` removes it. */
  readonly deliveryPolicy?: DeliveryPolicy | undefined;
  /** Default: SHA256. */
  readonly signatureVersion?: SignatureVersion | undefined;
  /** The name of the key that encrypts messages at rest. Refused with UNSUPPORTED_OPERATION: this release has none. */
  readonly encryptionKey?: string | undefined;
  /** Default: PASS_THROUGH. ACTIVE is refused with UNSUPPORTED_OPERATION by this release. */
  readonly tracing?: TracingMode | undefined;
  /** Which deliveries are logged, by kind of target; replaced as a whole. Default: failures, of all kinds. */
  readonly deliveryLogging?: readonly DeliveryLogging[] | undefined;
  /** FIFO: whether a publish without a deduplication id gets the SHA-256 of its message. Default: false. */
  readonly contentBasedDeduplication?: boolean | undefined;
  /** FIFO. Default: TOPIC. */
  readonly fifoThroughputScope?: FifoThroughputScope | undefined;
  /** How long what is published stays for replays, in milliseconds. Range: one to 365 days; 0, the default: it does not. */
  readonly archiveRetentionMs?: number | undefined;
}

/** Which deliveries to one kind of target are logged, and listed by `Subscription.attempts`. */
export interface DeliveryLogging {
  readonly kind: TargetKind;
  /** How many of a hundred successes. Default: 0. */
  readonly successSamplePercent?: number | undefined;
  /** Whether failures are. Default: true. */
  readonly logFailures?: boolean | undefined;
}

const settingPaths = {
  displayName: "display_name",
  maximumMessageBytes: "maximum_message_bytes",
  policy: "policy",
  deliveryPolicy: "delivery_policy",
  signatureVersion: "signature_version",
  encryptionKey: "encryption_key",
  tracing: "tracing",
  deliveryLogging: "delivery_logging",
  contentBasedDeduplication: "content_based_deduplication",
  fifoThroughputScope: "fifo_throughput_scope",
  archiveRetentionMs: "archive_retention",
} as const satisfies Record<keyof TopicSettings, string>;

/** The paths of the settings that are given. */
export const topicMaskOf = (settings: TopicSettings): string[] =>
  (Object.keys(settingPaths) as (keyof TopicSettings)[])
    .filter((name) => settings[name] !== undefined)
    .map((name) => settingPaths[name]);

/** The wire's form of settings. */
export function topicSettingsToWire(settings: TopicSettings): WireSettings {
  return {
    displayName: settings.displayName,
    maximumMessageBytes: settings.maximumMessageBytes,
    policy: settings.policy,
    deliveryPolicy: settings.deliveryPolicy && policyToWire(settings.deliveryPolicy),
    signatureVersion: Signatures[settings.signatureVersion ?? "UNSPECIFIED"],
    encryptionKey: settings.encryptionKey,
    tracing: Tracings[settings.tracing ?? "UNSPECIFIED"],
    deliveryLogging: (settings.deliveryLogging ?? []).map((logging) => ({
      kind: Kinds[logging.kind],
      successSamplePercent: logging.successSamplePercent ?? 0,
      logFailures: logging.logFailures,
    })),
    contentBasedDeduplication: settings.contentBasedDeduplication,
    fifoThroughputScope: Scopes[settings.fifoThroughputScope ?? "UNSPECIFIED"],
    archiveRetention: durationOf(settings.archiveRetentionMs),
  };
}

/** Settings as the server has them. Of a kind of target that only a newer server knows, what is logged is left out. */
export function topicSettingsOf(wire: WireSettings | undefined): TopicSettings & {
  readonly displayName: string;
  readonly maximumMessageBytes: number;
} {
  return {
    displayName: wire?.displayName ?? "",
    maximumMessageBytes: wire?.maximumMessageBytes ?? 0,
    policy: wire?.policy,
    deliveryPolicy: wire?.deliveryPolicy && policyOf(wire.deliveryPolicy),
    signatureVersion: choiceOf(Signatures, wire?.signatureVersion),
    encryptionKey: wire?.encryptionKey,
    tracing: choiceOf(Tracings, wire?.tracing),
    deliveryLogging: (wire?.deliveryLogging ?? []).flatMap((logging) => {
      const kind = choiceOf(Kinds, logging.kind);
      const { successSamplePercent, logFailures } = logging;
      return kind === undefined ? [] : [{ kind, successSamplePercent, logFailures }];
    }),
    contentBasedDeduplication: wire?.contentBasedDeduplication,
    fifoThroughputScope: choiceOf(Scopes, wire?.fifoThroughputScope),
    archiveRetentionMs: millisecondsOf(wire?.archiveRetention),
  };
}
