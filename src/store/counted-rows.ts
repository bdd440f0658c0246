// How the nodes of a collection's order are written: leaves with entries, and branches that count what is below each child.

import type { EpochMs } from "../base/brands.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import type { Entry, EntryKey, EntryValue } from "../cache/collections/entries.js";
import { ByteReader, ByteWriter } from "./bytes.js";

export interface Child {
  readonly node: number;
  /** Entries below it. */
  readonly count: number;
  /** The key of the first of them. */
  readonly first: EntryKey;
}

export type TreeNode =
  | { readonly kind: "leaf"; readonly entries: readonly Entry[] }
  | { readonly kind: "branch"; readonly children: readonly Child[] };

const writer = new ByteWriter();
const newest = 1;

const nodeKinds = { leaf: 0, branch: 1 } as const;
const entryFlags = { value: 1, text: 2, apart: 4, expires: 8 } as const;

/** About how long a node is when it is written. */
export function nodeBytes(node: TreeNode): number {
  let bytes = 4;
  const parts = node.kind === "leaf" ? node.entries : node.children;
  for (const part of parts) bytes += partBytes(part);
  return bytes;
}

export function partBytes(part: Entry | Child | undefined): number {
  if (part === undefined) return 0;
  if ("count" in part) return 14 + part.first.length;
  const { key, value, expiresAt } = part;
  const valueBytes = value === undefined ? 0 : (value.bytes?.length ?? 8) + 4;
  return 3 + key.length + valueBytes + (expiresAt === undefined ? 0 : 8);
}

export function encodeTreeNode(node: TreeNode): Buffer {
  writer.start().u8(newest).u8(nodeKinds[node.kind]);
  if (node.kind === "leaf") {
    writer.u16(node.entries.length);
    for (const entry of node.entries) writeEntry(entry);
    return writer.finish();
  }
  writer.u16(node.children.length);
  for (const { node: number, count, first } of node.children) {
    writer.u64(number).u32(count).u16(first.length).latin1(first);
  }
  return writer.finish();
}

function writeEntry({ key, value, expiresAt }: Entry): void {
  const isApart = value !== undefined && value.bytes === undefined;
  writer
    .u8(
      (value === undefined ? 0 : entryFlags.value) |
        (value?.isText === true ? entryFlags.text : 0) |
        (isApart ? entryFlags.apart : 0) |
        (expiresAt === undefined ? 0 : entryFlags.expires),
    )
    .u16(key.length)
    .latin1(key);
  if (value?.bytes !== undefined) writer.bytes(value.bytes);
  else if (value !== undefined) writer.u32(value.length).u64(value.apart);
  if (expiresAt !== undefined) writer.u64(expiresAt);
}

export function decodeTreeNode(key: string, bytes: Buffer): TreeNode {
  const reader = new ByteReader(bytes, key);
  const version = reader.u8();
  if (version !== newest) throw new RecordCorrupt(key, `version ${version} is unknown`);
  const kind = reader.u8();
  const count = reader.u16();
  if (kind === nodeKinds.leaf) {
    const entries: Entry[] = [];
    for (let left = count; left > 0; left -= 1) entries.push(readEntry(reader));
    return { kind: "leaf", entries };
  }
  if (kind !== nodeKinds.branch) throw new RecordCorrupt(key, "it is no node that is known");
  const children: Child[] = [];
  for (let left = count; left > 0; left -= 1) {
    children.push({
      node: reader.u64(),
      count: reader.u32(),
      first: reader.latin1(reader.u16()),
    });
  }
  return { kind: "branch", children };
}

function readEntry(reader: ByteReader): Entry {
  const flags = reader.u8();
  const key = reader.latin1(reader.u16());
  const value = (flags & entryFlags.value) === 0 ? undefined : readValue(reader, flags);
  const expiresAt = (flags & entryFlags.expires) === 0 ? undefined : (reader.u64() as EpochMs);
  return { key, value, expiresAt };
}

function readValue(reader: ByteReader, flags: number): EntryValue {
  const isText = (flags & entryFlags.text) !== 0;
  if ((flags & entryFlags.apart) !== 0) {
    return { isText, length: reader.u32(), bytes: undefined, apart: reader.u64() };
  }
  const bytes = reader.bytes();
  return { isText, length: bytes.length, bytes, apart: 0 };
}

export const encodeEntryValue = (value: Buffer): Buffer =>
  writer.start().u8(newest).bytes(value).finish();

export function decodeEntryValue(key: string, bytes: Buffer): Buffer {
  const reader = new ByteReader(bytes, key);
  const version = reader.u8();
  if (version !== newest) throw new RecordCorrupt(key, `version ${version} is unknown`);
  return reader.bytes();
}

/** Its key says all. */
export const encodeLostCollection = (): Buffer => writer.start().u8(newest).finish();

export function decodeLostCollection(key: string, bytes: Buffer): true {
  const version = new ByteReader(bytes, key).u8();
  if (version !== newest) throw new RecordCorrupt(key, `version ${version} is unknown`);
  return true;
}
