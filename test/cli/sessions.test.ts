// `forebay session …` on a real server.

import { hash } from "node:crypto";
import { ForebayClient } from "@forebay/client";
import { expect, onTestFinished, test } from "vitest";
import { cliScenario } from "./harness.js";

interface Named {
  readonly id: string;
  readonly hash: string;
}

test("sessions are listed, shown and ended: one, a user's, and all", async () => {
  const { run, json, endpoint } = await cliScenario();
  const client = new ForebayClient({ endpoint });
  onTestFinished(() => client.close());
  const sessions = client.sessions();
  // Ids of the server may begin with a dash, for which the shell has --.
  const ann = { userId: "ann", idleMs: 3_600_000 };
  await sessions.save("one", { cart: ["tea"] }, ann);
  await sessions.save("two", {}, ann);
  await sessions.save("bobs", {}, { userId: "bob" });
  await sessions.save("nobodys", {});
  const [one, two, bobs, nobodys] = ["one", "two", "bobs", "nobodys"].map((id) => ({
    id,
    hash: hash("sha256", id, "base64url"),
  })) as [Named, Named, Named, Named];
  const all = [one, two, bobs, nobodys].map((each) => each.hash).sort();
  const listed = async (more = "") =>
    (await run(`session ls -o raw${more}`)).stdout.split("\n").filter(Boolean).sort();
  expect(await listed()).toEqual(all);
  expect(await listed(" --user ann")).toEqual([one.hash, two.hash].sort());
  expect(await listed(" --limit 2")).toHaveLength(2);
  expect((await run("session ls --user bob")).stdout).toMatch(/bob.* 1d/);
  expect((await run("session ls --user carol")).stderr).toContain("There is no session.");
  expect(await json(`session info ${one.id}`)).toMatchObject({
    sessionHash: one.hash,
    userId: "ann",
    data: { cart: ["tea"] },
    version: "1",
    idleMs: 3_600_000,
    absoluteEndTime: null,
    cookie: null,
  });
  expect((await run(`session info ${one.id} -o raw`)).stdout).toBe('{"cart":["tea"]}\n');
  expect((await run("session info none")).exitCode).toBe(3);
  expect((await run(`session rm ${nobodys.id}`)).exitCode).toBe(0);
  expect((await run(`session rm ${nobodys.id}`)).exitCode).toBe(3);
  expect((await run(`session rm --hash=${bobs.hash}`)).exitCode).toBe(0);
  expect((await run(`session rm --user ann --except=${two.id}`)).exitCode).toBe(2);
  expect((await run(`session rm --user ann --except=${two.id} --yes`)).stderr).toContain("Done.");
  expect(await listed()).toEqual([two.hash]);
  expect((await run("session rm --all --yes")).exitCode).toBe(0);
  expect(await listed()).toEqual([]);
});

test.each(["", " a --user b", " a --all", " a --except b", " a --hash b", " --all --except b"])(
  "`session rm%s` is told how it goes",
  async (args) => {
    const { run } = await cliScenario();
    const { exitCode, stderr } = await run(`session rm${args} --yes`);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/Give an id|goes with/);
  },
);
