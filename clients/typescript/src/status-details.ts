// From what the wire says to a ForebayError: the google.rpc.Status in the trailer `grpc-status-details-bin` of a call, the
// google.rpc.Status inside a stream's answers, and the error of one entry of a batch.

import type { ServiceError } from "@grpc/grpc-js";
import { status as StatusCode } from "@grpc/grpc-js";
import type { BatchEntryError } from "../gen/forebay/queue/v1/message.js";
import {
  BadRequest,
  ErrorInfo,
  QuotaFailure,
  ResourceInfo,
  RetryInfo,
} from "../gen/google/rpc/error_details.js";
import { Status } from "../gen/google/rpc/status.js";
import { millisecondsOf } from "./durations.js";
import { ForebayError, type ForebayErrorFields } from "./errors.js";

const detailsKey = "grpc-status-details-bin";

/** The Status a server attached to the failure of a call; undefined when no server of ours answered. */
export function statusOf(error: Pick<ServiceError, "metadata">): Status | undefined {
  const [bytes] = error.metadata?.get(detailsKey) ?? [];
  if (!(bytes instanceof Uint8Array)) return undefined;
  try {
    return Status.decode(bytes);
  } catch {
    // A trailer that is no Status says as much as none: the code and text of the call remain.
    return undefined;
  }
}

/** The error a Status stands for. */
export function errorOfStatus(status: Status): ForebayError {
  const fields: Mutable<ForebayErrorFields> = {
    code: status.code,
    reason: StatusCode[status.code] ?? "UNKNOWN",
    message: status.message,
  };
  for (const { typeUrl, value } of status.details) {
    const type = typeUrl.slice(typeUrl.lastIndexOf("/") + 1);
    Object.assign(fields, detailReaders[type]?.(value));
  }
  return new ForebayError(fields);
}

/** The error of one entry of a batch. */
export function errorOfEntry(entry: BatchEntryError): ForebayError {
  return new ForebayError({ code: entry.code, reason: entry.reason, message: entry.message });
}

type Mutable<Fields> = { -readonly [Name in keyof Fields]: Fields[Name] };

const detailReaders: Readonly<
  Record<string, (value: Uint8Array) => Partial<ForebayErrorFields> | undefined>
> = {
  "google.rpc.ErrorInfo": (value) => {
    const { reason, metadata } = ErrorInfo.decode(value);
    return { reason, metadata: Object.fromEntries(metadata) };
  },
  "google.rpc.BadRequest": (value) => ({
    fieldViolations: BadRequest.decode(value).fieldViolations.map(({ field, description }) => ({
      field,
      description,
    })),
  }),
  "google.rpc.QuotaFailure": (value) => ({
    quotaViolations: QuotaFailure.decode(value).violations.map(({ subject, description }) => ({
      subject,
      description,
    })),
  }),
  "google.rpc.RetryInfo": (value) => {
    const { retryDelay } = RetryInfo.decode(value);
    return retryDelay && { retryAfterMs: millisecondsOf(retryDelay) };
  },
  "google.rpc.ResourceInfo": (value) => {
    const { resourceType, resourceName, description } = ResourceInfo.decode(value);
    return { resource: { type: resourceType, name: resourceName, description } };
  },
};
