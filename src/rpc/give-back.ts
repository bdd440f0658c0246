// Giving messages back at the wire: RejectMessage, and how the Consume stream's nacks and rejects are read.

import type { DurationMs } from "../base/brands.js";
import type { Duration } from "../gen/google/protobuf/duration.js";
import { decideGiveBack, type GiveBack } from "../queue/change-visibility.js";
import { limits } from "../queue/limits.js";
import { createTools, type QueueHandlerParts, type QueueHandlers, run } from "./handler-context.js";
import { checkHandle } from "./receive-handlers.js";
import { timestamp } from "./render.js";
import { parseDuration, Violations } from "./violations.js";
import { faultOf } from "./wire-errors.js";

export type GiveBackHow = Pick<GiveBack, "delayMs" | "rejected" | "isDeadLetter">;

export const parseGiveBackDelay = (
  violations: Violations,
  field: string,
  delay: Duration | undefined,
): DurationMs | undefined =>
  parseDuration(violations, field, delay, { minMs: 0, maxMs: limits.visibilityTimeoutMsMax });

interface RejectFields {
  readonly reason: string;
  readonly error: string;
  readonly delay?: Duration | undefined;
  readonly deadLetter: boolean;
}

/** What a reject asks for; what is wrong with it goes to `violations`. */
export function parseReject(
  violations: Violations,
  prefix: string,
  { reason, error, delay, deadLetter }: RejectFields,
): GiveBackHow {
  const { rejectReasonCharactersMax, rejectErrorBytesMax } = limits;
  if (reason === "") violations.add("MISSING_PARAMETER", `${prefix}reason`, "a reason is needed");
  if (reason.length > rejectReasonCharactersMax) {
    violations.add(
      "INVALID_PARAMETER",
      `${prefix}reason`,
      `must have 1 to ${rejectReasonCharactersMax} characters`,
    );
  }
  if (Buffer.byteLength(error) > rejectErrorBytesMax) {
    violations.add(
      "INVALID_PARAMETER",
      `${prefix}error`,
      `must have at most ${rejectErrorBytesMax} bytes`,
    );
  }
  if (deadLetter && delay !== undefined) {
    violations.add(
      "INVALID_PARAMETER",
      `${prefix}delay`,
      "is not for a message that goes to the dead-letter queue; give one of the two",
    );
  }
  return {
    delayMs: parseGiveBackDelay(violations, `${prefix}delay`, delay),
    rejected: { reason, error },
    isDeadLetter: deadLetter,
  };
}

export function createRejectHandler(
  parts: QueueHandlerParts,
): Pick<QueueHandlers, "rejectMessage"> {
  const { engine, receipts } = parts;
  const { address } = createTools(parts);
  return {
    rejectMessage: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      checkHandle(violations, "receipt_handle", request.receiptHandle);
      const how = parseReject(violations, "", request);
      violations.throwIfAny();
      const given = [receipts.decode(request.receiptHandle)];
      const [result] = await run(engine, "RejectMessage", (transaction, stamp) =>
        decideGiveBack(transaction, { address: target, receipts: given, ...how }, stamp),
      );
      if (result === undefined || result.kind === "refused") {
        throw faultOf(result?.rejection ?? { kind: "message_not_found", queue: target.given });
      }
      return result.kind === "changed"
        ? { visibleTime: timestamp(result.visibleAt), deadLetterQueue: "" }
        : { deadLetterQueue: result.deadLetterQueue };
    },
  };
}
