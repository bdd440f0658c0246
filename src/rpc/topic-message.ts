// A message as it is published: its content rules, structure, attributes and size (Amazon SNS API reference, Publish).
//
// Texts have the characters that queues take, so that every message can reach one alone.

import type { MessageAttributeValue } from "../gen/forebay/topic/v1/message.js";
import { MessageStructure } from "../gen/forebay/topic/v1/message.js";
import type { PublishRequest } from "../gen/forebay/topic/v1/topic_service.js";
import { type JsonNode, readJson } from "../policy/json-text.js";
import { attributesSize } from "../queue/message-size.js";
import type { MessageAttribute } from "../queue/model.js";
import { topicLimits } from "../topic/limits.js";
import { structuredKeys } from "../topic/message-for-target.js";
import type { PublishEntry } from "../topic/publish.js";
import { findForbidden, isNumber, type Sender } from "./parse-message.js";
import { parseDuration, type Violations } from "./violations.js";

/** The fields that PublishRequest and a batch entry share. */
export type PublishFields = Pick<
  PublishRequest,
  | "body"
  | "contentType"
  | "subject"
  | "messageStructure"
  | "attributes"
  | "groupId"
  | "dedupId"
  | "delay"
  | "ttl"
>;

/** Parses one message; what is wrong goes to `violations`, and the result is then not to be used. */
export function parsePublish(
  violations: Violations,
  prefix: string,
  fields: PublishFields,
  { senderId, traceParent }: Sender,
): PublishEntry | undefined {
  const body = parseBody(violations, prefix, fields.body);
  checkSubject(violations, `${prefix}subject`, fields.subject);
  const isStructured = parseStructure(violations, prefix, fields);
  const attributes = parseAttributes(violations, prefix, fields.attributes);
  checkPublishId(violations, `${prefix}group_id`, fields.groupId);
  checkPublishId(violations, `${prefix}dedup_id`, fields.dedupId);
  checkContentType(violations, `${prefix}content_type`, fields.contentType);
  const delayMs = parseDuration(violations, `${prefix}delay`, fields.delay, {
    minMs: 0,
    maxMs: topicLimits.delayMsMax,
  });
  const timeToLiveMs = parseDuration(violations, `${prefix}ttl`, fields.ttl, {
    minMs: topicLimits.timeToLiveMsMin,
    maxMs: topicLimits.timeToLiveMsMax,
  });
  if (delayMs !== undefined && timeToLiveMs !== undefined && timeToLiveMs <= delayMs) {
    violations.add("INVALID_PARAMETER", `${prefix}ttl`, "must be longer than the delay");
  }
  if (body === undefined || !violations.isEmpty) return undefined;
  return {
    isText: fields.body?.$case === "text",
    isStructured,
    body,
    contentType: fields.contentType,
    subject: fields.subject,
    attributes,
    groupId: fields.groupId === "" ? undefined : fields.groupId,
    dedupId: fields.dedupId === "" ? undefined : fields.dedupId,
    sizeBytes: body.length + attributesSize(attributes),
    senderId,
    traceParent,
    delayMs,
    timeToLiveMs,
    fieldPrefix: prefix,
  };
}

function parseBody(
  violations: Violations,
  prefix: string,
  body: PublishFields["body"],
): Buffer | undefined {
  if (body === undefined || body.value.length === 0) {
    violations.add(
      "EMPTY_MESSAGE",
      `${prefix}${body?.$case ?? "text"}`,
      "a message is a text of at least one character or data of at least one byte",
    );
    return undefined;
  }
  if (body.$case === "data") {
    const { value } = body;
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  }
  return isTextAllowed(violations, `${prefix}text`, body.value)
    ? Buffer.from(body.value, "utf8")
    : undefined;
}

function isTextAllowed(violations: Violations, field: string, text: string): boolean {
  const forbidden = findForbidden(text);
  if (forbidden === undefined) return true;
  const { offset, codePoint } = forbidden;
  violations.add(
    "INVALID_MESSAGE_CONTENTS",
    field,
    `U+${codePoint.toString(16).toUpperCase().padStart(4, "0")} at offset ${offset} may not stand in a text; publish the message as data instead`,
    { offset: String(offset), code_point: String(codePoint) },
  );
  return false;
}

const characterCount = (text: string): number => [...text].length;

function checkSubject(violations: Violations, field: string, subject: string | undefined): void {
  if (subject === undefined) return;
  const count = characterCount(subject);
  const isGood =
    count >= 1 && count <= topicLimits.subjectCharactersMax && !/[\p{Cc}\p{Cs}]/u.test(subject);
  if (isGood) return;
  violations.add(
    "INVALID_SUBJECT",
    field,
    `must have 1 to ${topicLimits.subjectCharactersMax} characters and no control characters; leave it out for none`,
  );
}

function checkContentType(violations: Violations, field: string, given: string): void {
  if (given.length <= topicLimits.contentTypeCharactersMax && /^[\x20-\x7e]*$/.test(given)) return;
  violations.add(
    "INVALID_PARAMETER",
    field,
    `must have at most ${topicLimits.contentTypeCharactersMax} printable ASCII characters`,
  );
}

/** Letters, digits and punctuation of ASCII; empty is unset. */
function checkPublishId(violations: Violations, field: string, id: string): void {
  if (id === "" || (id.length <= topicLimits.idCharactersMax && /^[\x21-\x7e]+$/.test(id))) return;
  violations.add(
    "INVALID_ID",
    field,
    `must be 1 to ${topicLimits.idCharactersMax} ASCII letters, digits or punctuation`,
  );
}

