// The store under a real express, and by itself, on a real server.

// As users import it, so that its errors are those that the store knows.
import { ForebayClient, type ForebayClientOptions } from "@forebay/client";
import express, { type Express } from "express";
import expressSession from "express-session";
import supertest from "supertest";
import { expect, onTestFinished, test } from "vitest";
import { CutLine } from "../../typescript/test/support/cut-line.js";
import { RealServer } from "../../typescript/test/support/real-server.js";
import { ForebayStore, type ForebayStoreOptions } from "../src/index.js";

declare module "express-session" {
  interface SessionData {
    views?: number;
    user?: string;
    note?: string;
  }
}

type Rest = Omit<ForebayStoreOptions, "client">;

function connect(endpoint: string, options: ForebayClientOptions = {}): ForebayClient {
  const client = new ForebayClient({ endpoint, ...options });
  onTestFinished(() => client.close());
  return client;
}

async function start(rest: Rest = {}): Promise<ForebayStore> {
  const server = await RealServer.start();
  return new ForebayStore({ client: connect(server.endpoint), ...rest });
}

const middleware = (store: ForebayStore, cookie: expressSession.CookieOptions = {}) =>
  expressSession({ store, secret: "s", resave: false, saveUninitialized: false, cookie });

/** An application that counts views, signs in and out. */
function application(store: ForebayStore, cookie: expressSession.CookieOptions = {}): Express {
  const app = express();
  app.use(middleware(store, cookie));
  app.get("/", ({ session }, response) => {
    session.views = (session.views ?? 0) + 1;
    response.json({ views: session.views, user: session.user ?? null });
  });
  app.get("/look", (request, response) => {
    response.json({ has: request.session !== undefined, views: request.session?.views ?? 0 });
  });
  app.post("/sign-in", (request, response, next) => {
    const { views } = request.session;
    request.session.regenerate((error) => {
      if (error) return next(error);
      Object.assign(request.session, { user: "ann", views });
      response.json({ id: request.sessionID });
    });
  });
  app.post("/sign-out", (request, response, next) => {
    request.session.destroy((error) => (error ? next(error) : response.json({})));
  });
  return app;
}

const session = (rest: object = {}, cookie: object = {}): expressSession.SessionData =>
  ({ cookie: { originalMaxAge: null, ...cookie }, ...rest }) as expressSession.SessionData;

test("a browser has its session over requests, over a sign-in under another id, and none after it signed out", async () => {
  const store = await start({ userId: ({ user }) => user });
  const browser = supertest.agent(application(store));
  expect((await browser.get("/")).body).toEqual({ views: 1, user: null });
  expect((await browser.get("/")).body).toEqual({ views: 2, user: null });
  const [before] = await store.all();
  await browser.post("/sign-in").expect(200);
  expect((await browser.get("/")).body).toEqual({ views: 3, user: "ann" });
  const [after] = await store.all();
  expect(after?.id).not.toBe(before?.id);
  expect(await store.length()).toBe(1);
  await browser.post("/sign-out").expect(200);
  expect(await store.length()).toBe(0);
  expect((await browser.get("/look")).body).toEqual({ has: true, views: 0 });
});

test("C60 a slow request that saves a session which another has destroyed gets no error, and the session stays dead", async () => {
  const store = await start();
  const app = express();
  app.use(middleware(store));
  let arrived = (): void => undefined;
  const slowArrived = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  let release = (): void => undefined;
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  app.get("/fast", (request, response) => {
    request.session.views = 1;
    response.json({ sid: request.sessionID });
  });
  app.get("/slow", async (request, response) => {
    request.session.note = "late";
    arrived();
    await released;
    response.json({});
  });
  app.get("/out", (request, response) => {
    request.session.destroy(() => response.json({}));
  });
  const errors: unknown[] = [];
  app.use(((error, _request, response, _next) => {
    errors.push(error);
    response.status(500).end();
  }) satisfies express.ErrorRequestHandler);
  const browser = supertest.agent(app);
  const { sid } = (await browser.get("/fast")).body as { readonly sid: string };
  const slow = browser.get("/slow").then((response) => response.status);
  await slowArrived;
  await browser.get("/out").expect(200);
  release();
  expect(await slow).toBe(200);
  expect(errors).toEqual([]);
  expect(await store.get(sid)).toBeNull();
  expect(await store.length()).toBe(0);
});

test("a request that changes nothing touches: the end and the cookie move, the data stays", async () => {
  const store = await start();
  const browser = supertest.agent(application(store, { maxAge: 60_000 }));
  await browser.get("/");
  const endOf = async (): Promise<number> =>
    Date.parse(String((await store.all())[0]?.cookie.expires));
  const before = await endOf();
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect((await browser.get("/look")).body).toMatchObject({ views: 1 });
  expect(await endOf()).toBeGreaterThan(before);
  expect(await store.all()).toMatchObject([{ views: 1, cookie: { originalMaxAge: 60_000 } }]);
});

