// Protobuf on the wire, taken apart and put together again field by field, so that each one can be spoilt: another wire type,
// another value, left out, doubled, cut. Which fields there are comes from the contract's descriptor, not from a list.

import { type ContractField, FieldType, fieldsOf } from "./contract.js";

/** The wire types of the encoding; 6 and 7 do not exist. */
export const wireTypes = {
  varint: 0,
  fixed64: 1,
  bytes: 2,
  groupStart: 3,
  groupEnd: 4,
  fixed32: 5,
} as const;

/** One field as it stands on the wire. */
export interface WireField {
  readonly number: number;
  readonly wireType: number;
  /** Without the length of a length-delimited one. */
  readonly payload: Buffer;
  /** Undefined for a field that the contract does not know. */
  readonly field?: ContractField;
  /** The fields of a message. */
  readonly children?: readonly WireField[];
}

export function varint(value: bigint | number): Buffer {
  let rest = BigInt.asUintN(64, BigInt(value));
  const bytes: number[] = [];
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest === 0n ? low : low | 0x80);
  } while (rest !== 0n);
  return Buffer.from(bytes);
}

/** The eight bytes of a `double`. */
export function double(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeDoubleLE(value);
  return bytes;
}

function readVarint(bytes: Buffer, from: number): { readonly value: bigint; readonly end: number } {
  let value = 0n;
  let at = from;
  for (let shift = 0n; ; shift += 7n) {
    const byte = bytes.readUInt8(at);
    at += 1;
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return { value, end: at };
  }
}

const tagOf = (number: number, wireType: number): Buffer => varint((number << 3) | wireType);

export function encodeField({ number, wireType, payload, children }: WireField): Buffer {
  const body = children === undefined ? payload : encodeFields(children);
  const length = wireType === wireTypes.bytes ? [varint(body.length)] : [];
  return Buffer.concat([tagOf(number, wireType), ...length, body]);
}

export const encodeFields = (fields: readonly WireField[]): Buffer =>
  Buffer.concat(fields.map(encodeField));

/** Takes a valid message apart. */
export function parseFields(bytes: Buffer, messageName: string): WireField[] {
  const known = fieldsOf(messageName);
  const fields: WireField[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = readVarint(bytes, at);
    const number = Number(tag.value >> 3n);
    const wireType = Number(tag.value & 7n);
    let from = tag.end;
    let end: number;
    if (wireType === wireTypes.varint) ({ end } = readVarint(bytes, from));
    else if (wireType === wireTypes.bytes) {
      const length = readVarint(bytes, from);
      from = length.end;
      end = from + Number(length.value);
    } else if (wireType === wireTypes.fixed64) end = from + 8;
    else throw new Error(`No message of the contract has a field of wire type ${wireType}.`);
    const payload = bytes.subarray(from, end);
    const field = known.find((each) => each.number === number);
    fields.push({
      number,
      wireType,
      payload,
      ...(field !== undefined && { field }),
      ...(field?.type === FieldType.MESSAGE && { children: parseFields(payload, field.typeName) }),
    });
    at = end;
  }
  return fields;
}

/** Where the fields of the top level end: a message cut there is shorter, but whole. */
export function fieldEnds(fields: readonly WireField[]): Set<number> {
  const ends = new Set([0]);
  let at = 0;
  for (const field of fields) {
    at += encodeField(field).length;
    ends.add(at);
  }
  return ends;
}

export interface Mutant {
  /** What was done, as `entries.delay.seconds = 9223372036854775807`. */
  readonly what: string;
  readonly bytes: Buffer;
  /** Whether the encoding itself forbids it, whatever the field means; undefined: it depends. */
  readonly isMalformed: boolean | undefined;
}

/** Every field of the message, at every depth, spoilt in every way that fits it. */
export function* mutantsOf(messageName: string, bytes: Buffer): Iterable<Mutant> {
  yield* spoil(parseFields(bytes, messageName), "", encodeFields);
}

