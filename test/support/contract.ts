// The contract as a test reads it: services, methods and messages of the descriptor set that reflection serves, and the
// errors that the comment of each method promises.

import { fromBinary } from "@bufbuild/protobuf";
import {
  type DescriptorProto,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
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

/** The files that hold a service each, the one with the conventions first. */
const serviceFiles: readonly FileDescriptorProto[] = ["queue", "schedule"].flatMap((service) =>
  files.filter(({ name }) => name === `forebay/queue/v1/${service}_service.proto`),
);

// Field numbers in descriptor.proto, of which a source path is made.
const servicePath = [6, 0];
const methodsField = 2;
const syntaxPath = [12];

function commentAt(
  file: FileDescriptorProto | undefined,
  path: readonly number[],
  isDetached = false,
): string {
  const location = file?.sourceCodeInfo?.location.find((each) => each.path.join() === path.join());
  return isDetached
    ? (location?.leadingDetachedComments.join("\n") ?? "")
    : (location?.leadingComments ?? "");
}

/** What follows `Errors of …:` or stands in the conventions, as `CODE / REASON, REASON: when`. */
function errorsIn(method: string, comment: string): DocumentedError[] {
  return [...comment.matchAll(/^\s*([A-Z_]+) \/ ([A-Z_]+(?:, [A-Z_]+)*): /gm)].flatMap(
    ([, code = "", reasons = ""]) =>
      reasons.split(", ").map((reason) => ({ method, code, reason })),
  );
}

/** The errors of the comment of each method. */
export function documentedErrors(): DocumentedError[] {
  return serviceFiles.flatMap((file) =>
    (file.service[0]?.method ?? []).flatMap(({ name }, index) =>
      errorsIn(name, commentAt(file, [...servicePath, methodsField, index])),
    ),
  );
}

/** The errors that every call may answer. */
export function commonErrors(): DocumentedError[] {
  const [conventions] = serviceFiles;
  const comment = commentAt(conventions, syntaxPath) || commentAt(conventions, syntaxPath, true);
  return errorsIn("*", comment);
}

export const FieldType = FieldDescriptorProto_Type;
export type FieldType = FieldDescriptorProto_Type;

export interface ContractField {
  readonly name: string;
  readonly number: number;
  readonly type: FieldType;
  /** The full name of the message or enum it holds; empty for plain values. */
  readonly typeName: string;
  readonly isRepeated: boolean;
  readonly isMap: boolean;
  readonly comment: string;
}

// Field numbers in descriptor.proto, as above.
const messagesField = 4;
const nestedField = 3;
const fieldsField = 2;

const messages = new Map<string, readonly ContractField[]>();
for (const file of files) {
  const comments = new Map(
    file.sourceCodeInfo?.location.map(({ path, leadingComments }) => [
      path.join(),
      leadingComments,
    ]),
  );
  const addMessage = (type: DescriptorProto, scope: string, path: readonly number[]): void => {
    const fullName = `${scope}.${type.name}`;
    const maps = new Set(
      type.nestedType
        .filter(({ options }) => options?.mapEntry === true)
        .map(({ name }) => `.${fullName}.${name}`),
    );
    messages.set(
      fullName,
      type.field.map((field, index) => ({
        name: field.name,
        number: field.number,
        type: field.type,
        typeName: field.typeName.slice(1),
        isRepeated: field.label === FieldDescriptorProto_Label.REPEATED,
        isMap: maps.has(field.typeName),
        comment: comments.get([...path, fieldsField, index].join()) ?? "",
      })),
    );
    for (const [index, nested] of type.nestedType.entries()) {
      addMessage(nested, fullName, [...path, nestedField, index]);
    }
  };
  for (const [index, type] of file.messageType.entries()) {
    addMessage(type, file.package, [messagesField, index]);
  }
}

/** The fields of a message by its full name, as `forebay.queue.v1.SendMessageRequest`. */
export function fieldsOf(fullName: string): readonly ContractField[] {
  const fields = messages.get(fullName);
  if (fields === undefined) throw new Error(`The contract has no message ${fullName}.`);
  return fields;
}

/** The range that a field's comment documents. */
export interface DocumentedRange {
  /** In milliseconds for a duration. */
  readonly min: number;
  readonly max: number;
  readonly kind: "integer" | "double" | "duration";
}

export function rangeOf({ comment, type }: ContractField): DocumentedRange | undefined {
  const found = /Range: \[(-?[\d.]+)(s?), (-?[\d.]+)s?\]/.exec(comment);
  if (found === null) return undefined;
  const [, min, unit, max] = found;
  const factor = unit === "s" ? 1_000 : 1;
  const ends = { min: Number(min) * factor, max: Number(max) * factor };
  if (unit === "s") return { ...ends, kind: "duration" };
  return { ...ends, kind: type === FieldType.DOUBLE ? "double" : "integer" };
}

export interface ContractMethod {
  readonly name: string;
  readonly path: string;
  readonly requestType: string;
  readonly isStream: boolean;
}

/** Every method of the services with the full name of its request. */
export const methods: readonly ContractMethod[] = serviceFiles.flatMap((file) =>
  file.service.flatMap((service) =>
    service.method.map(({ name, inputType, clientStreaming }) => ({
      name,
      path: `/${file.package}.${service.name}/${name}`,
      requestType: inputType.replace(/^\./, ""),
      isStream: clientStreaming,
    })),
  ),
);
