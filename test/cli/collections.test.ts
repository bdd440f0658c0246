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

test("members of a set are added, asked for, listed, moved, drawn and removed", async () => {
  const { run, json } = await cliScenario();
  expect(await json("cache members add tags red green blue red --ttl 1h")).toMatchObject({
    key: "tags",
    added: 3,
    length: 3,
  });
  expect((await run("cache members has tags red -o raw")).stdout).toBe("true\n");
  const has = await run("cache members has tags red black");
  expect(has.exitCode).toBe(3);
  expect(has.stdout).toMatch(/red +yes +with the key/);
  expect(has.stdout).toMatch(/black +no/);
  expect(has.stderr).toContain("tags has no black.");
  expect((await run("cache members has none red")).exitCode).toBe(3);
  expect(await json("cache members ls tags --limit 1 --reverse")).toEqual([
    { member: "red", encoding: "text" },
  ]);
  expect((await run("cache members ls tags -o raw")).stdout).toBe("blue\ngreen\nred\n");
  expect((await run("cache members ls tags --prefix g -o raw")).stdout).toBe("green\n");
  expect((await run("cache members ls tags --prefix x")).stderr).toContain("No member is like");
  expect(await run("cache members ls none")).toMatchObject({ exitCode: 3, stdout: "" });
  expect(await json("cache members expire tags 1h none red")).toEqual([
    { member: "red", expireTime: expect.any(String) },
  ]);
  expect((await run("cache members expire tags never none")).exitCode).toBe(3);
  await run("cache members add tags pink --member-ttl 1h");
  expect(await json("cache members has tags pink red green")).toEqual([
    { member: "pink", found: true, expireTime: expect.any(String) },
    { member: "red", found: true, expireTime: expect.any(String) },
    { member: "green", found: true, expireTime: null },
  ]);
  expect((await run("cache members rm tags pink none -o raw")).stdout).toBe("1\n");
  expect(await json("cache members move tags other red")).toMatchObject({ key: "other" });
  expect((await run("cache members move tags other red")).stderr).toContain("tags has no red.");
  expect((await run("cache members len tags -o raw")).stdout).toBe("2\n");
  const drawn = (await run("cache members sample tags --count 9 -o raw")).stdout;
  expect(drawn.trim().split("\n").sort()).toEqual(["blue", "green"]);
  const first = (await run("cache members pop tags -o raw")).stdout.trim();
  const second = (await run("cache members pop tags --count 5 -o raw")).stdout.trim();
  expect([first, second].sort()).toEqual(["blue", "green"]);
  expect(await run("cache members pop tags")).toMatchObject({ exitCode: 3, stdout: "" });
  expect((await run("cache members sample tags")).exitCode).toBe(3);
  expect((await run("cache members len tags -o raw")).stdout).toBe("0\n");
});

test("sets are combined, counted together, and kept", async () => {
  const { run, json } = await cliScenario();
  await run("cache members add a 1 2 3");
  await run("cache members add b 2 3 4");
  expect((await run("cache members union a b none -o raw")).stdout).toBe("1\n2\n3\n4\n");
  expect((await run("cache members intersect a b -o raw")).stdout).toBe("2\n3\n");
  expect(await json("cache members diff a b")).toEqual([{ member: "1", encoding: "text" }]);
  expect((await run("cache members union a b --count -o raw")).stdout).toBe("4\n");
  expect(await json("cache members intersect a b --store both --ttl 1h")).toMatchObject({
    key: "both",
    length: 2,
  });
  expect(await json("cache meta both")).toMatchObject([{ expireTime: expect.any(String) }]);
  expect((await run("cache members ls both -o raw")).stdout).toBe("2\n3\n");
  expect((await run("cache members diff a a")).stderr).toContain("nothing of that");
  expect((await run("cache members union a --store c --count")).exitCode).toBe(2);
  expect((await run("cache members union a --ttl 1h")).exitCode).toBe(2);
});
