// Limits of rates under keys. What was taken is a value in a form of its own, which ends by itself when all of it could be taken
// again. What is refused, and what is only asked, writes nothing.

import { after, type CacheKey, type DurationMs, epochMs } from "../base/brands.js";
import { accept } from "../queue/rejections.js";
import type { Item } from "./model.js";
import type { OpenCache } from "./open-cache.js";
import {
  type Amount,
  type RateLimit,
  type RateStanding,
  retryAfter,
  settle,
  standingOf,
  type Taken,
  take,
} from "./rate-limiters.js";
import { type CacheDecided, refuse } from "./rejections.js";
import { relive, remove } from "./scalars.js";
import { overwrite, readWhole } from "./whole-values.js";

export interface Acquire extends RateLimit {
  readonly key: CacheKey;
  /** From 1. */
  readonly cost: number;
  /** Whether nothing is taken, whatever comes of it. */
  readonly isDryRun: boolean;
}

export interface Acquired extends RateStanding {
  readonly isAllowed: boolean;
  /** Of what was not allowed; undefined: it never would be. */
  readonly retryAfterMs: DurationMs | undefined;
}

export function acquire(open: OpenCache, order: Acquire): CacheDecided<Acquired> {
  const { key, cost, isDryRun } = order;
  const { now } = open;
  const found = readTaken(open, key);
  if (found.kind === "rejected") return found;
  const taken = settle(order, found.outcome?.taken, now);
  const retryAfterMs = retryAfter(order, taken, cost, now);
  if (retryAfterMs !== 0) {
    return accept({ isAllowed: false, ...standingOf(order, taken, now), retryAfterMs });
  }
  const next = isDryRun ? taken : take(order, taken, cost, now);
  const standing = standingOf(order, next, now);
  const written = next === taken ? undefined : writeTaken(open, key, next, standing.resetAfterMs);
  if (written?.kind === "rejected") return written;
  return accept({ isAllowed: true, ...standing, retryAfterMs: undefined });
}

export interface PeekRate extends RateLimit {
  readonly key: CacheKey;
}

export interface Peeked extends RateStanding {
  /** Undefined: there is none, and nothing was taken. */
  readonly item: Item | undefined;
}

export function peekRate(open: OpenCache, order: PeekRate): CacheDecided<Peeked> {
  const { now } = open;
  const found = readTaken(open, order.key);
  if (found.kind === "rejected") return found;
  const taken = settle(order, found.outcome?.taken, now);
  return accept({ ...standingOf(order, taken, now), item: found.outcome?.item });
}

/** Whether anything was taken. */
export function resetRate(
  open: OpenCache,
  { key }: { readonly key: CacheKey },
): CacheDecided<boolean> {
  const found = readTaken(open, key);
  if (found.kind === "rejected") return found;
  if (found.outcome === undefined) return accept(false);
  const removed = remove(open, { key, condition: { kind: "always" }, mode: "delete" });
  return removed.kind === "rejected" ? removed : accept(true);
}

interface FoundTaken {
  readonly taken: Taken;
  readonly item: Item;
}

/** Undefined: the key has nothing. */
function readTaken(open: OpenCache, key: CacheKey): CacheDecided<FoundTaken | undefined> {
  const found = readWhole(open, key);
  if (found.kind === "rejected") return found;
  if (found.outcome === undefined) return accept(undefined);
  const { bytes, item } = found.outcome;
  const taken = decodeTaken(bytes);
  if (taken === undefined) return refuse({ kind: "wrong_type", cache: open.address.given });
  return accept({ taken, item });
}

function writeTaken(
  open: OpenCache,
  key: CacheKey,
  taken: Taken | undefined,
  lifeMs: DurationMs,
): CacheDecided<undefined> {
  if (taken === undefined) return accept(undefined);
  const at = after(open.now, lifeMs);
  const bytes = encodeTaken(taken);
  const slidingMs = 0 as DurationMs;
  const written = overwrite(open, { key, bytes, expiry: { kind: "at", at }, slidingMs });
  if (written.kind === "rejected") return written;
  // Its end is a part of what it counts and no wish of a caller: ended earlier, more would be allowed than the limit.
  const looked = open.look(key);
  if (looked.kind === "live") relive(open, key, looked, at);
  return accept(undefined);
}

// --- as bytes ---------------------------------------------------------------------------------------------------------------

/** Begins with a byte that no UTF-8 has before an "R": no text is a rate limit by chance. */
const magic = Buffer.from("f0524c", "hex");
const forms = { fixed: 1, sliding: 2, token_bucket: 3 } as const;
const headBytes = magic.length + 1;
const instantBytes = 6;
const countBytes = 4;
const fixedBytes = instantBytes + countBytes;
const amountBytes = instantBytes + countBytes;
const bucketBytes = instantBytes + countBytes + 8;

export function encodeTaken(taken: Taken): Buffer {
  const body = encodeBody(taken);
  return Buffer.concat([magic, Buffer.of(forms[taken.kind]), body]);
}

function encodeBody(taken: Taken): Buffer {
  switch (taken.kind) {
    case "fixed":
      return encodeAmount({ at: taken.startedAt, count: taken.count });
    case "sliding":
      return Buffer.concat(taken.amounts.map(encodeAmount));
    case "token_bucket": {
      const body = Buffer.alloc(bucketBytes);
      body.writeUIntBE(taken.at, 0, instantBytes);
      body.writeUInt32BE(taken.windowMs, instantBytes);
      body.writeBigUInt64BE(taken.debt, instantBytes + countBytes);
      return body;
    }
  }
}

function encodeAmount({ at, count }: Amount): Buffer {
  const bytes = Buffer.alloc(amountBytes);
  bytes.writeUIntBE(at, 0, instantBytes);
  bytes.writeUInt32BE(count, instantBytes);
  return bytes;
}

/** Undefined: the bytes are no rate limit. */
export function decodeTaken(bytes: Buffer): Taken | undefined {
  if (bytes.length < headBytes || !bytes.subarray(0, magic.length).equals(magic)) return undefined;
  const body = bytes.subarray(headBytes);
  switch (bytes[magic.length]) {
    case forms.fixed: {
      if (body.length !== fixedBytes) return undefined;
      const { at, count } = decodeAmount(body, 0);
      return { kind: "fixed", startedAt: at, count };
    }
    case forms.sliding:
      return decodeSliding(body);
    case forms.token_bucket:
      return decodeBucket(body);
    default:
      return undefined;
  }
}

const decodeAmount = (body: Buffer, at: number): Amount => ({
  at: epochMs(body.readUIntBE(at, instantBytes)),
  count: body.readUInt32BE(at + instantBytes),
});

function decodeSliding(body: Buffer): Taken | undefined {
  if (body.length === 0 || body.length % amountBytes !== 0) return undefined;
  const amounts: Amount[] = [];
  for (let at = 0; at < body.length; at += amountBytes) amounts.push(decodeAmount(body, at));
  return { kind: "sliding", amounts };
}

function decodeBucket(body: Buffer): Taken | undefined {
  if (body.length !== bucketBytes) return undefined;
  const { at, count: windowMs } = decodeAmount(body, 0);
  // A bucket of no window would divide by it.
  if (windowMs === 0) return undefined;
  const debt = body.readBigUInt64BE(instantBytes + countBytes);
  return { kind: "token_bucket", at, windowMs: windowMs as DurationMs, debt };
}
