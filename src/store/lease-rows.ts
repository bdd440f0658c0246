// Leases of caches in the store: their rows and the keys of these. A name is hashed, since it may be longer than a key of the store.
// A second row stands in the order of ends, so that whoever takes a lease can remove a few that have ended, and no worker need pass.

import { hash } from "node:crypto";
import type { CacheKey, EpochMs, Version } from "../base/brands.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import type { Lease, LeaseKind, LeaseName } from "../cache/model.js";
import { ByteReader, ByteWriter } from "./bytes.js";
import { cacheLetters } from "./cache-keys.js";
import { segmentPrefixLength, u64Text } from "./keys.js";

const writer = new ByteWriter();

const newest = 1;

const kindLetters = { load: "l", lock: "m" } as const satisfies Record<LeaseKind, string>;
const hashBytes = 16;
const hashOf = (key: CacheKey): string => hash("sha256", key, "binary").slice(0, hashBytes);

export const leaseKey = (prefix: string, { kind, key }: LeaseName): string =>
  prefix + cacheLetters.lease + kindLetters[kind] + hashOf(key);

const dueStart = (prefix: string, kind: LeaseKind): string =>
  prefix + cacheLetters.leaseDue + kindLetters[kind];

export const leaseDueKey = (prefix: string, { kind, key }: LeaseName, endsAt: EpochMs): string =>
  dueStart(prefix, kind) + u64Text(endsAt) + hashOf(key);

type Range = readonly [from: string, to: string];

export const leaseDueRange = (prefix: string, kind: LeaseKind): Range => {
  const start = dueStart(prefix, kind);
  return [start, `${start}\xff`];
};

/** Those that have ended by an instant. */
export const endedLeases = (prefix: string, kind: LeaseKind, now: EpochMs): Range => {
  const start = dueStart(prefix, kind);
  return [start, start + u64Text(now + 1)];
};

const kindAt = segmentPrefixLength + 1;

/** The lease of a row in the order of ends. */
export const leaseKeyOfDue = (prefix: string, dueKey: string): string =>
  prefix + cacheLetters.lease + dueKey[kindAt] + dueKey.slice(-hashBytes);
/** The other way round. */
export const leaseDueKeyOf = (prefix: string, rowKey: string, endsAt: EpochMs): string =>
  prefix + cacheLetters.leaseDue + rowKey[kindAt] + u64Text(endsAt) + rowKey.slice(-hashBytes);

function versioned(key: string, bytes: Buffer): ByteReader {
  const reader = new ByteReader(bytes, key);
  const version = reader.u8();
  if (version !== newest) throw new RecordCorrupt(key, `version ${version} is unknown`);
  return reader;
}

export const encodeLease = ({ token, endsAt }: Lease): Buffer =>
  writer.start().u8(newest).u64(token).u64(endsAt).finish();

export function decodeLease(key: string, bytes: Buffer): Lease {
  const reader = versioned(key, bytes);
  return { token: reader.u64() as Version, endsAt: reader.u64() as EpochMs };
}

/** Of which lease it is, as whoever makes keys invalid asks. */
export interface LeaseDueRow {
  readonly token: Version;
  readonly key: CacheKey;
}

export const encodeLeaseDue = ({ token, key }: LeaseDueRow): Buffer =>
  writer.start().u8(newest).u64(token).bytes(Buffer.from(key, "latin1")).finish();

export function decodeLeaseDue(key: string, bytes: Buffer): LeaseDueRow {
  const reader = versioned(key, bytes);
  return { token: reader.u64() as Version, key: reader.bytes().toString("latin1") as CacheKey };
}
