// `forebay cache dict`, `members`, `list` and `sorted` on a real server: each command, what it prints in each form, and how it fails
// on a key that has nothing or something else.

import { expect, test } from "vitest";
import { cliScenario } from "./harness.js";

test("fields of a dictionary are written, read, listed, counted with and deleted", async () => {
  const { run, json } = await cliScenario();
  expect(await json("cache dict set user:7 name=Ada motto=a=b --ttl 1h")).toMatchObject({
    key: "user:7",
    created: 2,
    updated: 0,
    length: 2,
    version: expect.stringMatching(/^\d+$/),
  });
  expect(await json("cache meta user:7")).toMatchObject([{ expireTime: expect.any(String) }]);
  expect((await run("cache dict get user:7 motto -o raw")).stdout).toBe("a=b\n");
  expect(await json("cache dict get user:7 name none")).toEqual([
    { field: "name", fieldEncoding: "text", value: "Ada", encoding: "text", expireTime: null },
  ]);
  expect((await run("cache dict get user:7 name none")).stderr).toContain("1 of them are not");
  expect(await run("cache dict get user:7 none")).toMatchObject({ exitCode: 3, stdout: "" });
  expect((await run("cache dict get user:8 name")).stderr).toContain("user:8 has nothing");
  await run("cache dict set user:7 --file notes=-", { stdin: "from stdin" });
  expect((await run("cache dict get user:7 notes -o raw")).stdout).toBe("from stdin\n");

  expect((await run("cache dict ls user:7 -o raw")).stdout).toBe("motto\nname\nnotes\n");
  expect((await run("cache dict ls user:7")).stdout).toMatch(/name +Ada +with the key/);
  expect((await run("cache dict ls user:7 --no-values")).stdout).not.toContain("Ada");
  expect((await run("cache dict ls user:7 --reverse --limit 1 -o raw")).stdout).toBe("notes\n");
  expect((await run("cache dict ls user:7 --prefix na -o raw")).stdout).toBe("name\n");
  expect((await run("cache dict ls user:7 --prefix x")).stderr).toContain("No field is like that");
  expect(await run("cache dict ls user:8")).toMatchObject({ exitCode: 3, stdout: "" });

  expect((await run("cache dict incr user:7 visits -o raw")).stdout).toBe("1\n");
  expect((await run("cache dict incr user:7 visits -o raw -- -3")).stdout).toBe("-2\n");
  expect((await run("cache dict incr user:7 visits 0.5 -o raw")).stdout).toBe("-1.5\n");
  expect((await run("cache dict incr user:7 visits x")).exitCode).toBe(2);
  expect((await run("cache dict incr user:7 name")).stderr).toContain("NOT_A_NUMBER");
  expect((await run("cache dict len user:7 -o raw")).stdout).toBe("4\n");
  expect(await json("cache dict del user:7 visits notes none")).toMatchObject({
    removed: 2,
    length: 2,
  });
  expect((await run("cache dict del user:7 name motto -o raw")).stdout).toBe("2\n");
  expect((await run("cache dict len user:7 -o raw")).stdout).toBe("0\n");
  expect((await run("cache count -o raw")).stdout).toBe("0\n");
});

test("fields are written on conditions, and have ends of their own", async () => {
  const { run, json } = await cliScenario();
  expect((await run("cache dict set lock holder=1 --if-present")).exitCode).toBe(4);
  expect((await run("cache dict set lock holder=1 --if-absent --field-ttl 1h")).exitCode).toBe(0);
  const taken = await run("cache dict set lock holder=2 --if-absent");
  expect(taken).toMatchObject({ exitCode: 4, stdout: "" });
  expect(taken.stderr).toContain("all of them are there");
  const endOf = async () =>
    ((await json("cache dict get lock holder")) as [{ readonly expireTime: string | null }])[0]
      .expireTime;
  const first = await endOf();
  expect(first).toEqual(expect.any(String));
  await run("cache dict set lock holder=3 --keep-field-ttl");
  expect(await endOf()).toBe(first);
  await run("cache dict set lock holder=4");
  expect(await endOf()).toBeNull();
  expect(await json("cache dict expire lock 2h none holder")).toEqual([
    { field: "holder", expireTime: expect.any(String) },
  ]);
  expect((await run("cache dict expire lock never holder")).stdout).toMatch(/holder +with the key/);
  expect((await run("cache dict expire lock 1h none")).exitCode).toBe(3);
  expect((await run("cache dict expire lock soon holder")).exitCode).toBe(2);
  for (const wrong of [
    "lock",
    "lock holder",
    "lock holder=5 --if-absent --if-present",
    "lock holder=5 --field-ttl 1s --keep-field-ttl",
  ]) {
    expect(await run(`cache dict set ${wrong}`)).toMatchObject({ exitCode: 2, stdout: "" });
  }
  expect((await run("cache dict get lock holder -o raw")).stdout).toBe("4\n");
});

test("the life of a collection is that of its making, unless it is to be another", async () => {
  const { run, json } = await cliScenario();
  const ends = async () =>
    ((await json("cache meta d")) as [{ readonly expireTime: string | null }])[0].expireTime;
  await run("cache dict set d a=1 --ttl 1h");
  const first = await ends();
  await run("cache dict set d a=2 --ttl 2h");
  expect(await ends()).toBe(first);
  await run("cache dict set d a=2 --ttl 1m --ttl-policy keep-if-longer");
  expect(await ends()).toBe(first);
  await run("cache dict incr d a --ttl 2h --ttl-policy refresh");
  expect(String(await ends()) > String(first)).toBe(true);
  expect((await run("cache dict set d a=1 --ttl-policy other")).exitCode).toBe(2);
});
