// Sessions at the wire: request to rule, outcome to answer. Lists are in `cache-session-list-handlers.ts`.

import { hashOfId, sessionLimits } from "../cache/session-model.js";
import { inSessions } from "../cache/session-store.js";
import {
  createSession,
  destroySession,
  getSession,
  patchSession,
  regenerateSession,
  type SessionWritten,
  saveSession,
  touchSession,
} from "../cache/sessions.js";
import {
  CreateSessionRequest,
  CreateSessionResponse,
  PatchSessionRequest,
  PatchSessionResponse,
  RegenerateSessionRequest,
  RegenerateSessionResponse,
  SaveSessionMode,
  SaveSessionRequest,
  SaveSessionResponse,
  type SessionServiceDefinition,
  SessionWriteOutcome,
} from "../gen/forebay/cache/v1/session_service.js";
import { accept } from "../queue/rejections.js";
import type { CacheHandlerParts } from "./cache-handler-context.js";
import { checkCount } from "./cache-parse.js";
import { createSessionListHandlers } from "./cache-session-list-handlers.js";
import {
  idFrom,
  newNonce,
  parseCookie,
  parseData,
  parseFields,
  parseSessionForm,
  parseSessionId,
  parseSpans,
  parseUser,
  renderEnd,
  renderHash,
  renderSession,
} from "./cache-session-parse.js";
import { createValueCalls } from "./cache-value-calls.js";
import type { ServiceHandlers } from "./call.js";
import { LeaderNeeded } from "./leader-faults.js";
import { parseEnum, type Violations } from "./violations.js";

export type SessionHandlers = ServiceHandlers<typeof SessionServiceDefinition>;

