// Subscriptions at the wire. This release delivers to queues of the topic's own namespace, to webhooks, to functions and to streams.

import { uuidBytes, uuidText } from "../base/ids.js";
import { TargetKind } from "../gen/forebay/topic/v1/topic.js";
import { PurgeBacklogRequest, SubscribeRequest } from "../gen/forebay/topic/v1/topic_service.js";
import { decideOnce, type OutcomeCodec } from "../queue/once.js";
import {
  decideListSubscriptions,
  decideReportSubscription,
  decideUnsubscribe,
  decideUpdateSubscription,
} from "../topic/administer-subscription.js";
import { topicLimits } from "../topic/limits.js";
import { type BacklogPurged, decidePurgeBacklog } from "../topic/purge-backlog.js";
import { decideSubscribePush } from "../topic/push-subscribe.js";
import { decideSubscribeStream } from "../topic/stream-subscribe.js";
import { decideSubscribe, type Subscribed } from "../topic/subscribe.js";
import { localCaller, parsePageToken } from "./handler-context.js";
import { parseAddress } from "./parse-queue.js";
import { jsonCodec } from "./request-ids.js";
import {
  createTopicTools,
  type TopicHandlerParts,
  type TopicHandlers,
} from "./topic-handler-context.js";
import { parseSubscriptionId } from "./topic-names.js";
import { checkEndpoint, secretsOf } from "./topic-push-handlers.js";
import { renderSubscription, renderSummary } from "./topic-render.js";
import { applySubscriptionMask, parseSubscriptionSettings } from "./topic-settings.js";
import { checkStream } from "./topic-stream-settings.js";
import { parseCount, parseEnum, parseInstant, Violations } from "./violations.js";
import { notYet } from "./wire-errors.js";

const subscribedCodec: OutcomeCodec<Subscribed> = {
  encode: ({ id, isNew }) => Buffer.concat([id, Buffer.from([isNew ? 1 : 0])]),
  decode: (bytes) => ({ id: bytes.subarray(0, 16), isNew: bytes[16] === 1 }),
};

export function createSubscriptionHandlers(
  parts: TopicHandlerParts,
): Pick<
  TopicHandlers,
  | "subscribe"
  | "unsubscribe"
  | "getSubscription"
  | "updateSubscription"
  | "listSubscriptions"
  | "purgeBacklog"
