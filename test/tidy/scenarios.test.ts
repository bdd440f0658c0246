// What counts as a covered scenario (scripts/scenarios.mjs): only titles of tests that ran and passed.

import { expect, test } from "vitest";
import { coverage, judge, numbersOf } from "../../scripts/scenarios.mjs";

test("the numbers of a title stand at its start, one or several", () => {
  expect(numbersOf("Q32 a message is received again")).toEqual(["Q32"]);
  expect(numbersOf("Q15 Q16 a body")).toEqual(["Q15", "Q16"]);
  expect(numbersOf("Q15, Q16: a body")).toEqual(["Q15", "Q16"]);
  expect(numbersOf("a body, as in Q15")).toEqual([]);
  expect(numbersOf("Q15th of its kind")).toEqual([]);
});

test("a number is covered when its tests passed, and missing when one failed or was skipped", () => {
  const report = {
    testResults: [
      {
        name: "/repository/test/a.test.ts",
        assertionResults: [
          { title: "Q01 passes", status: "passed" },
          { title: "Q02 passes here", status: "passed" },
          { title: "Q03 is skipped", status: "skipped" },
          { title: "Q04 fails", status: "failed" },
        ],
      },
      {
        name: "/repository/test/b.test.ts",
        assertionResults: [
          { title: "Q01 passes again", status: "passed" },
          { title: "Q02 fails there", status: "failed" },
        ],
      },
    ],
  };
  const covered = coverage(report, "/repository");
  expect(judge(covered, { Q: { last: 5, isDue: true } })).toEqual({
    lines: [
      "Q01 covered test/a.test.ts test/b.test.ts",
      "Q02 missing",
      "Q03 missing",
      "Q04 missing",
      "Q05 missing",
    ],
    missing: ["Q02", "Q03", "Q04", "Q05"],
    unknown: [],
  });
});

test("of a part that is still to come nothing is missing, and a number beyond the last is not known", () => {
  const passed = (title: string) => ({ title, status: "passed" });
  const covered = coverage(
    {
      testResults: [
        {
          name: "/repository/test/a.test.ts",
          assertionResults: ["Q01 a", "T02 b", "T03 c", "X01 d"].map(passed),
        },
      ],
    },
    "/repository",
  );
  const parts = { Q: { last: 1, isDue: true }, T: { last: 2, isDue: false } };
  expect(judge(covered, parts)).toEqual({
    lines: ["Q01 covered test/a.test.ts", "T01 not yet", "T02 covered test/a.test.ts"],
    missing: [],
    unknown: ["T03", "X01"],
  });
});

test("every scenario of the queues is due", () => {
  const nothing = { files: new Map(), named: new Set<string>() };
  const { missing, lines } = judge(nothing);
  expect(missing).toHaveLength(66);
  expect([missing[0], missing.at(-1)]).toEqual(["Q01", "Q66"]);
  expect(lines).toContain("T01 not yet");
});
