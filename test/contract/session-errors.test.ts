// Every error that the contract of sessions documents is provoked once over the wire, with its typed details; and every error
// provoked is documented. Those of every call of caches are provoked where theirs are.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { cacheScenario, createCache } from "../support/caches.js";
import { checkDetails, failureOf } from "../support/error-details.js";
import { durationOf, type Scenario } from "../support/scenario.js";
import { sessionCall } from "../support/sessions.js";

type Provocation = (t: Scenario) => Promise<unknown>;

const form = (value: string) => ({ sessionForm: { $case: "sessionId" as const, value } });
const hashForm = (value: string) => ({ sessionForm: { $case: "sessionHash" as const, value } });

const own: Readonly<Record<string, Provocation>> = {
  "INVALID_ARGUMENT / MISSING_PARAMETER": (t) => sessionCall(t, "getSession", {}),
  "INVALID_ARGUMENT / INVALID_PARAMETER": (t) => sessionCall(t, "createSession", { data: "[]" }),
  "INVALID_ARGUMENT / INVALID_PAGE_TOKEN": (t) =>
    sessionCall(t, "listSessions", { pageToken: "x" }),
  "OUT_OF_RANGE / RESULT_TOO_LARGE": async (t) => {
    await createCache(t, "small", { maxValueBytes: 2 });
    const { sessionId } = await sessionCall(t, "createSession", { cache: "small" });
    await sessionCall(t, "patchSession", { cache: "small", sessionId, set: '{"a":1}' });
  },
};

/** That calls on sessions answer with as any call of caches does. */
const ofCaches: Readonly<Record<string, Provocation>> = {
  "NOT_FOUND / CACHE_NOT_FOUND": (t) => sessionCall(t, "countSessions", { cache: "none" }),
  "INVALID_ARGUMENT / BAD_NAME": (t) => sessionCall(t, "clearSessions", { cache: "no name" }),
  "INVALID_ARGUMENT / VALUE_TOO_LARGE": async (t) => {
    await createCache(t, "small", { maxValueBytes: 2 });
    await sessionCall(t, "createSession", { cache: "small", data: '{"a":1}' });
  },
  "INVALID_ARGUMENT / LIMIT_EXCEEDED": (t) =>
    sessionCall(t, "patchSession", {
      sessionId: "a",
      remove: Array.from({ length: 1_001 }, () => "a"),
    }),
  "RESOURCE_EXHAUSTED / CACHE_FULL": async (t) => {
    await createCache(t, "full", { maxBytes: 300n });
    await sessionCall(t, "createSession", { cache: "full" });
    await sessionCall(t, "createSession", { cache: "full" });
    await sessionCall(t, "createSession", { cache: "full" });
  },
  "FAILED_PRECONDITION / REQUEST_ID_REUSED": async (t) => {
    await sessionCall(t, "createSession", { requestId: "once" });
    await sessionCall(t, "createSession", { requestId: "once", userId: "ann" });
  },
  "DATA_LOSS / RECORD_CORRUPT": async (t) => {
    t.expectErrors();
    const data = JSON.stringify({ long: `${"x".repeat(5_000)}the end of it` });
    const { sessionId } = await sessionCall(t, "createSession", { data });
    await t.corrupt("the end of it");
    await sessionCall(t, "getSession", { sessionId });
  },
};

test("the errors that are documented of sessions are those provoked here", () => {
  const url = new URL("../../proto/forebay/cache/v1/session_service.proto", import.meta.url);
  const found = [...readFileSync(url, "utf8").matchAll(/^\s*\/\/\s*([A-Z_]+ \/ [A-Z_]+): /gm)];
  expect(found.map(([, name]) => name).sort()).toEqual(Object.keys(own).sort());
});

test.each(Object.entries({ ...own, ...ofCaches }))("%s", async (name, provoke) => {
  const t = await cacheScenario();
  const error = await failureOf(provoke(t));
  expect(`${error.code} / ${error.reason}`).toBe(name);
  checkDetails(error);
});

const long = "x".repeat(257);

test.each([
  ["session_id", (t: Scenario) => sessionCall(t, "getSession", { sessionId: long })],
  ["session_id", (t: Scenario) => sessionCall(t, "destroySession", form(""))],
  ["session_hash", (t: Scenario) => sessionCall(t, "destroySession", hashForm("abc"))],
  [
    "except_session_id",
    (t: Scenario) =>
      sessionCall(t, "destroySessionsByUser", { userId: "ann", exceptSessionId: long }),
  ],
  ["user_id", (t: Scenario) => sessionCall(t, "listSessionsByUser", {})],
  ["user_id", (t: Scenario) => sessionCall(t, "createSession", { userId: "x".repeat(251) })],
  ["data", (t: Scenario) => sessionCall(t, "saveSession", { sessionId: "a", data: "{" })],
  ["set", (t: Scenario) => sessionCall(t, "patchSession", { sessionId: "a", set: "null" })],
  [
    "if_version",
    (t: Scenario) => sessionCall(t, "saveSession", { sessionId: "a", ifVersion: -1n }),
  ],
  ["mode", (t: Scenario) => sessionCall(t, "saveSession", { sessionId: "a", mode: 9 as never })],
  ["idle", (t: Scenario) => sessionCall(t, "createSession", { idle: durationOf(999) })],
  ["absolute", (t: Scenario) => sessionCall(t, "createSession", { absolute: durationOf(0) })],
  ["page_size", (t: Scenario) => sessionCall(t, "listSessions", { pageSize: 1_001 })],
  [
    "cookie.attributes",
    (t: Scenario) =>
      sessionCall(t, "touchSession", { sessionId: "a", cookie: { attributes: "1" } }),
  ],
  [
    "cookie.attributes",
    (t: Scenario) =>
      sessionCall(t, "createSession", { cookie: { attributes: `{"a":"${"x".repeat(4_096)}"}` } }),
  ],
  [
    "cookie.expire_time",
    (t: Scenario) =>
      sessionCall(t, "createSession", { cookie: { expireTime: { seconds: -1n, nanos: 0 } } }),
  ],
] as const)("a bad %s is told of by its name", async (field, call) => {
  const t = await cacheScenario();
  const error = await failureOf(call(t));
  expect(error.violations).toEqual([field]);
});
