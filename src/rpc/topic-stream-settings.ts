// The settings of durable streams at the wire, and the names they may have.

import type { StreamSettings } from "../gen/forebay/topic/v1/topic.js";
import type { SubscribeRequest } from "../gen/forebay/topic/v1/topic_service.js";
import type { Subscription, TargetKind } from "../topic/model.js";
import {
  type StreamSettings as KeptStream,
  streamDefaults,
  streamLimits,
} from "../topic/stream-limits.js";
import { duration } from "./render.js";
import { parseCount, parseDuration, type Violations } from "./violations.js";

const namePattern = new RegExp(`^[A-Za-z0-9_-]{1,${streamLimits.nameCharactersMax}}$`);

/** That a stream has a name, and nothing else the settings of one. */
export function checkStream(
  violations: Violations,
  kind: TargetKind | undefined,
  { endpoint, settings }: Pick<SubscribeRequest, "endpoint" | "settings">,
): void {
  if (kind !== "stream") {
    if (settings?.stream === undefined) return;
    violations.add("INVALID_PARAMETER", "settings.stream", "is for kind STREAM alone");
    return;
  }
  if (namePattern.test(endpoint)) return;
  const description = `the name of a stream must be 1 to ${streamLimits.nameCharactersMax} of A-Za-z0-9_-`;
  violations.add("INVALID_PARAMETER", "endpoint", description);
}

/** An empty message takes both back to their defaults. */
export function parseStreamSettings(
  violations: Violations,
  given: StreamSettings,
): KeptStream | undefined {
  const field = "settings.stream";
  const ackDeadlineMs = parseDuration(violations, `${field}.ack_deadline`, given.ackDeadline, {
    minMs: streamLimits.ackDeadlineMsMin,
    maxMs: streamLimits.ackDeadlineMsMax,
  });
  const inFlightMax = parseCount(violations, `${field}.max_in_flight`, given.maxInFlight, {
    min: streamLimits.inFlightMin,
    max: streamLimits.inFlightMax,
  });
  if (ackDeadlineMs === undefined && inFlightMax === undefined) return undefined;
  return {
    ...(ackDeadlineMs !== undefined && { ackDeadlineMs }),
    ...(inFlightMax !== undefined && { inFlightMax }),
  };
}

/** As it holds, defaults included. Of other kinds it says nothing. */
export function renderStreamSettings({
  kind,
  settings,
}: Pick<Subscription, "kind" | "settings">): StreamSettings | undefined {
  if (kind !== "stream") return undefined;
  const { ackDeadlineMs, inFlightMax } = { ...streamDefaults, ...settings.stream };
  return { ackDeadline: duration(ackDeadlineMs), maxInFlight: inFlightMax };
}
