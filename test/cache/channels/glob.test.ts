// Patterns of channel names: what each sign takes, and what is no pattern.

import { expect, test } from "vitest";
import { codePointsOf, parseGlob } from "../../../src/cache/channels/glob.js";

function matches(pattern: string, name: string): boolean {
  const parsed = parseGlob(pattern);
  if (parsed.kind === "problem") throw new Error(parsed.problem);
  return parsed.glob.matches(codePointsOf(name));
}

test.each([
  ["news", "news", true],
  ["news", "news2", false],
  ["news", "new", false],
  ["*", "anything", true],
  ["news.*", "news.", true],
  ["news.*", "news.sport.cup", true],
  ["news.*", "other.news.sport", false],
  ["*.cup", "news.sport.cup", true],
  ["n*s*t", "news.sport", true],
  ["n*s*x", "news.sport", false],
  ["a**b", "ab", true],
  ["new?", "news", true],
  ["new?", "new", false],
  ["new?", "newss", false],
  ["?", "🙂", true],
  ["h[ae]llo", "hallo", true],
  ["h[ae]llo", "hillo", false],
  ["h[^e]llo", "hallo", true],
  ["h[^e]llo", "hello", false],
  ["[a-c]", "b", true],
  ["[a-c]", "d", false],
  ["[c-a]", "b", true],
  ["[a-]", "-", true],
  ["[\\]]", "]", true],
  ["[\\^x]", "^", true],
  ["\\*", "*", true],
  ["\\*", "x", false],
  ["a\\[b", "a[b", true],
  ["]", "]", true],
])("%s and %s: %s", (pattern, name, isMatch) => {
  expect(matches(pattern, name)).toBe(isMatch);
});

test.each(["[", "[]", "[^]", "[a", "[a-", "a\\", "[a\\"])("%s is no pattern", (pattern) => {
  expect(parseGlob(pattern)).toMatchObject({ kind: "problem" });
});

test("a pattern that goes back often costs the product of both lengths at most", () => {
  const pattern = `${"*a".repeat(127)}*b`;
  expect(matches(pattern, "a".repeat(256))).toBe(false);
  expect(matches(pattern, `${"a".repeat(255)}b`)).toBe(true);
});
