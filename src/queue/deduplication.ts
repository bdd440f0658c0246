// Deduplication ids: within the window after an accepted send, later sends with its id are duplicates of it, whatever became of
// its message (SQS developer guide, exactly-once processing). The ids stand in the queue's segment, so that a purge forgets them.

import { hash } from "node:crypto";
import { after, type DurationMs } from "../base/brands.js";
import type { DedupEntry, MessageContent, Queue } from "./model.js";
import type { OpenQueue } from "./open-queue.js";
import type { RememberedKey } from "./view.js";

/** The id a message is deduplicated by: its own, or with content-based deduplication the SHA-256 of its body. */
export const dedupIdOf = ({ settings }: Queue, content: MessageContent): string | undefined =>
  content.dedupId ??
  (settings.isContentDeduplicated ? hash("sha256", content.body, "hex") : undefined);

/**
 * What an id of a group is remembered by; one of the queue by itself. Ids are printable and hold no spaces, so none is that of
 * others. Nothing is hashed: ids that are sent after each other are often alike, as numbers or times are, and so stand on the
 * same pages. With hashes each send writes a page of its own, which took 13 us of CPU (300,000 ids, measured).
 */
const groupKey = (dedupId: string, groupId: string): RememberedKey => ` ${groupId} ${dedupId}`;

const isByGroup = ({ queue }: OpenQueue, groupId: string | undefined): groupId is string =>
  queue.settings.dedupScope === "group" && groupId !== undefined;

/** The send that this one is a duplicate of, by the scope in force now. */
export function findOriginal(
  open: OpenQueue,
  dedupId: string,
  groupId: string | undefined,
): DedupEntry | undefined {
  if (!isByGroup(open, groupId)) return remembered(open, dedupId);
  const inGroup = remembered(open, groupKey(dedupId, groupId));
  if (inGroup !== undefined) return inGroup;
  // It may have been sent when the scope was the queue.
  const inQueue = remembered(open, dedupId);
  return inQueue?.groupId === groupId ? inQueue : undefined;
}

/** Remembers an accepted send, so that it is found by either scope: the scope may change within the window. */
export function remember(open: OpenQueue, dedupId: string, entry: DedupEntry): void {
  const { transaction, queue } = open;
  const { groupId } = entry;
  if (isByGroup(open, groupId)) {
    transaction.putDedupEntry(queue, groupKey(dedupId, groupId), entry);
    // The latest of several groups stands for the id in the queue: its window ends last. Another, from when the scope was the
    // queue, goes on standing for its own group.
    const other = remembered(open, dedupId);
    const otherKey = other?.groupId === undefined ? undefined : groupKey(dedupId, other.groupId);
    if (other !== undefined && otherKey !== undefined && remembered(open, otherKey) === undefined) {
      transaction.putDedupEntry(queue, otherKey, other);
    }
  }
  transaction.putDedupEntry(queue, dedupId, entry);
}

function remembered(open: OpenQueue, key: RememberedKey): DedupEntry | undefined {
  const entry = open.transaction.dedupEntry(open.queue, key);
  const isWithin = entry && isRemembered(entry, open.queue.settings.dedupWindowMs, open);
  return isWithin === true ? entry : undefined;
}

/** At the end of the window it is over: deadlines are inclusive. */
export const isRemembered = (
  entry: { readonly at: DedupEntry["at"] },
  windowMs: DurationMs,
  { now }: Pick<OpenQueue, "now">,
): boolean => after(entry.at, windowMs) > now;
