// Conditions, each judged by nothing, by a value, by another value and by a collection.

import { hash } from "node:crypto";
import { expect, test } from "vitest";
import { type Condition, judge, type Verdict } from "../../src/cache/condition.js";

const value = Buffer.from("a");
const sha256 = Buffer.from(hash("sha256", value, "hex"), "hex");
const absent = undefined;
const same = { version: 7, externalVersion: 3n, value };
const other = { version: 8, externalVersion: 0n, value: Buffer.from("b") };
const collection = { version: 9, externalVersion: 0n, value: undefined };

const cases: readonly (readonly [Condition, readonly [Verdict, Verdict, Verdict, Verdict]])[] = [
  [{ kind: "always" }, ["holds", "holds", "holds", "holds"]],
  [{ kind: "absent" }, ["holds", "fails", "fails", "fails"]],
  [{ kind: "present" }, ["fails", "holds", "holds", "holds"]],
  [{ kind: "equal", value }, ["fails", "holds", "fails", "wrong_type"]],
  [{ kind: "not_equal", value }, ["holds", "fails", "holds", "wrong_type"]],
  [{ kind: "present_and_not_equal", value }, ["fails", "fails", "holds", "wrong_type"]],
  [{ kind: "absent_or_equal", value }, ["holds", "holds", "fails", "wrong_type"]],
  [{ kind: "version_equal", version: 7 }, ["fails", "holds", "fails", "fails"]],
  [{ kind: "absent_or_version", version: 7 }, ["holds", "holds", "fails", "fails"]],
  [{ kind: "hash_equal", sha256 }, ["fails", "holds", "fails", "wrong_type"]],
  [{ kind: "hash_not_equal", sha256 }, ["holds", "fails", "holds", "wrong_type"]],
  [{ kind: "newer_external", version: 3n }, ["holds", "fails", "holds", "holds"]],
  [{ kind: "newer_external", version: 4n }, ["holds", "holds", "holds", "holds"]],
];

test.each(cases)("$kind", (condition, verdicts) => {
  expect([absent, same, other, collection].map((item) => judge(condition, item))).toEqual(verdicts);
});

test("an empty value is a value", () => {
  const empty = { version: 1, externalVersion: 0n, value: Buffer.alloc(0) };
  expect(judge({ kind: "equal", value: Buffer.alloc(0) }, empty)).toBe("holds");
  expect(judge({ kind: "absent" }, empty)).toBe("fails");
});
