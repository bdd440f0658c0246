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

/** The id is looked up in the queue or in its group, by the scope in force at this send. */
export function dedupKeyOf(
  queue: Queue,
  dedupId: string,
  groupId: string | undefined,
): RememberedKey {
  const isByGroup = queue.settings.dedupScope === "group" && groupId !== undefined;
  // Ids hold no spaces, so no id and group make the text of others.
  return keyOf(isByGroup ? `group ${groupId} ${dedupId}` : `queue ${dedupId}`);
}

/** 16 bytes: two of a billion ids share one with a probability of one in 10^20. */
export const keyOf = (text: string): RememberedKey => hash("sha256", text, "binary").slice(0, 16);

/** The send that this one is a duplicate of. */
export function findOriginal(open: OpenQueue, key: RememberedKey): DedupEntry | undefined {
  const entry = open.transaction.dedupEntry(open.queue, key);
  return entry !== undefined && isRemembered(entry, open.queue.settings.dedupWindowMs, open)
    ? entry
    : undefined;
}

/** At the end of the window it is over: deadlines are inclusive. */
export const isRemembered = (
  entry: { readonly at: DedupEntry["at"] },
  windowMs: DurationMs,
  { now }: Pick<OpenQueue, "now">,
): boolean => after(entry.at, windowMs) > now;
