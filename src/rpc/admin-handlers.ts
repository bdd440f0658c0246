// The queue as a resource at the wire: create, describe, change, list, delete, purge and tag. Every handler reads the same
// way: parse what was given, refuse it if anything is wrong, run one command, render its outcome.

import { CreateQueueRequest, PurgeQueueRequest } from "../gen/forebay/queue/v1/queue_service.js";
import {
  decideDeleteQueue,
  decideFindQueue,
  decideListQueues,
  decidePurgeQueue,
  decideReportQueue,
  decideSetQueueSettings,
  decideTagQueue,
  decideUntagQueue,
  type QueueReport,
} from "../queue/administer-queue.js";
import { decideCreateQueue, type QueueCreated } from "../queue/create-queue.js";
import { limits } from "../queue/limits.js";
import { decideOnce } from "../queue/once.js";
import { etagOf, type QueueAddress } from "../queue/queue-name.js";
import { decideListDeadLetterSources } from "../queue/redrive.js";
import type { CallContext } from "./call.js";
import type { CommandRunner } from "./command-runner.js";
import {
  commandBytes,
  createTools,
  localCaller,
  outcomeOf,
  parsePageToken,
  type QueueHandlerParts,
  type QueueHandlers,
  run,
} from "./handler-context.js";
import { checkPolicy } from "./parse-policy.js";
import {
  applyMask,
  checkTagKey,
  checkTags,
  checkType,
  checkTypeChange,
  findLaterAttribute,
  isFifoName,
  parseAttributeNames,
  parseNewAddress,
  parseSettings,
} from "./parse-queue.js";
import { renderAttributes, renderCounters, timestamp } from "./render.js";
import { inKeyOrder, jsonCodec } from "./request-ids.js";
import { parseCount, Violations } from "./violations.js";

export function createAdminHandlers(
  parts: QueueHandlerParts,
): Pick<
  QueueHandlers,
  | "createQueue"
  | "getQueueUrl"
  | "getQueueAttributes"
  | "setQueueAttributes"
  | "listQueues"
  | "deleteQueue"
  | "purgeQueue"
  | "tagQueue"
  | "untagQueue"
  | "listQueueTags"
  | "listDeadLetterSourceQueues"
