// Sessions through the client, on a real server.

import { expect, test } from "vitest";
import type { Sessions } from "../src/index.js";
import { CutLine } from "./support/cut-line.js";
import { RealServer } from "./support/real-server.js";

interface Cart {
  readonly cart: readonly string[];
  readonly note?: string;
}

const start = async (): Promise<Sessions<Cart>> =>
  (await RealServer.start()).connect().sessions<Cart>();

async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

test("a session is made, read, saved, changed in part, touched and destroyed", async () => {
  const sessions = await start();
  const cookie = { expiresAt: new Date("2100-01-01T00:00:00.250Z"), attributes: { path: "/" } };
  const options = { userId: "ann", idleMs: 60_000, absoluteMs: 3_600_000 };
  const { id, hash, expiresAt } = await sessions.create({ cart: ["tea"] }, options);
  const read = await sessions.get(id);
  expect(read).toMatchObject({
    hash,
    userId: "ann",
    data: { cart: ["tea"] },
    cookie: undefined,
    version: 1n,
    idleMs: 60_000,
    expiresAt,
  });
  expect(read?.absoluteEnd).toEqual(new Date((read?.createdAt?.getTime() ?? 0) + 3_600_000));
  expect(await sessions.touch(id, { cookie })).toBe(true);
  // The absolute end is before that of the cookie.
  expect(await sessions.get(id, { touch: false })).toMatchObject({
    cookie,
    expiresAt: read?.absoluteEnd,
  });
  expect(await sessions.save(id, { cart: [] }, { ifVersion: 1n })).toMatchObject({
    kind: "saved",
    version: 2n,
  });
  expect(await sessions.save(id, { cart: [] }, { ifVersion: 1n })).toEqual({
    kind: "conflict",
    version: 2n,
  });
  expect(await sessions.save(id, { cart: [] }, { mode: "create" })).toMatchObject({
    kind: "exists",
  });
  expect(await sessions.patch(id, { note: "wrap it" }, { remove: ["cart"] })).toMatchObject({
    kind: "saved",
    version: 3n,
  });
  expect((await sessions.get(id))?.data).toEqual({ note: "wrap it" });
  expect(await sessions.destroy({ hash })).toBe(true);
  expect(await sessions.destroy(id)).toBe(false);
  expect(await sessions.get(id)).toBeUndefined();
  expect(await sessions.touch(id)).toBe(false);
  expect(await sessions.patch(id, {})).toEqual({ kind: "gone", version: 0n });
  expect(await sessions.save("mine", { cart: [] }, { mode: "update" })).toMatchObject({
    kind: "missing",
  });
  const past = { cookie: { expiresAt: new Date(0) } };
  expect(await sessions.save("mine", { cart: [] }, past)).toMatchObject({ kind: "ended" });
});

test("sessions of a user are listed, counted and ended together", async () => {
  const sessions = await start();
  const made = await Promise.all(
    ["ann", "ann", "ann", "bob"].map((userId) => sessions.create({ cart: [userId] }, { userId })),
  );
  const hashes = made.map(({ hash }) => hash);
  const listed = await all(sessions.list({ userId: "ann", pageSize: 2 }));
  expect(listed.map(({ hash }) => hash).sort()).toEqual(hashes.slice(0, 3).sort());
  const everybody = await all(sessions.listWithData());
  expect(everybody.map(({ data }) => data.cart[0]).sort()).toEqual(["ann", "ann", "ann", "bob"]);
  expect([await sessions.count(), await sessions.count({ userId: "ann" })]).toEqual([4, 3]);
  expect(await sessions.destroyByUser("ann", { exceptId: made[0]?.id })).toBe(true);
  expect(await sessions.count({ userId: "ann" })).toBe(1);
  await sessions.clear();
  expect(await sessions.count()).toBe(0);
});

test("a session gets another id, and whoever asks again with the old one is told that it is gone", async () => {
  const sessions = await start();
  const { id } = await sessions.create({ cart: ["tea"] });
  const renewed = await sessions.regenerate(id, { userId: "ann" });
  expect(renewed).toMatchObject({ kind: "saved" });
  if (renewed.kind !== "saved") return;
  expect(renewed.id).not.toBe(id);
  expect(await sessions.get(renewed.id)).toMatchObject({ userId: "ann", data: { cart: ["tea"] } });
  expect(await sessions.regenerate(id)).toEqual({ kind: "gone" });
  expect(await sessions.regenerate("nobody's")).toEqual({ kind: "missing" });
  const bare = await sessions.regenerate(renewed.id, { keepData: false });
  expect(bare.kind === "saved" && (await sessions.get(bare.id))?.data).toEqual({});
});

test("calls whose answers were lost are repeated, and each makes one session", async () => {
  const server = await RealServer.start();
  const line = await CutLine.open(server.endpoint);
  const client = server.connect({ endpoint: line.endpoint, timeoutMs: 30_000 });
  const sessions = client.sessions();
  const made: Promise<{ readonly id: string }>[] = [];
  for (let round = 0; round < 10; round += 1) {
    for (let each = 0; each < 10; each += 1) made.push(sessions.create({}));
    await new Promise((resolve) => setTimeout(resolve, round * 3));
    line.cut();
  }
  const ids = (await Promise.all(made)).map(({ id }) => id);
  expect(await sessions.count()).toBe(100);
  const found = await Promise.all(ids.map((id) => sessions.get(id)));
  expect(new Set(found.map((session) => session?.hash)).size).toBe(100);
});
