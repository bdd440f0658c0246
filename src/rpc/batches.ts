// What batches share: the checks of the whole, in SQS's order, and the shape of an entry's refusal.

import { status } from "@grpc/grpc-js";
import type { BatchEntryError } from "../gen/forebay/queue/v1/message.js";
import { limits } from "../queue/limits.js";
import type { WireFault } from "./status-details.js";
import type { Violations } from "./violations.js";

export type FailedEntry = BatchEntryError;

const entryId = /^[A-Za-z0-9_-]+$/;

/** Refuses the whole batch for what is wrong with it as a whole; entries are judged one by one after that. */
export function checkBatch(
  violations: Violations,
  entries: readonly { readonly id: string }[],
): void {
  if (entries.length === 0) {
    violations.add("EMPTY_BATCH", "entries", `a batch has 1 to ${limits.batchEntriesMax} entries`);
    return;
  }
  if (entries.length > limits.batchEntriesMax) {
    violations.add(
      "TOO_MANY_ENTRIES",
      "entries",
      `a batch has 1 to ${limits.batchEntriesMax} entries, not ${entries.length}`,
    );
    return;
  }
  entries.forEach(({ id }, index) => {
    if (id.length > limits.batchEntryIdCharactersMax || !entryId.test(id)) {
      violations.add(
        "BATCH_ENTRY_ID_INVALID",
        `entries[${index}].id`,
        `must be 1 to ${limits.batchEntryIdCharactersMax} of A-Za-z0-9_-`,
      );
    }
  });
  const seen = new Set<string>();
  entries.forEach(({ id }, index) => {
    if (seen.has(id))
      violations.add(
        "BATCH_ENTRY_IDS_NOT_DISTINCT",
        `entries[${index}].id`,
        "repeats the id of an earlier entry",
      );
    seen.add(id);
  });
}

/** Codes where the same entry, unchanged, may succeed later. */
const serverFaultCodes: ReadonlySet<status> = new Set([
  status.RESOURCE_EXHAUSTED,
  status.ABORTED,
  status.INTERNAL,
  status.UNAVAILABLE,
]);

export const failedEntry = (id: string, fault: WireFault): FailedEntry => ({
  id,
  code: fault.code,
  reason: fault.reason,
  message: fault.message,
  senderFault: !serverFaultCodes.has(fault.code),
});
