// What is done to one session: made, read, saved, changed in part, touched, ended, given another id. Each rule works in the cache of
// the sessions (`session-store.ts`), as one command: of two that meet, the later sees what the earlier did.

import { after, type DurationMs, type EpochMs, type SessionHash } from "../base/brands.js";
import { accept } from "../queue/rejections.js";
import { hasEnded, slidEnd } from "./expiry.js";
import type { OpenCache } from "./open-cache.js";
import { type CacheDecided, refuse } from "./rejections.js";
import { type Session, type SessionCookie, sessionKey, sessionLimits } from "./session-model.js";
import {
  bury,
  endOfUse,
  type FoundSession,
  findSession,
  moveEnd,
  putSession,
} from "./session-store.js";

export interface CreateSession {
  readonly of: SessionHash;
  readonly data: Buffer;
  readonly cookie: SessionCookie | undefined;
  readonly user: string | undefined;
  /** Undefined: the default. */
  readonly idleMs: DurationMs | undefined;
  /** Undefined: it has no such end. */
  readonly absoluteMs: DurationMs | undefined;
}

/** Undefined: the end of the cookie has passed, and nothing was made. */
export function createSession(
  open: OpenCache,
  order: CreateSession,
): CacheDecided<Session | undefined> {
  const found = findSession(open, order.of);
  if (found.kind === "rejected") return found;
  const session = newSession(open, order);
  if (hasEnded(session.expiresAt, open.now)) return accept(undefined);
  return putSession(open, order.of, session, found.outcome.looked);
}

function newSession(
  { now }: OpenCache,
  { data, cookie, user, idleMs = sessionLimits.idleDefaultMs, absoluteMs }: CreateSession,
): Session {
  const absoluteEnd = absoluteMs === undefined ? undefined : after(now, absoluteMs);
  const expiresAt = endOfUse({ cookie, idleMs, absoluteEnd }, now);
  const instants = { createdAt: now, updatedAt: now, expiresAt, absoluteEnd };
  return { data, cookie, user, idleMs, version: 1, ...instants };
}

export interface GetSession {
  readonly of: SessionHash;
  /** Whether it lives on since it is read. */
  readonly isTouching: boolean;
}

export function getSession(
  open: OpenCache,
  { of, isTouching }: GetSession,
): CacheDecided<Session | undefined> {
  const found = findSession(open, of);
  if (found.kind === "rejected") return found;
  if (found.outcome.kind !== "live") return accept(undefined);
  const { session } = found.outcome;
  // The end of a cookie is an instant that somebody named.
  if (!isTouching || session.cookie?.expiresAt !== undefined) return accept(session);
  const { idleMs: slidingMs, absoluteEnd } = session;
  const end = slidEnd(session.expiresAt, { slidingMs, absoluteEnd, now: open.now });
  return end === undefined ? accept(session) : moveEnd(open, of, found.outcome, end);
}

export type SessionWritten =
  | { readonly kind: "saved"; readonly session: Session }
  | { readonly kind: "conflict" | "exists"; readonly session: Session }
  | { readonly kind: "gone" | "missing" | "ended" };

export interface SaveSession extends CreateSession {
  readonly mode: "upsert" | "update" | "create";
  /** 0: whichever. */
  readonly ifVersion: number;
}

export function saveSession(open: OpenCache, order: SaveSession): CacheDecided<SessionWritten> {
  const found = findSession(open, order.of);
  if (found.kind === "rejected") return found;
  const { outcome } = found;
  const refused = whyNotSaved(outcome, order);
  if (refused !== undefined) return accept(refused);
  const session =
    outcome.kind === "live" ? changed(open, outcome.session, order) : newSession(open, order);
  return write(open, order.of, session, outcome);
}

function whyNotSaved(
  found: FoundSession,
  { mode, ifVersion }: SaveSession,
): SessionWritten | undefined {
  switch (found.kind) {
    case "gone":
      return { kind: "gone" };
    case "missing":
      return mode === "update" || ifVersion !== 0 ? { kind: "missing" } : undefined;
    case "live": {
      const { session } = found;
      if (mode === "create") return { kind: "exists", session };
      const isOther = ifVersion !== 0 && session.version !== ifVersion;
      return isOther ? { kind: "conflict", session } : undefined;
    }
  }
}

/** What is saved over a session: its absolute end stays, so that nobody who saves it lives for ever. */
function changed(
  { now }: OpenCache,
  session: Session,
  { data, cookie, user = session.user, idleMs = session.idleMs }: SaveSession,
): Session {
  const { absoluteEnd } = session;
  const expiresAt = endOfUse({ cookie, idleMs, absoluteEnd }, now);
  const version = session.version + 1;
  return { ...session, data, cookie, user, idleMs, version, updatedAt: now, expiresAt };
}

