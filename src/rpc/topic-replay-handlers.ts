// Replays and snapshots at the wire.

import { assert } from "../base/assert.js";
import { uuidBytes, uuidText } from "../base/ids.js";
import {
  CreateSnapshotRequest,
  ResumeFrom,
  StartReplayRequest,
} from "../gen/forebay/topic/v1/topic_service.js";
import { decideOnce } from "../queue/once.js";
import { accept } from "../queue/rejections.js";
import { archiveLimits } from "../topic/archive-limits.js";
import type { Snapshot } from "../topic/archive-model.js";
import { topicLimits } from "../topic/limits.js";
import { decideGetReplay, decideListReplays } from "../topic/replay-report.js";
import {
  decideCreateSnapshot,
  decideDeleteSnapshot,
  decideListSnapshots,
} from "../topic/snapshots.js";
import { decideStartReplay, decideStopReplay, type StartReplay } from "../topic/start-replay.js";
import { localCaller, parsePageToken } from "./handler-context.js";
import { jsonCodec } from "./request-ids.js";
import {
  createTopicTools,
  type TopicHandlerParts,
  type TopicHandlers,
} from "./topic-handler-context.js";
import { parseSubscriptionId } from "./topic-names.js";
import {
  checkSnapshotName,
  parseAfterReplay,
  parseReplayPoint,
  parseReplaySpeed,
  renderReplay,
  renderSnapshot,
} from "./topic-replay-parse.js";
import { parseCount, parseDuration, parseEnum, Violations } from "./violations.js";

const pageSizes = { min: 1, max: topicLimits.pageMax };

type ReplayHandlers = Pick<
  TopicHandlers,
  "startReplay" | "stopReplay" | "getReplay" | "listReplays"
>;
type SnapshotHandlers = Pick<TopicHandlers, "createSnapshot" | "deleteSnapshot" | "listSnapshots">;

export function createReplayHandlers(parts: TopicHandlerParts): ReplayHandlers {
  const { pageTokens, distributor, replayer } = parts;
  const { namespace } = localCaller;
  const { execute, identify, address } = createTopicTools(parts);
  return {
    startReplay: async (request) => {
      const violations = new Violations();
      const command = parseStart(violations, request);
      const identity = identify(violations, request.requestId, "StartReplay", () =>
        StartReplayRequest.encode({ ...request, requestId: "" }).finish(),
      );
      violations.throwIfAny();
      const { from, to } = command;
      assert(from !== undefined, "a replay without a beginning was refused");
      const { isReplayed, report } = await execute({
        name: "StartReplay",
        isGrowing: true,
        decide: (transaction, stamp) => {
          const once = decideOnce(transaction, stamp, identity, jsonCodec<unknown>(), () =>
            decideStartReplay(transaction, { ...command, from }, stamp),
          );
          if (once.kind === "rejected") return once;
          const reported = decideGetReplay(transaction, to, stamp);
          if (reported.kind === "rejected") return reported;
          return accept({ isReplayed: once.outcome.isReplayed, report: reported.outcome });
        },
      });
      replayer.begin(to);
      return { replay: renderReplay(report), replayed: isReplayed };
    },

    stopReplay: async (request) => {
      const violations = new Violations();
      const id = parseSubscriptionId(violations, request.subscription);
      const resume = parseEnum(violations, "resume_from", request.resumeFrom, ResumeFrom);
      violations.throwIfAny();
      const resumeFrom = resume === "REPLAY_POSITION" ? "position" : "now";
      const { topic, report } = await execute({
        name: "StopReplay",
        isGrowing: false,
        decide: (transaction, stamp) => decideStopReplay(transaction, { id, resumeFrom }, stamp),
      });
      distributor.begin(topic);
      parts.pushes.begin(topic);
      return { replay: report && renderReplay(report) };
    },

    getReplay: async (request) => {
      const violations = new Violations();
      const id = parseSubscriptionId(violations, request.subscription);
      violations.throwIfAny();
      const report = await execute({
        name: "GetReplay",
        isGrowing: false,
        decide: (transaction, stamp) => decideGetReplay(transaction, id, stamp),
      });
      return { replay: renderReplay(report) };
    },

    listReplays: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.topic);
      const countMax =
        parseCount(violations, "page_size", request.pageSize, pageSizes) ?? topicLimits.pageMax;
      const scope = `replays ${namespace} ${request.topic}`;
      const last = parsePageToken(violations, pageTokens, scope, request.pageToken);
      violations.throwIfAny();
      const after = uuidBytes(last) ?? Buffer.alloc(0);
      const { replays, next } = await execute({
        name: "ListReplays",
        isGrowing: false,
        decide: (transaction, stamp) =>
          decideListReplays(transaction, { address: target, after, countMax }, stamp),
      });
      return {
        replays: replays.map(renderReplay),
        nextPageToken: next === undefined ? "" : pageTokens.encode(scope, uuidText(next)),
      };
    },
  };
}

