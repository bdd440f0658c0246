// Sessions as they stand in their cache: found and judged, written with what their user's list has of them, and buried.

import {
  after,
  type DurationMs,
  type EpochMs,
  type SessionHash,
  segmentNumber,
  version,
} from "../base/brands.js";
import { accept } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import { hasEnded } from "./expiry.js";
import { cacheDefaults } from "./limits.js";
import type { Cache, Item } from "./model.js";
import { type Looked, OpenCache } from "./open-cache.js";
import { type CacheDecided, refuse } from "./rejections.js";
import { readValue } from "./scalars.js";
import {
  decodeSession,
  encodeSession,
  hashOfKey,
  isTombstone,
  type Session,
  sessionKey,
  sessionLimits,
  sessionNamespace,
  sessionPrefix,
  tagsOf,
  tombstone,
  userKey,
  userOf,
} from "./session-model.js";

/** Runs a rule in the cache of the sessions that belong to an open one. */
export function inSessions<Outcome>(
  open: OpenCache,
  stamp: Stamp,
  rule: (sessions: OpenCache) => CacheDecided<Outcome>,
): CacheDecided<Outcome> {
  const { transaction, address, cache } = open;
  const sessions = new OpenCache(transaction, address, sessionsOf(open, cache), stamp);
  const decided = rule(sessions);
  if (decided.kind === "accepted") sessions.close();
  return decided;
}

/** It is made when a session is first written to it, and has its settings from the one that it stands beside. */
function sessionsOf({ transaction }: OpenCache, beside: Cache): Cache {
  const namespace = sessionNamespace(beside.namespace);
  const { bytesMax, durability, replicatedZones, valueBytesMax } = beside.config;
  const limits = { bytesMax, durability, replicatedZones, valueBytesMax };
  const found = transaction.findCache(namespace, beside.name) ?? {
    namespace,
    name: beside.name,
    slot: beside.slot,
    segment: segmentNumber(0),
    createdAt: undefined,
    revision: version(0),
  };
  // Who is evicted is signed out, of which nobody would know why; who finds no room is told.
  return { ...found, config: { ...cacheDefaults, ...limits, eviction: "noeviction" } };
}

export type FoundSession =
  | { readonly kind: "missing"; readonly looked: Looked }
  /** It was destroyed, not long ago. */
  | { readonly kind: "gone"; readonly looked: Looked }
  | {
      readonly kind: "live";
      readonly looked: Extract<Looked, { kind: "live" }>;
      readonly session: Session;
    };

export function findSession(open: OpenCache, of: SessionHash): CacheDecided<FoundSession> {
  const key = sessionKey(of);
  const looked = open.look(key);
  if (looked.kind !== "live") {
    const { stored } = looked;
    // What a fence has ended and nobody has removed yet was destroyed; where nothing was made invalid it has just ended.
    const isGone =
      stored !== undefined &&
      !hasEnded(stored.expiresAt, open.now) &&
      open.fenceOf(key, stored) === "delete";
    return accept({ kind: isGone ? "gone" : "missing", looked });
  }
  if (isTombstone(looked.item)) return accept({ kind: "gone", looked });
  const read = readSession(open, of, looked.item);
  if (read.kind === "rejected") return read;
  return accept({ kind: "live", looked, session: read.outcome });
}

function readSession(open: OpenCache, of: SessionHash, item: Item): CacheDecided<Session> {
  const value = readValue(open, sessionKey(of), item);
  const session = typeof value === "string" ? undefined : decodeSession(item, value.bytes);
  return session === undefined
    ? refuse({ kind: "value_unreadable", cache: open.address.given })
    : accept(session);
}

/** When a session ends that is used now. */
export function endOfUse(
  { cookie, idleMs, absoluteEnd }: Pick<Session, "cookie" | "idleMs" | "absoluteEnd">,
  now: EpochMs,
): EpochMs {
  const end = cookie?.expiresAt ?? after(now, idleMs);
  return absoluteEnd === undefined || end < absoluteEnd ? end : absoluteEnd;
}

const noGrace: Item["graceMs"] = { revalidate: 0 as DurationMs, error: 0 as DurationMs };

const plainItem = (open: OpenCache): Item => ({
  version: open.version,
  createdAt: open.now,
  updatedAt: open.now,
  expiresAt: undefined,
  sliding: undefined,
  graceMs: noGrace,
  flags: 0,
  contentType: "",
  tags: [],
  externalVersion: 0n,
  isPinned: false,
  isStale: false,
  content: {
    kind: "scalar",
    isText: false,
    length: 0,
    value: Buffer.alloc(0),
    writtenAs: open.version,
  },
});

