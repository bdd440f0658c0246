// `forebay cache sorted …` on a real server: scores and their conditions, ranges by rank and by score, ranks, and what is taken.

import { expect, test } from "vitest";
import { cliScenario } from "./harness.js";

test("members of a sorted set get scores, are listed, ranked, counted, taken and removed", async () => {
  const { run, json } = await cliScenario();
  expect(
    await json("cache sorted put board ada=10 bob=7.5 a=b=7.5 top=inf --ttl 1h"),
  ).toMatchObject({ key: "board", added: 4, updated: 0, length: 4 });
  expect(await json("cache meta board")).toMatchObject([{ expireTime: expect.any(String) }]);
  expect((await run("cache sorted ls board -o raw")).stdout).toBe("a=b\nbob\nada\ntop\n");
  expect(await json("cache sorted ls board --reverse --limit 2")).toEqual([
    { member: "top", encoding: "text", score: "Infinity" },
    { member: "ada", encoding: "text", score: 10 },
  ]);
  expect((await run("cache sorted ls board --limit 2")).stderr).toContain("There are more");
  expect((await run("cache sorted ls board --start -2 --end -1 -o raw")).stdout).toBe("ada\n");
  expect((await run("cache sorted ls board --start 1 --reverse --end 2 -o raw")).stdout).toBe(
    "ada\n",
  );
  expect((await run("cache sorted ls board --min 7.5 --below 10 -o raw")).stdout).toBe(
    "a=b\nbob\n",
  );
  expect((await run("cache sorted ls board --above 7.5 --max 10 -o raw")).stdout).toBe("ada\n");
  expect((await run("cache sorted ls board --max 10")).stdout).toMatch(/bob +7\.5\nada +10\n$/);
  expect((await run("cache sorted ls board --max -1e3")).stderr).toContain("No member is in");
  expect(await run("cache sorted ls none")).toMatchObject({ exitCode: 3, stdout: "" });

  expect((await run("cache sorted incr board ada -o raw")).stdout).toBe("11\n");
  expect(await json("cache sorted incr board new -- -0.5")).toMatchObject({ score: -0.5 });
  expect((await run("cache sorted incr board ada x")).exitCode).toBe(2);
  expect((await run("cache sorted incr board top -- -inf")).stderr).toContain("NAN_RESULT");
  expect(await json("cache sorted rank board ada none bob")).toEqual([
    { member: "ada", rank: 3, score: 11 },
    { member: "bob", rank: 2, score: 7.5 },
  ]);
  expect((await run("cache sorted rank board top --reverse -o raw")).stdout).toBe("0\n");
  expect((await run("cache sorted rank board ada --ties dense -o raw")).stdout).toBe("2\n");
  expect((await run("cache sorted rank board none")).stderr).toContain("board has no none.");
  expect((await run("cache sorted rank none ada")).stderr).toContain("none has nothing.");
  expect((await run("cache sorted len board -o raw")).stdout).toBe("5\n");
  expect((await run("cache sorted len board --min 7.5 --below inf -o raw")).stdout).toBe("3\n");
  expect((await run("cache sorted len none -o raw")).stdout).toBe("0\n");

  expect((await run("cache sorted rm board new none -o raw")).stdout).toBe("1\n");
  expect(await json("cache sorted rm board --start 0 --end 1 --reverse")).toMatchObject({
    removed: 1,
    length: 3,
  });
  expect((await run("cache sorted rm board")).exitCode).toBe(2);
  expect((await run("cache sorted rm board ada --min 1")).exitCode).toBe(2);
  expect((await run("cache sorted pop board --highest -o raw")).stdout).toBe("ada\n");
  expect(await json("cache sorted pop board --count 5")).toEqual([
    { member: "a=b", encoding: "text", score: 7.5 },
    { member: "bob", encoding: "text", score: 7.5 },
  ]);
  expect(await run("cache sorted pop board")).toMatchObject({ exitCode: 3, stdout: "" });
  const [popped] = await Promise.all([
    run("cache sorted pop board --wait 60s -o raw"),
    run("cache sorted put board late=1"),
  ]);
  expect(popped).toMatchObject({ exitCode: 0, stdout: "late\n" });
});

