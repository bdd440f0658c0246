// A refused call as a test wants to see it: the gRPC code by name, and what the typed details say, decoded.
//
// It is thrown by the helpers of `scenario.ts`, so that a test reads
// `await expect(t.send("")).rejects.toMatchObject({ code: "INVALID_ARGUMENT", reason: "MISSING_PARAMETER" })`.

import { type ServiceError, status } from "@grpc/grpc-js";
import {
  BadRequest,
  ErrorInfo,
  QuotaFailure,
  ResourceInfo,
  RetryInfo,
} from "../../src/gen/google/rpc/error_details.js";
import { Status } from "../../src/gen/google/rpc/status.js";

export class CallError extends Error {
  override readonly name = "CallError";
  readonly code: string;
  readonly reason: string | undefined;
  readonly domain: string | undefined;
  readonly metadata: Readonly<Record<string, string>>;
  /** The fields that a BadRequest names, in its order. */
  readonly violations: readonly string[];
  /** `queue orders`: type and name of a ResourceInfo. */
  readonly resource: string | undefined;
  readonly retryAfterMs: number | undefined;
  /** The subjects of a QuotaFailure. */
  readonly quota: readonly string[];
  /** The trailer by which a server steers automatic retries. */
  readonly pushback: string | undefined;

  constructor(code: number, message: string, sent: Status | undefined, pushback?: string) {
    super(message);
    this.code = status[code] ?? String(code);
    this.pushback = pushback;
    const find = (name: string): Uint8Array | undefined =>
      sent?.details.find(({ typeUrl }) => typeUrl === `type.googleapis.com/google.rpc.${name}`)
        ?.value;
    const decode = <Detail>(
      name: string,
      codec: { decode(bytes: Uint8Array): Detail },
    ): Detail | undefined => {
      const bytes = find(name);
      return bytes === undefined ? undefined : codec.decode(bytes);
    };
    const info = decode("ErrorInfo", ErrorInfo);
    this.reason = info?.reason;
    this.domain = info?.domain;
    this.metadata = Object.fromEntries(info?.metadata ?? []);
    this.violations =
      decode("BadRequest", BadRequest)?.fieldViolations.map(({ field }) => field) ?? [];
    const resource = decode("ResourceInfo", ResourceInfo);
    this.resource = resource && `${resource.resourceType} ${resource.resourceName}`;
    const delay = decode("RetryInfo", RetryInfo)?.retryDelay;
    this.retryAfterMs = delay && Number(delay.seconds) * 1_000 + delay.nanos / 1_000_000;
    this.quota =
      decode("QuotaFailure", QuotaFailure)?.violations.map(({ subject }) => subject) ?? [];
  }
}

/** What grpc-js reports of a failed call. */
export function callErrorOf(error: ServiceError): CallError {
  const [trailer] = error.metadata.get("grpc-status-details-bin");
  const [pushback] = error.metadata.get("grpc-retry-pushback-ms");
  return new CallError(
    error.code,
    error.details,
    Buffer.isBuffer(trailer) ? Status.decode(trailer) : undefined,
    pushback === undefined ? undefined : String(pushback),
  );
}

/** The error of one entry of a stream. */
export const callErrorOfStatus = (sent: Status): CallError =>
  new CallError(sent.code, sent.message, sent);
