// Sessions of users, in a cache: what an application remembers of whoever is signed in. Data is a JSON object. The server keeps no
// id, only its hash; what was destroyed cannot be saved for a minute, so that a slow request does not sign anybody in again.

import {
  SaveSessionMode,
  SessionServiceDefinition,
  SessionWriteOutcome,
  type Session as WireSession,
} from "../gen/forebay/cache/v1/session_service.js";
import type { CallOptions, Connection } from "./connection.js";
import { dateOf, durationOf, millisecondsOf, timestampOf } from "./durations.js";
import { pages } from "./pages.js";
import type { RequestIdOption } from "./queue-calls.js";
import { newRequestId } from "./random.js";

const { methods } = SessionServiceDefinition;

/** What an application keeps: anything that JSON can hold. */
export type SessionData = object;

export interface SessionCookie {
  /** When the browser forgets it, and the session ends. Undefined: with the browser. */
  readonly expiresAt?: Date | undefined;
  /** The rest of it; at most 4096 bytes as JSON. */
  readonly attributes?: object | undefined;
}

export interface SessionDescription {
  /** What lists name a session by, in place of its id. */
  readonly hash: string;
  /** Undefined: nobody's yet. */
  readonly userId: string | undefined;
  readonly cookie: SessionCookie | undefined;
  /** One more with every change of the data. */
  readonly version: bigint;
  readonly createdAt: Date | undefined;
  readonly updatedAt: Date | undefined;
  /** When it ends, if nobody uses it. */
  readonly expiresAt: Date | undefined;
  readonly idleMs: number;
  /** Undefined: without such an end. */
  readonly absoluteEnd: Date | undefined;
}

export interface SessionWithData<Data extends SessionData> extends SessionDescription {
  readonly data: Data;
}

export interface SessionLifeOptions {
  /** How long it may be idle, in milliseconds. Range: 1000 to 400 days. Default: 24 hours, or as the session says. */
  readonly idleMs?: number | undefined;
  /** How long a new session lives at most, in milliseconds. Default: without such an end. */
  readonly absoluteMs?: number | undefined;
  readonly cookie?: SessionCookie | undefined;
  /** Whose it is; at most 250 bytes. Default: nobody's, or as the session says. */
  readonly userId?: string | undefined;
}

export interface CreateSessionOptions extends SessionLifeOptions, CallOptions, RequestIdOption {}

export interface CreatedSession {
  /** For the browser; nobody can ask for it again. */
  readonly id: string;
  readonly hash: string;
  readonly expiresAt: Date | undefined;
}

export interface SaveSessionOptions extends SessionLifeOptions, CallOptions, RequestIdOption {
  /** Only if there is one, or only if there is none. Default: `"upsert"`. */
  readonly mode?: "upsert" | "update" | "create" | undefined;
  /** Only if the session has this version. */
  readonly ifVersion?: bigint | undefined;
}

/** Why a session is not as it was asked to be; `ended`: the end that was given has passed, and so it was destroyed. */
export type SessionRefusal = "gone" | "conflict" | "missing" | "exists" | "ended";

export type SessionWrite =
  | { readonly kind: "saved"; readonly version: bigint; readonly expiresAt: Date | undefined }
  | {
      readonly kind: SessionRefusal;
      /** Of the session that is there; 0: none. */
      readonly version: bigint;
    };

export type RegeneratedSession =
  | ({ readonly kind: "saved" } & CreatedSession)
  | { readonly kind: "gone" | "missing" };

export interface ListSessionsOptions extends CallOptions {
  /** Only a user's. Default: everybody's. */
  readonly userId?: string | undefined;
  readonly pageSize?: number | undefined;
}

const modes = {
  upsert: SaveSessionMode.UPSERT,
  update: SaveSessionMode.UPDATE,
  create: SaveSessionMode.CREATE,
} as const;

const refusals: Readonly<Record<number, SessionRefusal>> = {
  [SessionWriteOutcome.GONE]: "gone",
  [SessionWriteOutcome.CONFLICT]: "conflict",
  [SessionWriteOutcome.MISSING]: "missing",
  [SessionWriteOutcome.EXISTS]: "exists",
  [SessionWriteOutcome.ENDED]: "ended",
};

