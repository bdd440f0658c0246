// What values are to the caller: bytes and texts as they are, or anything that a codec makes of them.

import type { CacheValue } from "./cache-items.js";

/** Between what a caller has and what a cache stores. */
export interface CacheCodec<Item> {
  encode(item: Item): CacheValue;
  decode(value: CacheValue): Item;
}

/** Values as they are. */
export const plainCodec: CacheCodec<CacheValue> = {
  encode: (value) => value,
  decode: (value) => value,
};

/** Values as JSON texts. */
export const jsonCodec = <Item>(): CacheCodec<Item> => ({
  encode: (item) => JSON.stringify(item),
  decode: (value) => JSON.parse(textOf(value)) as Item,
});

/** Values as texts, however they were written. */
export const textCodec: CacheCodec<string> = { encode: (text) => text, decode: textOf };

function textOf(value: CacheValue): string {
  return typeof value === "string" ? value : Buffer.from(value).toString("utf8");
}
