// What a session is, and how it is kept: an item of a cache that no client can name, which stands beside the cache it belongs to.
//
// A cache of its own gives sessions its reaper, fences, checksums and copies, keeps them out of scans and evictions, and lets no tag
// or key of a client meet them. Each session is an item under the SHA-256 of its id. One that has a user has a second item, without a
// value, under the user and that hash: what a user's sessions are listed by. Both have the tag `user:<id>` and the same end, so
// that a fence of the tag ends all sessions of a user, and no list, at once. Where one was destroyed an item without a value
// stays for as long as a slow request might save it.

import { hash } from "node:crypto";
import {
  type CacheKey,
  type DurationMs,
  days,
  type EpochMs,
  hours,
  type Namespace,
  type SessionHash,
  seconds,
} from "../base/brands.js";
import type { Cache, Item } from "./model.js";

export const sessionLimits = {
  idBytesMax: 256,
  /** Bytes of a hash. */
  hashBytes: 32,
  userBytesMax: 250,
  cookieBytesMax: 4_096,
  idleDefaultMs: hours(24),
  idleMsMin: seconds(1),
  idleMsMax: days(400),
  absoluteMsMax: days(3_650),
  fieldsRemovedMax: 1_000,
  /** How long a destroyed session cannot be saved. */
  guardMs: seconds(60),
} as const;

export interface Session {
  /** A JSON object. */
  readonly data: Buffer;
  readonly cookie: SessionCookie | undefined;
  /** Undefined: nobody's yet. */
  readonly user: string | undefined;
  /** 1 at first. */
  readonly version: number;
  readonly createdAt: EpochMs;
  /** When its data was last changed. */
  readonly updatedAt: EpochMs;
  readonly expiresAt: EpochMs;
  readonly idleMs: DurationMs;
  readonly absoluteEnd: EpochMs | undefined;
}

export interface SessionCookie {
  /** Undefined: it goes with the browser. */
  readonly expiresAt: EpochMs | undefined;
  /** What else is known of it, as the caller wrote it. */
  readonly attributes: string;
}

// --- where they stand -------------------------------------------------------------------------------------------------------

const namespaceSuffix = ":sessions";

/** No namespace of a client has a colon. */
export const sessionNamespace = (namespace: Namespace): Namespace =>
  `${namespace}${namespaceSuffix}` as Namespace;

export const isOfSessions = ({ namespace }: Pick<Cache, "namespace">): boolean =>
  namespace.endsWith(namespaceSuffix);

export const hashOfId = (id: string): SessionHash => hash("sha256", id, "binary") as SessionHash;

export const sessionPrefix = "s";
export const userPrefix = "u";

export const sessionKey = (of: SessionHash): CacheKey => `${sessionPrefix}${of}` as CacheKey;
export const hashOfKey = (key: CacheKey): SessionHash =>
  key.slice(-sessionLimits.hashBytes) as SessionHash;

/** What the keys of a user's second items begin with: of fixed length, so that no user's begin with another's. */
export const prefixOfUser = (user: string): string => userPrefix + hash("sha256", user, "binary");
export const userKey = (user: string, of: SessionHash): CacheKey =>
  `${prefixOfUser(user)}${of}` as CacheKey;

const tagStart = "user:";
export const tagOfUser = (user: string): string => tagStart + user;

export const tagsOf = (user: string | undefined): readonly string[] =>
  user === undefined ? [] : [tagOfUser(user)];

export const userOf = ({ tags }: Pick<Item, "tags">): string | undefined =>
  tags[0]?.slice(tagStart.length);

// --- as items ---------------------------------------------------------------------------------------------------------------

/** The flags of an item that says that a session was destroyed. */
export const tombstone = 1;

export const isTombstone = ({ flags }: Item): boolean => flags === tombstone;

// The value: a form, the end of the cookie (0: none; all ones: no cookie), the length of its attributes, these, and the data.
const form = 1;
const [endAt, lengthAt, attributesAt] = [1, 7, 9];
const noCookie = 2 ** 48 - 1;

export function encodeSession({ cookie, data }: Pick<Session, "cookie" | "data">): Buffer {
  const attributes = Buffer.from(cookie?.attributes ?? "");
  const head = Buffer.alloc(attributesAt);
  head.writeUInt8(form, 0);
  head.writeUIntBE(cookie === undefined ? noCookie : (cookie.expiresAt ?? 0), endAt, 6);
  head.writeUInt16BE(attributes.length, lengthAt);
  return Buffer.concat([head, attributes, data]);
}

/** Undefined: the bytes are no session. */
export function decodeSession(item: Item, bytes: Buffer): Session | undefined {
  const { sliding, expiresAt, createdAt, updatedAt } = item;
  if (sliding === undefined || expiresAt === undefined) return undefined;
  if (bytes.length < attributesAt || bytes[0] !== form) return undefined;
  const dataAt = attributesAt + bytes.readUInt16BE(lengthAt);
  if (bytes.length < dataAt) return undefined;
  const end = bytes.readUIntBE(endAt, 6);
  const attributes = bytes.toString("utf8", attributesAt, dataAt);
  return {
    data: bytes.subarray(dataAt),
    cookie:
      end === noCookie
        ? undefined
        : { expiresAt: end === 0 ? undefined : (end as EpochMs), attributes },
    user: userOf(item),
    version: Number(item.externalVersion),
    createdAt,
    updatedAt,
    expiresAt,
    idleMs: sliding.lifeMs,
    absoluteEnd: sliding.absoluteEnd,
  };
}
