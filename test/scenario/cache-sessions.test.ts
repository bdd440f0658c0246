// Sessions over a real socket: two requests that meet, signing out everywhere, restarts, and what a store gives away.

import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import {
  SessionWriteOutcome as Outcome,
  SaveSessionMode,
} from "../../src/gen/forebay/cache/v1/session_service.js";
import { cacheCall, cacheScenario, createCache } from "../support/caches.js";
import { durationOf, type Scenario } from "../support/scenario.js";
import { sessionCall } from "../support/sessions.js";

const json = (fields: object): string => JSON.stringify(fields);

async function isThere(t: Scenario, sessionId: string, cache = "default"): Promise<boolean> {
  const got = await sessionCall(t, "getSession", { cache, sessionId, withoutTouch: true });
  return got.session !== undefined;
}

const create = async (t: Scenario, userId = "", requestId = ""): Promise<string> =>
  (await sessionCall(t, "createSession", { data: json({ n: 1 }), userId, requestId })).sessionId;

test("C60 a session that another request has destroyed is not revived by a slow one that saves it", async () => {
  const t = await cacheScenario();
  const sessionId = await create(t);
  const read = await sessionCall(t, "getSession", { sessionId });
  expect(await sessionCall(t, "destroySession", form(sessionId))).toMatchObject({ existed: true });
  const save = () => sessionCall(t, "saveSession", { sessionId, data: read.session?.data ?? "" });
  expect(await save()).toMatchObject({ outcome: Outcome.GONE, version: 0n });
  expect(await isThere(t, sessionId)).toBe(false);
  await t.advance(59_999);
  expect(await save()).toMatchObject({ outcome: Outcome.GONE });
  await t.restart();
  expect(await isThere(t, sessionId)).toBe(false);
  await t.advance(1);
  expect(await save()).toMatchObject({ outcome: Outcome.SAVED, version: 1n });
});

test("C61 of two requests that change different fields of a session at the same time both do", async () => {
  const t = await cacheScenario();
  const sessionId = await create(t);
  await Promise.all(
    ["left", "right"].map((side) =>
      sessionCall(t, "patchSession", { sessionId, set: json({ [side]: true }) }),
    ),
  );
  const { session } = await sessionCall(t, "getSession", { sessionId });
  expect(JSON.parse(session?.data ?? "")).toEqual({ n: 1, left: true, right: true });
  expect(session?.version).toBe(3n);
});

const form = (value: string) => ({ sessionForm: { $case: "sessionId" as const, value } });

test("of requests that regenerate a session at the same time one wins, and the others are told that it is gone", async () => {
  const t = await cacheScenario();
  const sessionId = await create(t, "ann");
  const answers = await Promise.all(
    [1, 2, 3].map(() => sessionCall(t, "regenerateSession", { sessionId, keepData: true })),
  );
  const won = answers.filter(({ outcome }) => outcome === Outcome.SAVED);
  const lost = answers.filter(({ outcome }) => outcome === Outcome.GONE);
  expect([won.length, lost.length]).toEqual([1, 2]);
  expect(lost.map((answer) => answer.sessionId)).toEqual(["", ""]);
  const renewed = won[0]?.sessionId ?? "";
  expect(await sessionCall(t, "getSession", { sessionId: renewed })).toMatchObject({
    session: { data: json({ n: 1 }), userId: "ann", version: 1n },
  });
  expect(await isThere(t, sessionId)).toBe(false);
});

test("a user is signed out everywhere at once, but for the session that asks for it", async () => {
  const t = await cacheScenario();
  const [mine, other, bobs] = [
    await create(t, "ann"),
    await create(t, "ann"),
    await create(t, "bob"),
  ];
  const ofAnn = { userId: "ann" };
  expect(await sessionCall(t, "countSessions", ofAnn)).toEqual({ count: 2n });
  expect(
    await sessionCall(t, "destroySessionsByUser", { ...ofAnn, exceptSessionId: mine }),
  ).toEqual({ kept: true });
  expect([await isThere(t, mine), await isThere(t, other), await isThere(t, bobs)]).toEqual([
    true,
    false,
    true,
  ]);
  const save = { sessionId: other, mode: SaveSessionMode.UPSERT };
  expect(await sessionCall(t, "saveSession", save)).toMatchObject({ outcome: Outcome.GONE });
  const { sessions } = await sessionCall(t, "listSessionsByUser", { ...ofAnn, withData: true });
  const sessionHash = hash("sha256", mine, "base64url");
  expect(sessions).toMatchObject([{ sessionHash, userId: "ann", data: json({ n: 1 }) }]);
  // Lists name sessions by their hashes, by which they can be destroyed.
  const byHash = { sessionForm: { $case: "sessionHash" as const, value: sessionHash } };
  expect(await sessionCall(t, "destroySession", byHash)).toEqual({ existed: true });
  expect(await isThere(t, mine)).toBe(false);
  await sessionCall(t, "clearSessions", {});
  expect(await sessionCall(t, "countSessions", {})).toEqual({ count: 0n });
  expect(await isThere(t, bobs)).toBe(false);
});