/** Whether the text has a message for each kind of target. */
function parseStructure(
  violations: Violations,
  prefix: string,
  { messageStructure, body }: PublishFields,
): boolean {
  if (messageStructure === MessageStructure.UNSPECIFIED) return false;
  const field = `${prefix}message_structure`;
  if (messageStructure !== MessageStructure.JSON) {
    violations.add("INVALID_PARAMETER", field, `must be JSON, not ${messageStructure}`);
  } else if (body?.$case === "data") {
    violations.add("STRUCTURE_NOT_JSON", `${prefix}data`, "a structure is JSON text, not data");
  } else if (body !== undefined && body.value !== "") {
    checkStructure(violations, `${prefix}text`, body.value);
  }
  return true;
}

function checkStructure(violations: Violations, field: string, text: string): void {
  const read = readJson(text);
  if (read.kind === "broken" || read.node.kind !== "object") {
    const where = read.kind === "broken" ? `: ${read.description}` : "";
    violations.add("STRUCTURE_NOT_JSON", field, `must be a JSON object${where}`);
    return;
  }
  const seen = new Map<string, JsonNode>();
  for (const { name: key, value } of read.node.members) {
    if (seen.has(key)) {
      violations.add("STRUCTURE_DUPLICATE_KEY", field, `has the key "${key.slice(0, 64)}" twice`, {
        key: key.slice(0, 64),
      });
      return;
    }
    seen.set(key, value);
  }
  if (seen.get("default")?.kind !== "text") {
    violations.add("STRUCTURE_NO_DEFAULT", field, 'must have a text under the key "default"');
    return;
  }
  for (const key of structuredKeys) {
    const value = seen.get(key);
    if (value?.kind !== "text") continue;
    if (value.value === "") violations.add("EMPTY_MESSAGE", field, `its "${key}" is empty`);
    else isTextAllowed(violations, field, value.value);
  }
}

const attributeName = /^[A-Za-z0-9_.-]+$/;
const reservedPrefix = /^(aws|amazon|forebay)\./i;
const attributeType = /^(String\.Array|String|Number|Binary)(\..+)?$/s;

export function parseAttributes(
  violations: Violations,
  prefix: string,
  attributes: ReadonlyMap<string, MessageAttributeValue>,
): readonly MessageAttribute[] {
  const { attributesMax } = topicLimits;
  if (attributes.size > attributesMax) {
    const description = `at most ${attributesMax} attributes, not ${attributes.size}`;
    violations.add("INVALID_PARAMETER", `${prefix}attributes`, description);
    return [];
  }
  const parsed: MessageAttribute[] = [];
  for (const [name, value] of attributes) {
    const field = `${prefix}attributes[${JSON.stringify(name.slice(0, 64))}]`;
    checkName(violations, field, name);
    const attribute = parseAttribute(violations, field, name, value);
    if (attribute !== undefined) parsed.push(attribute);
  }
  return parsed;
}

function checkName(violations: Violations, field: string, name: string): void {
  const { attributeNameCharactersMax: max } = topicLimits;
  const isWellFormed =
    name.length <= max &&
    attributeName.test(name) &&
    !/^\.|\.$|\.\./.test(name) &&
    !reservedPrefix.test(name);
  if (isWellFormed) return;
  violations.add(
    "INVALID_ATTRIBUTE_NAME",
    field,
    `the name must be 1 to ${max} letters, digits or "_-.", without a dot at either end or two in a row, and not start with AWS., Amazon. or Forebay.`,
  );
}

function parseAttribute(
  violations: Violations,
  field: string,
  name: string,
  { dataType, value }: MessageAttributeValue,
): MessageAttribute | undefined {
  const type = attributeType.exec(dataType)?.[1];
  const { attributeTypeBytesMax: max } = topicLimits;
  const isTypeGood =
    type !== undefined &&
    Buffer.byteLength(dataType) <= max &&
    findForbidden(dataType) === undefined;
  if (!isTypeGood) {
    violations.add(
      "INVALID_ATTRIBUTE_TYPE",
      `${field}.data_type`,
      `must be String, Number, Binary or String.Array, with a label behind a dot if any, at most ${max} bytes`,
    );
    return undefined;
  }
  const wanted = type === "Binary" ? "binary_value" : "string_value";
  const refuse = (description: string): undefined => {
    violations.add("INVALID_ATTRIBUTE_VALUE", `${field}.${wanted}`, description);
    return undefined;
  };
  if (value === undefined || value.value.length === 0) {
    return refuse(`a ${type} attribute needs a ${wanted} that is not empty`);
  }
  if ((value.$case === "binaryValue") !== (type === "Binary")) {
    return refuse(`a ${type} attribute has a ${wanted} and no other`);
  }
  if (value.$case === "binaryValue") {
    const bytes = value.value;
    const copied = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return { name, dataType, isText: false, value: copied };
  }
  if (findForbidden(value.value) !== undefined) {
    return refuse("holds a character a text may not hold");
  }
  if (type === "Number" && !isNumber(value.value)) {
    return refuse("a Number has up to 38 significant digits and a magnitude from 1e-128 to 1e126");
  }
  return { name, dataType, isText: true, value: Buffer.from(value.value, "utf8") };
}
