// Replays: what a topic has archived, delivered once more to a subscription; and snapshots, named places to begin one from.

import {
  AfterReplay,
  ReplayState as States,
  type ReplayPoint as WirePoint,
  type Replay as WireReplay,
  type Snapshot as WireSnapshot,
  type ReplaySpeed as WireSpeed,
} from "../gen/forebay/topic/v1/topic.js";
import { ResumeFrom, TopicServiceDefinition } from "../gen/forebay/topic/v1/topic_service.js";
import { type Choice, choiceOf } from "./choices.js";
import type { CallOptions, Connection } from "./connection.js";
import { dateOf, durationOf, timestampOf } from "./durations.js";
import { pages } from "./pages.js";
import type { RequestIdOption } from "./queue-calls.js";
import { newRequestId } from "./random.js";

const { methods } = TopicServiceDefinition;

/**
 * Where a replay begins or ends: at the first message published at a time or later, at a message by its number, at the beginning
 * or the end of the archive, or at a snapshot of the subscription by name.
 */
export type ReplayPoint =
  | Date
  | "beginning"
  | "latest"
  | { readonly sequenceNumber: string }
  | { readonly snapshot: string };

/** So many messages a second (1 to 100000), or with the pauses of the original so many times as fast (0.01 to 1000). */
export type ReplaySpeed =
  | { readonly messagesPerSecond: number }
  | { readonly originalTimes: number };

export type ReplayState = Choice<typeof States>;

export interface ReplayOptions extends CallOptions, RequestIdOption {
  readonly from: ReplayPoint;
  /** Default: it goes over into what is published. */
  readonly until?: ReplayPoint | undefined;
  /** Default: as fast as the target takes it. */
  readonly speed?: ReplaySpeed | undefined;
  /** After an end: whether the subscription is paused then, as Amazon SNS has it. Default: it goes on with what it missed. */
  readonly pauseAfterwards?: boolean | undefined;
  /** Into another subscription of the topic, by its id. */
  readonly to?: string | undefined;
  /** Whether a beginning before the archive means its beginning. Default: it is an error. */
  readonly clamp?: boolean | undefined;
}

/** A replay as the server describes it. */
export interface ReplayDescription {
  readonly replayId: string;
  /** The subscription its messages go to. */
  readonly subscription: string;
  readonly state: ReplayState | undefined;
  readonly from: ReplayPoint | undefined;
  /** Undefined: it goes over into what is published. */
  readonly until: ReplayPoint | undefined;
  /** Undefined: as fast as the target takes it. */
  readonly speed: ReplaySpeed | undefined;
  /** Whether the subscription is paused at its end. */
  readonly pauseAfterwards: boolean;
  /** The number of the message it comes to next. */
  readonly position: string;
  readonly deliveredCount: number;
  readonly filteredCount: number;
  readonly failedCount: number;
  /** About how many are left. */
  readonly remainingCount: number;
  /** Why it failed; empty: it did not. */
  readonly failure: string;
  readonly startTime: Date | undefined;
  readonly endTime: Date | undefined;
  /** About when it will end. */
  readonly estimatedEndTime: Date | undefined;
}

/** A snapshot as the server describes it. */
export interface SnapshotDescription {
  readonly name: string;
  readonly subscription: string;
  /** Of the first message after it. */
  readonly sequenceNumber: string;
  readonly createTime: Date | undefined;
  readonly expireTime: Date | undefined;
}

export async function startReplay(
  connection: Connection,
  subscription: string,
  options: ReplayOptions,
): Promise<ReplayDescription> {
  const { from, until, speed, pauseAfterwards = false, to = "", clamp = false } = options;
  const request = {
    subscription,
    from: pointToWire(from),
    until: until && pointToWire(until),
    speed: speed && speedToWire(speed),
    // biome-ignore lint/suspicious/noThenProperty: the contract's name, of a message that nobody awaits
    then: pauseAfterwards ? AfterReplay.PAUSE : AfterReplay.RESUME,
    to,
    clamp,
    requestId: options.requestId ?? newRequestId(),
  };
  const { replay } = await connection.unary(methods.startReplay, request, options);
  return replayOf(replay);
}

export async function stopReplay(
  connection: Connection,
  subscription: string,
  options: CallOptions & { readonly resumeFrom?: "now" | "position" | undefined },
): Promise<ReplayDescription | undefined> {
  const resumeFrom =
    options.resumeFrom === "position" ? ResumeFrom.REPLAY_POSITION : ResumeFrom.NOW;
  const request = { subscription, resumeFrom };
  const { replay } = await connection.unary(methods.stopReplay, request, options);
  return replay && replayOf(replay);
}

