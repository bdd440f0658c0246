// What a request to the Consume stream must not pass.

import type { ConsumeCredit } from "../gen/forebay/queue/v1/queue_service.js";
import { limits } from "../queue/limits.js";
import type { Violations } from "./violations.js";

export function checkCredit(
  violations: Violations,
  field: string,
  { messages, bytes }: ConsumeCredit,
): void {
  if (messages < 0 || messages > limits.consumeCreditMessagesMax) {
    violations.add(
      "INVALID_PARAMETER",
      `${field}.messages`,
      `must be from 0 to ${limits.consumeCreditMessagesMax}, not ${messages}`,
    );
  }
  if (bytes < 0n || bytes > BigInt(limits.consumeCreditBytesMax)) {
    violations.add(
      "INVALID_PARAMETER",
      `${field}.bytes`,
      `must be from 0 to ${limits.consumeCreditBytesMax}, not ${bytes}`,
    );
  }
}

export function checkHandles(
  violations: Violations,
  field: string,
  handles: readonly string[],
): void {
  if (handles.length === 0)
    violations.add("MISSING_PARAMETER", field, "at least one handle is needed");
  if (handles.length > limits.consumeHandlesMax) {
    violations.add(
      "INVALID_PARAMETER",
      field,
      `at most ${limits.consumeHandlesMax} handles, not ${handles.length}`,
    );
  } else if (handles.some((handle) => handle.length > limits.receiptHandleCharactersMax)) {
    // Every answer repeats its handle.
    violations.add(
      "INVALID_PARAMETER",
      field,
      `a handle has at most ${limits.receiptHandleCharactersMax} characters`,
    );
  }
}