/** Writes a session, or ends it where its end has passed. */
function write(
  open: OpenCache,
  of: SessionHash,
  session: Session,
  found: FoundSession,
): CacheDecided<SessionWritten> {
  if (hasEnded(session.expiresAt, open.now)) {
    bury(open, of, found.looked);
    return accept({ kind: "ended" });
  }
  const put = putSession(open, of, session, found.looked);
  return put.kind === "rejected" ? put : accept({ kind: "saved", session: put.outcome });
}

export interface PatchSession {
  readonly of: SessionHash;
  readonly set: ReadonlyMap<string, unknown>;
  readonly removed: readonly string[];
}

export function patchSession(open: OpenCache, order: PatchSession): CacheDecided<SessionWritten> {
  const found = findSession(open, order.of);
  if (found.kind === "rejected") return found;
  if (found.outcome.kind !== "live") return accept({ kind: found.outcome.kind });
  const { session } = found.outcome;
  const data = merged(session.data, order);
  const { valueBytesMax: limit } = open.cache.config;
  if (data.length > limit) {
    const { given: cache } = open.address;
    return refuse({ kind: "result_too_large", cache, bytes: data.length, limit });
  }
  const next = {
    ...session,
    data,
    version: session.version + 1,
    updatedAt: open.now,
    expiresAt: endOfUse(session, open.now),
  };
  return write(open, order.of, next, found.outcome);
}

/** Fields that stay keep their places; a name is a name, also `__proto__`. */
function merged(data: Buffer, { set, removed }: PatchSession): Buffer {
  const fields = new Map<string, unknown>(
    Object.entries(JSON.parse(data.toString("utf8")) as Record<string, unknown>),
  );
  for (const name of removed) fields.delete(name);
  for (const [name, value] of set) fields.set(name, value);
  return Buffer.from(JSON.stringify(Object.fromEntries(fields)));
}

export interface TouchSession {
  readonly of: SessionHash;
  /** Undefined: as it was saved. */
  readonly cookie: SessionCookie | undefined;
}

/** Undefined: there is none, or it has ended by this. */
export function touchSession(
  open: OpenCache,
  { of, cookie }: TouchSession,
): CacheDecided<EpochMs | undefined> {
  const found = findSession(open, of);
  if (found.kind === "rejected") return found;
  if (found.outcome.kind !== "live") return accept(undefined);
  const { session } = found.outcome;
  const touched = { ...session, cookie: cookie ?? session.cookie };
  const expiresAt = endOfUse(touched, open.now);
  // Where the cookie is as it was, data need not be written again.
  if (isSame(touched.cookie, session.cookie) && !hasEnded(expiresAt, open.now)) {
    const moved = moveEnd(open, of, found.outcome, expiresAt);
    return moved.kind === "rejected" ? moved : accept(expiresAt);
  }
  const written = write(open, of, { ...touched, expiresAt }, found.outcome);
  if (written.kind === "rejected") return written;
  return accept(written.outcome.kind === "saved" ? expiresAt : undefined);
}

const isSame = (one: SessionCookie | undefined, other: SessionCookie | undefined): boolean =>
  one?.expiresAt === other?.expiresAt && one?.attributes === other?.attributes;

/** Whether there was one. */
export function destroySession(
  open: OpenCache,
  { of }: { readonly of: SessionHash },
): CacheDecided<boolean> {
  const found = findSession(open, of);
  // One that cannot be read is to be ended all the same.
  const looked = found.kind === "accepted" ? found.outcome.looked : undefined;
  const kind = found.kind === "accepted" ? found.outcome.kind : "live";
  if (kind === "gone") return accept(false);
  bury(open, of, looked ?? open.look(sessionKey(of)));
  if (kind === "live") open.tally("deletes");
  return accept(kind === "live");
}

export interface RegenerateSession {
  readonly from: SessionHash;
  readonly to: SessionHash;
  readonly keepsData: boolean;
  /** Undefined: as of the old one. */
  readonly user: string | undefined;
}

export function regenerateSession(
  open: OpenCache,
  { from, to, keepsData, user }: RegenerateSession,
): CacheDecided<SessionWritten> {
  const found = findSession(open, from);
  if (found.kind === "rejected") return found;
  if (found.outcome.kind !== "live") return accept({ kind: found.outcome.kind });
  const { session, looked } = found.outcome;
  bury(open, from, looked);
  const next: Session = {
    ...session,
    data: keepsData ? session.data : Buffer.from("{}"),
    user: user ?? session.user,
    version: 1,
    createdAt: open.now,
    updatedAt: open.now,
    expiresAt: endOfUse(session, open.now),
  };
  const put = putSession(open, to, next, { kind: "absent", stored: undefined });
  return put.kind === "rejected" ? put : accept({ kind: "saved", session: put.outcome });
}
