// The retention of a topic's archive as callers write it: a span in its range, or none.

import type { DurationMs } from "../base/brands.js";
import type { Duration } from "../gen/google/protobuf/duration.js";
import { archiveLimits } from "../topic/archive-limits.js";
import { parseDuration, type Violations } from "./violations.js";

export function parseArchiveRetention(
  violations: Violations,
  retention: Duration | undefined,
): DurationMs | undefined {
  // None at all is below the range.
  if (retention?.seconds === 0n && retention.nanos === 0) return 0 as DurationMs;
  return parseDuration(violations, "settings.archive_retention", retention, {
    minMs: archiveLimits.retentionMsMin,
    maxMs: archiveLimits.retentionMsMax,
  });
}
