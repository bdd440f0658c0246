// `npm run scenarios`: which numbered scenarios of the specification have a test. One line a number:
//
//   Q01 covered test/scenario/create-queue.test.ts
//   Q02 missing
//   T01 not yet
//
// A number that is missing fails it; one of a part that is still to come does not.
//
// The answer comes from the reports of the last whole `npm test` and `npm run test:crash`, never from a list kept by hand: a number is
// covered when a title that starts with it ("Q15 Q16 a body ...") belongs to a test that ran and passed, and
// no test of that number failed or was skipped. A report older than the sources is made again first.

import { readFileSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import { crashResultsPath, filesBelow, root, testResultsPath } from "./support/repository.mjs";
import { runTests } from "./test.mjs";

/**
 * The parts of the specification by letter: their last number, and whether all of it is to be there.
 *
 * @type {Record<string, { last: number, isDue: boolean }>}
 */
const parts = {
  Q: { last: 66, isDue: true }, // queues
  T: { last: 56, isDue: false }, // topics
  C: { last: 62, isDue: false }, // caches
  S: { last: 52, isDue: false }, // security
};

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

/** What there is to say of each number, in order. */
export function judge({ files, named }, specified = parts) {
  const numbers = Object.entries(specified).flatMap(([letter, { last, isDue }]) =>
    Array.from({ length: last }, (_, index) => {
      const number = letter + String(index + 1).padStart(2, "0");
      const where = [...(files.get(number) ?? [])].sort().join(" ");
      return { number, where, isMissing: where === "" && isDue };
    }),
  );
  const known = new Set(numbers.map(({ number }) => number));
  return {
    lines: numbers.map(({ number, where, isMissing }) =>
      where !== ""
        ? `${number} covered ${where}`
        : `${number} ${isMissing ? "missing" : "not yet"}`,
    ),
    missing: numbers.filter(({ isMissing }) => isMissing).map(({ number }) => number),
    unknown: [...named].filter((number) => !known.has(number)),
  };
}

function isReportCurrent(path) {
  const written = statSync(path, { throwIfNoEntry: false })?.mtimeMs;
  if (written === undefined) return false;
  const ofClients = ["typescript", "express-session", "keyv"].flatMap((client) => [
    `clients/${client}/src`,
    `clients/${client}/test`,
  ]);
  return ["src", "test", ...ofClients]
    .flatMap((folder) => filesBelow(folder))
    .every((path) => statSync(join(root, path)).mtimeMs <= written);
}

function main() {
  const runs = [
    [testResultsPath, []],
    [crashResultsPath, ["--crash"]],
  ];
  const testResults = runs.flatMap(([path, args]) => {
    if (!isReportCurrent(path)) {
      console.error("No test report as new as the sources: running the tests first ...");
      runTests(args, { quiet: true });
    }
    return JSON.parse(readFileSync(path, "utf8")).testResults;
  });
  const { lines, missing, unknown } = judge(coverage({ testResults }));
  for (const line of lines) console.log(line);
  if (missing.length > 0) {
    console.error(`No test that passed covers ${missing.join(", ")}.`);
    process.exitCode = 1;
  }
  if (unknown.length > 0) {
    console.error(`Tests name scenarios that do not exist: ${unknown.join(", ")}.`);
    process.exitCode = 1;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) main();
