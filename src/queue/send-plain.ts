// Many sends in a row to one queue, of messages that ask for nothing: no group, no deduplication, no time to come or to live, no
// priority, and no delay of the queue. Of such a message the rules leave a row at the next place and some sums, so a run of them
// changes the counters once. What comes of it is what `sendEntry` makes of each, which a test holds it to.

import { after, type EpochMs, sequence } from "../base/brands.js";
import type { Queue } from "./model.js";
import type { OpenQueue } from "./open-queue.js";
import type { SendEntry } from "./send-message.js";

export const takesPlain = ({ isFifo, settings }: Queue): boolean =>
  !isFifo && settings.delayMs === 0;

export const isPlain = (entry: SendEntry, now: EpochMs): boolean =>
  entry.content.groupId === undefined &&
  entry.content.dedupId === undefined &&
  entry.delayMs === undefined &&
  (entry.deliverAt === undefined || entry.deliverAt <= now) &&
  entry.timeToLiveMs === undefined &&
  (entry.priority ?? 0) === 0;

/** Appends messages that are all plain to a queue that takes such, and that nothing speaks against (`refusalOf`). */
export function sendPlain(open: OpenQueue, entries: readonly SendEntry[]): void {
  if (entries.length === 0) return;
  const { transaction, queue, stamp, now } = open;
  const first = open.takeFreshNumbers(entries.length);
  let storedBytes = 0;
  for (let index = 0; index < entries.length; index += 1) {
    const { content, sizeBytes } = entries[index] as SendEntry;
    storedBytes += sizeBytes;
    transaction.insertMessage(queue, {
      sequence: sequence(first + index),
      messageId: stamp.ids.messageId(now),
      sentAt: now,
      arrivedAt: now,
      indexedAt: undefined,
      expiresAt: undefined,
      sizeBytes,
      groupId: undefined,
      priority: 0,
      isIndexed: false,
      content,
    });
  }
  open.change({ stored: entries.length, storedBytes, sent: entries.length });
  const expiryAt = after(now, queue.settings.retentionMs);
  if (expiryAt < open.counters.expiryAt) open.change({ expiryAt });
}
