// Counts the results in an answer without decoding them, so that every answer is checked and the load stays light.

import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** How often the field of this number stands in the message, at its outermost level. */
export function countFields(message: Uint8Array, wanted: number): number {
  const reader = new BinaryReader(message);
  let count = 0;
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field === wanted) count += 1;
    reader.skip(type, field);
  }
  return count;
}

/** The same for a repeated message, of whose items only those count whose first field is `firstField`. */
export function countItems(message: Uint8Array, wanted: number, firstField: number): number {
  const reader = new BinaryReader(message);
  let count = 0;
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (field !== wanted || type !== WireType.LengthDelimited) {
      reader.skip(type, field);
      continue;
    }
    const bytes = reader.uint32();
    // A field below 16 has its number in the upper five bits of its first byte.
    if (bytes > 0 && (message[reader.pos] ?? 0) >>> 3 === firstField) count += 1;
    reader.pos += bytes;
  }
  return count;
}
