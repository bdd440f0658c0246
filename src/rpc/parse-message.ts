// A message as sent: its content rules (SQS API reference, Message and MessageAttributeValue), its size and its digests.
//
// Texts are checked by code point and counted in UTF-8 bytes. Nothing is changed on the way: what comes out of a receive is
// byte for byte what went in.

import { createHash, hash } from "node:crypto";
import type {
  MessageAttributeValue,
  SendSystemAttributes,
} from "../gen/forebay/queue/v1/message.js";
import type { Duration } from "../gen/google/protobuf/duration.js";
import type { Timestamp } from "../gen/google/protobuf/timestamp.js";
import { limits } from "../queue/limits.js";
import { attributesSize } from "../queue/message-size.js";
import type { MessageAttribute } from "../queue/model.js";
import type { SendEntry } from "../queue/send-message.js";
import { checkId, parseCount, parseDuration, parseInstant, type Violations } from "./violations.js";

/** The fields that SendMessageRequest and a batch entry share. */
export interface SendFields {
  readonly body?:
    | { readonly $case: "text"; readonly value: string }
    | { readonly $case: "data"; readonly value: Uint8Array }
    | undefined;
  readonly delay?: Duration | undefined;
  readonly attributes: ReadonlyMap<string, MessageAttributeValue>;
  readonly systemAttributes?: SendSystemAttributes | undefined;
  readonly dedupId: string;
  readonly groupId: string;
  readonly deliverTime?: Timestamp | undefined;
  readonly timeToLive?: Duration | undefined;
  readonly priority?: number | undefined;
}

/** A parsed message and the digests its answer carries. */
export interface ParsedMessage {
  readonly entry: SendEntry;
  readonly md5OfBody: string;
  readonly md5OfAttributes: string;
  readonly md5OfSystemAttributes: string;
}

export interface Sender {
  readonly senderId: string;
  /** The call's `traceparent`, stored unless the message names a trace header itself. */
  readonly traceParent: string | undefined;
}

/** Parses one message; what is wrong goes to `violations`, and the result is then not to be used. */
export function parseMessage(
  violations: Violations,
  prefix: string,
  fields: SendFields,
  sender: Sender,
): ParsedMessage | undefined {
  const body = parseBody(violations, prefix, fields.body);
  const delayMs =
    fields.delay === undefined
      ? undefined
      : parseDuration(violations, `${prefix}delay`, fields.delay, {
          minMs: 0,
          maxMs: limits.delayMsMax,
        });
  const attributes =
    fields.attributes.size === 0
      ? noAttributes
      : parseAttributes(violations, prefix, fields.attributes);
  checkId(violations, `${prefix}dedup_id`, fields.dedupId, limits.idCharactersMax);
  checkId(violations, `${prefix}group_id`, fields.groupId, limits.idCharactersMax);
  const extras = parseExtras(violations, prefix, fields);
  const given = fields.systemAttributes?.traceHeader ?? "";
  const traceHeader = given === "" ? sender.traceParent : given;
  if (given !== "") {
    checkTraceHeader(violations, `${prefix}system_attributes.trace_header`, given);
  }
  if (body === undefined || !violations.isEmpty) return undefined;
  // As text first: asking for a Buffer costs 0.6 us more, and the answer needs the text.
  const md5OfBody = hash("md5", body, "hex");
  return {
    entry: {
      content: {
        isText: fields.body?.$case === "text",
        body,
        bodyMd5: Buffer.from(md5OfBody, "hex"),
        attributes,
        senderId: sender.senderId,
        groupId: fields.groupId === "" ? undefined : fields.groupId,
        dedupId: fields.dedupId === "" ? undefined : fields.dedupId,
        traceHeader,
        originalMessageId: undefined,
      },
      sizeBytes:
        attributes === noAttributes ? body.length : body.length + attributesSize(attributes),
      delayMs,
      fieldPrefix: prefix,
      ...extras,
    },
    md5OfBody,
    md5OfAttributes: attributes === noAttributes ? "" : md5OfAttributes(attributes),
    md5OfSystemAttributes: given === "" ? "" : md5OfTraceHeader(given),
  };
}

