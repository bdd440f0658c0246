// Many sessions: a user's, or all of a cache; listed and counted in pages, and ended together by a fence, however many there are.

import type { CacheKey, SessionHash } from "../base/brands.js";
import { accept } from "../queue/rejections.js";
import { deleteByPrefix, invalidateTags } from "./keyspace.js";
import { cacheLimits } from "./limits.js";
import type { OpenCache } from "./open-cache.js";
import type { CacheDecided } from "./rejections.js";
import {
  hashOfKey,
  isTombstone,
  prefixOfUser,
  type Session,
  sessionKey,
  sessionPrefix,
  tagOfUser,
  userKey,
  userPrefix,
} from "./session-model.js";
import { findSession } from "./session-store.js";
import type { KeyedItem } from "./view.js";

/** Whose; undefined: everybody's. */
type Whose = string | undefined;

export interface ListSessions {
  readonly user: Whose;
  /** The last key of the page before; empty: from the beginning. */
  readonly after: string;
  readonly countMax: number;
  /** What the sessions of a page may have together; at least one session. */
  readonly bytesMax: number;
  /** Whether data counts toward it. */
  readonly wantsData: boolean;
}

export interface ListedSession {
  readonly of: SessionHash;
  readonly session: Session;
}

export interface SessionPage {
  readonly sessions: readonly ListedSession[];
  /** The key that the next page begins behind; undefined: nothing is left. */
  readonly next: CacheKey | undefined;
}

export function listSessions(open: OpenCache, order: ListSessions): CacheDecided<SessionPage> {
  const { user, countMax, bytesMax } = order;
  const sessions: ListedSession[] = [];
  let examined = 0;
  let bytes = 0;
  let last: CacheKey | undefined;
  for (const keyed of itemsOf(open, user, order.after)) {
    if (examined === cacheLimits.examinedMax || sessions.length === countMax) {
      return accept({ sessions, next: last });
    }
    const listed = isLive(open, keyed) ? sessionOf(open, keyed) : undefined;
    const length = listed === undefined ? 0 : lengthOf(listed.session, order);
    if (listed !== undefined && sessions.length > 0 && bytes + length > bytesMax) {
      return accept({ sessions, next: last });
    }
    examined += 1;
    last = keyed.key;
    if (listed === undefined) continue;
    bytes += length;
    sessions.push(listed);
  }
  return accept({ sessions, next: undefined });
}

/** What else a session has, rounded up. */
const restBytes = 256;

const lengthOf = ({ data, cookie, user }: Session, { wantsData }: ListSessions): number =>
  restBytes +
  (wantsData ? data.length : 0) +
  Buffer.byteLength(cookie?.attributes ?? "") +
  Buffer.byteLength(user ?? "");

function itemsOf(open: OpenCache, user: Whose, after: string): Iterable<KeyedItem> {
  return open.transaction.items(open.cache, {
    prefix: user === undefined ? sessionPrefix : prefixOfUser(user),
    after: after === "" ? undefined : after,
    isReversed: false,
  });
}

const isLive = (open: OpenCache, { key, item }: KeyedItem): boolean =>
  !isTombstone(item) && open.judge(key, item).kind === "live";

/** Undefined: it cannot be read. One that is broken must not hide the others; GetSession tells of it. */
function sessionOf(open: OpenCache, { key }: KeyedItem): ListedSession | undefined {
  const of = hashOfKey(key);
  const found = findSession(open, of);
  const isFound = found.kind === "accepted" && found.outcome.kind === "live";
  return isFound ? { of, session: found.outcome.session } : undefined;
}

export interface CountSessions {
  readonly user: Whose;
  /** As of a list. */
  readonly after: string;
}

export interface SessionCount {
  readonly count: number;
  /** The key that the next page begins behind; undefined: nothing is left. */
  readonly next: CacheKey | undefined;
}

/** Counts the sessions of a page one by one. */
export function countSessions(
  open: OpenCache,
  { user, after }: CountSessions,
): CacheDecided<SessionCount> {
  let count = 0;
  let examined = 0;
  let last: CacheKey | undefined;
  for (const keyed of itemsOf(open, user, after)) {
    if (examined === cacheLimits.countedMax) return accept({ count, next: last });
    examined += 1;
    last = keyed.key;
    if (isLive(open, keyed)) count += 1;
  }
  return accept({ count, next: undefined });
}

export interface DestroyOfUser {
  readonly user: string;
  /** The one that stays, if it is this user's. */
  readonly except: SessionHash | undefined;
}

/** Whether the one that was to stay is there. */
export function destroyOfUser(
  open: OpenCache,
  { user, except }: DestroyOfUser,
): CacheDecided<boolean> {
  const found = except === undefined ? undefined : findSession(open, except);
  if (found?.kind === "rejected") return found;
  const done = invalidateTags(open, { tags: [tagOfUser(user)], mode: "delete" });
  if (done.kind === "rejected") return done;
  if (except === undefined || found?.outcome.kind !== "live") return accept(false);
  const { session, looked } = found.outcome;
  if (session.user !== user) return accept(false);
  // The fence has the version of this command, and what it spares a higher one. It could not have the last version before the
  // command: a walk over what is fenced might have begun with that one, and would lower it without having met everything.
  const version = open.transaction.newVersion(open.now);
  const listKey = userKey(user, except);
  const { stored } = open.look(listKey);
  open.put(sessionKey(except), { ...looked.item, version }, looked);
  if (stored !== undefined) open.put(listKey, { ...stored, version }, { stored });
  return accept(true);
}

export function clearSessions(open: OpenCache): CacheDecided<undefined> {
  // Nothing was ever written: there is nothing to end.
  if (open.cache.segment === 0) return accept(undefined);
  for (const prefix of [sessionPrefix, userPrefix]) {
    const done = deleteByPrefix(open, prefix);
    if (done.kind === "rejected") return done;
  }
  return accept(undefined);
}