/** Writes a session whose end is to come, over whatever its id has. */
export function putSession(
  open: OpenCache,
  of: SessionHash,
  session: Session,
  looked: Looked,
): CacheDecided<Session> {
  const { valueBytesMax: limit } = open.cache.config;
  const { length: bytes } = session.data;
  if (bytes > limit) {
    return refuse({ kind: "value_too_large", cache: open.address.given, bytes, limit });
  }
  const { user, createdAt, updatedAt, expiresAt, idleMs, absoluteEnd } = session;
  const value = encodeSession(session);
  const item: Item = {
    ...plainItem(open),
    createdAt,
    updatedAt,
    expiresAt,
    sliding: { lifeMs: idleMs, absoluteEnd },
    tags: tagsOf(user),
    externalVersion: BigInt(session.version),
    content: {
      kind: "scalar",
      isText: false,
      length: value.length,
      value,
      writtenAs: open.version,
    },
  };
  const previousUser = looked.stored && userOf(looked.stored);
  const put = putItem(open, sessionKey(of), item, looked);
  if (put.kind === "rejected") return put;
  if (previousUser !== undefined && previousUser !== user) unlist(open, previousUser, of);
  const listed = list(open, of, session);
  if (listed.kind === "rejected") return listed;
  open.tally("sets");
  return accept(session);
}

/** Moves the end of a session, and of what its user's list has of it, without writing its data again. */
export function moveEnd(
  open: OpenCache,
  of: SessionHash,
  { looked, session }: Extract<FoundSession, { kind: "live" }>,
  expiresAt: EpochMs,
): CacheDecided<Session> {
  const moved: Session = { ...session, expiresAt };
  if (expiresAt === session.expiresAt) return accept(session);
  open.put(sessionKey(of), { ...looked.item, expiresAt }, looked);
  void open.version;
  const listed = list(open, of, moved);
  return listed.kind === "rejected" ? listed : accept(moved);
}

/** What a user's list has of a session: its end and its tag, so that it goes with it. */
function list(
  open: OpenCache,
  of: SessionHash,
  { user, expiresAt }: Session,
): CacheDecided<undefined> {
  if (user === undefined) return accept(undefined);
  const key = userKey(user, of);
  const looked = open.look(key);
  const item: Item = { ...plainItem(open), expiresAt, tags: tagsOf(user) };
  return putItem(open, key, item, looked);
}

function unlist(open: OpenCache, user: string, of: SessionHash): void {
  const key = userKey(user, of);
  const { stored } = open.look(key);
  if (stored !== undefined) open.remove(key, stored);
}

function putItem(
  open: OpenCache,
  key: Parameters<OpenCache["put"]>[0],
  item: Item,
  looked: Looked,
): CacheDecided<undefined> {
  const room = open.makeRoom(key, item, looked);
  if (room !== undefined) return refuse(room);
  open.put(key, item, looked);
  return accept(undefined);
}

/** Ends a session, or keeps an id from being saved that has none. */
export function bury(open: OpenCache, of: SessionHash, { stored }: Pick<Looked, "stored">): void {
  const user = stored && userOf(stored);
  if (user !== undefined) unlist(open, user, of);
  entomb(open, of, stored);
}

/** Leaves what says that the session was destroyed, for as long as a slow request might save it. */
function entomb(open: OpenCache, of: SessionHash, stored: Item | undefined): void {
  const key = sessionKey(of);
  const expiresAt = after(open.now, sessionLimits.guardMs);
  const item: Item = { ...plainItem(open), expiresAt, flags: tombstone };
  // In a full cache, what was not there cannot be guarded; what was takes no more room than it had.
  if (open.makeRoom(key, item, { stored }) === undefined) open.put(key, item, { stored });
  else if (stored !== undefined) open.remove(key, stored);
}

/**
 * Removes what a fence has made invalid. Of a session what says so stays, since a slow request may save it yet. What its user's list
 * has of it is met by the same fence, or by one of its own.
 */
export function sweepSession(open: OpenCache, { key, item }: SweptItem): void {
  const isSession = key.startsWith(sessionPrefix);
  if (isSession && !hasEnded(item.expiresAt, open.now)) entomb(open, hashOfKey(key), item);
  else open.remove(key, item);
}

export interface SweptItem {
  readonly key: Parameters<OpenCache["put"]>[0];
  readonly item: Item;
}
