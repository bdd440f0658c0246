// Which deliveries are logged, as callers write and read it.

import { type DeliveryLogging, TargetKind } from "../gen/forebay/topic/v1/topic.js";
import type { DeliveryLogging as KeptLogging } from "../topic/limits.js";
import { parseEnum, type Violations } from "./violations.js";

const kinds = {
  QUEUE: "queue",
  HTTP: "http",
  HTTPS: "https",
  FUNCTION: "function",
  STREAM: "stream",
} as const;

/** More than there are kinds. */
const listedMax = 10;

export function parseDeliveryLogging(
  violations: Violations,
  given: readonly DeliveryLogging[],
): readonly KeptLogging[] {
  const field = "settings.delivery_logging";
  if (given.length > listedMax) {
    violations.add("INVALID_PARAMETER", field, `lists at most ${listedMax} kinds of targets`);
    return [];
  }
  const kept = new Map<KeptLogging["kind"], KeptLogging>();
  given.forEach(({ kind: written, successSamplePercent, logFailures }, index) => {
    const at = `${field}[${index}]`;
    const name = parseEnum(violations, `${at}.kind`, written, TargetKind, "UNSUPPORTED_TARGET");
    const kind = name && kinds[name];
    if (written === TargetKind.UNSPECIFIED) {
      violations.add("MISSING_PARAMETER", `${at}.kind`, "the kind of the target is needed");
    }
    if (successSamplePercent < 0 || successSamplePercent > 100) {
      const description = "is a whole number from 0 to 100";
      violations.add("INVALID_PARAMETER", `${at}.success_sample_percent`, description);
    }
    if (kind === undefined) return;
    if (kept.has(kind)) violations.add("INVALID_PARAMETER", `${at}.kind`, "is listed twice");
    kept.set(kind, { kind, successSamplePercent, areFailuresLogged: logFailures ?? true });
  });
  return [...kept.values()];
}

const numbers = {
  queue: TargetKind.QUEUE,
  http: TargetKind.HTTP,
  https: TargetKind.HTTPS,
  function: TargetKind.FUNCTION,
  stream: TargetKind.STREAM,
} as const;

export const renderDeliveryLogging = (kept: readonly KeptLogging[]): DeliveryLogging[] =>
  kept.map(({ kind, successSamplePercent, areFailuresLogged }) => ({
    kind: numbers[kind],
    successSamplePercent,
    logFailures: areFailuresLogged,
  }));
