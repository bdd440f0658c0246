// Replays as callers write them and read them.

import { type Sequence, sequence } from "../base/brands.js";
import { uuidText } from "../base/ids.js";
import {
  AfterReplay,
  type ReplayPoint,
  type ReplaySpeed,
  ReplayState,
  type Snapshot,
  type Replay as WireReplay,
} from "../gen/forebay/topic/v1/topic.js";
import { archiveLimits } from "../topic/archive-limits.js";
import type {
  ReplayPoint as KeptPoint,
  Snapshot as KeptSnapshot,
  ReplaySpeed as KeptSpeed,
  Replay,
} from "../topic/archive-model.js";
import type { ReplayReport } from "../topic/replay-report.js";
import { sequenceText, timeOf, timestamp } from "./render.js";
import { parseCount, parseEnum, parseInstant, type Violations } from "./violations.js";

const snapshotNamePattern = new RegExp(
  `^[A-Za-z0-9_-]{1,${archiveLimits.snapshotNameCharactersMax}}$`,
);

export function checkSnapshotName(violations: Violations, field: string, name: string): void {
  if (name === "") violations.add("MISSING_PARAMETER", field, "the name of a snapshot is needed");
  else if (!snapshotNamePattern.test(name)) {
    const description = `must be 1 to ${archiveLimits.snapshotNameCharactersMax} of A-Z, a-z, 0-9, _ and -`;
    violations.add("INVALID_PARAMETER", field, description);
  }
}

/** Undefined when unset or bad. */
export function parseReplayPoint(
  violations: Violations,
  field: string,
  given: ReplayPoint | undefined,
): KeptPoint | undefined {
  const point = given?.point;
  switch (point?.$case) {
    case undefined:
      return undefined;
    case "time": {
      const at = parseInstant(violations, `${field}.time`, point.value);
      return at === undefined ? undefined : { kind: "time", at };
    }
    case "sequenceNumber": {
      const place = parseSequence(violations, `${field}.sequence_number`, point.value);
      return place === undefined ? undefined : { kind: "sequence", sequence: place };
    }
    case "beginning":
    case "latest":
      return { kind: point.$case };
    case "snapshot":
      checkSnapshotName(violations, `${field}.snapshot`, point.value);
      return { kind: "snapshot", name: point.value };
  }
}

function parseSequence(violations: Violations, field: string, given: string): Sequence | undefined {
  const value = /^[0-9]{1,20}$/.test(given) ? Number(given) : Number.NaN;
  if (Number.isSafeInteger(value)) return sequence(value);
  violations.add("INVALID_PARAMETER", field, "must be the number of a message, up to 20 digits");
  return undefined;
}

export function parseReplaySpeed(
  violations: Violations,
  given: ReplaySpeed | undefined,
): KeptSpeed {
  const speed = given?.speed;
  switch (speed?.$case) {
    case undefined:
      return { kind: "unlimited" };
    case "messagesPerSecond": {
      const range = { min: 1, max: archiveLimits.perSecondMax };
      parseCount(violations, "speed.messages_per_second", speed.value, range);
      return { kind: "rate", perSecond: speed.value };
    }
    case "originalTimes": {
      const { timesMin, timesMax } = archiveLimits;
      if (!(speed.value >= timesMin && speed.value <= timesMax)) {
        const description = `must be from ${timesMin} to ${timesMax}, not ${speed.value}`;
        violations.add("INVALID_PARAMETER", "speed.original_times", description);
      }
      return { kind: "original", times: speed.value };
    }
  }
}

export function parseAfterReplay(violations: Violations, given: AfterReplay): Replay["afterwards"] {
  return parseEnum(violations, "then", given, AfterReplay) === "PAUSE" ? "pause" : "resume";
}

const states = {
  pending: ReplayState.PENDING,
  in_progress: ReplayState.IN_PROGRESS,
  completed: ReplayState.COMPLETED,
  failed: ReplayState.FAILED,
  stopped: ReplayState.STOPPED,
} as const;

export const renderReplay = (report: ReplayReport): WireReplay => {
  const { subscription, replay, remaining, estimatedEnd } = report;
  return {
    replayId: uuidText(replay.id),
    subscription: uuidText(subscription),
    state: states[replay.state],
    from: renderPoint(replay.from),
    until: replay.until && renderPoint(replay.until),
    speed: renderSpeed(replay.speed),
    // biome-ignore lint/suspicious/noThenProperty: the contract's name, of a message that nobody awaits
    then: replay.afterwards === "pause" ? AfterReplay.PAUSE : AfterReplay.RESUME,
    position: sequenceText(replay.position),
    delivered: BigInt(replay.delivered),
    filtered: BigInt(replay.filtered),
    remaining: BigInt(remaining),
    failure: replay.failure,
    startTime: timestamp(replay.startedAt),
    endTime: timeOf(replay.endedAt),
    failed: BigInt(replay.failed),
    estimatedEndTime: timeOf(estimatedEnd),
  };
};

function renderPoint(point: KeptPoint): ReplayPoint {
  switch (point.kind) {
    case "time":
      return { point: { $case: "time", value: timestamp(point.at) } };
    case "sequence":
      return { point: { $case: "sequenceNumber", value: sequenceText(point.sequence) } };
    case "beginning":
    case "latest":
      return { point: { $case: point.kind, value: {} } };
    case "snapshot":
      return { point: { $case: "snapshot", value: point.name } };
  }
}

function renderSpeed(speed: KeptSpeed): ReplaySpeed | undefined {
  switch (speed.kind) {
    case "unlimited":
      return undefined;
    case "rate":
      return { speed: { $case: "messagesPerSecond", value: speed.perSecond } };
    case "original":
      return { speed: { $case: "originalTimes", value: speed.times } };
  }
}

export const renderSnapshot = (subscription: Buffer, snapshot: KeptSnapshot): Snapshot => ({
  name: snapshot.name,
  subscription: uuidText(subscription),
  sequenceNumber: sequenceText(snapshot.sequence),
  createTime: timestamp(snapshot.createdAt),
  expireTime: timestamp(snapshot.expiresAt),
});
