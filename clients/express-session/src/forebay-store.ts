// The store: what express-session asks of one, and its events.
//
// Each method calls its callback once, and never before it has returned; without a callback it returns a promise. What was destroyed
// stays so: a slow request that saves a session which another has ended is answered as if it had saved it, since for its user
// nothing went wrong, and the session stays gone.
//
// `disconnect` is emitted when no server can be reached, and `connect` when one can be again: in between the middleware serves
// requests without a session, instead of failing each of them after a while.

import { ConnectionError, type ForebayClient, type Sessions } from "@forebay/client";
import expressSession, { type SessionData } from "express-session";
import { type StoredData, sessionOf, storedCookieOf, storedForm } from "./session-form.js";

export interface ForebayStoreOptions {
  /** Yours to close, when the store is not used any more. */
  readonly client: ForebayClient;
  /** The cache that the sessions belong to. Default: `default`. */
  readonly cache?: string | undefined;
  /** How long a session is idle at most whose cookie has no end, in milliseconds. Range: 1000 to 400 days. Default: 24 hours. */
  readonly idleMs?: number | undefined;
  /** How long a session lives however much it is used, in milliseconds. Default: without such an end. */
  readonly absoluteMs?: number | undefined;
  /** Whose a session is, so that `destroyByUser` finds it. Default: nobody's. */
  readonly userId?: ((session: SessionData) => string | undefined) | undefined;
}

/** A session as `all` lists it. Only its browser knows its id; `id` is the hash that names it, which `destroyListed` takes. */
export type ListedSession = SessionData & { readonly id: string };

type Callback<Result> = (error: unknown, result?: Result) => void;

/** How long after the last one a server that could not be reached is tried again. */
const probeMs = 1_000;

export class ForebayStore extends expressSession.Store {
  readonly #sessions: Sessions<StoredData>;
  readonly #options: ForebayStoreOptions;
  #reach: "unknown" | "connected" | "disconnected" = "unknown";

  constructor(options: ForebayStoreOptions) {
    super();
    this.#options = options;
    this.#sessions = options.client.sessions<StoredData>(options.cache);
  }

  override get(sid: string): Promise<SessionData | null>;
  override get(sid: string, callback: Callback<SessionData | null>): void;
  override get(
    sid: string,
    callback?: Callback<SessionData | null>,
  ): Promise<SessionData | null> | undefined {
    return this.#answer(callback, async () => {
      // The middleware touches at the end of a request; a read before that need not be a write.
      const session = await this.#sessions.get(sid, { touch: false });
      return session === undefined ? null : sessionOf(session);
    });
  }

  override set(sid: string, session: SessionData): Promise<void>;
  override set(sid: string, session: SessionData, callback: Callback<void> | undefined): void;
  override set(
    sid: string,
    session: SessionData,
    callback?: Callback<void>,
  ): Promise<void> | undefined {
    return this.#answer(callback, async () => {
      const { idleMs, absoluteMs, userId } = this.#options;
      const { data, cookie } = storedForm(session);
      const life = { cookie, idleMs, absoluteMs, userId: userId?.(session) };
      await this.#sessions.save(sid, data, life);
    });
  }

  override touch(sid: string, session: SessionData): Promise<void>;
  override touch(sid: string, session: SessionData, callback: Callback<void> | undefined): void;
  override touch(
    sid: string,
    session: SessionData,
    callback?: Callback<void>,
  ): Promise<void> | undefined {
    return this.#answer(callback, async () => {
      await this.#sessions.touch(sid, { cookie: storedCookieOf(session) });
    });
  }

  override destroy(sid: string): Promise<void>;
  override destroy(sid: string, callback: Callback<void> | undefined): void;
  override destroy(sid: string, callback?: Callback<void>): Promise<void> | undefined {
    return this.#answer(callback, async () => {
      await this.#sessions.destroy(sid);
    });
  }

  override all(): Promise<ListedSession[]>;
  override all(callback: Callback<ListedSession[]>): void;
  override all(callback?: Callback<ListedSession[]>): Promise<ListedSession[]> | undefined {
    return this.#answer(callback, async () => {
      const listed: ListedSession[] = [];
      for await (const session of this.#sessions.listWithData()) {
        listed.push({ ...sessionOf(session), id: session.hash });
      }
      return listed;
    });
  }

  override length(): Promise<number>;
  override length(callback: Callback<number>): void;
  override length(callback?: Callback<number>): Promise<number> | undefined {
    return this.#answer(callback, () => this.#sessions.count());
  }

  override clear(): Promise<void>;
  override clear(callback: Callback<void> | undefined): void;
  override clear(callback?: Callback<void>): Promise<void> | undefined {
    return this.#answer(callback, () => this.#sessions.clear());
  }

  /** Signs a user out everywhere, but for one session if its id is given. */
  destroyByUser(
    userId: string,
    options: { readonly exceptSid?: string | undefined } = {},
  ): Promise<boolean> {
    return this.#watched(() =>
      this.#sessions.destroyByUser(userId, { exceptId: options.exceptSid }),
    );
  }

  /** Ends a session that `all` listed; says whether it was there. */
  destroyListed({ id }: Pick<ListedSession, "id">): Promise<boolean> {
    return this.#watched(() => this.#sessions.destroy({ hash: id }));
  }

  #answer<Result>(
    callback: Callback<Result> | undefined,
    call: () => Promise<Result>,
  ): Promise<Result> | undefined {
    const answered = this.#watched(call);
    if (callback === undefined) return answered;
    // Outside of the promise: what a callback throws is its caller's, and no reason to call it again.
    answered.then(
      (result) => setImmediate(callback, null, result),
      (error: unknown) => setImmediate(callback, error),
    );
    return undefined;
  }

  async #watched<Result>(call: () => Promise<Result>): Promise<Result> {
    try {
      const result = await call();
      this.#connected();
      return result;
    } catch (error) {
      if (error instanceof ConnectionError) this.#disconnected();
      throw error;
    }
  }

  #connected(): void {
    if (this.#reach === "connected") return;
    this.#reach = "connected";
    this.emit("connect");
  }

  #disconnected(): void {
    if (this.#reach === "disconnected") return;
    this.#reach = "disconnected";
    this.emit("disconnect");
    this.#probeSoon();
  }

  /** The middleware asks nothing while it is disconnected, so somebody else has to find out. */
  #probeSoon(): void {
    setTimeout(() => {
      this.#sessions.get("probe", { touch: false, timeoutMs: probeMs }).then(
        () => this.#connected(),
        (error: unknown) => {
          // A server that refuses is one that can be reached; a client that is closed reaches none again.
          if (isClosed(error)) return;
          if (isUnreached(error)) this.#probeSoon();
          else this.#connected();
        },
      );
    }, probeMs).unref();
  }
}

const reasonOf = (error: unknown): string =>
  error instanceof Error && "reason" in error ? String(error.reason) : "";
const isClosed = (error: unknown): boolean => reasonOf(error) === "CLIENT_CLOSED";
const isUnreached = (error: unknown): boolean =>
  error instanceof ConnectionError || reasonOf(error) === "DEADLINE_EXCEEDED";
