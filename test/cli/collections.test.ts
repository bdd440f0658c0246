// `forebay cache dict`, `members` and `list` on a real server: each command, what it prints in each form, and how those fail, and `sorted`,
// on a key that has nothing or something else.

import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { waiting } from "../../src/cli/cache-collections.js";
import { CliContext } from "../../src/cli/context.js";
import { Captured, cliScenario } from "./harness.js";

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

test("values of a list are pushed, listed, found, replaced, taken and removed", async () => {
  const { run, json } = await cliScenario();
  expect(await json("cache list push jobs one two three --ttl 1h")).toMatchObject({
    key: "jobs",
    length: 3,
  });
  expect(await json("cache meta jobs")).toMatchObject([{ expireTime: expect.any(String) }]);
  await run("cache list push jobs --front --file -", { stdin: "zero" });
  expect((await run("cache list ls jobs -o raw")).stdout).toBe("zero\none\ntwo\nthree\n");
  expect(await json("cache list ls jobs --start -2 --limit 1")).toEqual([
    { index: 2, value: "two", encoding: "text" },
  ]);
  expect((await run("cache list ls jobs --start 1 --end -1")).stdout).toMatch(/1 +one\n2 +two\n$/);
  expect((await run("cache list ls jobs --start 9")).stderr).toContain("nothing there");
  expect(await run("cache list ls none")).toMatchObject({ exitCode: 3, stdout: "" });
  expect((await run("cache list len jobs -o raw")).stdout).toBe("4\n");
  expect((await run("cache list len none -o raw")).stdout).toBe("0\n");
  expect((await run("cache list set jobs -o raw -- -1 one")).stdout).toBe("4\n");
  expect((await run("cache list set jobs 4 five")).stderr).toContain("INDEX_OUT_OF_RANGE");
  expect((await run("cache list set jobs last five")).exitCode).toBe(2);
  expect(await json("cache list find jobs one --count 5")).toEqual([1, 3]);
  expect((await run("cache list find jobs one --reverse -o raw")).stdout).toBe("3\n");
  expect((await run("cache list find jobs none")).stderr).toContain("jobs has no none.");
  expect((await run("cache list find none one")).stderr).toContain("none has nothing.");
  expect(await json("cache list rm jobs one --count -1")).toMatchObject({ removed: 1, length: 3 });
  expect((await run("cache list rm jobs one --count 0")).exitCode).toBe(2);
  expect((await run("cache list ls jobs -o raw")).stdout).toBe("zero\none\ntwo\n");
  expect((await run("cache list push jobs three --keep 3 -o raw")).stdout).toBe("3\n");
  expect(await json("cache list trim jobs --start 1")).toMatchObject({ removed: 1, length: 2 });
  expect((await run("cache list trim jobs")).exitCode).toBe(2);
  expect((await run("cache list ls jobs -o raw")).stdout).toBe("two\nthree\n");
  expect((await run("cache list push none one --if-present")).exitCode).toBe(4);
  expect((await run("cache list push jobs")).exitCode).toBe(2);
  expect(await json("cache list pop jobs --back")).toEqual([{ value: "three", encoding: "text" }]);
  expect((await run("cache list rm jobs two -o raw")).stdout).toBe("1\n");
  expect(await run("cache list pop jobs")).toMatchObject({ exitCode: 3, stdout: "" });
});

test("a value is moved between lists in one, and from one end of a list to the other", async () => {
  const { run } = await cliScenario();
  await run("cache list push todo a b c");
  expect((await run("cache list move todo doing -o raw")).stdout).toBe("a\n");
  expect((await run("cache list move todo doing --from-back --to-front -o raw")).stdout).toBe(
    "c\n",
  );
  expect((await run("cache list ls doing -o raw")).stdout).toBe("c\na\n");
  await run("cache list move doing doing");
  expect((await run("cache list ls doing -o raw")).stdout).toBe("a\nc\n");
  expect((await run("cache list move none doing")).exitCode).toBe(3);
});

test("who waits at an empty list gets what comes, or is told that nothing came", async () => {
  const { run } = await cliScenario();
  const [popped, pushed] = await Promise.all([
    run("cache list pop jobs --wait 60s -o raw"),
    run("cache list push jobs late"),
  ]);
  expect(pushed.exitCode).toBe(0);
  expect(popped).toMatchObject({ exitCode: 0, stdout: "late\n" });
  const [moved] = await Promise.all([
    run("cache list move jobs done --wait 60s -o raw"),
    run("cache list push jobs later"),
  ]);
  expect(moved).toMatchObject({ exitCode: 0, stdout: "later\n" });
  const none = await run("cache list pop jobs --wait 1ms");
  expect(none).toMatchObject({ exitCode: 3, stdout: "" });
  expect(none.stderr).toContain("Nothing came to jobs");
  expect((await run("cache list pop jobs --wait 61s")).exitCode).toBe(2);
  const stop = new AbortController();
  const interrupted = run("cache list pop jobs --wait 60s", { interrupted: stop.signal });
  await sleep(200);
  stop.abort();
  expect(await interrupted).toMatchObject({ exitCode: 130, stdout: "" });
});

