// What became of one handle of an ack, nack, reject or hold, as the Consume stream tells it.

import { DeleteOutcome } from "../gen/forebay/queue/v1/message.js";
import type { ConsumeResult } from "../gen/forebay/queue/v1/queue_service.js";
import type { GiveBackResult } from "../queue/change-visibility.js";
import type { DeleteResult } from "../queue/delete-messages.js";
import type { HoldResult } from "../queue/hold-leases.js";
import { timestamp } from "./render.js";
import { statusOf, type WireFault } from "./status-details.js";
import { faultOf } from "./wire-errors.js";

export const refusedResult = (receiptHandle: string, fault: WireFault): ConsumeResult => ({
  receiptHandle,
  result: { $case: "error", value: statusOf(fault) },
});

export function renderDeleted(receiptHandle: string, result: DeleteResult): ConsumeResult {
  if (result.kind === "refused") return refusedResult(receiptHandle, faultOf(result.rejection));
  const value = result.kind === "deleted" ? DeleteOutcome.DELETED : DeleteOutcome.ALREADY_GONE;
  return { receiptHandle, result: { $case: "deleted", value } };
}

export function renderGivenBack(receiptHandle: string, result: GiveBackResult): ConsumeResult {
  switch (result.kind) {
    case "refused":
      return refusedResult(receiptHandle, faultOf(result.rejection));
    case "dead_lettered": {
      const value = result.deadLetterQueue;
      return { receiptHandle, result: { $case: "deadLetterQueue", value } };
    }
    case "changed": {
      const value = timestamp(result.visibleAt);
      return { receiptHandle, result: { $case: "visibleTime", value } };
    }
  }
}

export function renderHeld(receiptHandle: string, result: HoldResult): ConsumeResult {
  if (result.kind === "refused") return refusedResult(receiptHandle, faultOf(result.rejection));
  return { receiptHandle, result: { $case: "leaseEndTime", value: timestamp(result.until) } };
}
