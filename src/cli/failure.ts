// A command that fails says three things on stderr: the reason, what happened, and what to do next. And it exits with the
// code of exit-codes.ts.

import { exitCodeOfStatus, exitCodes } from "./exit-codes.js";

/** A failure of the command itself, before or beside any call. */
export class CliFailure extends Error {
  override readonly name = "CliFailure";
  readonly exitCode: number;
  readonly next: string | undefined;

  constructor(message: string, options: { readonly exitCode: number; readonly next?: string }) {
    super(message);
    this.exitCode = options.exitCode;
    this.next = options.next;
  }
}

/** A command that was not written right. */
export function usageFailure(message: string, next?: string): CliFailure {
  return new CliFailure(message, {
    exitCode: exitCodes.usage.code,
    ...(next === undefined ? {} : { next }),
  });
}

export interface FailureReport {
  readonly text: string;
  readonly exitCode: number;
}

/** What to print for a failure, and the code to exit with. */
export function reportOf(error: unknown): FailureReport {
  if (error instanceof CliFailure) {
    return { text: lines(error.message, error.next), exitCode: error.exitCode };
  }
  if (isForebayError(error)) {
    const fields = error.fieldViolations.map(
      ({ field, description }) => `  ${field}: ${description}`,
    );
    const message = [`${error.reason}: ${error.message}`, ...fields].join("\n");
    return { text: lines(message, adviceFor(error)), exitCode: exitCodeOfStatus(error.status) };
  }
  if (error instanceof RangeError || error instanceof TypeError) {
    return { text: lines(error.message, undefined), exitCode: exitCodes.usage.code };
  }
  const text = error instanceof Error ? error.message : String(error);
  return { text: lines(text, undefined), exitCode: exitCodes.failed.code };
}

/** The parts of the client's ForebayError that are told. Known by shape, as the client is loaded only when it is needed. */
interface ForebayErrorShape {
  readonly reason: string;
  readonly message: string;
  readonly status: string;
  readonly retryAfterMs: number | undefined;
  readonly fieldViolations: readonly { readonly field: string; readonly description: string }[];
}

function isForebayError(error: unknown): error is ForebayErrorShape {
  return (
    error instanceof Error && "reason" in error && "status" in error && "fieldViolations" in error
  );
}