test("scores are given on conditions, and there are no more members than are to be kept", async () => {
  const { run, json } = await cliScenario();
  await run("cache sorted put best a=5 b=5");
  const score = async (member: string) =>
    ((await json(`cache sorted rank best ${member}`)) as [{ readonly score: number }])[0].score;
  expect(await json("cache sorted put best a=4 b=6 --if-greater")).toMatchObject({ updated: 1 });
  expect(await score("a")).toBe(5);
  expect(await json("cache sorted put best a=4 b=7 --if-less")).toMatchObject({ updated: 1 });
  expect(await score("b")).toBe(6);
  expect(await json("cache sorted put best a=9 c=9 --if-absent")).toMatchObject({ added: 1 });
  expect(await json("cache sorted put best c=8 d=9 --if-present")).toMatchObject({
    added: 0,
    updated: 1,
  });
  const refused = await run("cache sorted incr best c --if-less");
  expect(refused).toMatchObject({ exitCode: 4, stdout: "" });
  expect(refused.stderr).toContain("c has 8");
  expect((await run("cache sorted incr best d --if-present")).stderr).toContain("d is not there");
  expect(await json("cache sorted put best e=1 --keep 3")).toMatchObject({ added: 1, dropped: 1 });
  expect((await run("cache sorted ls best -o raw")).stdout).toBe("a\nb\nc\n");
  await run("cache sorted put best e=1 --keep 3 --drop-highest");
  expect((await run("cache sorted ls best -o raw")).stdout).toBe("e\na\nb\n");
  for (const wrong of [
    "put best a",
    "put best =1",
    "put best a=nan",
    "put best a=1 --drop-highest",
    "put best a=1 --if-absent --if-present",
    "put best a=1 --if-greater --if-less",
    "put best a=1 --if-absent --if-greater",
    "incr best a 1 --if-absent --if-present",
    "ls best --start 1 --min 1",
    "ls best --min 1 --above 1",
    "ls best --max 1 --below 1",
    "ls best --limit 10001",
  ]) {
    expect(await run(`cache sorted ${wrong}`)).toMatchObject({ exitCode: 2, stdout: "" });
  }
});

test("sorted sets are combined with weights, and kept", async () => {
  const { run, json } = await cliScenario();
  await run("cache sorted put a x=1 y=2");
  await run("cache sorted put b y=3 z=4");
  expect(await json("cache sorted union a b")).toMatchObject([
    { member: "x", score: 1 },
    { member: "z", score: 4 },
    { member: "y", score: 5 },
  ]);
  expect(await json("cache sorted intersect a b --weight 10 --scores max")).toMatchObject([
    { member: "y", score: 20 },
  ]);
  expect(await json("cache sorted intersect a b --weight 1 --weight -1")).toMatchObject([
    { member: "y", score: -1 },
  ]);
  expect((await run("cache sorted diff a b -o raw")).stdout).toBe("x\n");
  const short = await run("cache sorted union a b --limit 1 -o raw");
  expect(short.stdout).toBe("x\n");
  expect(short.stderr).toContain("There are 2 more");
  expect((await run("cache sorted diff a a")).stderr).toContain("nothing of that");
  expect(await json("cache sorted union a b none --store c --ttl 1h")).toMatchObject({ length: 3 });
  expect(await json("cache meta c")).toMatchObject([{ expireTime: expect.any(String) }]);
  expect((await run("cache sorted ls c -o raw")).stdout).toBe("x\nz\ny\n");
  expect((await run("cache sorted union a --weight 1 --weight 2")).exitCode).toBe(2);
  expect((await run("cache sorted union a --ttl 1h")).exitCode).toBe(2);
  expect((await run("cache sorted union a --limit 10001")).exitCode).toBe(2);
  await run("cache set value 1");
  expect((await run("cache sorted union a value")).stderr).toContain("WRONG_TYPE");
});
