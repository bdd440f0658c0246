// Items and values as messages of the contract. What was written as text is answered as text.

import type { CacheKey } from "../base/brands.js";
import { countedBytes } from "../cache/item-facts.js";
import type { Content, Item } from "../cache/model.js";
import type { Value } from "../cache/scalars.js";
import {
  type ItemMeta,
  ItemType,
  type Key as WireKey,
  type Value as WireValue,
} from "../gen/forebay/cache/v1/item.js";
import { timestamp } from "./render.js";

export const renderValueForm = ({ isText, bytes }: Value) =>
  isText
    ? ({ $case: "value", value: bytes.toString("utf8") } as const)
    : ({ $case: "valueData", value: bytes } as const);

export const renderValue = ({ isText, bytes }: Value): WireValue => ({
  value: isText
    ? { $case: "text", value: bytes.toString("utf8") }
    : { $case: "data", value: bytes },
});

/** As text where it is UTF-8. */
export function renderKey(key: CacheKey): WireKey {
  const bytes = Buffer.from(key, "latin1");
  const text = bytes.toString("utf8");
  // What is no UTF-8 comes back as other bytes.
  return Buffer.from(text).equals(bytes)
    ? { key: { $case: "text", value: text } }
    : { key: { $case: "data", value: bytes } };
}

const types = {
  scalar: ItemType.SCALAR,
  dictionary: ItemType.DICTIONARY,
  list: ItemType.LIST,
  set: ItemType.SET,
  sorted_set: ItemType.SORTED_SET,
  // Nothing that anybody put there.
  negative: ItemType.UNSPECIFIED,
} as const satisfies Readonly<Record<Content["kind"], ItemType>>;

export const renderType = (kind: Content["kind"]): ItemType => types[kind];

/** Of a key that has nothing. */
export const noMeta: ItemMeta = {
  type: ItemType.UNSPECIFIED,
  version: 0n,
  sizeBytes: 0n,
  flags: 0,
  contentType: "",
  tags: [],
  externalVersion: 0n,
  isPinned: false,
  isStale: false,
};

export const renderMeta = (key: CacheKey, item: Item): ItemMeta => ({
  type: renderType(item.content.kind),
  version: BigInt(item.version),
  expireTime: item.expiresAt === undefined ? undefined : timestamp(item.expiresAt),
  createTime: timestamp(item.createdAt),
  updateTime: timestamp(item.updatedAt),
  sizeBytes: BigInt(countedBytes(key, item)),
  flags: item.flags,
  contentType: item.contentType,
  tags: [...item.tags],
  externalVersion: item.externalVersion,
  isPinned: item.isPinned,
  isStale: item.isStale,
});
