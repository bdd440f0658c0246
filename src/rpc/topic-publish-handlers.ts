// Publish and PublishBatch at the wire.

import type { Sequence } from "../base/brands.js";
import { uuidText } from "../base/ids.js";
import type { PublishFailure } from "../gen/forebay/topic/v1/message.js";
import {
  PublishBatchRequest,
  type PublishBatchResultEntry,
  PublishRequest,
} from "../gen/forebay/topic/v1/topic_service.js";
import { decideOnce, type OutcomeCodec } from "../queue/once.js";
import { hasToHandOn } from "../topic/fan-out.js";
import { topicLimits } from "../topic/limits.js";
import {
  decidePublish,
  type PublishEntry,
  type PublishResult,
  type StoredMessage,
} from "../topic/publish.js";
import { hasPushes } from "../topic/push-find.js";
import { checkBatch, failedEntry } from "./batches.js";
import type { CallContext } from "./call.js";
import { entryBytes, localCaller } from "./handler-context.js";
import { sequenceText } from "./render.js";
import { inKeyOrder } from "./request-ids.js";
import { WireFault } from "./status-details.js";
import {
  createTopicTools,
  type TopicHandlerParts,
  type TopicHandlers,
} from "./topic-handler-context.js";
import { parsePublish } from "./topic-message.js";
import { auditsOf, logAudits } from "./topic-protection-handlers.js";
import { topicFaultOf } from "./topic-wire-errors.js";
import { traceParentOf } from "./trace-parent.js";
import { Violations } from "./violations.js";

type Published = Extract<PublishResult, { kind: "published" }>;

interface KeptResult {
  readonly published?: string;
  readonly sequence?: Sequence;
  readonly duplicate?: boolean;
  readonly counts?: Published["counts"];
  readonly refused?: Extract<PublishResult, { kind: "refused" }>["rejection"];
}

const publishCodec: OutcomeCodec<readonly PublishResult[]> = {
  encode: (results) => Buffer.from(JSON.stringify(results.map(keptOf)), "utf8"),
  decode: (bytes) =>
    (JSON.parse(bytes.toString("utf8")) as readonly KeptResult[]).map(
      ({ published, sequence, duplicate, counts, refused }): PublishResult =>
        refused === undefined
          ? {
              kind: "published",
              messageId: Buffer.from(published ?? "", "base64"),
              sequence: sequence ?? (0 as Sequence),
              isDuplicate: duplicate === true,
              counts,
            }
          : { kind: "refused", rejection: refused },
    ),
};

const keptOf = (result: PublishResult): KeptResult =>
  result.kind === "refused"
    ? { refused: result.rejection }
    : {
        published: result.messageId.toString("base64"),
        sequence: result.sequence,
        duplicate: result.isDuplicate,
        counts: result.counts,
      };