test("without an end of the cookie a session is there for a day, or as the store says", async () => {
  const server = await RealServer.start();
  const client = connect(server.endpoint);
  const sessions = client.sessions();
  for (const [sid, idleMs] of [
    ["day", undefined],
    ["hour", 3_600_000],
  ] as const) {
    await new ForebayStore({ client, idleMs }).set(sid, session());
    expect(await sessions.get(sid)).toMatchObject({ idleMs: idleMs ?? 86_400_000 });
  }
});

test("an end of the cookie is kept to the millisecond, and one that has passed destroys", async () => {
  const store = await start();
  const expires = new Date("2100-01-01T00:00:00.123Z");
  await store.set("a", session({ note: "x" }, { expires }));
  expect(await store.get("a")).toEqual({
    note: "x",
    cookie: { originalMaxAge: null, expires: "2100-01-01T00:00:00.123Z" },
  });
  await store.set("a", session({}, { expires: new Date(-1) }));
  expect(await store.get("a")).toBeNull();
  // It was destroyed, and is not revived.
  await store.set("a", session({}, { expires }));
  expect(await store.get("a")).toBeNull();
});

test("a touch of a session that is not there makes none, and destroying it twice is no error", async () => {
  const store = await start();
  await store.touch("a", session());
  expect(await store.get("a")).toBeNull();
  await store.set("a", session());
  await store.destroy("a");
  await store.destroy("a");
  expect(await store.length()).toBe(0);
});

test("a callback is called once, and not before the method has returned", async () => {
  const store = await start();
  await store.set("a", session({ note: "x" }));
  const calls: [string, unknown, unknown][] = [];
  const log = (name: string) => (error: unknown, result?: unknown) => {
    calls.push([name, error, result]);
  };
  const returned = [
    store.get("a", log("get")),
    store.touch("a", session(), log("touch")),
    store.length(log("length")),
    store.all(log("all")),
    store.get("none", log("none")),
  ];
  expect(calls).toEqual([]);
  expect(returned.every((value) => value === undefined)).toBe(true);
  await expect.poll(() => calls.length).toBe(5);
  store.set("b", session(), log("set"));
  await expect.poll(() => calls.length).toBe(6);
  store.destroy("b", log("destroy"));
  store.clear(log("clear"));
  await expect.poll(() => calls.length).toBe(8);
  const results = new Map(calls.map(([name, error, result]) => [name, [error, result]]));
  expect([...results.keys()].sort()).toEqual(
    ["all", "clear", "destroy", "get", "length", "none", "set", "touch"].sort(),
  );
  expect([...results.values()].every(([error]) => error === null)).toBe(true);
  expect(results.get("get")?.[1]).toMatchObject({ note: "x" });
  expect(results.get("none")?.[1]).toBeNull();
  expect(results.get("length")?.[1]).toBe(1);
});

test("what the server refuses is told to the callback, and ends no connection", async () => {
  const store = await start({ cache: "none" });
  const events: string[] = [];
  store.on("disconnect", () => events.push("disconnect"));
  const error = await new Promise((resolve) => store.get("a", resolve));
  expect(error).toMatchObject({ reason: "CACHE_NOT_FOUND" });
  await expect(store.set("a", session())).rejects.toMatchObject({ reason: "CACHE_NOT_FOUND" });
  expect(events).toEqual([]);
});

test("all sessions of a user end at once, but for the one that asks", async () => {
  const store = await start({ userId: ({ user }) => user });
  await Promise.all(["a", "b"].map((sid) => store.set(sid, session({ user: "ann" }))));
  await store.set("c", session({ user: "bob" }));
  expect(await store.destroyByUser("ann", { exceptSid: "b" })).toBe(true);
  const left = (await store.all()).map(({ user }) => user).sort();
  expect(left).toEqual(["ann", "bob"]);
  expect(await store.get("a")).toBeNull();
  const [listed] = await store.all();
  expect(listed && (await store.destroyListed(listed))).toBe(true);
  await store.clear();
  expect(await store.length()).toBe(0);
});

test("while no server can be reached requests are served without a session, and with one when it is back", async () => {
  const server = await RealServer.start();
  const line = await CutLine.open(server.endpoint);
  const store = new ForebayStore({
    client: connect(line.endpoint, { retry: false, timeoutMs: 2_000 }),
  });
  const events: string[] = [];
  store.on("connect", () => events.push("connect"));
  store.on("disconnect", () => events.push("disconnect"));
  const browser = supertest.agent(application(store));
  await browser.get("/").expect(200);
  expect(events).toEqual(["connect"]);
  line.close();
  await browser.get("/look");
  await expect.poll(() => events).toEqual(["connect", "disconnect"]);
  expect((await browser.get("/look")).body).toEqual({ has: false, views: 0 });
  await line.reopen();
  await expect.poll(() => events).toEqual(["connect", "disconnect", "connect"]);
  expect((await browser.get("/look")).body).toEqual({ has: true, views: 1 });
});
