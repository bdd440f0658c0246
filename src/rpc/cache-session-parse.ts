// Requests of sessions as the rules take them, and sessions as messages of the contract.
//
// An id that the server makes is the hash of 256 random bits and the request id. What is kept for a repeat has the random bits in the
// id's place: the store alone does not give an id away, and whoever repeats the call finds it again.

import { hash } from "node:crypto";
import type { DurationMs, EpochMs, SessionHash } from "../base/brands.js";
import { systemRandom } from "../base/ids.js";
import {
  hashOfId,
  type Session,
  type SessionCookie,
  sessionLimits,
} from "../cache/session-model.js";
import type {
  SessionCookie as WireCookie,
  Session as WireSession,
} from "../gen/forebay/cache/v1/session_service.js";
import type { Duration } from "../gen/google/protobuf/duration.js";
import { duration, timestamp } from "./render.js";
import { parseDuration, parseInstant, type Violations } from "./violations.js";

// --- ids --------------------------------------------------------------------------------------------------------------------

export function newNonce(): string {
  const bytes = Buffer.alloc(sessionLimits.hashBytes);
  systemRandom.fill(bytes);
  return bytes.toString("base64url");
}

export const idFrom = (nonce: string, requestId: string): string =>
  hash("sha256", `${nonce} ${requestId}`, "base64url");

/** Always returns one; whether it is good, `violations` say. */
export function parseSessionId(
  violations: Violations,
  id: string,
  field = "session_id",
): SessionHash {
  checkText(violations, field, id, sessionLimits.idBytesMax);
  return hashOfId(id);
}

function checkText(violations: Violations, field: string, text: string, max: number): void {
  if (text === "") violations.add("MISSING_PARAMETER", field, "is needed");
  else if (Buffer.byteLength(text) > max) {
    violations.add("INVALID_PARAMETER", field, `has at most ${max} bytes`);
  }
}

export const renderHash = (of: SessionHash): string =>
  Buffer.from(of, "latin1").toString("base64url");

type SessionForm =
  | { readonly $case: "sessionId" | "sessionHash"; readonly value: string }
  | undefined;

/** The id of a session, or its hash. */
export function parseSessionForm(violations: Violations, form: SessionForm): SessionHash {
  if (form === undefined || form.$case === "sessionId") {
    return parseSessionId(violations, form?.value ?? "");
  }
  const bytes = Buffer.from(form.value, "base64url");
  if (bytes.length !== sessionLimits.hashBytes || bytes.toString("base64url") !== form.value) {
    violations.add("INVALID_PARAMETER", "session_hash", "has 43 characters of base64url");
  }
  return bytes.toString("latin1") as SessionHash;
}

/** Undefined: empty. */
export function parseUser(violations: Violations, user: string): string | undefined {
  if (user === "") return undefined;
  checkText(violations, "user_id", user, sessionLimits.userBytesMax);
  return user;
}

export function parseNeededUser(violations: Violations, user: string): string {
  checkText(violations, "user_id", user, sessionLimits.userBytesMax);
  return user;
}

// --- what a session is ------------------------------------------------------------------------------------------------------

/** The fields of a JSON object; none, where it is empty or wrong. */
export function parseFields(
  violations: Violations,
  field: string,
  text: string,
): ReadonlyMap<string, unknown> {
  if (text === "") return new Map();
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === "object" && parsed !== null && !Array.isArray(parsed)) {
      return new Map(Object.entries(parsed));
    }
  } catch {
    // Said below, in the same words.
  }
  violations.add("INVALID_PARAMETER", field, "must be a JSON object");
  return new Map();
}

/** Kept as it was written. */
export function parseData(violations: Violations, text: string): Buffer {
  parseFields(violations, "data", text);
  return Buffer.from(text === "" ? "{}" : text);
}

export function parseCookie(
  violations: Violations,
  cookie: WireCookie | undefined,
): SessionCookie | undefined {
  if (cookie === undefined) return undefined;
  const { attributes } = cookie;
  parseFields(violations, "cookie.attributes", attributes);
  if (Buffer.byteLength(attributes) > sessionLimits.cookieBytesMax) {
    const description = `has at most ${sessionLimits.cookieBytesMax} bytes`;
    violations.add("INVALID_PARAMETER", "cookie.attributes", description);
  }
  const expiresAt = parseInstant(violations, "cookie.expire_time", cookie.expireTime);
  return { expiresAt, attributes };
}

interface Spans {
  readonly idle?: Duration | undefined;
  readonly absolute?: Duration | undefined;
}

export function parseSpans(
  violations: Violations,
  { idle, absolute }: Spans,
): { readonly idleMs: DurationMs | undefined; readonly absoluteMs: DurationMs | undefined } {
  const { idleMsMin: minMs, idleMsMax, absoluteMsMax } = sessionLimits;
  return {
    idleMs: parseDuration(violations, "idle", idle, { minMs, maxMs: idleMsMax }),
    absoluteMs: parseDuration(violations, "absolute", absolute, { minMs, maxMs: absoluteMsMax }),
  };
}

// --- answers ----------------------------------------------------------------------------------------------------------------

export const renderEnd = (at: EpochMs | undefined) =>
  at === undefined ? undefined : timestamp(at);

export const renderSession = (
  of: SessionHash,
  session: Session,
  withData: boolean,
): WireSession => ({
  sessionHash: renderHash(of),
  userId: session.user ?? "",
  data: withData ? session.data.toString("utf8") : "",
  cookie: session.cookie && {
    expireTime: renderEnd(session.cookie.expiresAt),
    attributes: session.cookie.attributes,
  },
  version: BigInt(session.version),
  createTime: timestamp(session.createdAt),
  updateTime: timestamp(session.updatedAt),
  expireTime: timestamp(session.expiresAt),
  idle: duration(session.idleMs),
  absoluteEndTime: renderEnd(session.absoluteEnd),
});