export function createSessionHandlers(parts: CacheHandlerParts): SessionHandlers {
  const { handle, handleOnce } = createValueCalls(parts);

  const create = handleOnce(
    {
      name: "SessionCreate",
      isGrowing: true,
      parse: (violations, request) => {
        const nonce = newNonce();
        return {
          nonce,
          of: hashOfId(idFrom(nonce, request.requestId)),
          data: parseData(violations, request.data),
          cookie: parseCookie(violations, request.cookie),
          user: parseUser(violations, request.userId),
          ...parseSpans(violations, request),
        };
      },
      bytesOf: ({ data }) => data.length,
      rule: (open, order, { stamp }) =>
        inSessions(open, stamp, (sessions) => {
          const made = createSession(sessions, order);
          return made.kind === "rejected" ? made : accept({ ...order, session: made.outcome });
        }),
      render: ({ session, nonce, of }): CreateSessionResponse =>
        session === undefined
          ? { sessionId: "", sessionHash: "", version: 0n, replayed: false }
          : {
              sessionId: nonce,
              sessionHash: renderHash(of),
              version: BigInt(session.version),
              expireTime: renderEnd(session.expiresAt),
              replayed: false,
            },
    },
    { request: CreateSessionRequest, response: CreateSessionResponse },
  );

  const regenerate = handleOnce(
    {
      name: "SessionRegenerate",
      isGrowing: true,
      parse: (violations, request) => {
        const nonce = newNonce();
        return {
          nonce,
          from: parseSessionId(violations, request.sessionId),
          to: hashOfId(idFrom(nonce, request.requestId)),
          keepsData: request.keepData,
          user: parseUser(violations, request.userId),
        };
      },
      rule: (open, order, { stamp }) =>
        inSessions(open, stamp, (sessions) => {
          const made = regenerateSession(sessions, order);
          return made.kind === "rejected" ? made : accept({ ...order, written: made.outcome });
        }),
      render: ({ written, nonce, to }): RegenerateSessionResponse => ({
        ...renderWritten(written),
        sessionId: written.kind === "saved" ? nonce : "",
        sessionHash: written.kind === "saved" ? renderHash(to) : "",
        replayed: false,
      }),
    },
    { request: RegenerateSessionRequest, response: RegenerateSessionResponse },
  );

  return {
    ...createSessionListHandlers(parts),

    createSession: async (request) => revealed(await create(request), request.requestId),
    regenerateSession: async (request) => revealed(await regenerate(request), request.requestId),

    getSession: handle({
      name: "SessionGet",
      isLookup: () => true,
      parse: (violations, request) => ({
        of: parseSessionId(violations, request.sessionId),
        isTouching: !request.withoutTouch,
      }),
      rule: (open, order, { stamp }) =>
        inSessions(open, stamp, (sessions) => {
          const got = getSession(sessions, order);
          if (got.kind === "rejected") return got;
          const slides = order.isTouching && got.outcome?.cookie?.expiresAt === undefined;
          // Who follows gives nothing a longer life, and what was read here would end too early.
          if (slides && got.outcome !== undefined && parts.engine.keepsNothing === true) {
            throw new LeaderNeeded();
          }
          return accept({ of: order.of, session: got.outcome });
        }),
      render: ({ of, session }) => ({ session: session && renderSession(of, session, true) }),
    }),

    saveSession: handleOnce(
      {
        name: "SessionSave",
        isGrowing: true,
        parse: (violations, request) => ({
          of: parseSessionId(violations, request.sessionId),
          data: parseData(violations, request.data),
          cookie: parseCookie(violations, request.cookie),
          user: parseUser(violations, request.userId),
          ...parseSpans(violations, request),
          mode: parseMode(violations, request.mode),
          ifVersion: parseVersion(violations, request.ifVersion),
        }),
        bytesOf: ({ data }) => data.length,
        rule: (open, order, { stamp }) =>
          inSessions(open, stamp, (sessions) => saveSession(sessions, order)),
        render: (written) => ({ ...renderWritten(written), replayed: false }),
      },
      { request: SaveSessionRequest, response: SaveSessionResponse },
    ),

    patchSession: handleOnce(
      {
        name: "SessionPatch",
        isGrowing: true,
        parse: (violations, request) => {
          const { remove } = request;
          const { fieldsRemovedMax } = sessionLimits;
          const isShort = checkCount(violations, "remove", remove.length, fieldsRemovedMax);
          return {
            of: parseSessionId(violations, request.sessionId),
            set: parseFields(violations, "set", request.set),
            removed: isShort ? remove : [],
            bytes: Buffer.byteLength(request.set),
          };
        },
        bytesOf: ({ bytes }) => bytes,
        rule: (open, order, { stamp }) =>
          inSessions(open, stamp, (sessions) => patchSession(sessions, order)),
        render: (written) => ({ ...renderWritten(written), replayed: false }),
      },
      { request: PatchSessionRequest, response: PatchSessionResponse },
    ),

    touchSession: handle({
      name: "SessionTouch",
      parse: (violations, request) => ({
        of: parseSessionId(violations, request.sessionId),
        cookie: parseCookie(violations, request.cookie),
      }),
      rule: (open, order, { stamp }) =>
        inSessions(open, stamp, (sessions) => touchSession(sessions, order)),
      render: (end) => ({ found: end !== undefined, expireTime: renderEnd(end) }),
    }),

    destroySession: handle({
      name: "SessionDestroy",
      parse: (violations, request) => ({ of: parseSessionForm(violations, request.sessionForm) }),
      rule: (open, order, { stamp }) =>
        inSessions(open, stamp, (sessions) => destroySession(sessions, order)),
      render: (existed) => ({ existed }),
    }),
  };
}

/** With the id that only the answer has. */
const revealed = <Response extends { readonly sessionId: string }>(
  response: Response,
  requestId: string,
): Response =>
  response.sessionId === ""
    ? response
    : { ...response, sessionId: idFrom(response.sessionId, requestId) };

const outcomes = {
  saved: SessionWriteOutcome.SAVED,
  gone: SessionWriteOutcome.GONE,
  conflict: SessionWriteOutcome.CONFLICT,
  missing: SessionWriteOutcome.MISSING,
  exists: SessionWriteOutcome.EXISTS,
  ended: SessionWriteOutcome.ENDED,
} as const satisfies Readonly<Record<SessionWritten["kind"], SessionWriteOutcome>>;

function renderWritten(written: SessionWritten) {
  const session = "session" in written ? written.session : undefined;
  return {
    outcome: outcomes[written.kind],
    version: BigInt(session?.version ?? 0),
    expireTime: renderEnd(session?.expiresAt),
  };
}

const modes = { UPSERT: "upsert", UPDATE: "update", CREATE: "create" } as const;

function parseMode(violations: Violations, mode: SaveSessionMode) {
  const name = parseEnum(violations, "mode", mode, SaveSessionMode);
  return name === undefined ? "upsert" : modes[name];
}

function parseVersion(violations: Violations, version: bigint): number {
  if (version >= 0n && version <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(version);
  violations.add("INVALID_PARAMETER", "if_version", "must be 0, or a version that was answered");
  return 0;
}