/** The beginning is undefined when it is missing or bad, which `violations` say. */
function parseStart(
  violations: Violations,
  request: StartReplayRequest,
): Omit<StartReplay, "from"> & { readonly from: StartReplay["from"] | undefined } {
  const id = parseSubscriptionId(violations, request.subscription);
  if (request.from?.point === undefined) {
    violations.add("MISSING_PARAMETER", "from", "where the replay begins is needed");
  }
  return {
    id,
    to: request.to === "" ? id : parseSubscriptionId(violations, request.to),
    from: parseReplayPoint(violations, "from", request.from),
    until: parseReplayPoint(violations, "until", request.until),
    speed: parseReplaySpeed(violations, request.speed),
    afterwards: parseAfterReplay(violations, request.then),
    isClamped: request.clamp,
  };
}

export function createSnapshotHandlers(parts: TopicHandlerParts): SnapshotHandlers {
  const { pageTokens } = parts;
  const { execute, identify } = createTopicTools(parts);
  return {
    createSnapshot: async (request) => {
      const violations = new Violations();
      const id = parseSubscriptionId(violations, request.subscription);
      const { name } = request;
      checkSnapshotName(violations, "name", name);
      const timeToLiveMs = parseDuration(violations, "ttl", request.ttl, {
        minMs: archiveLimits.snapshotMsMin,
        maxMs: archiveLimits.retentionMsMax,
      });
      const identity = identify(violations, request.requestId, "CreateSnapshot", () =>
        CreateSnapshotRequest.encode({ ...request, requestId: "" }).finish(),
      );
      violations.throwIfAny();
      const { outcome, isReplayed } = await execute({
        name: "CreateSnapshot",
        isGrowing: true,
        decide: (transaction, stamp) =>
          decideOnce(transaction, stamp, identity, jsonCodec<Snapshot>(), () =>
            decideCreateSnapshot(transaction, { id, name, timeToLiveMs }, stamp),
          ),
      });
      return { snapshot: renderSnapshot(id, outcome), replayed: isReplayed };
    },

    deleteSnapshot: async (request) => {
      const violations = new Violations();
      const id = parseSubscriptionId(violations, request.subscription);
      const { name } = request;
      checkSnapshotName(violations, "name", name);
      violations.throwIfAny();
      return await execute({
        name: "DeleteSnapshot",
        isGrowing: false,
        decide: (transaction, stamp) => decideDeleteSnapshot(transaction, { id, name }, stamp),
      });
    },

    listSnapshots: async (request) => {
      const violations = new Violations();
      const id = parseSubscriptionId(violations, request.subscription);
      const countMax =
        parseCount(violations, "page_size", request.pageSize, pageSizes) ?? topicLimits.pageMax;
      const scope = `snapshots ${request.subscription}`;
      const after = parsePageToken(violations, pageTokens, scope, request.pageToken);
      violations.throwIfAny();
      const { snapshots, next } = await execute({
        name: "ListSnapshots",
        isGrowing: false,
        decide: (transaction, stamp) =>
          decideListSnapshots(transaction, { id, after, countMax }, stamp),
      });
      return {
        snapshots: snapshots.map((snapshot) => renderSnapshot(id, snapshot)),
        nextPageToken: next === undefined ? "" : pageTokens.encode(scope, next),
      };
    },
  };
}