export function createPublishHandlers(
  parts: TopicHandlerParts,
): Pick<TopicHandlers, "publish" | "publishBatch"> {
  const { distributor, log, pushes, tails } = parts;
  const { execute, identify, address } = createTopicTools(parts);
  const publisher = (context: CallContext) => ({
    senderId: localCaller.senderId,
    traceParent: traceParentOf(context),
  });
  return {
    publish: async (request, context) => {
      const violations = new Violations();
      const target = address(violations, request.topic);
      const entry = parsePublish(violations, "", request, publisher(context));
      const identity = identify(violations, request.requestId, "Publish", () =>
        PublishRequest.encode({
          ...request,
          attributes: inKeyOrder(request.attributes),
          requestId: "",
        }).finish(),
      );
      violations.throwIfAny();
      const entries = entry === undefined ? [] : [entry];
      const isCounted = request.wantCounts;
      const command = { address: target, entries, isWhole: false, isCounted };
      let isLeft = true;
      let isPushed = true;
      let audited: ReturnType<typeof auditsOf> = [];
      try {
        const { outcome, isReplayed } = await execute({
          name: "Publish",
          bytes: bytesOf(entries),
          isGrowing: true,
          decide: (transaction, stamp) => {
            const once = decideOnce(transaction, stamp, identity, publishCodec, () => {
              const decided = decidePublish(transaction, command, stamp);
              audited = auditsOf(decided);
              const [only] = decided.kind === "accepted" ? decided.outcome : [];
              // Refused, it leaves no trace, so that its request id may be used again.
              return only?.kind === "refused"
                ? { kind: "rejected", rejection: only.rejection }
                : decided;
            });
            isLeft = hasToHandOn(transaction, target);
            isPushed = hasPushes(transaction, target);
            return once;
          },
          committed: ({ outcome: results }) => tails.published(storedOf(results)),
        });
        const [result] = outcome;
        if (result?.kind !== "published") {
          throw topicFaultOf({ kind: "topic_not_found", topic: target.given });
        }
        const { messageId, sequence, isDuplicate, counts } = result;
        return {
          messageId: uuidText(messageId),
          sequenceNumber: sequenceText(sequence),
          duplicate: isDuplicate,
          matchedSubscriptions: counts && BigInt(counts.matched),
          filteredSubscriptions: counts && BigInt(counts.filtered),
          replayed: isReplayed,
        };
      } finally {
        // Also when nobody knows what became of it.
        if (isLeft) distributor.begin(target);
        if (isPushed) pushes.begin(target);
        logAudits(log, target.given, audited);
      }
    },

    publishBatch: async (request, context) => {
      const violations = new Violations();
      const target = address(violations, request.topic);
      checkBatch(violations, request.entries);
      const identity = identify(violations, request.requestId, "PublishBatch", () =>
        PublishBatchRequest.encode({
          ...request,
          entries: request.entries.map((entry) => ({
            ...entry,
            attributes: inKeyOrder(entry.attributes),
          })),
          requestId: "",
        }).finish(),
      );
      violations.throwIfAny();
      const failed = new Map<number, PublishFailure>();
      const parsed = parseEntries(request, publisher(context), failed);
      const entries = parsed.map(({ entry }) => entry);
      checkBatchBytes(entries);
      const isWhole = request.allOrNothing;
      const command = { address: target, entries, isWhole, isCounted: false };
      let isLeft = true;
      let isPushed = true;
      let audited: ReturnType<typeof auditsOf> = [];
      try {
        const { outcome, isReplayed } = await execute({
          name: "PublishBatch",
          bytes: bytesOf(entries),
          isGrowing: true,
          decide: (transaction, stamp) => {
            const once = decideOnce(transaction, stamp, identity, publishCodec, () => {
              const decided = decidePublish(transaction, command, stamp);
              audited = auditsOf(decided);
              return decided;
            });
            isLeft = hasToHandOn(transaction, target);
            isPushed = hasPushes(transaction, target);
            return once;
          },
          committed: ({ outcome: results }) => tails.published(storedOf(results)),
        });
        const successful: PublishBatchResultEntry[] = [];
        parsed.forEach(({ index }, place) => {
          const id = request.entries[index]?.id ?? "";
          const result = outcome[place];
          if (result?.kind === "published") successful.push(renderPublished(id, result));
          else if (result !== undefined) {
            failed.set(index, failedEntry(id, topicFaultOf(result.rejection)));
          }
        });
        return {
          successful,
          failed: [...failed].sort(([left], [right]) => left - right).map(([, entry]) => entry),
          replayed: isReplayed,
        };
      } finally {
        if (isLeft) distributor.begin(target);
        if (isPushed) pushes.begin(target);
        logAudits(log, target.given, audited);
      }
    },
  };
}

const storedOf = (results: readonly PublishResult[]): readonly StoredMessage[] =>
  results.flatMap((result) =>
    result.kind === "published" && result.stored !== undefined ? [result.stored] : [],
  );

/** The entries that are well formed; with `all_or_nothing` the first that is not refuses them all. */
function parseEntries(
  request: PublishBatchRequest,
  publisher: Parameters<typeof parsePublish>[3],
  failed: Map<number, PublishFailure>,
): readonly { readonly index: number; readonly entry: PublishEntry }[] {
  const parsed: { readonly index: number; readonly entry: PublishEntry }[] = [];
  request.entries.forEach((given, index) => {
    const violations = new Violations();
    const prefix = `entries[${index}].`;
    const entry = parsePublish(violations, prefix, given, publisher);
    const fault = violations.fault();
    if (fault === undefined) {
      if (entry !== undefined) parsed.push({ index, entry });
    } else if (request.allOrNothing) throw asWhole(index, fault);
    else failed.set(index, failedEntry(given.id, fault));
  });
  return parsed;
}

function asWhole(index: number, fault: WireFault): WireFault {
  const { code, message, metadata = {}, violations = [] } = fault.fields;
  return new WireFault({
    code,
    reason: "BATCH_REJECTED",
    message: `Nothing was published, since an entry was refused (${fault.reason}): ${message}`,
    metadata: { ...metadata, entry: String(index), entry_reason: fault.reason },
    violations,
  });
}

/** Whatever the topic's own limit is. */
function checkBatchBytes(entries: readonly PublishEntry[]): void {
  const bytes = entries.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const { batchBytesMax: limit } = topicLimits;
  if (bytes <= limit) return;
  const violations = new Violations();
  violations.add(
    "BATCH_TOO_LONG",
    "entries",
    `the entries have ${bytes} bytes together; a batch takes at most ${limit}`,
    { size: String(bytes), limit: String(limit) },
  );
  violations.throwIfAny();
}

/** The messages, and the copies that are made of them at once if few are subscribed. */
function bytesOf(entries: readonly PublishEntry[]): number {
  const { inlineSubscriptionsMax, inlineBytesMax } = topicLimits;
  const bytes = entries.reduce((sum, { sizeBytes }) => sum + sizeBytes + entryBytes, 0);
  return bytes + Math.min(inlineBytesMax, inlineSubscriptionsMax * bytes);
}

const renderPublished = (
  id: string,
  { messageId, sequence, isDuplicate }: Published,
): PublishBatchResultEntry => ({
  id,
  messageId: uuidText(messageId),
  sequenceNumber: sequenceText(sequence),
  duplicate: isDuplicate,
});