function checkTraceHeader(violations: Violations, field: string, given: string): void {
  if (Buffer.byteLength(given) > limits.traceHeaderBytesMax) {
    violations.add(
      "INVALID_PARAMETER",
      field,
      `must have at most ${limits.traceHeaderBytesMax} bytes`,
    );
  }
  if (findForbidden(given) !== undefined) {
    violations.add("INVALID_PARAMETER", field, "holds a character a text may not hold");
  }
}

/** What SQS does not have: rarely given, and then each by itself. */
function parseExtras(
  violations: Violations,
  prefix: string,
  { deliverTime, timeToLive, priority, delay }: SendFields,
): Pick<SendEntry, "deliverAt" | "timeToLiveMs" | "priority"> {
  if (deliverTime === undefined && timeToLive === undefined && priority === undefined) return {};
  if (deliverTime !== undefined && delay !== undefined) {
    violations.add(
      "INVALID_PARAMETER",
      `${prefix}delay`,
      "is not for a message with a deliver_time; give one of the two",
    );
  }
  return {
    deliverAt: parseInstant(violations, `${prefix}deliver_time`, deliverTime),
    timeToLiveMs: parseDuration(violations, `${prefix}time_to_live`, timeToLive, {
      minMs: limits.timeToLiveMsMin,
      maxMs: limits.timeToLiveMsMax,
    }),
    priority: parseCount(violations, `${prefix}priority`, priority, {
      min: 0,
      max: limits.priorityMax,
    }),
  };
}

export function parseBody(
  violations: Violations,
  prefix: string,
  body: SendFields["body"],
): Buffer | undefined {
  if (body === undefined || body.value.length === 0) {
    violations.add(
      "MISSING_PARAMETER",
      `${prefix}${body?.$case ?? "text"}`,
      "a message needs a body: text of at least one character or data of at least one byte",
    );
    return undefined;
  }
  if (body.$case === "data") {
    const { value } = body;
    return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  }
  const forbidden = findForbidden(body.value);
  if (forbidden !== undefined) {
    const { offset, codePoint } = forbidden;
    violations.add(
      "INVALID_MESSAGE_CONTENTS",
      `${prefix}text`,
      `U+${codePoint.toString(16).toUpperCase().padStart(4, "0")} at offset ${offset} may not stand in a text; send the body as data instead`,
      { offset: String(offset), code_point: String(codePoint) },
    );
    return undefined;
  }
  return Buffer.from(body.value, "utf8");
}

const plainText = /^[\t\n\r\x20-\x7e]*$/;
// What XML 1.0 allows, which is what SQS takes: no control characters, no unpaired surrogates, no U+FFFE and U+FFFF.
const forbiddenCharacter = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/u;

/** The first character a text may not hold, at its offset in UTF-16 units. */
export function findForbidden(
  text: string,
): { readonly offset: number; readonly codePoint: number } | undefined {
  if (plainText.test(text)) return undefined;
  const offset = text.search(forbiddenCharacter);
  return offset === -1 ? undefined : { offset, codePoint: text.codePointAt(offset) ?? 0 };
}

const noAttributes: readonly MessageAttribute[] = [];

// Letters, digits and `_-.`; real SQS also takes accented Latin letters, and so do we.
const attributeName = /^[A-Za-z0-9_.\u00C0-\u017F-]+$/;
const reservedPrefix = /^(aws|amazon|forebay)\./i;
const attributeType = /^(String|Number|Binary)(\..*)?$/s;

export function parseAttributes(
  violations: Violations,
  prefix: string,
  attributes: ReadonlyMap<string, MessageAttributeValue>,
): readonly MessageAttribute[] {
  if (attributes.size > limits.attributesMax) {
    violations.add(
      "INVALID_PARAMETER",
      `${prefix}attributes`,
      `at most ${limits.attributesMax} attributes, not ${attributes.size}`,
    );
    return noAttributes;
  }
  const parsed: MessageAttribute[] = [];
  for (const [name, value] of attributes) {
    const field = `${prefix}attributes[${JSON.stringify(name.slice(0, 64))}]`;
    checkAttributeName(violations, field, name);
    const attribute = parseAttribute(violations, field, name, value);
    if (attribute !== undefined) parsed.push(attribute);
  }
  return parsed;
}

