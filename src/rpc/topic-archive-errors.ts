// The statuses of archives, replays and snapshots: a part of the table in `topic-wire-errors.ts`.

import { status } from "@grpc/grpc-js";
import type { TopicRejection } from "../topic/rejections.js";
import type { WireFaultFields } from "./status-details.js";

export type ArchiveRejection = Extract<
  TopicRejection,
  {
    kind:
      | "archive_active"
      | "no_archive"
      | "subscription_pending"
      | "replay_range"
      | "replay_limit"
      | "replay_not_found"
      | "snapshot_exists"
      | "snapshot_not_found"
      | "snapshot_limit"
      | "snapshot_too_long";
  }
>;

export function archiveFaultFields(rejection: ArchiveRejection): WireFaultFields {
  switch (rejection.kind) {
    case "archive_active":
      return precondition(
        "ARCHIVE_ACTIVE",
        `Topic "${rejection.topic}" has an archive, which would be gone. Clear archive_retention with confirm_archive_deletion, or delete the topic with force. Nothing was changed.`,
        { topic: rejection.topic },
        { type: "ARCHIVE", subject: `topic:${rejection.topic}`, description: "has an archive" },
      );
    case "no_archive":
      return precondition(
        "NO_ARCHIVE",
        `Topic "${rejection.topic}" has no archive. Set archive_retention: what is published from then on can be replayed.`,
        { topic: rejection.topic },
        { type: "ARCHIVE", subject: `topic:${rejection.topic}`, description: "has no archive" },
      );
    case "subscription_pending":
      return precondition(
        "SUBSCRIPTION_PENDING",
        `The subscription of "${rejection.subscription}" waits to be confirmed, and gets nothing before that.`,
        { endpoint: rejection.subscription },
        { type: "CONFIRMED", subject: rejection.subscription, description: "not confirmed" },
      );
    case "replay_range": {
      const { field, description } = rejection;
      return {
        code: status.INVALID_ARGUMENT,
        reason: "REPLAY_RANGE",
        message: `The replay cannot be started: ${field} ${description}.`,
        metadata: { field },
        violations: [{ field, description }],
      };
    }
    case "replay_limit":
      return {
        code: status.RESOURCE_EXHAUSTED,
        reason: "REPLAY_LIMIT",
        message: `Topic "${rejection.topic}" has ${rejection.count} replays under way, which is the limit. Wait for one to end, or stop one.`,
        metadata: limitOf(rejection),
        quota: [
          {
            subject: `topic:${rejection.topic}`,
            description: `at most ${rejection.limit} replays at a time`,
          },
        ],
        retryAfterMs: "never",
      };
    case "snapshot_limit":
      return {
        code: status.RESOURCE_EXHAUSTED,
        reason: "SNAPSHOT_LIMIT",
        message: `The subscription has ${rejection.count} snapshots, which is the limit. Delete some first.`,
        metadata: limitOf(rejection),
        quota: [{ subject: "subscription", description: `at most ${rejection.limit} snapshots` }],
        retryAfterMs: "never",
      };
    case "replay_not_found":
      return {
        code: status.NOT_FOUND,
        reason: "REPLAY_NOT_FOUND",
        message: `Nothing was ever replayed to subscription "${rejection.subscription}".`,
        metadata: { subscription: rejection.subscription },
        resource: { type: "replay", name: rejection.subscription },
      };
    case "snapshot_exists":
      return {
        code: status.ALREADY_EXISTS,
        reason: "SNAPSHOT_EXISTS",
        message: `The subscription has a snapshot "${rejection.snapshot}". Take another name, or delete that one first.`,
        metadata: { snapshot: rejection.snapshot },
        resource: { type: "snapshot", name: rejection.snapshot },
      };
    case "snapshot_not_found":
      return {
        code: status.NOT_FOUND,
        reason: "SNAPSHOT_NOT_FOUND",
        message: `The subscription has no snapshot "${rejection.snapshot}", or its time is over. ListSnapshots shows those there are.`,
        metadata: { snapshot: rejection.snapshot },
        resource: { type: "snapshot", name: rejection.snapshot },
      };
    case "snapshot_too_long": {
      const { topic, limitMs } = rejection;
      const description = `must be at most ${limitMs / 1_000}s, the retention of the archive`;
      return {
        code: status.INVALID_ARGUMENT,
        reason: "INVALID_PARAMETER",
        message: `ttl ${description} of topic "${topic}".`,
        metadata: { field: "ttl", topic },
        violations: [{ field: "ttl", description }],
      };
    }
  }
}

const limitOf = ({ topic, count, limit }: Extract<ArchiveRejection, { limit: number }>) => ({
  topic,
  count: String(count),
  limit: String(limit),
});

const precondition = (
  reason: string,
  message: string,
  metadata: Readonly<Record<string, string>>,
  failed: { readonly type: string; readonly subject: string; readonly description: string },
): WireFaultFields => ({
  code: status.FAILED_PRECONDITION,
  reason,
  message,
  metadata,
  preconditions: [failed],
});