test("what a call may take begins when its wait is over", () => {
  const nothing = async () => 0;
  const streams = { stdout: new Captured(), stderr: new Captured() };
  const { signal } = new AbortController();
  const dependencies = { serve: nothing, check: nothing, env: {}, interrupted: () => signal };
  const context = new CliContext({ ...dependencies, ...streams });
  const options = { cache: "default", output: "raw", timeout: 200 } as const;
  expect(waiting(context, { ...options, wait: 1_500 })).toEqual({
    fields: { wait: { seconds: 1n, nanos: 500_000_000 } },
    options: { timeoutMs: 1_700, signal },
  });
  expect(waiting(context, options)).toEqual({ fields: {}, options: {} });
});

test("a key that has something else is told apart from one that has nothing", async () => {
  const { run, json } = await cliScenario();
  await run("cache set value 1");
  await run("cache dict set dict a=1");
  for (const wrong of [
    "dict set value a=1",
    "dict get value a",
    "dict ls value",
    "dict incr value a",
    "dict del value a",
    "dict expire value 1h a",
    "dict len value",
    "members add dict a",
    "members has dict a",
    "members ls dict",
    "members pop dict",
    "members sample dict",
    "members move dict other a",
    "members union value dict",
    "members rm dict a",
    "members expire dict 1h a",
    "members len dict",
    "list push dict a",
    "list pop dict",
    "list pop dict --wait 60s",
    "list ls dict",
    "list set dict 0 a",
    "list find dict a",
    "list trim dict --end 1",
    "list rm dict a",
    "list move dict other",
    "list len dict",
    "sorted put dict a=1",
    "sorted incr dict a",
    "sorted ls dict",
    "sorted rank dict a",
    "sorted rm dict a",
    "sorted rm dict --min 1",
    "sorted pop dict",
    "sorted len dict",
  ]) {
    const { exitCode, stdout, stderr } = await run(`cache ${wrong}`);
    expect({ wrong, exitCode, stdout }).toEqual({ wrong, exitCode: 4, stdout: "" });
    expect(stderr).toContain("WRONG_TYPE");
    expect(stderr).toContain("forebay cache meta");
  }
  expect((await run("cache dict get dict a -o raw")).stdout).toBe("1\n");
  expect((await run("cache get value -o raw")).stdout).toBe("1\n");
  await run("cache members add set 1");
  await run("cache list push list 1");
  await run("cache sorted put sorted a=1");
  expect(await json("cache meta value dict set list sorted")).toMatchObject([
    { key: "value", type: "scalar" },
    { key: "dict", type: "dictionary" },
    { key: "set", type: "set" },
    { key: "list", type: "list" },
    { key: "sorted", type: "sorted_set" },
  ]);
  expect((await run("cache scan --prefix so")).stdout).toMatch(/sorted +sorted set +never/);
});

test("collections are in the cache that is named, and bytes that are no text come as base64", async () => {
  const { run, json } = await cliScenario();
  await run("cache create prices --max-element-bytes 4");
  await run("cache dict set book cents=1999 -c prices");
  expect((await run("cache dict get book cents -c prices -o raw")).stdout).toBe("1999\n");
  expect((await run("cache dict get book cents")).exitCode).toBe(3);
  const long = await run("cache dict set book cents=19999 -c prices");
  expect(long.exitCode).toBe(2);
  expect(long.stderr).toContain("--max-element-bytes");
  expect((await run("cache list push all 12345 -c prices")).stderr).toContain("VALUE_TOO_LARGE");
  expect((await run("cache members ls tags -c none")).stderr).toContain("CACHE_NOT_FOUND");
  const directory = await mkdtemp(join(tmpdir(), "forebay-collections-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const path = join(directory, "bytes");
  await writeFile(path, new Uint8Array([0xff, 0x00]));
  await run(["cache", "list", "push", "bytes", "--file", path]);
  await run(["cache", "dict", "set", "bytes2", "--file", `raw=${path}`]);
  const bytes = { value: "/wA=", encoding: "base64" };
  expect(await json("cache list ls bytes")).toMatchObject([bytes]);
  expect(await json("cache dict ls bytes2")).toMatchObject([{ field: "raw", ...bytes }]);
  expect((await run("cache list push bytes --file /none/such")).exitCode).toBe(2);
});

test("what is longer than one answer is listed whole, and no further than asked for", async () => {
  const { run } = await cliScenario();
  const numbers = Array.from({ length: 10_000 }, (_, index) => String(10_000 + index));
  const fields = numbers.map((number) => `${number}=${number}`);
  await run(["cache", "list", "push", "list", ...numbers]);
  await run(["cache", "members", "add", "set", ...numbers]);
  await run(["cache", "dict", "set", "dict", ...fields]);
  const more = ["20000", "20001", "20002"];
  await run(["cache", "list", "push", "list", ...more]);
  await run(["cache", "members", "add", "set", ...more]);
  await run(["cache", "dict", "set", "dict", ...more.map((number) => `${number}=x`)]);
  for (const listing of ["list ls list", "members ls set", "dict ls dict"]) {
    const whole = (await run(`cache ${listing} --limit 20000 -o jsonl`)).stdout.trim().split("\n");
    expect(whole).toHaveLength(10_003);
    expect(whole[10_002]).toContain("20002");
    const part = (await run(`cache ${listing} --limit 10001 -o raw`)).stdout.trim().split("\n");
    expect(part).toEqual([...numbers, "20000"]);
  }
  const indexed = (await run("cache list ls list --start -10001 --limit 10001 -o jsonl")).stdout;
  const rows = indexed
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as unknown);
  expect(rows).toHaveLength(10_001);
  expect(rows[0]).toMatchObject({ index: 2, value: "10002" });
  expect(rows[10_000]).toMatchObject({ index: 10_002, value: "20002" });
});
