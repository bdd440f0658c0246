// What a failed commit means. LMDB says "Commit failed" and hides the cause in a promise; two more rejections that nobody can
// hold follow it.
//
// A full map is a refusal: nothing was written. Any other failure ends the process. Linux may have dropped the pages it could
// not write, so no later answer could be trusted; and LMDB (the copy in lmdb-js 3.5.6) formats a failed write's error into a
// buffer that is too small for it, so the process itself cannot be either. That is why the store looks for room before every
// batch (`disk-room.ts`) and does not wait for a write to fail.

import { isStorePanic } from "../base/store-panic.js";

/** The disk or the map has no room for this batch. Nothing of it was stored. */
export class StorageFull extends Error {
  override readonly name = "StorageFull";
}

/** The store can no longer be trusted; the process must end. */
class StoreFailed extends Error {
  override readonly name = "StoreFailed";
}

/**
 * LMDB reports one failed commit through up to three promises; the two nobody can hold carry one of these texts. Reads made before
 * the first of them arrives are told of a panic: the commit's own failure is on its way, and ends the process.
 */
export function isExpectedStoreRejection(reason: unknown): boolean {
  return (
    reason instanceof Error &&
    (/^Commit failed/.test(reason.message) ||
      isStorePanic(reason) ||
      (reason as { commitError?: unknown }).commitError !== undefined ||
      failedCommitCauses.has(reason))
  );
}
const failedCommitCauses = new WeakSet<Error>();

/** What to throw for a batch that LMDB did not commit. */
export async function commitFault(error: unknown, diskAvailableBytes: number): Promise<Error> {
  const cause = await commitCause(error);
  if (/MDB_MAP_FULL|mapsize limit/i.test(cause)) {
    return new StorageFull(`The map is full: ${cause}. Raise map_size_bytes.`);
  }
  const isFull = /No space left|Disk quota/i.test(cause) || diskAvailableBytes < fullDiskBytes;
  return new StoreFailed(
    isFull
      ? `The disk filled up while a commit was being written: ${cause}. Free some space and start again; nothing acknowledged is lost.`
      : `A commit failed with space left on the disk: ${cause}.`,
  );
}

/** Space below which a failed write is put down to a full disk: "Input/output error" also comes from one that ran out half way. */
const fullDiskBytes = 2 * 1_048_576;

async function commitCause(error: unknown): Promise<string> {
  if (!(error instanceof Error)) return String(error);
  failedCommitCauses.add(error);
  const cause = (error as { commitError?: unknown }).commitError;
  if (cause === undefined) return error.message;
  try {
    const settled = await cause;
    if (settled instanceof Error) {
      failedCommitCauses.add(settled);
      return settled.message;
    }
    return String(settled ?? error.message);
  } catch (thrown) {
    if (thrown instanceof Error) failedCommitCauses.add(thrown);
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}