test("lists are paged, and a token is good for its own list alone", async () => {
  const t = await cacheScenario();
  for (const _ of [1, 2, 3]) await create(t, "ann");
  const first = await sessionCall(t, "listSessions", { pageSize: 2 });
  expect(first.sessions.map(({ data }) => data)).toEqual(["", ""]);
  const pageToken = first.nextPageToken;
  const rest = await sessionCall(t, "listSessions", { pageSize: 2, pageToken });
  expect([rest.sessions.length, rest.nextPageToken]).toEqual([1, ""]);
  const hashes = [...first.sessions, ...rest.sessions].map((session) => session.sessionHash);
  expect(new Set(hashes).size).toBe(3);
  await expect(
    sessionCall(t, "listSessionsByUser", { userId: "ann", pageToken }),
  ).rejects.toMatchObject({ reason: "INVALID_PAGE_TOKEN" });
});

test("a repeat with the request id gets the same id, which nothing on the disk has", async () => {
  const t = await cacheScenario();
  const first = await create(t, "ann", "once");
  expect(first).toMatch(/^[A-Za-z0-9_-]{43}$/);
  await t.restart();
  expect(await create(t, "ann", "once")).toBe(first);
  expect(await sessionCall(t, "countSessions", {})).toEqual({ count: 1n });
  const renew = () =>
    sessionCall(t, "regenerateSession", { sessionId: first, requestId: "renewed" });
  const renewed = await renew();
  const again = await renew();
  expect(again).toEqual({ ...renewed, replayed: true });
  expect(await isThere(t, again.sessionId)).toBe(true);
  const stored = readFileSync(join(t.directory, "data.mdb"));
  // What is written beside them is found.
  expect(stored.includes("user:ann")).toBe(true);
  for (const id of [first, renewed.sessionId]) {
    expect(stored.includes(id)).toBe(false);
    expect(stored.includes(Buffer.from(id, "base64url"))).toBe(false);
    expect(stored.includes(Buffer.from(hash("sha256", id, "base64url"), "base64url"))).toBe(true);
  }
});

test("sessions are no items: keys, tags and a flush miss them, and they go with their cache", async () => {
  const t = await cacheScenario();
  await createCache(t, "shop");
  const cache = "shop";
  const { sessionId } = await sessionCall(t, "createSession", { cache, userId: "ann" });
  expect((await cacheCall(t, "scan", { cache })).items).toEqual([]);
  await cacheCall(t, "invalidateTags", { cache, tags: ["user:ann"] });
  await cacheCall(t, "flushCache", { cache });
  expect(await isThere(t, sessionId, cache)).toBe(true);
  expect(await isThere(t, sessionId)).toBe(false);
  const listed = await cacheCall(t, "listCaches", {});
  expect(listed.caches.map((each) => each.cache)).toEqual(["default", "shop"]);
  await cacheCall(t, "deleteCache", { cache });
  await createCache(t, "shop");
  expect(await isThere(t, sessionId, cache)).toBe(false);
  // Of the one that is always there, too.
  const inDefault = await create(t);
  await cacheCall(t, "deleteCache", { cache: "default" });
  expect(await isThere(t, inDefault)).toBe(false);
});

test("sessions end and their rows go, over a restart, too", async () => {
  const t = await cacheScenario();
  const { sessionId } = await sessionCall(t, "createSession", {
    idle: durationOf(10_000),
    userId: "ann",
  });
  await t.advance(9_999);
  await t.restart();
  expect(await isThere(t, sessionId)).toBe(true);
  await t.advance(1);
  expect(await isThere(t, sessionId)).toBe(false);
  expect(await sessionCall(t, "countSessions", { userId: "ann" })).toEqual({ count: 0n });
});