function* spoil(
  fields: readonly WireField[],
  path: string,
  rebuild: (fields: readonly WireField[]) => Buffer,
): Iterable<Mutant> {
  for (const [index, original] of fields.entries()) {
    const name = `${path}${original.field?.name ?? original.number}`;
    const replaced = (...by: WireField[]): Buffer => rebuild(fields.toSpliced(index, 1, ...by));
    const good = (what: string, bytes: Buffer): Mutant => ({ what, bytes, isMalformed: false });
    yield good(`${name} left out`, replaced());
    yield good(`${name} doubled`, replaced(original, original));
    yield good(`${name} ten times`, replaced(...Array<WireField>(10).fill(original)));
    for (const { what, isMalformed, ...other } of wrongTypes(original)) {
      const bytes = replaced({ number: original.number, ...other });
      // Something is left after it, which tells.
      const isSeen = path === "" && index < fields.length - 1;
      yield { what: `${name} ${what}`, bytes, isMalformed: isMalformed ?? (isSeen || undefined) };
    }
    for (const { what, payload, isMalformed } of wrongValues(original)) {
      const { number, wireType } = original;
      const bytes = replaced({ number, wireType, payload });
      yield { what: `${name} = ${what}`, bytes, isMalformed };
    }
    const { children } = original;
    if (children !== undefined) {
      const { number, wireType, payload } = original;
      const within = (changed: readonly WireField[]): Buffer =>
        replaced({ number, wireType, payload, children: changed });
      yield* spoil(children, `${name}.`, within);
      for (const unknown of unknownFields) {
        const { what, field, isMalformed } = unknown;
        yield { what: `${name} with ${what}`, bytes: within([...children, field]), isMalformed };
      }
    }
  }
  if (path === "") {
    for (const unknown of unknownFields) {
      const { what, field, isMalformed } = unknown;
      yield { what, bytes: rebuild([...fields, field]), isMalformed: isMalformed ?? true };
    }
    const reversed = rebuild(fields.toReversed());
    yield { what: "fields in reverse", bytes: reversed, isMalformed: false };
  }
}

const none = Buffer.alloc(0);
/** 1, with bytes that add nothing. */
const padded = Buffer.from([0x81, 0x80, 0x80, 0x00]);
const eightBytes = Buffer.from([1, 2, 3, 4, 5, 6, 7, 8]);

function* wrongTypes({ wireType }: WireField) {
  const { varint: number, fixed64, bytes, groupStart, groupEnd, fixed32 } = wireTypes;
  const others = [
    { what: "as a number", wireType: number, payload: varint(1), isMalformed: false },
    { what: "as 64 bits", wireType: fixed64, payload: eightBytes, isMalformed: false },
    { what: "as bytes", wireType: bytes, payload: Buffer.from("bytes"), isMalformed: false },
    { what: "as no bytes", wireType: bytes, payload: none, isMalformed: false },
    { what: "as the start of a group", wireType: groupStart, payload: none, isMalformed: true },
    // Within a message the generated decoders go on after it in the message around, and cannot tell.
    { what: "as the end of a group", wireType: groupEnd, payload: none, isMalformed: undefined },
    {
      what: "as 32 bits",
      wireType: fixed32,
      payload: eightBytes.subarray(0, 4),
      isMalformed: false,
    },
    { what: "as a type 6", wireType: 6, payload: none, isMalformed: true },
    { what: "as a type 7", wireType: 7, payload: varint(1), isMalformed: true },
  ];
  for (const other of others) if (other.wireType !== wireType) yield other;
}

const integers: readonly bigint[] = [
  0n,
  1n,
  -1n,
  2n ** 31n - 1n,
  2n ** 31n,
  -(2n ** 31n),
  2n ** 32n,
  2n ** 53n,
  2n ** 63n - 1n,
  -(2n ** 63n),
];

/** What may stand where text is expected. */
const texts: readonly (readonly [string, Buffer])[] = [
  ["nothing", Buffer.alloc(0)],
  ["a blank", Buffer.from(" ")],
  ["a NUL", Buffer.from("\0")],
  ["a control character", Buffer.from("a\u0001")],
  ["U+FFFF", Buffer.from("\uffff")],
  ["a slash", Buffer.from("a/b")],
  ["prototype's name", Buffer.from("__proto__")],
  ["a constructor's name", Buffer.from("constructor")],
  ["a right-to-left override", Buffer.from("\u202eabc")],
  ["quotes", Buffer.from("\"'`$")],
  ["100,000 characters", Buffer.alloc(100_000, "x")],
];

