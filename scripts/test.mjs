// `npm test`: makes the clone runnable, then runs every test and leaves a JSON report for `npm run scenarios`
// and CI. With arguments (`npm test -- queue`) only what they select runs, and its report is kept apart,
// because it says nothing about the rest.
//
//   node scripts/test.mjs --quick           as well without those that kill processes, for a minute or at a certain system call,
//                                           which is not the same one in every Node, and without those of rules alone, which
//                                           are the same in every Node and take minutes
//   node scripts/test.mjs --crash           what `npm test` leaves to CI and patience: processes killed again and again under load
//   node scripts/test.mjs --clusters        the same of whole clusters over a real etcd, and
//                                           thousands of simulated ones
//   node scripts/test.mjs --report=<file>   leave the report elsewhere

import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { setup } from "./setup.mjs";
import {
  crashResultsPath,
  partialTestResultsPath,
  root,
  run,
  testResultsPath,
} from "./support/repository.mjs";

const reportOption = "--report=";
const clusters = ["test/cluster/", "test/cluster-node/", "test/simulation/"];
/** Minutes of real processes that are killed under load; their checkers are proved by tests beside them. */
const crashes = [
  ...["crash", "faults", "replay-crash", "topic-crash", "webhooks"].map(
    (name) => `test/crash/${name}.test.ts`,
  ),
  "test/store/replica-crash",
];
/** Those that take seconds. */
const kills = ["test/store/kill", "test/store/io-error"];
const rules = [
  "test/property/",
  "test/topic/",
  "test/replication/",
  "test/contract/bad-input",
  // What queues do with messages; how bytes and calls come and go stays.
  ...[
    ...["dead-letter", "describe", "explain", "fair", "fifo", "group", "lease", "move", "pause"],
    ...["permissions", "priorities", "purge", "retry", "schedule", "time-to-live", "wall-clock"],
  ].map((name) => `test/scenario/${name}`),
];
const without = (paths) => paths.flatMap((path) => ["--exclude", `${path}**`]);

/** Runs the tests and returns the exit status. */
export function runTests(args, { quiet = false } = {}) {
  setup({ tools: true });
  const elsewhere = args.find((argument) => argument.startsWith(reportOption));
  const names = args.filter((argument) => !argument.startsWith("-"));
  const selection = args
    .filter((argument) => argument !== elsewhere)
    .flatMap((argument) => {
      if (argument === "--quick") return without([...kills, ...rules]);
      // A name chooses among them.
      if (argument === "--crash") return names.length === 0 ? crashes : [];
      return argument === "--clusters" ? clusters : [argument];
    });
  // Whoever names a cluster's test wants it.
  const isOfClusters = selection.some(
    (one) => one.includes("cluster") || one.includes("simulation"),
  );
  // And so does whoever names a crash's.
  const isOfCrashes = args.includes("--crash") || names.some((one) => one.includes("crash"));
  const report =
    elsewhere?.slice(reportOption.length) ??
    (args.includes("--crash") && names.length === 0
      ? crashResultsPath
      : selection.length > 0
        ? partialTestResultsPath
        : testResultsPath);
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${report}`];
  const { status, stdout, stderr } = run(
    process.execPath,
    [
      vitest,
      "run",
      "--config",
      "test/vitest.config.ts",
      ...reporters,
      ...selection,
      ...(isOfClusters ? [] : without(clusters)),
      ...(isOfCrashes ? [] : without(crashes)),
    ],
    { output: quiet ? "captured" : "shown" },
  );
  if (quiet && status !== 0) process.stderr.write(stdout + stderr);
  return status;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) {
  process.exitCode = runTests(process.argv.slice(2));
}
