// Regular expressions of users: what they find is what JavaScript's engine would find if it tried every beginning and every end, what
// they may not hold is refused with its place, and none makes the server slow.

import fc from "fast-check";
import { expect, test } from "vitest";
import { compilePattern, type Spans } from "../../../src/topic/protection/pattern-automaton.js";
import { parsePattern } from "../../../src/topic/protection/pattern-syntax.js";
import { propertyTimeoutMs, runs } from "../../support/property.js";

function compile(pattern: string): { find(text: string): Spans } | string {
  const parsed = parsePattern(pattern);
  const compiled = parsed.kind === "invalid" ? parsed : compilePattern(parsed);
  return compiled.kind === "invalid" ? compiled.description : compiled;
}

function finder(pattern: string): (text: string) => Spans {
  const compiled = compile(pattern);
  if (typeof compiled === "string") throw new Error(`${pattern}: ${compiled}`);
  return (text) => compiled.find(text);
}

/** Every character that is in some match, tried one by one. */
function coveredBy(pattern: string, text: string): boolean[] {
  const covered = Array.from(text, () => false);
  for (let start = 0; start < text.length; start += 1) {
    for (let end = start + 1; end <= text.length; end += 1) {
      const whole = new RegExp(
        `(?<=^[^]{${start}})(?:${pattern})(?=[^]{${text.length - end}}$)`,
        "",
      );
      const [match] = whole.exec(text) ?? [];
      if (match?.length === end - start) covered.fill(true, start, end);
    }
  }
  return covered;
}

const coveredIn = (spans: Spans, text: string): boolean[] =>
  Array.from(text, (_character, at) =>
    spans.some((start, index) => index % 2 === 0 && start <= at && at < (spans[index + 1] ?? 0)),
  );

const { pattern: anyPattern } = fc.letrec<{ pattern: string; atom: string; part: string }>(
  (tie) => ({
    atom: fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom("a", "b", "c", ".", "[ab]", "[^a]", "\\d", "\\w") },
      { weight: 2, arbitrary: tie("pattern").map((inner) => `(${inner})`) },
    ),
    part: fc
      .tuple(tie("atom"), fc.constantFrom("", "", "", "*", "+", "?", "{2}", "{0,2}", "{2,}"))
      .map((both) => both.join("")),
    pattern: fc.oneof(
      { maxDepth: 2 },
      tie("part"),
      fc.tuple(tie("part"), tie("part")).map((both) => both.join("")),
      fc.tuple(tie("part"), tie("part")).map((both) => both.join("|")),
    ),
  }),
);
const edged = fc
  .tuple(fc.constantFrom("", "^", "\\b"), anyPattern, fc.constantFrom("", "$", "\\b"))
  .map(([before, inner, after]) =>
    before === "" && after === "" ? inner : `${before}(${inner})${after}`,
  );
const anyText = fc.string({ unit: fc.constantFrom("a", "b", "c", "1", " ", "\n"), maxLength: 10 });

test(
  "a pattern covers exactly what its matches cover, whichever begins and ends where",
  () => {
    let tried = 0;
    fc.assert(
      fc.property(edged, anyText, (pattern, text) => {
        const compiled = compile(pattern);
        if (typeof compiled === "string") return;
        tried += 1;
        expect(coveredIn(compiled.find(text), text)).toEqual(coveredBy(pattern, text));
      }),
      runs(1_500),
    );
    expect(tried).toBeGreaterThan(100);
  },
  propertyTimeoutMs,
);

test("matches are found one by one, those that touch or overlap as one", () => {
  expect(finder("EMP-\\d{6}")("EMP-123456, EMP-12345, EMP-654321")).toEqual([0, 10, 23, 33]);
  expect(finder("ab")("abab")).toEqual([0, 4]);
  expect(finder("\\b[A-Z]{2}\\d{2}\\b")("AB12 AB123 xAB12 CD34")).toEqual([0, 4, 17, 21]);
  expect(finder("^id \\d+$")("id 77")).toEqual([0, 5]);
  expect(finder("^id \\d+$")("id 77 ")).toEqual([]);
});

test("a character beyond U+FFFF is found whole", () => {
  expect(finder("😀")("x😀y")).toEqual([1, 3]);
  expect(finder("a.")("a😀")).toEqual([0, 3]);
});

test("what a pattern may not hold is refused, and says where", () => {
  const refused: readonly (readonly [string, RegExp])[] = [
    ["", /1 to 200 characters/],
    ["a".repeat(201), /1 to 200 characters/],
    ["a*", /empty text/],
    ["(a?|b*)", /empty text/],
    ["(?=a)b", /character 2: look-around/],
    ["(?<name>a)", /look-around and named groups/],
    ["(a)\\1", /there is no \\1/],
    ["a+?", /lazy/],
    ["a**", /two quantifiers/],
    ["a{3,2}", /greater number comes second/],
    ["a{0}", /not 0/],
    ["a{x}", /write \{3\}/],
    ["a{1001,}", /at most 1000/],
    ["(a", /"\(" is not closed/],
    ["a)", /closes nothing/],
    ["[a", /"\[" is not closed/],
    ["[]", /hold nothing/],
    ["[b-a]", /backwards/],
    ["[\\d-z]", /from one character to another/],
    ["a||b", /nothing stands here/],
    ["a^b", /at the start only/],
    ["a$b", /at the end only/],
    ["a\\bc", /start and at the end only/],
    ["^a|b", /brackets/],
    ["*a", /out of place/],
    ["\\p{L}", /there is no \\p/],
    ["a{65}", /at most 64/],
    ["((a{10}){10}){10}", /1000 characters/],
  ];
  for (const [pattern, why] of refused) expect(compile(pattern), pattern).toMatch(why);
  expect(typeof compile("a{64}")).toBe("object");
});

test("patterns that make other engines slow take time linear in a mebibyte of the worst text", () => {
  const patterns = ["(a|a)*b", "(a*)*b|a", "a|a*b", "(.?){60}x|a", "(a?){31}a{31}", "[ab]{1,64}"];
  for (const pattern of patterns) {
    const find = finder(pattern);
    for (const text of ["a".repeat(1_048_576), "ab".repeat(524_288), "a@".repeat(524_288)]) {
      const start = performance.now();
      find(text);
      expect(performance.now() - start, pattern).toBeLessThan(10_000);
    }
  }
});
