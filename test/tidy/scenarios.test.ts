// What counts as a covered scenario (scripts/scenarios.mjs): only titles of tests that ran and passed.

import { expect, test } from "vitest";
import { coverage, lines, numbersOf } from "../../scripts/scenarios.mjs";

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
  const { files } = coverage(report, "/repository");
  expect(lines(files, { Q: 5 })).toEqual([
    "Q01 covered test/a.test.ts test/b.test.ts",
    "Q02 missing",
    "Q03 missing",
    "Q04 missing",
    "Q05 missing",
  ]);
});
