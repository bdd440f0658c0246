// The topic as a resource at the wire: create, describe, change, list, delete, tag, and the permissions in its policy.

import { TopicType } from "../gen/forebay/topic/v1/topic.js";
import { AddPermissionRequest, CreateTopicRequest } from "../gen/forebay/topic/v1/topic_service.js";
import { grantableTopicActions, topicPolicyRules } from "../policy/topic-policy-rules.js";
import { decideOnce } from "../queue/once.js";
import { accept } from "../queue/rejections.js";
import {
  decideAddTopicPermission,
  decideDeleteTopic,
  decideListTopics,
  decideRemoveTopicPermission,
  decideReportTopic,
  decideTagTopic,
  decideUntagTopic,
  decideUpdateTopic,
  type PermissionsChanged,
} from "../topic/administer-topic.js";
import { decideCreateTopic, type TopicCreated } from "../topic/create-topic.js";
import { topicLimits } from "../topic/limits.js";
import { localCaller, parsePageToken } from "./handler-context.js";
import { checkLabel, checkNewLabel, checkPrincipals } from "./parse-policy.js";
import { checkTagKey, checkTags } from "./parse-queue.js";
import { inKeyOrder, jsonCodec } from "./request-ids.js";
import { drainTopic } from "./topic-drain-handler.js";
import {
  createTopicTools,
  type TopicHandlerParts,
  type TopicHandlers,
} from "./topic-handler-context.js";
import { isFifoTopicName, parseNewTopicAddress } from "./topic-names.js";
import { parseProtection } from "./topic-protection-handlers.js";
import { renderTopic } from "./topic-render.js";
import {
  applyTopicMask,
  checkTopicPolicy,
  findLaterTopicSetting,
  parseTopicSettings,
} from "./topic-settings.js";
import { checkListLength, listedMax, parseCount, parseEnum, Violations } from "./violations.js";

const pageSizes = { min: 1, max: topicLimits.pageMax };

export function createTopicAdminHandlers(
  parts: TopicHandlerParts,
): Pick<
  TopicHandlers,
  | "createTopic"
  | "getTopic"
  | "updateTopic"
  | "deleteTopic"
  | "listTopics"
  | "tagTopic"
  | "untagTopic"
  | "listTopicTags"
  | "addPermission"
  | "removePermission"