> {
  const { engine, pageTokens } = parts;
  const { namespace } = localCaller;
  const { identify, address, addressOnly } = createTools(parts);
  return {
    createQueue: async (request) => {
      const violations = new Violations();
      const isFifo = request.attributes?.fifoQueue === true;
      const target = parseNewAddress(violations, request.queue, isFifo, namespace);
      if (request.attributes !== undefined) checkType(violations, request.attributes, isFifo);
      const settings = parseSettings(violations, request.attributes);
      const exceeded = checkPolicy(violations, target, request.attributes?.policy);
      checkTags(violations, "tags", request.tags);
      const identity = identify(violations, request.requestId, "CreateQueue", () =>
        CreateQueueRequest.encode({
          ...request,
          tags: inKeyOrder(request.tags),
          requestId: "",
        }).finish(),
      );
      violations.throwIfAny();
      if (exceeded !== undefined) throw exceeded;
      const later = findLaterAttribute(request.attributes);
      if (later !== undefined) throw later;
      const { outcome, isReplayed } = outcomeOf(
        await engine.execute({
          name: "CreateQueue",
          bytes: commandBytes,
          isGrowing: true,
          decide: (transaction, stamp) =>
            decideOnce(transaction, stamp, identity, jsonCodec<QueueCreated>(), () =>
              decideCreateQueue(
                transaction,
                {
                  address: target,
                  isFifo,
                  settings,
                  tags: request.tags,
                  isStrict: parts.isStrictTiming,
                },
                stamp,
              ),
            ),
        }),
      );
      return { queue: target.name, created: outcome.isNew, replayed: isReplayed };
    },

    getQueueUrl: async (request) => {
      const target = addressOnly(request.queue);
      await run(engine, "GetQueueUrl", (transaction) => decideFindQueue(transaction, target));
      return { queue: target.given };
    },

    getQueueAttributes: async (request, context) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      const wanted = parseAttributeNames(violations, request.names);
      violations.throwIfAny();
      const report = await exactReport(engine, target, context);
      return {
        queue: target.given,
        attributes: renderAttributes(report.queue, wanted),
        counters: renderCounters(report),
        etag: etagOf(report.queue),
        createTime: timestamp(report.queue.createdAt),
        updateTime: timestamp(report.queue.updatedAt),
      };
    },

    setQueueAttributes: async (request, context) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      const isFifo = isFifoName(target.name);
      if (request.attributes !== undefined) {
        checkType(violations, request.attributes, isFifo);
        if (isFifo) checkTypeChange(violations, request.attributes);
      }
      const given = parseSettings(violations, request.attributes);
      const exceeded = checkPolicy(violations, target, request.attributes?.policy);
      const settings = applyMask(violations, request.updateMask, given, isFifo);
      violations.throwIfAny();
      if (exceeded !== undefined) throw exceeded;
      const later = findLaterAttribute(request.attributes);
      if (later !== undefined) throw later;
      // What has expired is over, however much of it is still to be removed: a longer retention brings nothing back.
      if (settings.retentionMs !== undefined) await exactReport(engine, target, context);
      const queue = await run(engine, "SetQueueAttributes", (transaction, stamp) =>
        decideSetQueueSettings(
          transaction,
          { address: target, settings, etag: request.etag },
          stamp,
        ),
      );
      return { attributes: renderAttributes(queue, undefined), etag: etagOf(queue) };
    },

    listQueues: async (request) => {
      const violations = new Violations();
      const countMax =
        parseCount(violations, "page_size", request.pageSize, {
          min: 1,
          max: limits.listPageMax,
        }) ?? limits.listPageMax;
      const scope = `queues ${namespace} ${request.prefix}`;
      const afterName = parsePageToken(violations, pageTokens, scope, request.pageToken);
      violations.throwIfAny();
      const { names, hasMore } = await run(engine, "ListQueues", (transaction) =>
        decideListQueues(transaction, { namespace, prefix: request.prefix, afterName, countMax }),
      );
      const last = names.at(-1);
      return {
        queues: [...names],
        nextPageToken: hasMore && last !== undefined ? pageTokens.encode(scope, last) : "",
      };
    },

    deleteQueue: async (request) => {
      const target = addressOnly(request.queue);
      await run(engine, "DeleteQueue", (transaction, stamp) =>
        decideDeleteQueue(
          transaction,
          { address: target, etag: request.etag, isStrict: parts.isStrictTiming },
          stamp,
        ),
      );
      return {};
    },

    purgeQueue: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      const identity = identify(violations, request.requestId, "PurgeQueue", () =>
        PurgeQueueRequest.encode({ ...request, requestId: "" }).finish(),
      );
      violations.throwIfAny();
      const { outcome, isReplayed } = await run(engine, "PurgeQueue", (transaction, stamp) =>
        decideOnce(
          transaction,
          stamp,
          identity,
          jsonCodec<{ readonly purgedCount: number }>(),
          () =>
            decidePurgeQueue(
              transaction,
              { address: target, isStrict: parts.isStrictTiming },
              stamp,
            ),
        ),
      );
      return { purgedCount: BigInt(outcome.purgedCount), replayed: isReplayed };
    },

    tagQueue: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      if (request.tags.size === 0)
        violations.add("MISSING_PARAMETER", "tags", "at least one tag is needed");
      checkTags(violations, "tags", request.tags);
      violations.throwIfAny();
      await run(engine, "TagQueue", (transaction) =>
        decideTagQueue(transaction, target, request.tags),
      );
      return {};
    },

    untagQueue: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      if (request.keys.length === 0)
        violations.add("MISSING_PARAMETER", "keys", "at least one key is needed");
      if (request.keys.length > limits.tagsMax) {
        violations.add(
          "INVALID_PARAMETER",
          "keys",
          `at most ${limits.tagsMax} keys, not ${request.keys.length}`,
        );
      }
      request.keys.slice(0, limits.tagsMax).forEach((key, index) => {
        checkTagKey(violations, `keys[${index}]`, key);
      });
      violations.throwIfAny();
      await run(engine, "UntagQueue", (transaction) =>
        decideUntagQueue(transaction, target, request.keys),
      );
      return {};
    },

    listQueueTags: async (request) => {
      const target = addressOnly(request.queue);
      const queue = await run(engine, "ListQueueTags", (transaction) =>
        decideFindQueue(transaction, target),
      );
      return { tags: new Map(queue.tags) };
    },

    listDeadLetterSourceQueues: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      const countMax =
        parseCount(violations, "page_size", request.pageSize, {
          min: 1,
          max: limits.listPageMax,
        }) ?? limits.listPageMax;
      const scope = `sources ${target.namespace} ${target.name}`;
      const afterName = parsePageToken(violations, pageTokens, scope, request.pageToken);
      violations.throwIfAny();
      const { names, hasMore } = await run(engine, "ListDeadLetterSourceQueues", (transaction) =>
        decideListDeadLetterSources(transaction, { address: target, afterName, countMax }),
      );
      const last = names.at(-1);
      return {
        queues: [...names],
        nextPageToken: hasMore && last !== undefined ? pageTokens.encode(scope, last) : "",
      };
    },
  };
}

/** Counters exact at the instant of the answer, however much time had to be caught up with. */
async function exactReport(
  engine: CommandRunner,
  address: QueueAddress,
  context: CallContext,
): Promise<QueueReport> {
  for (;;) {
    const report = await run(engine, "GetQueueAttributes", (transaction, stamp) =>
      decideReportQueue(transaction, address, stamp),
    );
    // Each turn settles up to limits.settleMax rows, so this ends; and nobody waits beyond his deadline.
    const isDone = !report.hasMore || engine.keepsNothing === true;
    if (isDone || context.isCancelled) return report;
  }
}
