// Why a topic rule says no: data, not exceptions. One table in `rpc/topic-wire-errors.ts` gives each its status and reason.

import type { DurationMs } from "../base/brands.js";
import type { Decided } from "../queue/rejections.js";
import type { FilterProblem } from "./filter/problems.js";
import type { TargetKind } from "./model.js";
import type { ProtectionAudit } from "./protection/data-protection.js";

export type TopicRejection =
  | { readonly kind: "topic_not_found"; readonly topic: string }
  | { readonly kind: "subscription_not_found"; readonly subscription: string }
  | {
      readonly kind: "topic_exists_different";
      readonly topic: string;
      /** What differs, by the field names in TopicSettings; `type` for its type. */
      readonly differing: readonly string[];
    }
  | {
      readonly kind: "topic_exists_different_tags";
      readonly topic: string;
      /** Keys of tags that it does not have, or with another value. */
      readonly differing: readonly string[];
    }
  | {
      readonly kind: "subscription_exists_different";
      readonly subscription: string;
      readonly differing: readonly string[];
    }
  /** A message of which nothing is known: it was never published there, or everybody had it long ago. */
  | { readonly kind: "published_not_found"; readonly topic: string; readonly messageId: string }
  | { readonly kind: "topic_etag_mismatch"; readonly topic: string; readonly etag: string }
  | {
      readonly kind: "subscription_etag_mismatch";
      readonly subscription: string;
      readonly etag: string;
    }
  | {
      readonly kind:
        | "topic_limit"
        | "subscription_limit"
        | "topic_tag_limit"
        | "topic_filters_limit";
      readonly topic: string;
      readonly count: number;
      readonly limit: number;
    }
  | {
      /** Of subscriptions of all topics of a namespace: those with filters, and those that nobody has confirmed. */
      readonly kind: "filters_limit" | "pending_limit";
      readonly namespace: string;
      readonly count: number;
      readonly limit: number;
    }
  | {
      readonly kind: "topic_not_fifo";
      readonly topic: string;
      /** The settings given that only FIFO topics have. */
      readonly fields: readonly string[];
    }
  | { readonly kind: "topic_label_exists"; readonly topic: string; readonly label: string }
  | {
      readonly kind: "topic_policy_limit";
      readonly topic: string;
      readonly what: string;
      readonly count: number;
      readonly limit: number;
    }
  | {
      /** A setting that targets of this kind do not have. */
      readonly kind: "setting_of_other_kind";
      /** By its name in SubscriptionSettings. */
      readonly field: string;
      readonly target: TargetKind;
    }
  /** A token that is not of this topic, or too old. */
  | { readonly kind: "invalid_token"; readonly topic: string }
  | {
      /** It was asked to confirm so often within an hour. */
      readonly kind: "host_asked_limit";
      readonly host: string;
      readonly limit: number;
      readonly retryAfterMs: DurationMs;
    }
  | {
      /** So many subscriptions of it wait to be confirmed. */
      readonly kind: "host_pending_limit";
      readonly host: string;
      readonly count: number;
      readonly limit: number;
    }
  /** It was deleted, and takes nothing new while it hands out what it has. */
  | { readonly kind: "topic_draining"; readonly topic: string }
  | { readonly kind: "archive_active" | "no_archive"; readonly topic: string }
  | { readonly kind: "subscription_pending"; readonly subscription: string }
  | {
      readonly kind: "replay_range";
      /** `from` or `until`. */
      readonly field: string;
      readonly description: string;
    }
  | {
      readonly kind: "replay_limit" | "snapshot_limit";
      readonly topic: string;
      readonly count: number;
      readonly limit: number;
    }
  | { readonly kind: "replay_not_found"; readonly subscription: string }
  | { readonly kind: "snapshot_exists" | "snapshot_not_found"; readonly snapshot: string }
  | {
      readonly kind: "snapshot_too_long";
      readonly topic: string;
      /** The retention of the archive. */
      readonly limitMs: number;
    }
  | { readonly kind: "subscription_not_pending"; readonly subscription: string }
  | {
      readonly kind: "target_not_allowed_on_fifo";
      readonly topic: string;
      readonly target: "HTTP" | "HTTPS" | "FUNCTION";
    }
  | { readonly kind: "not_a_stream"; readonly subscription: string }
  | { readonly kind: "target_queue_not_found"; readonly queue: string }
  | {
      readonly kind: "fifo_queue_on_standard_topic";
      readonly topic: string;
      readonly queue: string;
    }
  | {
      readonly kind: "subscription_dead_letter_queue_not_found" | "subscription_dead_letter_type";
      readonly deadLetterQueue: string;
    }
  | {
      /** Messages wait that so many filters of the subscription are to judge. */
      readonly kind: "filter_versions_limit";
      readonly count: number;
      readonly limit: number;
    }
  | {
      readonly kind: "filter_invalid";
      /** Never empty. */
      readonly problems: readonly FilterProblem[];
    }
  | {
      readonly kind: "published_too_long";
      readonly topic: string;
      readonly sizeBytes: number;
      readonly limitBytes: number;
    }
  | {
      /** What a publish to this type of topic needs, or may not have. */
      readonly kind:
        | "group_id_required"
        | "dedup_id_required"
        | "dedup_id_not_allowed"
        | "delay_on_fifo";
      readonly topic: string;
      readonly fieldPrefix: string;
    }
  | {
      readonly kind: "data_protection_denied";
      readonly topic: string;
      readonly fieldPrefix: string;
      /** The names of what was found, never the text. */
      readonly identifiers: readonly string[];
      /** For the log, if it is wanted. */
      readonly audit: ProtectionAudit | undefined;
    }
  | {
      readonly kind: "batch_rejected";
      /** The entry that failed first, by its place in the request. */
      readonly index: number;
      readonly rejection: TopicRejection;
    };

export type TopicDecided<Outcome> = Decided<Outcome, TopicRejection>;

export const refuse = (rejection: TopicRejection): TopicDecided<never> => ({
  kind: "rejected",
  rejection,
});
