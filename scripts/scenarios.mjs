// `npm run scenarios`: which numbered scenarios of the specification have a test. One line a number:
//
//   Q01 covered test/scenario/create-queue.test.ts
//   Q02 missing
//
// The answer comes from the report of the last whole `npm test`, never from a list kept by hand: a number is
// covered when a title that starts with it ("Q15 Q16 a body ...") belongs to a test that ran and passed, and
// no test of that number failed or was skipped. A report older than the sources is made again first.

import { readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { filesBelow, root, testResultsPath } from "./support/repository.mjs";
import { runTests } from "./test.mjs";

/** The last number of each letter. Topics, caches and security add theirs. */
const lastNumber = { Q: 66 };

/** The scenario numbers at the start of a title: "Q15 Q16 a body" gives ["Q15", "Q16"]. */
export function numbersOf(title) {
  const [prefix] = /^(?:[A-Z]\d{2,}[\s,:]+)*/.exec(title);
  return prefix.match(/[A-Z]\d{2,}/g) ?? [];
}

/** What a vitest JSON report says about each number it names. Folder names in it are relative to `base`. */
export function coverage(report, base = root) {
  const files = new Map();
  const broken = new Set();
  for (const { name, assertionResults } of report.testResults) {
    for (const { title, status } of assertionResults) {
      for (const number of numbersOf(title)) {
        if (status !== "passed") broken.add(number);
        const known = files.get(number) ?? new Set();
        files.set(number, known.add(relative(base, name)));
      }
    }
  }
  for (const number of broken) files.delete(number);
  return { files, named: new Set([...files.keys(), ...broken]) };
}

/** One line a number, in order. */
export function lines(files, last = lastNumber) {
  return allNumbers(last).map((number) => {
    const where = files.get(number);
    return where === undefined
      ? `${number} missing`
      : `${number} covered ${[...where].sort().join(" ")}`;
  });
}

function allNumbers(last) {
  return Object.entries(last).flatMap(([letter, count]) =>
    Array.from({ length: count }, (_, index) => letter + String(index + 1).padStart(2, "0")),
  );
}

function isReportCurrent() {
  const written = statSync(testResultsPath, { throwIfNoEntry: false })?.mtimeMs;
  if (written === undefined) return false;
  return ["src", "test", "clients/typescript/src", "clients/typescript/test"]
    .flatMap((folder) => filesBelow(folder))
    .every((path) => statSync(join(root, path)).mtimeMs <= written);
}

function main() {
  if (!isReportCurrent()) {
    console.error("No test report as new as the sources: running the tests first ...");
    runTests([], { quiet: true });
  }
  const { files, named } = coverage(JSON.parse(readFileSync(testResultsPath, "utf8")));
  for (const line of lines(files)) console.log(line);
  const unknown = [...named].filter((number) => !allNumbers(lastNumber).includes(number));
  if (unknown.length > 0) {
    console.error(`Tests name scenarios that do not exist: ${unknown.join(", ")}.`);
    process.exitCode = 1;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) main();