/** The sessions of one cache. */
export class Sessions<Data extends SessionData = Readonly<Record<string, unknown>>> {
  readonly cache: string;
  readonly #connection: Connection;

  /** Use `ForebayClient.sessions`. */
  constructor(cache: string, connection: Connection) {
    this.cache = cache;
    this.#connection = connection;
  }

  /**
   * Makes a session under a new id.
   *
   * @throws ForebayError CACHE_NOT_FOUND, INVALID_PARAMETER, VALUE_TOO_LARGE, CACHE_FULL.
   */
  async create(data: Data, options: CreateSessionOptions = {}): Promise<CreatedSession> {
    const { requestId = newRequestId() } = options;
    const request = {
      cache: this.cache,
      data: JSON.stringify(data),
      ...lifeToWire(options),
      requestId,
    };
    const created = await this.#connection.unary(methods.createSession, request, options);
    return createdOf(created);
  }

  /** A session, whose end moves away unless `touch` is false; undefined: there is none. */
  async get(
    id: string,
    options: { readonly touch?: boolean | undefined } & CallOptions = {},
  ): Promise<SessionWithData<Data> | undefined> {
    const request = { cache: this.cache, sessionId: id, withoutTouch: options.touch === false };
    const { session } = await this.#connection.unary(methods.getSession, request, options);
    return session && withData<Data>(session);
  }

