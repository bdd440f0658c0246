// The attributes of messages. A plain value chooses its type by itself; `{ type, value }` names one, for labels such as
// `Number.int`. Received ones are always of the second form.

import type { MessageAttributeValue } from "../gen/forebay/queue/v1/message.js";

/** A value with its type: `String`, `Number` or `Binary`, optionally with a label of the sender's own (`Number.int`). */
export interface TypedAttribute {
  /** At most 256 characters. */
  readonly type: string;
  /** Text for String and Number (kept as sent), bytes for Binary; never empty. */
  readonly value: string | Uint8Array;
}

/** An attribute to send: text is a String, a number or bigint a Number, bytes are Binary. */
export type AttributeInput = string | number | bigint | Uint8Array | TypedAttribute;

/** The attributes of a message to send, by name; at most 10. */
export type AttributesInput = Readonly<Record<string, AttributeInput>>;

/** The attributes of a received message, by name. */
export type Attributes = Readonly<Record<string, TypedAttribute>>;

const none: ReadonlyMap<string, MessageAttributeValue> = new Map();

/** The wire's form of the attributes to send. */
export function attributesToWire(
  attributes: AttributesInput | undefined,
): Map<string, MessageAttributeValue> {
  // One shared empty map: it is only ever read, and most messages have no attributes.
  if (attributes === undefined) return none as Map<string, MessageAttributeValue>;
  return new Map(Object.entries(attributes).map(([name, value]) => [name, valueToWire(value)]));
}

/** The attributes of a received message. Without a prototype, so that no name means anything else. */
export function attributesFromWire(
  attributes: ReadonlyMap<string, MessageAttributeValue>,
): Attributes {
  const result: Record<string, TypedAttribute> = Object.create(null);
  for (const [name, { dataType, value }] of attributes) {
    result[name] = { type: dataType, value: value?.value ?? "" };
  }
  return result;
}

/** The bytes attributes add to a message's size, as the contract counts them: name, full type label and value. */
export function attributesBytes(attributes: ReadonlyMap<string, MessageAttributeValue>): number {
  let bytes = 0;
  for (const [name, { dataType, value }] of attributes) {
    bytes += Buffer.byteLength(name) + Buffer.byteLength(dataType) + bytesOf(value?.value ?? "");
  }
  return bytes;
}

/** The bytes of a text (as UTF-8) or of bytes. */
export function bytesOf(content: string | Uint8Array): number {
  return typeof content === "string" ? Buffer.byteLength(content) : content.byteLength;
}

function valueToWire(input: AttributeInput): MessageAttributeValue {
  if (typeof input === "string") return textValue("String", input);
  if (typeof input === "number" || typeof input === "bigint") {
    return textValue("Number", String(input));
  }
  if (input instanceof Uint8Array) return binaryValue("Binary", input);
  const { type, value } = input;
  return typeof value === "string" ? textValue(type, value) : binaryValue(type, value);
}

function textValue(dataType: string, value: string): MessageAttributeValue {
  return { dataType, value: { $case: "stringValue", value } };
}

function binaryValue(dataType: string, value: Uint8Array): MessageAttributeValue {
  return { dataType, value: { $case: "binaryValue", value } };
}
