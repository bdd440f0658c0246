// Going on with leases: a consumer whose stream broke, or whose leader died, names what it still holds, and each lease that is the
// newest of its message and has not ended begins anew in full, to at most 12 h from its receive. A lease is part of the state, so
// that it is the same one whichever node leads; nothing is received again.

import { after, between, type DurationMs, type EpochMs, milliseconds } from "../base/brands.js";
import { findLease } from "./change-visibility.js";
import { limits } from "./limits.js";
import { OpenQueue } from "./open-queue.js";
import { findQueue, notFound, type QueueAddress } from "./queue-name.js";
import type { Receipt } from "./receipt.js";
import { accept, type Decided, type QueueRejection } from "./rejections.js";
import type { Stamp } from "./stamp.js";
import type { QueueTransaction } from "./view.js";

export interface HoldLeases {
  readonly address: QueueAddress;
  /** Undefined: what was given is not a handle. */
  readonly receipts: readonly (Receipt | undefined)[];
  /** Undefined: the queue's. */
  readonly timeoutMs: DurationMs | undefined;
  /** The shortest lease, where the queue's default is shorter. */
  readonly timeoutMsMin: DurationMs;
}

export type HoldResult =
  | {
      readonly kind: "held";
      readonly receipt: Receipt;
      /** When it was received. */
      readonly leasedAt: EpochMs;
      /** A full lease, of which the 12 h may have left less. */
      readonly leaseMs: DurationMs;
      readonly until: EpochMs;
      /** FIFO: its group. */
      readonly orderedGroup: string | undefined;
    }
  | { readonly kind: "refused"; readonly rejection: QueueRejection };

/** Leases in the order given, each by itself. */
export function decideHoldLeases(
  transaction: QueueTransaction,
  { address, receipts, timeoutMs, timeoutMsMin }: HoldLeases,
  stamp: Stamp,
): Decided<readonly HoldResult[]> {
  const queue = findQueue(transaction, address);
  if (queue === undefined) return notFound(address);
  const open = new OpenQueue(transaction, queue, stamp);
  const leaseMs =
    timeoutMs ?? milliseconds(Math.max(queue.settings.visibilityTimeoutMs, timeoutMsMin));
  const results = receipts.map((receipt): HoldResult => {
    const found = findLease(open, receipt, address, true);
    if (found.kind === "refused") return found;
    const { lease } = found;
    const { leasedAt } = lease.state;
    const leftMs = between(open.now, after(leasedAt, limits.leaseMsMax));
    const until = after(open.now, milliseconds(Math.min(leaseMs, leftMs)));
    open.putDelivery({ ...lease, state: { ...lease.state, until } }, lease);
    return {
      kind: "held",
      receipt: {
        queue: queue.number,
        segment: queue.segment,
        sequence: lease.sequence,
        ordinal: lease.ordinal,
      },
      leasedAt,
      leaseMs,
      until,
      orderedGroup: queue.isFifo ? lease.groupId : undefined,
    };
  });
  open.close();
  // It may end earlier than before, and so than the waiters' timer knows.
  transaction.wake(queue.number);
  return accept(results);
}