> {
  const { pageTokens, distributor, tails } = parts;
  const { namespace, senderId } = localCaller;
  const { execute, identify, address, addressOnly } = createTopicTools(parts);
  return {
    createTopic: async (request) => {
      const violations = new Violations();
      const type = parseEnum(violations, "type", request.type, TopicType);
      const asked = type === undefined ? undefined : type === "FIFO";
      const target = parseNewTopicAddress(violations, request.topic, asked, namespace);
      const isFifo = isFifoTopicName(target.name);
      const given = parseTopicSettings(violations, request.settings);
      const exceeded = checkTopicPolicy(violations, target, request.settings?.policy);
      const dataProtectionPolicy = parseProtection(violations, request.dataProtectionPolicy);
      const settings = { ...given, ...(dataProtectionPolicy && { dataProtectionPolicy }) };
      checkTags(violations, "tags", request.tags);
      const identity = identify(violations, request.requestId, "CreateTopic", () =>
        CreateTopicRequest.encode({
          ...request,
          tags: inKeyOrder(request.tags),
          requestId: "",
        }).finish(),
      );
      violations.throwIfAny();
      if (exceeded !== undefined) throw exceeded;
      const later = findLaterTopicSetting(request.settings);
      if (later !== undefined) throw later;
      const command = { address: target, isFifo, settings, tags: request.tags, owner: senderId };
      const { outcome, isReplayed, report } = await execute({
        name: "CreateTopic",
        bytes: Buffer.byteLength(settings.policy ?? "") + request.dataProtectionPolicy.length,
        isGrowing: true,
        decide: (transaction, stamp) => {
          const once = decideOnce(transaction, stamp, identity, jsonCodec<TopicCreated>(), () =>
            decideCreateTopic(transaction, command, stamp),
          );
          if (once.kind === "rejected") return once;
          const reported = decideReportTopic(transaction, target, stamp);
          if (reported.kind === "rejected") return reported;
          return accept({ ...once.outcome, report: reported.outcome });
        },
      });
      return {
        topic: renderTopic(report.topic, { archive: report.archive }),
        created: outcome.isNew,
        replayed: isReplayed,
      };
    },

    getTopic: async (request) => {
      const target = addressOnly(request.topic);
      const report = await execute({
        name: "GetTopic",
        isGrowing: false,
        decide: (transaction, stamp) => decideReportTopic(transaction, target, stamp),
      });
      return { topic: renderTopic(report.topic, report) };
    },

    updateTopic: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.topic);
      const given = parseTopicSettings(violations, request.settings);
      const settings = applyTopicMask(violations, request.updateMask, given);
      const exceeded = checkTopicPolicy(violations, target, settings.policy);
      // A setting of a later release is refused as such, not as an unknown one.
      const later = findLaterTopicSetting(request.settings);
      if (later !== undefined) throw later;
      violations.throwIfAny();
      if (exceeded !== undefined) throw exceeded;
      const command = {
        address: target,
        settings,
        isArchiveEndConfirmed: request.confirmArchiveDeletion,
      };
      const { topic, archive } = await execute({
        name: "UpdateTopic",
        bytes: Buffer.byteLength(settings.policy ?? ""),
        isGrowing: true,
        decide: (transaction, stamp) =>
          decideUpdateTopic(transaction, { ...command, etag: request.etag }, stamp),
      });
      // With a shorter retention, or none, something is to be removed.
      distributor.begin(topic);
      return { topic: renderTopic(topic, { archive }) };
    },

    deleteTopic: async (request) => {
      const target = addressOnly(request.topic);
      if (request.drain) return drainTopic(parts, request, target);
      const { ended } = await execute({
        name: "DeleteTopic",
        isGrowing: false,
        decide: (transaction) =>
          decideDeleteTopic(transaction, {
            address: target,
            etag: request.etag,
            isForced: request.force,
          }),
        committed: (deleted) => {
          if (deleted.ended !== undefined) tails.ended(deleted.ended.segment);
        },
      });
      if (ended !== undefined) distributor.reap();
      return { existed: ended !== undefined };
    },

    listTopics: async (request) => {
      const violations = new Violations();
      const countMax =
        parseCount(violations, "page_size", request.pageSize, pageSizes) ?? topicLimits.pageMax;
      checkTags(violations, "tags", request.tags);
      const { namePrefix: prefix } = request;
      const filter = JSON.stringify([prefix, [...inKeyOrder(request.tags)]]);
      const scope = `topics ${namespace} ${filter}`;
      const afterName = parsePageToken(violations, pageTokens, scope, request.pageToken);
      violations.throwIfAny();
      const { topics, next } = await execute({
        name: "ListTopics",
        isGrowing: false,
        decide: (transaction, stamp) =>
          decideListTopics(
            transaction,
            { namespace, prefix, tags: request.tags, afterName, countMax },
            stamp,
          ),
      });
      return {
        topics: topics.map(({ topic, archive }) => renderTopic(topic, { archive })),
        nextPageToken: next === undefined ? "" : pageTokens.encode(scope, next),
      };
    },

    tagTopic: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.topic);
      if (request.tags.size === 0) {
        violations.add("MISSING_PARAMETER", "tags", "at least one tag is needed");
      }
      checkTags(violations, "tags", request.tags);
      violations.throwIfAny();
      await execute({
        name: "TagTopic",
        isGrowing: true,
        decide: (transaction, stamp) => decideTagTopic(transaction, target, request.tags, stamp),
      });
      return {};
    },

    untagTopic: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.topic);
      const { tagKeys } = request;
      if (tagKeys.length === 0) {
        violations.add("MISSING_PARAMETER", "tag_keys", "at least one key is needed");
      }
      if (checkListLength(violations, "tag_keys", tagKeys.length, topicLimits.tagsMax)) {
        tagKeys.forEach((key, index) => {
          checkTagKey(violations, `tag_keys[${index}]`, key);
        });
      }
      violations.throwIfAny();
      await execute({
        name: "UntagTopic",
        isGrowing: false,
        decide: (transaction, stamp) => decideUntagTopic(transaction, target, tagKeys, stamp),
      });
      return {};
    },

    listTopicTags: async (request) => {
      const target = addressOnly(request.topic);
      const { topic } = await execute({
        name: "ListTopicTags",
        isGrowing: false,
        decide: (transaction, stamp) => decideReportTopic(transaction, target, stamp),
      });
      return { tags: new Map(topic.tags) };
    },

    addPermission: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.topic);
      const { label, principals } = request;
      checkNewLabel(violations, label);
      checkPrincipals(violations, principals, topicPolicyRules.quotas.principals);
      const actions = parseActions(violations, request.actions);
      const identity = identify(violations, request.requestId, "AddTopicPermission", () =>
        AddPermissionRequest.encode({ ...request, requestId: "" }).finish(),
      );
      violations.throwIfAny();
      const command = { address: target, label, principals, actions };
      const { isReplayed } = await execute({
        name: "AddTopicPermission",
        bytes: topicPolicyRules.quotas.bytes,
        isGrowing: true,
        decide: (transaction, stamp) =>
          decideOnce(transaction, stamp, identity, jsonCodec<PermissionsChanged>(), () =>
            decideAddTopicPermission(transaction, command, stamp),
          ),
      });
      return { replayed: isReplayed };
    },

    removePermission: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.topic);
      const { label } = request;
      checkLabel(violations, label);
      violations.throwIfAny();
      await execute({
        name: "RemoveTopicPermission",
        isGrowing: false,
        decide: (transaction, stamp) =>
          decideRemoveTopicPermission(transaction, { address: target, label }, stamp),
      });
      return {};
    },
  };
}

/** The actions to grant, each once. */
function parseActions(violations: Violations, actions: readonly string[]): readonly string[] {
  if (actions.length === 0) {
    violations.add("MISSING_PARAMETER", "actions", "at least one action is needed");
  }
  if (!checkListLength(violations, "actions", actions.length, listedMax)) return [];
  actions.forEach((action, index) => {
    if ((grantableTopicActions as readonly string[]).includes(action)) return;
    violations.add(
      "INVALID_PARAMETER",
      `actions[${index}]`,
      `"${action.slice(0, 64)}" cannot be granted; write one of ${grantableTopicActions.join(", ")}`,
    );
  });
  return [...new Set(actions)];
}
