// How a failure looks on the wire. Every error a caller can see is a WireFault: a gRPC status with an UPPER_SNAKE reason, and
// the typed details of google.rpc (ErrorInfo always; BadRequest, RetryInfo, QuotaFailure, PreconditionFailure, ResourceInfo
// where they apply) in the trailer `grpc-status-details-bin`. Clients branch on `reason`, never on text.
//
// The same fault also goes inside messages, as the google.rpc.Status of a stream's refused entry.

import { Metadata, type StatusObject, type status } from "@grpc/grpc-js";
import type { Duration } from "../gen/google/protobuf/duration.js";
import {
  BadRequest,
  ErrorInfo,
  PreconditionFailure,
  QuotaFailure,
  ResourceInfo,
  RetryInfo,
} from "../gen/google/rpc/error_details.js";
import { Status } from "../gen/google/rpc/status.js";

/** The domain of every ErrorInfo: reasons are unique within it. */
const errorDomain = "forebay";

export interface FieldViolation {
  /** The path of the field, as in `entries[3].delay`. */
  readonly field: string;
  readonly description: string;
}

export interface Violation {
  /** What was violated on, as in `queue:orders`. */
  readonly subject: string;
  readonly description: string;
}

export interface PreconditionViolation extends Violation {
  /** The kind of precondition, as in `ETAG`. */
  readonly type: string;
}

export interface Resource {
  /** The kind, as in `queue`. */
  readonly type: string;
  readonly name: string;
}

export interface WireFaultFields {
  readonly code: status;
  /** UPPER_SNAKE, from the table in the proto's comments. */
  readonly reason: string;
  /** A sentence that helps; every variable in it is also in `metadata`. */
  readonly message: string;
  readonly metadata?: Readonly<Record<string, string>>;
  /** Every bad field of the request, not only the first. */
  readonly violations?: readonly FieldViolation[];
  /** How long to wait before asking again; `never` tells clients that waiting cannot help. */
  readonly retryAfterMs?: number | "never";
  readonly resource?: Resource;
  readonly quota?: readonly Violation[];
  readonly preconditions?: readonly PreconditionViolation[];
  /** What made it happen: logged, never sent. */
  readonly cause?: unknown;
}

/** A failure the caller is told about. Thrown by handlers, turned into a status at the edge. */
export class WireFault extends Error {
  override readonly name = "WireFault";
  readonly fields: WireFaultFields;

  constructor(fields: WireFaultFields) {
    super(fields.message, fields.cause === undefined ? undefined : { cause: fields.cause });
    this.fields = fields;
  }

  get code(): status {
    return this.fields.code;
  }

  get reason(): string {
    return this.fields.reason;
  }
}

const detailsKey = "grpc-status-details-bin";
const pushbackKey = "grpc-retry-pushback-ms";

// Clients bound the size of trailers (8 KiB in the C core of grpc), and base64 adds a third. A longer text is cut and
// superfluous violations are dropped, rather than the whole error lost.
const detailsBytesMax = 4_096;
const textCharactersMax = 1_024;
const violationCountMax = 100;

/** The fault as what grpc-js sends: code, text and trailers. */
export function statusObjectOf(fault: WireFault): StatusObject {
  const { code, retryAfterMs } = fault.fields;
  const metadata = new Metadata();
  metadata.set(detailsKey, Buffer.from(Status.encode(statusOf(fault)).finish()));
  if (retryAfterMs !== undefined) metadata.set(pushbackKey, pushbackOf(retryAfterMs));
  return { code, details: sentText(fault.fields.message), metadata };
}

/** The fault as a google.rpc.Status, as streams send it for one refused entry. */
export function statusOf(fault: WireFault): Status {
  const { violations = [] } = fault.fields;
  let kept = violations.slice(0, violationCountMax);
  let sent = buildStatus(fault.fields, kept);
  while (kept.length > 1 && Status.encode(sent).finish().length > detailsBytesMax) {
    kept = kept.slice(0, kept.length >> 1);
    sent = buildStatus(fault.fields, kept);
  }
  return sent;
}

function buildStatus(fields: WireFaultFields, violations: readonly FieldViolation[]): Status {
  const { code, reason, message, metadata = {}, retryAfterMs, resource } = fields;
  const { quota = [], preconditions = [] } = fields;
  const details = [
    any("ErrorInfo", ErrorInfo, {
      reason,
      domain: errorDomain,
      metadata: new Map(Object.entries(metadata).map(([key, value]) => [key, sentText(value)])),
    }),
  ];
  if (violations.length > 0) {
    const fieldViolations = violations.map(({ field, description }) => ({
      field: sentText(field),
      description: sentText(description),
      reason,
      localizedMessage: undefined,
    }));
    details.push(any("BadRequest", BadRequest, { fieldViolations }));
  }
  if (typeof retryAfterMs === "number") {
    details.push(any("RetryInfo", RetryInfo, { retryDelay: durationOf(retryAfterMs) }));
  }
  if (quota.length > 0) {
    const sentQuota = quota.map(({ subject, description }) => ({
      subject: sentText(subject),
      description: sentText(description),
    }));
    details.push(
      any("QuotaFailure", QuotaFailure, QuotaFailure.fromPartial({ violations: sentQuota })),
    );
  }
  if (preconditions.length > 0) {
    const sentPreconditions = preconditions.map(({ type, subject, description }) => ({
      type,
      subject: sentText(subject),
      description: sentText(description),
    }));
    details.push(
      any("PreconditionFailure", PreconditionFailure, { violations: sentPreconditions }),
    );
  }
  if (resource !== undefined) {
    const sentResource = {
      resourceType: resource.type,
      resourceName: sentText(resource.name),
      owner: "",
      description: "",
    };
    details.push(any("ResourceInfo", ResourceInfo, sentResource));
  }
  return { code, message: sentText(message), details };
}

function any<T>(name: string, codec: { encode(value: T): { finish(): Uint8Array } }, value: T) {
  return { typeUrl: `type.googleapis.com/google.rpc.${name}`, value: codec.encode(value).finish() };
}

/**
 * Text that any client can read: bounded, and without the lone surrogates that a cut or a caller may have left, which
 * percent-encoding (how gRPC sends it) cannot represent.
 */
function sentText(text: string): string {
  const cut = text.length > textCharactersMax ? `${text.slice(0, textCharactersMax - 1)}…` : text;
  return /\p{Surrogate}/u.test(cut) ? cut.replace(/\p{Surrogate}/gu, "\ufffd") : cut;
}

function durationOf(spanMs: number): Duration {
  const wholeMs = Math.max(0, Math.ceil(spanMs));
  return {
    seconds: BigInt(Math.floor(wholeMs / 1_000)),
    nanos: (wholeMs % 1_000) * 1_000_000,
  };
}

// Callers refused together must not come back together: 0 to 20 % is added, spread by the golden ratio, which fills the range
// evenly without being random. A value that does not parse would make grpc-js retry at once, hence a whole number >= 1.
let pushbackPhase = 0;
function pushbackOf(retryAfterMs: number | "never"): string {
  if (retryAfterMs === "never") return "-1";
  pushbackPhase = (pushbackPhase + 0.618_033_988_75) % 1;
  return String(Math.max(1, Math.ceil(retryAfterMs * (1 + 0.2 * pushbackPhase))));
}
