// Rejecting a message that came from a receive. The contract takes a reason only on a Consume stream, so this opens one
// without credit, which never gets messages, says the one thing, and closes it. Rejects are rare: a stream each is fine.

import { QueueServiceDefinition } from "../gen/forebay/queue/v1/queue_service.js";
import { startTimer } from "./clock.js";
import { durationOf } from "./durations.js";
import { DeadlineError } from "./errors.js";
import type { QueueContext } from "./queue-calls.js";
import { errorOfStatus } from "./status-details.js";

export interface MessageRejection {
  readonly queue: string;
  readonly receiptHandle: string;
  /** 1 to 128 characters, a stable word to group by. */
  readonly reason: string;
  /** At most 4096 bytes. */
  readonly error: string;
  readonly delayMs: number;
}

/** @throws ForebayError as `Queue.changeVisibility`. */
export function rejectMessage(context: QueueContext, rejection: MessageRejection): Promise<void> {
  const { queue, receiptHandle, reason, error, delayMs } = rejection;
  const { connection, timeoutMs } = context;
  return new Promise<void>((resolve, reject) => {
    const stream = connection.duplex(QueueServiceDefinition.methods.consume);
    const stopTimer = startTimer(timeoutMs, () => {
      reject(
        new DeadlineError(`${connection.endpoint} did not confirm a reject in time.`, undefined),
      );
      stream.cancel();
    });
    stream.on("data", ({ response }) => {
      if (response?.$case !== "results") return;
      const [result] = response.value.results;
      if (result?.result?.$case === "error") reject(errorOfStatus(result.result.value));
      else resolve();
      stream.end();
    });
    stream.on("error", (failure) => reject(connection.errorOf(failure)));
    stream.on("close", () => {
      stopTimer();
      // Without effect after a result or an error.
      reject(
        new DeadlineError(`${connection.endpoint} ended the stream without a result.`, undefined),
      );
    });
    stream.write({
      request: {
        $case: "start",
        value: {
          queue,
          visibilityTimeout: undefined,
          credit: undefined,
          systemAttributeNames: [],
          messageAttributeNames: [],
        },
      },
    });
    stream.write({
      request: {
        $case: "reject",
        value: {
          receiptHandles: [receiptHandle],
          reason,
          error,
          delay: durationOf(delayMs),
          deadLetter: false,
        },
      },
    });
  });
}
