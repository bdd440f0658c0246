// `npm run simulate`: many schedules, one after another, and what became of them.
//
//   npm run simulate                                       10,000 schedules from a seed of the day
//   npm run simulate -- --schedules 100000                 a night's worth
//   npm run simulate -- --seed 4711 --schedules 1          one again, as it was
//   npm run simulate -- --seed 4711 --schedules 1 --trace  with its last events, though it is clean
//   npm run simulate -- --theme wiped_disk                 only such (test/simulation/schedule.ts has the names)
//   npm run simulate -- --length 5                         five times as long in trouble
//   npm run simulate -- --mutation lease-not-checked       with a rule broken: how long until somebody notices
//   npm run simulate -- --mutation all                     the same with every rule, one after another

import { parseArgs } from "node:util";
import { createMember } from "../../src/replication/member.js";
import { protocolRules } from "../../src/replication/rules.js";
import { type Mutation, mutationOf, mutations, noMutation } from "./mutations.js";
import { explain, type RunOptions, type RunResult, runSchedule } from "./run.js";
import { type Theme, themes } from "./schedule.js";

/** The real member, with the rules it is to follow. */
export const runOptions = (mutation: Mutation): RunOptions => ({
  mutation,
  createMember: (parts, { rules }) => createMember(parts, { ...protocolRules, ...rules }),
});

/** What repeats a run; what was asked for is asked for again. */
function commandFor(seed: number, { theme, length }: RunOptions, mutation?: string): string {
  const broken = mutation === undefined ? "" : ` --mutation ${mutation}`;
  const themed = theme === undefined ? "" : ` --theme ${theme}`;
  const longer = length === undefined ? "" : ` --length ${length}`;
  return `npm run simulate -- --seed ${seed} --schedules 1${broken}${themed}${longer}`;
}

/** What a failed run has to say, for people. */
export function report(result: RunResult, options: RunOptions, mutation?: string): string {
  const explained = explain(result, options);
  if (explained.kind === "clean") return "It failed once and not again: a run is not repeatable.";
  return [
    ...explained.trace,
    `VIOLATION in schedule ${explained.schedule.seed}: ${explained.what}`,
    `Again: ${commandFor(explained.schedule.seed, options, mutation)}`,
  ].join("\n");
}

interface Totals {
  events: number;
  committed: number;
  acknowledged: number;
  leaders: number;
  progressMsMax: number;
  equalMsMax: number;
  undecided: number;
}

const tellEvery = 1_000;

interface Wanted {
  readonly from: number;
  readonly count: number;
  readonly failuresMax: number;
  readonly isTraced: boolean;
  readonly theme: Theme | undefined;
  readonly length: number | undefined;
}

function simulate({ from, count, failuresMax, isTraced, theme, length }: Wanted): number {
  const options: RunOptions = { ...runOptions(noMutation), isTraced, theme, length };
  const totals: Totals = {
    events: 0,
    committed: 0,
    acknowledged: 0,
    leaders: 0,
    progressMsMax: 0,
    equalMsMax: 0,
    undecided: 0,
  };
  const failed: number[] = [];
  for (let seed = from; seed < from + count && failed.length < failuresMax; seed += 1) {
    const result = runSchedule(seed, options);
    if (result.kind === "violation") {
      failed.push(seed);
      console.log(failed.length === 1 || count === 1 ? report(result, options) : oneLine(result));
    } else add(totals, result);
    if (isTraced && result.kind === "clean") console.log(result);
    const done = seed - from + 1;
    if (done % tellEvery === 0) console.log(`${done} schedules, ${failed.length} failed`);
  }
  console.log(
    `Seeds ${from} to ${from + count - 1}: ${failed.length} failed (${failed.join(" ")}).`,
  );
  console.log(JSON.stringify(totals));
  return failed.length;
}

function add(totals: Totals, { numbers }: RunResult & { kind: "clean" }): void {
  totals.events += numbers.eventCount;
  totals.committed += numbers.committedCount;
  totals.acknowledged += numbers.acknowledgedCount;
  totals.leaders += numbers.leaderCount;
  if (numbers.convergence === undefined) totals.undecided += 1;
  else {
    totals.progressMsMax = Math.max(totals.progressMsMax, numbers.convergence.progressMs);
    totals.equalMsMax = Math.max(totals.equalMsMax, numbers.convergence.equalMs);
  }
}

const oneLine = (result: RunResult & { kind: "violation" }): string =>
  `VIOLATION in schedule ${result.schedule.seed}: ${result.what.split("\n")[0]}`;

/** Runs a broken protocol until it is caught. */
function hunt(name: string, from: number, count: number): boolean {
  const options = runOptions(mutationOf(name));
  for (let seed = from; seed < from + count; seed += 1) {
    const result = runSchedule(seed, options);
    if (result.kind === "clean") continue;
    console.log(
      `${name}: caught after ${seed - from + 1}, seed ${seed}, ${result.what.split("\n")[0]}`,
    );
    return true;
  }
  console.log(`${name}: NOT caught in ${count}`);
  return false;
}

export function main(args: readonly string[]): number {
  const { values } = parseArgs({
    args: [...args],
    options: {
      schedules: { type: "string", default: "10000" },
      seed: { type: "string", default: "1" },
      mutation: { type: "string" },
      theme: { type: "string" },
      length: { type: "string" },
      failures: { type: "string", default: "10" },
      trace: { type: "boolean", default: false },
    },
  });
  const from = Number(values.seed);
  const count = Number(values.schedules);
  if (values.mutation === undefined) {
    const wanted = {
      from,
      count,
      failuresMax: Number(values.failures),
      isTraced: values.trace,
      length: values.length === undefined ? undefined : Number(values.length),
    };
    return simulate({ ...wanted, theme: themes.find((each) => each === values.theme) }) === 0
      ? 0
      : 1;
  }
  const name = values.mutation;
  if (name !== "all" && count === 1) {
    const options = runOptions(mutationOf(name));
    console.log(report(runSchedule(from, options), options, name));
    return 0;
  }
  const names = name === "all" ? Object.keys(mutations) : [name];
  return names.map((each) => hunt(each, from, count)).every((isCaught) => isCaught) ? 0 : 1;
}