export async function getReplay(
  connection: Connection,
  subscription: string,
  options: CallOptions,
): Promise<ReplayDescription> {
  const { replay } = await connection.unary(methods.getReplay, { subscription }, options);
  return replayOf(replay);
}

export function listReplays(
  connection: Connection,
  topic: string,
  options: CallOptions,
): AsyncGenerator<ReplayDescription, void, undefined> {
  return pages(async (pageToken) => {
    const response = await connection.unary(methods.listReplays, { topic, pageToken }, options);
    return { items: response.replays.map(replayOf), nextPageToken: response.nextPageToken };
  });
}

export async function createSnapshot(
  connection: Connection,
  request: { readonly subscription: string; readonly name: string },
  options: CallOptions & RequestIdOption & { readonly timeToLiveMs?: number | undefined },
): Promise<SnapshotDescription> {
  const { timeToLiveMs } = options;
  const whole = {
    ...request,
    ttl: timeToLiveMs === undefined ? undefined : durationOf(timeToLiveMs),
    requestId: options.requestId ?? newRequestId(),
  };
  return snapshotOf((await connection.unary(methods.createSnapshot, whole, options)).snapshot);
}

export async function deleteSnapshot(
  connection: Connection,
  request: { readonly subscription: string; readonly name: string },
  options: CallOptions,
): Promise<boolean> {
  return (await connection.unary(methods.deleteSnapshot, request, options)).existed;
}

export function listSnapshots(
  connection: Connection,
  subscription: string,
  options: CallOptions,
): AsyncGenerator<SnapshotDescription, void, undefined> {
  return pages(async (pageToken) => {
    const request = { subscription, pageToken };
    const response = await connection.unary(methods.listSnapshots, request, options);
    return { items: response.snapshots.map(snapshotOf), nextPageToken: response.nextPageToken };
  });
}

function pointToWire(point: ReplayPoint): WirePoint {
  if (point === "beginning" || point === "latest") return { point: { $case: point, value: {} } };
  if (point instanceof Date) return { point: { $case: "time", value: timestampOf(point) } };
  return "snapshot" in point
    ? { point: { $case: "snapshot", value: point.snapshot } }
    : { point: { $case: "sequenceNumber", value: point.sequenceNumber } };
}

/** Undefined: none, or one that only a newer server knows. */
function pointOf(wire: WirePoint | undefined): ReplayPoint | undefined {
  const point = wire?.point;
  switch (point?.$case) {
    case "time":
      return dateOf(point.value);
    case "sequenceNumber":
      return { sequenceNumber: point.value };
    case "snapshot":
      return { snapshot: point.value };
    default:
      return point?.$case;
  }
}

function speedOf(wire: WireSpeed | undefined): ReplaySpeed | undefined {
  const speed = wire?.speed;
  if (speed?.$case === "messagesPerSecond") return { messagesPerSecond: speed.value };
  return speed && { originalTimes: speed.value };
}

const speedToWire = (speed: ReplaySpeed): WireSpeed =>
  "messagesPerSecond" in speed
    ? { speed: { $case: "messagesPerSecond", value: speed.messagesPerSecond } }
    : { speed: { $case: "originalTimes", value: speed.originalTimes } };

/** A replay from the wire. */
export const replayOf = (wire: WireReplay | undefined): ReplayDescription => ({
  replayId: wire?.replayId ?? "",
  subscription: wire?.subscription ?? "",
  state: choiceOf(States, wire?.state),
  from: pointOf(wire?.from),
  until: pointOf(wire?.until),
  speed: speedOf(wire?.speed),
  pauseAfterwards: wire?.then === AfterReplay.PAUSE,
  position: wire?.position ?? "",
  deliveredCount: Number(wire?.delivered ?? 0n),
  filteredCount: Number(wire?.filtered ?? 0n),
  failedCount: Number(wire?.failed ?? 0n),
  remainingCount: Number(wire?.remaining ?? 0n),
  failure: wire?.failure ?? "",
  startTime: dateOf(wire?.startTime),
  endTime: dateOf(wire?.endTime),
  estimatedEndTime: dateOf(wire?.estimatedEndTime),
});

const snapshotOf = (wire: WireSnapshot | undefined): SnapshotDescription => ({
  name: wire?.name ?? "",
  subscription: wire?.subscription ?? "",
  sequenceNumber: wire?.sequenceNumber ?? "",
  createTime: dateOf(wire?.createTime),
  expireTime: dateOf(wire?.expireTime),
});