/** What is no UTF-8: bytes to a field of bytes, nothing to a text. */
const noTexts: readonly (readonly [string, Buffer])[] = [
  ["a byte that is no UTF-8", Buffer.from([0xff])],
  ["an overlong slash", Buffer.from([0xc0, 0xaf])],
  ["a surrogate in UTF-8", Buffer.from([0xed, 0xa0, 0x80])],
  ["half a character", Buffer.from([0xf0, 0x9f, 0x98])],
  ["beyond Unicode", Buffer.from([0xf4, 0x90, 0x80, 0x80])],
];

const doubles: readonly number[] = [
  0,
  -0,
  1,
  -1,
  0.1,
  10,
  2 ** 53,
  Number.MAX_VALUE,
  Number.MIN_VALUE,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
];

/** Seconds and nanos of durations and times: each by itself, and pairs that contradict each other. */
const spans: readonly (readonly [bigint, bigint])[] = [
  ...integers.map((seconds) => [seconds, 0n] as const),
  ...[1n, -1n, 1_000_000n, 999_999_999n, 1_000_000_000n, -(2n ** 31n), 2n ** 31n - 1n].flatMap(
    (nanos) => [[0n, nanos] as const, [1n, nanos] as const],
  ),
  [-1n, 1n],
  [-1n, -1n],
  [253_402_300_799n, 999_999_999n],
  [2n ** 63n - 1n, 2n ** 31n - 1n],
  [-(2n ** 63n), -(2n ** 31n)],
];

function* wrongValues({ field, wireType }: WireField) {
  if (wireType === wireTypes.fixed64) {
    for (const value of doubles) {
      yield { what: String(value), payload: double(value), isMalformed: false };
    }
    return;
  }
  if (wireType === wireTypes.varint) {
    for (const value of integers) {
      yield { what: String(value), payload: varint(value), isMalformed: false };
    }
    yield { what: "a number without end", payload: Buffer.alloc(11, 0xff), isMalformed: true };
    yield { what: "a number longer than need be", payload: padded, isMalformed: false };
    return;
  }
  const isText = field?.type === FieldType.STRING;
  // As a message they are fields by chance, as a list of numbers some numbers.
  const isChance = !isText && field?.type !== FieldType.BYTES;
  for (const [what, payload] of texts) {
    yield { what, payload, isMalformed: isChance ? undefined : false };
  }
  for (const [what, payload] of noTexts) {
    yield { what, payload, isMalformed: isChance ? undefined : isText };
  }
  const { typeName = "" } = field ?? {};
  if (typeName === "google.protobuf.Duration" || typeName === "google.protobuf.Timestamp") {
    for (const [seconds, nanos] of spans) {
      const payload = Buffer.concat([
        tagOf(1, wireTypes.varint),
        varint(seconds),
        tagOf(2, wireTypes.varint),
        varint(nanos),
      ]);
      yield { what: `${seconds} s ${nanos} ns`, payload, isMalformed: false };
    }
  }
}

const unknownFields: readonly {
  readonly what: string;
  readonly field: WireField;
  readonly isMalformed: boolean | undefined;
}[] = [
  {
    what: "an unknown number",
    isMalformed: false,
    field: { number: 1_000, wireType: wireTypes.varint, payload: varint(7) },
  },
  {
    what: "an unknown text",
    isMalformed: false,
    field: { number: 1_001, wireType: wireTypes.bytes, payload: Buffer.from("text") },
  },
  {
    what: "the largest field number",
    isMalformed: false,
    field: { number: 2 ** 28 - 1, wireType: wireTypes.varint, payload: varint(7) },
  },
  {
    what: "a field number of 0",
    // As for the end of a group.
    isMalformed: undefined,
    field: { number: 0, wireType: wireTypes.varint, payload: varint(7) },
  },
  {
    what: "groups within groups",
    isMalformed: false,
    field: { number: 500, wireType: wireTypes.groupStart, payload: nestedGroups(50) },
  },
  {
    what: "groups without end",
    isMalformed: true,
    field: { number: 500, wireType: wireTypes.groupStart, payload: nestedGroups(10_000) },
  },
];

/** The inside and the end of a group that holds a group that holds a group … */
function nestedGroups(depth: number): Buffer {
  const start = tagOf(500, wireTypes.groupStart);
  const end = tagOf(500, wireTypes.groupEnd);
  return Buffer.concat([
    ...Array<Buffer>(depth).fill(start),
    ...Array<Buffer>(depth + 1).fill(end),
  ]);
}
