// Many sessions at the wire: listed, counted, and ended together.

import { hash } from "node:crypto";
import {
  clearSessions,
  countSessions,
  destroyOfUser,
  type ListSessions,
  listSessions,
  type SessionCount,
  type SessionPage,
} from "../cache/session-lists.js";
import { inSessions } from "../cache/session-store.js";
import type { SessionServiceDefinition } from "../gen/forebay/cache/v1/session_service.js";
import { answerBytesMax } from "./cache-batch-handlers.js";
import { type CacheHandlerParts, createCacheTools } from "./cache-handler-context.js";
import {
  parseNeededUser,
  parseSessionId,
  parseUser,
  renderSession,
} from "./cache-session-parse.js";
import { createValueCalls } from "./cache-value-calls.js";
import type { ServiceHandlers } from "./call.js";
import { parsePageToken } from "./handler-context.js";
import { parseCount, Violations } from "./violations.js";

const pageSizes = { min: 1, max: 1_000 };
const pageSizeDefault = 100;

interface ListRequest {
  readonly cache: string;
  readonly withData: boolean;
  readonly pageSize: number;
  readonly pageToken: string;
}

type ListHandlers = Pick<
  ServiceHandlers<typeof SessionServiceDefinition>,
  | "listSessions"
  | "listSessionsByUser"
  | "countSessions"
  | "destroySessionsByUser"
  | "clearSessions"
>;

export function createSessionListHandlers(parts: CacheHandlerParts): ListHandlers {
  const { handle } = createValueCalls(parts);
  const tools = createCacheTools(parts);
  const { pageTokens } = parts;

  async function list(
    violations: Violations,
    request: ListRequest,
    user: string | undefined,
    name: string,
  ) {
    const { pageSize, pageToken, withData } = request;
    const address = tools.address(violations, request.cache);
    const scope = `sessions ${hash("sha256", JSON.stringify([address, user]), "base64")}`;
    const countMax = parseCount(violations, "page_size", pageSize || undefined, pageSizes);
    const after = parsePageToken(violations, pageTokens, scope, pageToken);
    violations.throwIfAny();
    const order: ListSessions = {
      user,
      after,
      countMax: countMax ?? pageSizeDefault,
      bytesMax: answerBytesMax,
      wantsData: withData,
    };
    const page: SessionPage = await tools.execute({
      name,
      address,
      isLookup: true,
      rule: (open, _, { stamp }) =>
        inSessions(open, stamp, (sessions) => listSessions(sessions, order)),
    });
    return {
      sessions: page.sessions.map(({ of, session }) => renderSession(of, session, withData)),
      nextPageToken: page.next === undefined ? "" : pageTokens.encode(scope, page.next),
    };
  }

  return {
    listSessions: (request) => list(new Violations(), request, undefined, "SessionList"),

    listSessionsByUser: async (request) => {
      const violations = new Violations();
      const user = parseNeededUser(violations, request.userId);
      return await list(violations, request, user, "SessionListByUser");
    },

    countSessions: async (request) => {
      const violations = new Violations();
      const address = tools.address(violations, request.cache);
      const user = parseUser(violations, request.userId);
      violations.throwIfAny();
      let counted = 0;
      let after: string | undefined = "";
      // A page after another, so that nobody waits for all of them.
      while (after !== undefined) {
        const order = { user, after };
        const page: SessionCount = await tools.execute({
          name: "SessionCount",
          address,
          isLookup: true,
          rule: (open, _, { stamp }) =>
            inSessions(open, stamp, (sessions) => countSessions(sessions, order)),
        });
        counted += page.count;
        after = page.next;
      }
      return { count: BigInt(counted) };
    },

    destroySessionsByUser: handle({
      name: "SessionDestroyByUser",
      parse: (violations, request) => ({
        user: parseNeededUser(violations, request.userId),
        except:
          request.exceptSessionId === ""
            ? undefined
            : parseSessionId(violations, request.exceptSessionId, "except_session_id"),
      }),
      rule: (open, order, { stamp }) =>
        inSessions(open, stamp, (sessions) => destroyOfUser(sessions, order)),
      render: (kept) => ({ kept }),
    }),

    clearSessions: handle({
      name: "SessionClear",
      parse: () => undefined,
      rule: (open, _, { stamp }) => inSessions(open, stamp, clearSessions),
      render: () => ({}),
    }),
  };
}