export function checkAttributeName(violations: Violations, field: string, name: string): void {
  const isWellFormed =
    name.length >= 1 &&
    name.length <= limits.attributeNameCharactersMax &&
    attributeName.test(name) &&
    !name.startsWith(".") &&
    !name.endsWith(".") &&
    !name.includes("..") &&
    !reservedPrefix.test(name);
  if (isWellFormed) return;
  violations.add(
    "INVALID_PARAMETER",
    field,
    `the name must be 1 to ${limits.attributeNameCharactersMax} letters, digits or "_-.", without a dot at either end or two in a row, and not start with aws., amazon. or forebay.`,
  );
}

function parseAttribute(
  violations: Violations,
  field: string,
  name: string,
  { dataType, value }: MessageAttributeValue,
): MessageAttribute | undefined {
  const type = attributeType.exec(dataType)?.[1];
  if (
    type === undefined ||
    dataType.length > limits.attributeTypeCharactersMax ||
    findForbidden(dataType) !== undefined
  ) {
    violations.add(
      "INVALID_PARAMETER",
      `${field}.data_type`,
      `must be String, Number or Binary, with a label after a dot if any, at most ${limits.attributeTypeCharactersMax} characters`,
    );
    return undefined;
  }
  const wanted = type === "Binary" ? "binary_value" : "string_value";
  if (
    value === undefined ||
    value.value.length === 0 ||
    (value.$case === "binaryValue") !== (type === "Binary")
  ) {
    violations.add(
      "INVALID_PARAMETER",
      `${field}.${wanted}`,
      `a ${type} attribute needs a ${wanted} that is not empty`,
    );
    return undefined;
  }
  if (value.$case === "binaryValue") {
    const bytes = value.value;
    return {
      name,
      dataType,
      isText: false,
      value: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength),
    };
  }
  if (findForbidden(value.value) !== undefined) {
    violations.add(
      "INVALID_PARAMETER",
      `${field}.string_value`,
      "holds a character a text may not hold",
    );
    return undefined;
  }
  if (type === "Number" && !isNumber(value.value)) {
    violations.add(
      "INVALID_PARAMETER",
      `${field}.string_value`,
      `a Number has up to ${limits.numberDigitsMax} significant digits and a magnitude from 1e-128 to 1e126, or is 0`,
    );
    return undefined;
  }
  return { name, dataType, isText: true, value: Buffer.from(value.value, "utf8") };
}

/** Decimal text within SQS's bounds: 38 significant digits, magnitude from 1e-128 to 1e126, or 0. */
export function isNumber(text: string): boolean {
  const match = /^[+-]?(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,6}))?$/.exec(text);
  if (match === null || text.length > 512) return false;
  const [, whole = "", fraction = "", exponent = "0"] = match;
  if (whole === "" && fraction === "") return false;
  const digits = (whole + fraction).replace(/^0+/, "");
  if (digits === "") return true; // zero, however written
  const significant = digits.replace(/0+$/, "");
  if (significant.length > limits.numberDigitsMax) return false;
  // The power of ten of the first significant digit.
  const leadingZeros = (whole + fraction).length - digits.length;
  const magnitude = whole.length - leadingZeros - 1 + Number(exponent);
  return magnitude >= -128 && (magnitude < 126 || (magnitude === 126 && significant === "1"));
}

/**
 * MD5 as SQS computes it (developer guide, "Calculating the MD5 message digest for message attributes"): by name in byte
 * order; length and bytes of name and type, one byte 1 for text or 2 for binary, length and bytes of the value.
 */
export function md5OfAttributes(attributes: readonly MessageAttribute[]): string {
  const hash = createHash("md5");
  const length = Buffer.alloc(4);
  const part = (bytes: Buffer): void => {
    length.writeUInt32BE(bytes.length);
    hash.update(length).update(bytes);
  };
  const encoded = attributes.map((attribute) => ({
    attribute,
    name: Buffer.from(attribute.name, "utf8"),
  }));
  encoded.sort((left, right) => Buffer.compare(left.name, right.name));
  for (const { attribute, name } of encoded) {
    part(name);
    part(Buffer.from(attribute.dataType, "utf8"));
    hash.update(attribute.isText ? textMark : binaryMark);
    part(attribute.value);
  }
  return hash.digest("hex");
}

const textMark = Buffer.from([1]);
const binaryMark = Buffer.from([2]);

const md5OfTraceHeader = (traceHeader: string): string =>
  md5OfAttributes([
    {
      name: "AWSTraceHeader",
      dataType: "String",
      isText: true,
      value: Buffer.from(traceHeader, "utf8"),
    },
  ]);
