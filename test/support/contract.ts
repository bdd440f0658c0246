// The contract as a test reads it: services, methods and messages of the descriptor set that reflection serves, and the
// errors that the comment of each method promises.

import { fromBinary } from "@bufbuild/protobuf";
import {
  type DescriptorProto,
  type FileDescriptorProto,
  FileDescriptorSetSchema,
} from "@bufbuild/protobuf/wkt";
import { descriptorSetBase64 } from "../../src/gen/descriptor.js";

/** An error that a comment documents. */
export interface DocumentedError {
  /** As `SendMessage`. */
  readonly method: string;
  /** As `NOT_FOUND`. */
  readonly code: string;
  /** As `QUEUE_NOT_FOUND`. */
  readonly reason: string;
}

const files: readonly FileDescriptorProto[] = fromBinary(
  FileDescriptorSetSchema,
  Buffer.from(descriptorSetBase64, "base64"),
).file;

const queueServiceFile = files.find(({ name }) => name === "forebay/queue/v1/queue_service.proto");

// Field numbers in descriptor.proto, of which a source path is made.
const servicePath = [6, 0];
const methodsField = 2;
const syntaxPath = [12];

function commentAt(path: readonly number[], isDetached = false): string {
  const location = queueServiceFile?.sourceCodeInfo?.location.find(
    (each) => each.path.join() === path.join(),
  );
  return isDetached
    ? (location?.leadingDetachedComments.join("\n") ?? "")
    : (location?.leadingComments ?? "");
}

/** The names of the queue service's methods, in their order. */
export const methodNames: readonly string[] =
  queueServiceFile?.service[0]?.method.map(({ name }) => name) ?? [];

/** What follows `Errors of …:` or stands in the conventions, as `CODE / REASON, REASON: when`. */
function errorsIn(method: string, comment: string): DocumentedError[] {
  return [...comment.matchAll(/^\s*([A-Z_]+) \/ ([A-Z_]+(?:, [A-Z_]+)*): /gm)].flatMap(
    ([, code = "", reasons = ""]) =>
      reasons.split(", ").map((reason) => ({ method, code, reason })),
  );
}

/** The errors of the comment of each method. */
export function documentedErrors(): DocumentedError[] {
  return methodNames.flatMap((method, index) =>
    errorsIn(method, commentAt([...servicePath, methodsField, index])),
  );
}

/** The errors that every call may answer. */
export function commonErrors(): DocumentedError[] {
  const comment = commentAt(syntaxPath) || commentAt(syntaxPath, true);
  return errorsIn("*", comment);
}

/** A message type by its full name, as `forebay.queue.v1.SendMessageRequest`. */
export function messageType(fullName: string): DescriptorProto {
  for (const file of files) {
    for (const type of file.messageType) {
      if (`${file.package}.${type.name}` === fullName) return type;
      const nested = type.nestedType.find(
        ({ name }) => `${file.package}.${type.name}.${name}` === fullName,
      );
      if (nested !== undefined) return nested;
    }
  }
  throw new Error(`The contract has no message ${fullName}.`);
}

export interface ContractMethod {
  readonly name: string;
  readonly path: string;
  readonly requestType: string;
  readonly isStream: boolean;
}

/** Every method of the queue service with the full name of its request. */
export const methods: readonly ContractMethod[] = (queueServiceFile?.service[0]?.method ?? []).map(
  ({ name, inputType, clientStreaming }) => ({
    name,
    path: `/forebay.queue.v1.QueueService/${name}`,
    requestType: inputType.replace(/^\./, ""),
    isStream: clientStreaming,
  }),
);
