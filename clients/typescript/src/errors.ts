// What calls throw. Branch on `reason`: it is stable, the text is for people.
//
// ForebayError     the server refused, or something of this client's own bounds did
// ConnectionError  nobody answered: refused, unknown host, or lost on the way; whether the call took effect is unknown
// DeadlineError    the call took longer than its deadline; whether it took effect is unknown
// An aborted call throws its signal's reason instead.

import { status as StatusCode } from "@grpc/grpc-js";

/** One bad field of a request. */
export interface FieldViolation {
  /** The field's name in the contract, with its place: `entries[2].delay`. */
  readonly field: string;
  /** What is wrong with it. */
  readonly description: string;
}

/** One bound that was reached. */
export interface QuotaViolation {
  /** What reached it. */
  readonly subject: string;
  /** Which bound. */
  readonly description: string;
}

/** What was not found. */
export interface ErrorResource {
  /** Its kind, such as `queue`. */
  readonly type: string;
  /** Its name. */
  readonly name: string;
  /** What is the matter with it. */
  readonly description: string;
}

/** The parts of a ForebayError. */
export interface ForebayErrorFields {
  readonly code: number;
  readonly reason: string;
  readonly message: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly fieldViolations?: readonly FieldViolation[];
  readonly quotaViolations?: readonly QuotaViolation[];
  readonly retryAfterMs?: number | undefined;
  readonly resource?: ErrorResource | undefined;
  readonly cause?: unknown;
}

/** A call that did not succeed. */
export class ForebayError extends Error {
  override readonly name: string = "ForebayError";
  /** The gRPC status code, 1 to 16. */
  readonly code: number;
  /** The name of the code, such as `NOT_FOUND`. */
  readonly status: string;
  /**
   * Why, in UPPER_SNAKE, such as `QUEUE_NOT_FOUND`; the contract lists them with each call. This client's own are
   * CONNECTION_FAILED, CONNECTION_LOST, DEADLINE_EXCEEDED, MD5_MISMATCH, CLIENT_BACKLOG and CLIENT_CLOSED.
   */
  readonly reason: string;
  /** The variables of the message, by name. */
  readonly metadata: Readonly<Record<string, string>>;
  /** With INVALID_ARGUMENT: every bad field. */
  readonly fieldViolations: readonly FieldViolation[];
  /** With RESOURCE_EXHAUSTED: the bounds that were reached. */
  readonly quotaViolations: readonly QuotaViolation[];
  /** How many milliseconds the server asks to wait before trying again; undefined where it does not say. */
  readonly retryAfterMs: number | undefined;
  /** With NOT_FOUND: what was not found. */
  readonly resource: ErrorResource | undefined;

  constructor(fields: ForebayErrorFields) {
    super(fields.message, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.code = fields.code;
    this.status = StatusCode[fields.code] ?? String(fields.code);
    this.reason = fields.reason;
    this.metadata = fields.metadata ?? {};
    this.fieldViolations = fields.fieldViolations ?? [];
    this.quotaViolations = fields.quotaViolations ?? [];
    this.retryAfterMs = fields.retryAfterMs;
    this.resource = fields.resource;
  }
}

/** No server answered. Its reason is CONNECTION_FAILED (never reached) or CONNECTION_LOST (while the call was under way). */
export class ConnectionError extends ForebayError {
  override readonly name = "ConnectionError";
  /** The endpoint that was dialled. */
  readonly endpoint: string;

  constructor(endpoint: string, fields: Omit<ForebayErrorFields, "code">) {
    super({ ...fields, code: StatusCode.UNAVAILABLE });
    this.endpoint = endpoint;
  }
}

/** The deadline passed before the answer came. `cause` is what kept the call from being answered, where that is known. */
export class DeadlineError extends ForebayError {
  override readonly name = "DeadlineError";

  constructor(message: string, cause: unknown) {
    super({ code: StatusCode.DEADLINE_EXCEEDED, reason: "DEADLINE_EXCEEDED", message, cause });
  }
}

/** A body or an answer whose MD5 is not that of the bytes it came with. */
export function md5Mismatch(messageId: string): ForebayError {
  return new ForebayError({
    code: StatusCode.DATA_LOSS,
    reason: "MD5_MISMATCH",
    message: `The body of message ${messageId} was altered on its way: its MD5 does not match.`,
    metadata: { message_id: messageId },
  });
}

/** A call on a client, producer or queue that was closed. */
export function closedError(what: string): ForebayError {
  return new ForebayError({
    code: StatusCode.CANCELLED,
    reason: "CLIENT_CLOSED",
    message: `The ${what} is closed.`,
  });
}

/** More waits inside this client than its bound. */
export function backlogError(): ForebayError {
  return new ForebayError({
    code: StatusCode.RESOURCE_EXHAUSTED,
    reason: "CLIENT_BACKLOG",
    message: "Too many calls wait inside this client. Await some of them before making more.",
  });
}