const adviceByReason: Readonly<Record<string, string>> = {
  QUEUE_NOT_FOUND:
    "See which queues there are with `forebay queue ls`, or make it with `forebay queue create`.",
  WRONG_TYPE:
    "See what the key has with `forebay cache meta`: cache get, dict, members, list and sorted are each for one type.",
  VALUE_TOO_LARGE:
    "Raise the limit with `forebay cache update --max-value-bytes`, or --max-element-bytes for what is in collections.",
  QUEUE_ALREADY_EXISTS:
    "Compare with `forebay queue info`, and change it with `forebay queue set`.",
  ETAG_MISMATCH:
    "Look again, as with `forebay queue info` or `topic info`, and repeat with the etag shown there.",
  STORAGE_FULL: "Free some disk, or purge or receive messages; receives and deletes go on working.",
  MESSAGE_TOO_LONG:
    "Shorten the message, or raise the queue's limit with `forebay queue set --max-bytes` (at most 1048576).",
  INVALID_MESSAGE_CONTENTS: "Send the body as bytes, with --binary.",
  IN_FLIGHT_LIMIT:
    "Delete messages that are in flight, or raise the limit with `forebay queue set --max-in-flight`.",
  MESSAGE_NOT_FOUND:
    "It was deleted, moved or has expired, or was never here. See which messages there are with `forebay peek`.",
  MESSAGE_NOT_IN_FLIGHT: "Receive it again: its lease has ended.",
  RECEIPT_HANDLE_EXPIRED: "Receive the message again, and use the handle of that receive.",
  RECEIPT_HANDLE_INVALID:
    "Copy the handle as `forebay receive -o json` shows it, and name the queue it came from.",
  RECEIVE_ATTEMPT_STALE: "Receive with another --attempt-id.",
  DLQ_NOT_FOUND:
    "Create the dead-letter queue, or name one with `forebay queue set --dead-letter-queue`.",
  DLQ_TYPE_MISMATCH: "Use a queue of the same type: FIFO with FIFO, standard with standard.",
  DLQ_NOT_ALLOWED:
    "Let the dead-letter queue take this one's messages, with `forebay queue set --redrive-allow`.",
  LABEL_EXISTS: "Take it back first with `forebay queue disallow`, or choose another label.",
  LABEL_NOT_FOUND: "See the labels in the policy that `forebay queue info` shows, as `Sid`.",
  MOVE_RESOURCE_NOT_FOUND:
    "See which queues there are with `forebay queue ls`, and which moves with `forebay move ls`.",
  MOVE_SOURCE_NOT_DLQ:
    "Moves start at a dead-letter queue; `forebay queue dead-letter-sources` shows whose it is.",
  MOVE_TASK_ALREADY_RUNNING: "Wait for it, or see and cancel it with `forebay move ls`.",
  MOVE_TASK_HANDLE_INVALID: "Copy the handle as `forebay move ls -o raw` shows it.",
  MOVE_TASK_NOT_RUNNING: "See how it ended with `forebay move ls`.",
  SCHEDULE_NOT_FOUND: "See which schedules there are with `forebay schedule ls`.",
  SCHEDULE_LIMIT: "Remove schedules that are no longer needed with `forebay schedule rm`.",
  TOPIC_NOT_FOUND:
    "See which topics there are with `forebay topic ls`, or make one with `forebay topic create`.",
  SUBSCRIPTION_NOT_FOUND:
    "See which subscriptions there are with `forebay topic subscriptions`; one that nobody confirms in 48 hours is gone.",
  SUBSCRIPTION_EXISTS_DIFFERENT_ATTRIBUTES:
    "Compare with `forebay topic subscription <id>`, or end that one first with `forebay unsubscribe`.",
  SUBSCRIPTION_NOT_PENDING: "It needs no token: see its state with `forebay topic subscription`.",
  TOPIC_EXISTS_DIFFERENT_ATTRIBUTES:
    "Compare with `forebay topic info`, and change it with `forebay topic update`.",
  TOPIC_EXISTS_DIFFERENT_TAGS: "See its tags with `forebay topic tags`, and set others with `tag`.",
  TOPIC_DRAINING:
    "Wait until it is gone: `forebay topic info` shows what is still to be delivered.",
  ARCHIVE_ACTIVE: "End the archive with `forebay topic archive <topic> 0`.",
  NO_ARCHIVE:
    "Begin one with `forebay topic archive <topic> <days>`; it keeps what is published then.",
  REPLAY_NOT_FOUND: "Start one with `forebay topic replay <subscription> --from beginning`.",
  REPLAY_RANGE: "`forebay topic info` says since when it is archived; --clamp begins there.",
  SNAPSHOT_NOT_FOUND: "See which there are with `forebay topic snapshots`.",
  FILTER_INVALID: "Try it with `forebay filter test`, which says key by key what it takes.",
  NOT_A_STREAM: "Subscribe one with `forebay subscribe <topic> --stream <name>`.",
  INVALID_TOKEN: "Copy the Token of the confirmation; after 48 hours subscribe again for another.",
  PUBLIC_URL_UNSET:
    "Start the server with --public-base-url, the address at which webhooks reach its public listener.",
  ENDPOINT_NOT_ALLOWED:
    "Webhooks go to https on 443 and 8443 of the public internet; --webhook-allowed-cidrs of the server opens others.",
  NOT_IN_CLUSTER: "Ask a node of the cluster, with --management.",
  NOT_TAKING_PART: "See what it waits for with `curl <management>/readyz`, and in its log.",
  NOT_LEADER: "Try again in a second; see who leads with `forebay cluster status`.",
  MEMBER_NOT_FOUND: "See the members with `forebay cluster status`.",
  NODE_NOT_REGISTERED: "See which nodes have registered with `forebay cluster status`.",
  UNSUPPORTED_OPERATION: "This release of the server cannot do that yet.",
};

const adviceByStatus: Readonly<Record<string, string>> = {
  INVALID_ARGUMENT: "Correct the value; `forebay help` shows what each option takes.",
  DEADLINE_EXCEEDED: "Try again, or give it longer with --timeout.",
};

function adviceFor({ reason, status, retryAfterMs }: ForebayErrorShape): string | undefined {
  const advice = adviceByReason[reason] ?? adviceByStatus[status];
  if (advice !== undefined) return advice;
  return retryAfterMs === undefined ? undefined : `Try again in ${retryAfterMs} ms.`;
}

function lines(message: string, next: string | undefined): string {
  return next === undefined ? `${message}\n` : `${message}\nNext: ${next}\n`;
}
