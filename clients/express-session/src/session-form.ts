// Between a session as express-session has it and one as Forebay keeps it: data without the cookie, the cookie with its end apart,
// since that is when the session ends.

import type { SessionCookie, SessionWithData } from "@forebay/client";
import type { SessionData } from "express-session";

/** What is stored beside the cookie. */
export type StoredData = Readonly<Record<string, unknown>>;

interface CookieJson extends Readonly<Record<string, unknown>> {
  /** Of no cookie whose end is that of the browser. */
  readonly expires?: string | null;
}

export interface StoredForm {
  readonly data: StoredData;
  readonly cookie: SessionCookie;
}

/** What JSON makes of a session: what is stored of it, whichever store that is. */
export function storedForm(session: SessionData): StoredForm {
  const { cookie, ...data } = JSON.parse(JSON.stringify(session)) as StoredData & {
    readonly cookie?: CookieJson;
  };
  return { data, cookie: storedCookie(cookie ?? {}) };
}

export const storedCookieOf = (session: SessionData): SessionCookie =>
  storedCookie(JSON.parse(JSON.stringify(session.cookie)) as CookieJson);

function storedCookie({ expires, ...attributes }: CookieJson): SessionCookie {
  const end = typeof expires === "string" ? Date.parse(expires) : Number.NaN;
  if (Number.isNaN(end)) return { attributes };
  // The contract knows no time before 1970, and what ended then has ended all the same.
  return { attributes, expiresAt: new Date(Math.max(end, 0)) };
}

/** The middleware makes a cookie of it, and a Date of its end. */
export function sessionOf({ data, cookie }: SessionWithData<StoredData>): SessionData {
  const expires = cookie?.expiresAt?.toISOString() ?? null;
  return {
    ...data,
    cookie: { ...cookie?.attributes, expires },
  } as unknown as SessionData;
}
