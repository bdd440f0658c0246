// Reads a vitest JSON report and prints three numbers: tests passed, failed, and not run (skipped or left for
// later). A report that is missing or says that a file could not be loaded counts as one test not run.

import { readFileSync } from "node:fs";

const report = JSON.parse(readFileSync(process.argv[2], "utf8"));
const unloaded = report.testResults.filter(({ assertionResults }) => assertionResults.length === 0);
const notRun = report.numPendingTests + report.numTodoTests + unloaded.length;
for (const { name } of unloaded) console.error(`No test of ${name} ran.`);
console.log(`${report.numPassedTests} ${report.numFailedTests} ${notRun}`);
