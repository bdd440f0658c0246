// Hosts that were asked for their consent, in the store: their rows and the keys of these (`keys.ts` lists all keys).

import { hash } from "node:crypto";
import type { EpochMs } from "../base/brands.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import type { AskedHost } from "../topic/push-model.js";
import { ByteReader, ByteWriter } from "./bytes.js";
import { idBytes } from "./topic-keys.js";

const writer = new ByteWriter();

const newest = 1;

export const askedHostByte = "\x9b";
const hashBytes = 16;
export const askedHostKeyLength = 1 + hashBytes;
/** Hashed, since a name may be long; so rows stand in no order that somebody could choose. */
export const askedHostKey = (host: string): string =>
  `${askedHostByte}${hash("sha256", host, "binary").slice(0, hashBytes)}`;

export function encodeAskedHost({ askedAt, subscriptions }: AskedHost): Buffer {
  writer.start().u8(newest).u16(askedAt.length);
  for (const at of askedAt) writer.u64(at);
  writer.u16(subscriptions.length);
  for (const id of subscriptions) writer.raw(id);
  return writer.finish();
}

export function decodeAskedHost(key: string, bytes: Buffer): AskedHost {
  const reader = new ByteReader(bytes, key);
  const version = reader.u8();
  if (version !== newest) throw new RecordCorrupt(key, `version ${version} is unknown`);
  const askedAt: EpochMs[] = [];
  for (let left = reader.u16(); left > 0; left -= 1) askedAt.push(reader.u64() as EpochMs);
  const subscriptions: Buffer[] = [];
  for (let left = reader.u16(); left > 0; left -= 1) subscriptions.push(reader.raw(idBytes));
  return { askedAt, subscriptions };
}