> {
  const { pageTokens, distributor } = parts;
  const { namespace, senderId } = localCaller;
  const { execute, identify, address } = createTopicTools(parts);
  return {
    subscribe: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.topic);
      const kind = parseEnum(violations, "kind", request.kind, TargetKind, "UNSUPPORTED_TARGET");
      if (request.kind === TargetKind.UNSPECIFIED) {
        violations.add("MISSING_PARAMETER", "kind", "the kind of the target is needed");
      }
      const keptKind = kind && kindNames[kind];
      const settings = parseSubscriptionSettings(violations, request.settings, keptKind);
      const { endpoint } = request;
      const pushKind = keptKind === "queue" || keptKind === "stream" ? undefined : keptKind;
      if (pushKind !== undefined) checkEndpoint(violations, parts.pushes, pushKind, endpoint);
      checkStream(violations, keptKind, request);
      const queue =
        keptKind === "queue" || keptKind === undefined
          ? parseAddress(violations, endpoint, namespace, "endpoint")
          : undefined;
      const identity = identify(violations, request.requestId, "Subscribe", () =>
        SubscribeRequest.encode({ ...request, requestId: "" }).finish(),
      );
      violations.throwIfAny();
      if (queue !== undefined && queue.namespace !== target.namespace) {
        throw notYet("Subscriptions of queues of another namespace are", "endpoint");
      }
      const common = { address: target, settings, owner: senderId };
      const secrets = secretsOf(parts.pushes);
      const askedHost = pushKind && (await parts.pushes.askedHost(pushKind, endpoint));
      const { once, report } = await execute({
        name: "Subscribe",
        bytes: Buffer.byteLength(settings.filterPolicy ?? ""),
        isGrowing: true,
        decide: (transaction, stamp) => {
          const decided = decideOnce(transaction, stamp, identity, subscribedCodec, () => {
            if (queue !== undefined) {
              return decideSubscribe(transaction, { ...common, queue }, stamp);
            }
            if (pushKind === undefined) {
              return decideSubscribeStream(transaction, { ...common, endpoint }, stamp);
            }
            const command = { ...common, ...secrets, kind: pushKind, endpoint, askedHost };
            return decideSubscribePush(transaction, command, stamp);
          });
          if (decided.kind === "rejected") return decided;
          const { outcome } = decided;
          const reported = decideReportSubscription(transaction, outcome.outcome.id, stamp);
          if (reported.kind === "rejected") return reported;
          return {
            kind: "accepted",
            outcome: { once: outcome, report: reported.outcome },
          } as const;
        },
      });
      if (report.state === "pending") parts.pushes.ask();
      return {
        subscription: renderSubscription(report, { hasCounters: false }),
        created: once.outcome.isNew,
        replayed: once.isReplayed,
      };
    },

    unsubscribe: async (request) => {
      const violations = new Violations();
      const id = parseSubscriptionId(violations, request.subscription);
      violations.throwIfAny();
      const { ended } = await execute({
        name: "Unsubscribe",
        isGrowing: false,
        decide: (transaction) => decideUnsubscribe(transaction, id),
      });
      // What was kept for it alone can go.
      if (ended !== undefined) distributor.begin(ended);
      return { existed: ended !== undefined };
    },

    getSubscription: async (request) => {
      const violations = new Violations();
      const id = parseSubscriptionId(violations, request.subscription);
      violations.throwIfAny();
      const report = await execute({
        name: "GetSubscription",
        isGrowing: false,
        decide: (transaction, stamp) => decideReportSubscription(transaction, id, stamp),
      });
      return { subscription: renderSubscription(report, { hasCounters: true }) };
    },

    updateSubscription: async (request) => {
      const violations = new Violations();
      const id = parseSubscriptionId(violations, request.subscription);
      const given = parseSubscriptionSettings(violations, request.settings);
      const settings = applySubscriptionMask(violations, request.updateMask, given);
      violations.throwIfAny();
      const report = await execute({
        name: "UpdateSubscription",
        bytes: Buffer.byteLength(settings.filterPolicy ?? ""),
        isGrowing: true,
        decide: (transaction, stamp) =>
          decideUpdateSubscription(transaction, { id, settings, etag: request.etag }, stamp),
      });
      // One that was resumed has to catch up.
      distributor.begin(report.topic);
      parts.pushes.begin(report.topic);
      if (report.subscription.standing.kind === "replaying") parts.replayer.begin(id);
      return { subscription: renderSubscription(report, { hasCounters: false }) };
    },

    purgeBacklog: async (request) => {
      const violations = new Violations();
      const id = parseSubscriptionId(violations, request.subscription);
      const before = parseInstant(violations, "before_time", request.beforeTime);
      const identity = identify(violations, request.requestId, "PurgeBacklog", () =>
        PurgeBacklogRequest.encode({ ...request, requestId: "" }).finish(),
      );
      violations.throwIfAny();
      const { outcome, isReplayed } = await execute({
        name: "PurgeBacklog",
        isGrowing: false,
        decide: (transaction, stamp) =>
          decideOnce(transaction, stamp, identity, jsonCodec<BacklogPurged>(), () =>
            decidePurgeBacklog(transaction, { id, before }, stamp),
          ),
      });
      distributor.begin(outcome.topic);
      return { purged: BigInt(outcome.count), replayed: isReplayed };
    },

    listSubscriptions: async (request) => {
      const violations = new Violations();
      const ofTopic = request.topic === "" ? undefined : address(violations, request.topic);
      const countMax =
        parseCount(violations, "page_size", request.pageSize, {
          min: 1,
          max: topicLimits.pageMax,
        }) ?? topicLimits.pageMax;
      const scope = `subscriptions ${namespace} ${request.topic}`;
      const last = parsePageToken(violations, pageTokens, scope, request.pageToken);
      violations.throwIfAny();
      const after = uuidBytes(last) ?? Buffer.alloc(0);
      const { subscriptions, next } = await execute({
        name: "ListSubscriptions",
        isGrowing: false,
        decide: (transaction) =>
          decideListSubscriptions(transaction, { address: ofTopic, namespace, after, countMax }),
      });
      return {
        subscriptions: subscriptions.map(renderSummary),
        nextPageToken: next === undefined ? "" : pageTokens.encode(scope, uuidText(next)),
      };
    },
  };
}

const kindNames = {
  QUEUE: "queue",
  HTTP: "http",
  HTTPS: "https",
  FUNCTION: "function",
  STREAM: "stream",
} as const;