  /**
   * Writes the data of a session, or makes one of this id.
   *
   * @throws ForebayError CACHE_NOT_FOUND, INVALID_PARAMETER, VALUE_TOO_LARGE, CACHE_FULL.
   */
  async save(id: string, data: Data, options: SaveSessionOptions = {}): Promise<SessionWrite> {
    const { mode = "upsert", ifVersion = 0n, requestId = newRequestId() } = options;
    const request = {
      cache: this.cache,
      sessionId: id,
      data: JSON.stringify(data),
      mode: modes[mode],
      ifVersion,
      ...lifeToWire(options),
      requestId,
    };
    return writeOf(await this.#connection.unary(methods.saveSession, request, options));
  }

  /** Sets and removes fields, and leaves the others as they are, also if somebody else changes them meanwhile. */
  async patch(
    id: string,
    set: Partial<Data>,
    options: { readonly remove?: readonly string[] | undefined } & CallOptions &
      RequestIdOption = {},
  ): Promise<SessionWrite> {
    const { remove = [], requestId = newRequestId() } = options;
    const request = {
      cache: this.cache,
      sessionId: id,
      set: JSON.stringify(set),
      remove: [...remove],
      requestId,
    };
    return writeOf(await this.#connection.unary(methods.patchSession, request, options));
  }

  /** Moves the end of a session, and changes its cookie if one is given; says whether there is a session. */
  async touch(
    id: string,
    options: { readonly cookie?: SessionCookie | undefined } & CallOptions = {},
  ): Promise<boolean> {
    const request = { cache: this.cache, sessionId: id, cookie: cookieToWire(options.cookie) };
    return (await this.#connection.unary(methods.touchSession, request, options)).found;
  }

  /** Ends a session, by its id or by its hash; says whether there was one. */
  async destroy(
    session: string | { readonly hash: string },
    options: CallOptions = {},
  ): Promise<boolean> {
    const sessionForm =
      typeof session === "string"
        ? ({ $case: "sessionId", value: session } as const)
        : ({ $case: "sessionHash", value: session.hash } as const);
    const request = { cache: this.cache, sessionForm };
    return (await this.#connection.unary(methods.destroySession, request, options)).existed;
  }

  /** Gives a session another id, as after a sign-in; the old one is gone. */
  async regenerate(
    id: string,
    options: {
      /** Default: true. */
      readonly keepData?: boolean | undefined;
      readonly userId?: string | undefined;
    } & CallOptions &
      RequestIdOption = {},
  ): Promise<RegeneratedSession> {
    const { keepData = true, userId = "", requestId = newRequestId() } = options;
    const request = { cache: this.cache, sessionId: id, keepData, userId, requestId };
    const made = await this.#connection.unary(methods.regenerateSession, request, options);
    if (made.outcome === SessionWriteOutcome.SAVED) return { kind: "saved", ...createdOf(made) };
    return { kind: made.outcome === SessionWriteOutcome.GONE ? "gone" : "missing" };
  }

  /** Sessions without their data, over all pages until the loop is left. */
  list(options: ListSessionsOptions = {}): AsyncGenerator<SessionDescription, void, undefined> {
    return this.#pages(options, false, descriptionOf);
  }

  /** Sessions with their data, over all pages until the loop is left. */
  listWithData(
    options: ListSessionsOptions = {},
  ): AsyncGenerator<SessionWithData<Data>, void, undefined> {
    return this.#pages(options, true, (session) => withData<Data>(session));
  }

  #pages<Item>(
    options: ListSessionsOptions,
    isWithData: boolean,
    render: (session: WireSession) => Item,
  ): AsyncGenerator<Item, void, undefined> {
    const { userId, pageSize = 0 } = options;
    const request = { cache: this.cache, withData: isWithData, pageSize };
    return pages(async (pageToken) => {
      const page =
        userId === undefined
          ? await this.#connection.unary(methods.listSessions, { ...request, pageToken }, options)
          : await this.#connection.unary(
              methods.listSessionsByUser,
              { ...request, userId, pageToken },
              options,
            );
      return { items: page.sessions.map(render), nextPageToken: page.nextPageToken };
    });
  }

  /** Counts sessions one by one: a user's, or all. */
  async count(options: Pick<ListSessionsOptions, "userId"> & CallOptions = {}): Promise<number> {
    const request = { cache: this.cache, userId: options.userId ?? "" };
    return Number((await this.#connection.unary(methods.countSessions, request, options)).count);
  }

  /** Ends all sessions of a user at once, but for one if it is given; says whether that one is there. */
  async destroyByUser(
    userId: string,
    options: { readonly exceptId?: string | undefined } & CallOptions = {},
  ): Promise<boolean> {
    const request = { cache: this.cache, userId, exceptSessionId: options.exceptId ?? "" };
    return (await this.#connection.unary(methods.destroySessionsByUser, request, options)).kept;
  }

  /** Ends all sessions of the cache at once. */
  async clear(options: CallOptions = {}): Promise<void> {
    await this.#connection.unary(methods.clearSessions, { cache: this.cache }, options);
  }
}

const lifeToWire = ({ idleMs, absoluteMs, cookie, userId = "" }: SessionLifeOptions) => ({
  idle: durationOf(idleMs),
  absolute: durationOf(absoluteMs),
  cookie: cookieToWire(cookie),
  userId,
});

const cookieToWire = (cookie: SessionCookie | undefined) =>
  cookie && {
    expireTime: timestampOf(cookie.expiresAt),
    attributes: cookie.attributes === undefined ? "" : JSON.stringify(cookie.attributes),
  };

interface WireCreated {
  readonly sessionId: string;
  readonly sessionHash: string;
  readonly expireTime?: WireSession["expireTime"] | undefined;
}

const createdOf = ({ sessionId, sessionHash, expireTime }: WireCreated): CreatedSession => ({
  id: sessionId,
  hash: sessionHash,
  expiresAt: dateOf(expireTime),
});

interface WireWrite {
  readonly outcome: SessionWriteOutcome;
  readonly version: bigint;
  readonly expireTime?: WireSession["expireTime"] | undefined;
}

const writeOf = ({ outcome, version, expireTime }: WireWrite): SessionWrite =>
  outcome === SessionWriteOutcome.SAVED
    ? { kind: "saved", version, expiresAt: dateOf(expireTime) }
    : { kind: refusals[outcome] ?? "missing", version };

const descriptionOf = (session: WireSession): SessionDescription => {
  const { cookie } = session;
  return {
    hash: session.sessionHash,
    userId: session.userId === "" ? undefined : session.userId,
    cookie: cookie && {
      expiresAt: dateOf(cookie.expireTime),
      attributes: cookie.attributes === "" ? undefined : JSON.parse(cookie.attributes),
    },
    version: session.version,
    createdAt: dateOf(session.createTime),
    updatedAt: dateOf(session.updateTime),
    expiresAt: dateOf(session.expireTime),
    idleMs: millisecondsOf(session.idle) ?? 0,
    absoluteEnd: dateOf(session.absoluteEndTime),
  };
};

const withData = <Data extends SessionData>(session: WireSession): SessionWithData<Data> => ({
  ...descriptionOf(session),
  data: JSON.parse(session.data) as Data,
});
