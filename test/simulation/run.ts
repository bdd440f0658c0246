// One schedule from its seed to its verdict. A run that fails is run again with its trace on: the same seed is the same run.

import { type Convergence, converge } from "./convergence.js";
import { type Mutation, noMutation } from "./mutations.js";
import { Nemesis } from "./nemesis.js";
import { Operator } from "./operator.js";
import { Prng } from "./prng.js";
import { type Schedule, scheduleOf, type Theme } from "./schedule.js";
import { Trace, Violation } from "./trace.js";
import { type CreateMember, World } from "./world.js";

export interface RunNumbers {
  readonly eventCount: number;
  readonly committedCount: number;
  readonly acknowledgedCount: number;
  readonly leaderCount: number;
  readonly convergence: Convergence | undefined;
}

export type RunResult =
  | { readonly kind: "clean"; readonly schedule: Schedule; readonly numbers: RunNumbers }
  | {
      readonly kind: "violation";
      readonly schedule: Schedule;
      readonly rule: string;
      readonly what: string;
      readonly trace: readonly string[];
    };

/** More than any run that gets anywhere needs. */
const eventCountMax = 200_000;
const staleEveryMs = 150;

export interface RunOptions {
  readonly createMember: CreateMember;
  readonly mutation?: Mutation;
  /** Instead of the one that the seed draws. */
  readonly theme?: Theme | undefined;
  /** How many times as long as drawn the trouble lasts. */
  readonly length?: number | undefined;
  readonly isTraced?: boolean;
}

export function runSchedule(seed: number, options: RunOptions): RunResult {
  const prng = new Prng(seed);
  const { createMember, mutation = noMutation } = options;
  const drawn = scheduleOf(seed, prng.fork(1), options.theme ?? mutation.theme);
  const schedule = { ...drawn, troubleMs: drawn.troubleMs * (options.length ?? 1) };
  const trace = new Trace(options.isTraced ?? false);
  const world = new World({ schedule, mutation, prng: prng.fork(2), trace, createMember });
  try {
    const numbers = play(world, prng.fork(3), options.length ?? 1);
    return { kind: "clean", schedule, numbers };
  } catch (error) {
    const rule = error instanceof Violation ? error.rule : "thrown";
    const what =
      error instanceof Error
        ? error instanceof Violation
          ? error.message
          : String(error.stack)
        : String(error);
    return { kind: "violation", schedule, rule, what, trace: trace.lines };
  }
}

/** The same run with its trace, when it failed without one. */
export function explain(result: RunResult, options: RunOptions): RunResult {
  if (result.kind === "clean") return result;
  return runSchedule(result.schedule.seed, { ...options, isTraced: true });
}

function play(world: World, prng: Prng, length: number): RunNumbers {
  const { events, schedule, nodes, clients, judge } = world;
  let eventCount = 0;
  const runUntil = (untilMs: number): void => {
    while (events.step(untilMs)) {
      if (world.verdict !== undefined) throw world.verdict;
      eventCount += 1;
      if (eventCount > eventCountMax * length)
        throw new Violation("liveness", "events without end");
    }
    if (world.verdict !== undefined) throw world.verdict;
  };
  for (const node of nodes) events.after(prng.between(0, 300), () => node.start());
  const nemesis = new Nemesis(world, prng.fork(1));
  const operator = new Operator(world, prng.fork(2));
  let isInTrouble = true;
  readFollowers(world, prng.fork(3), () => isInTrouble);
  runUntil(schedule.troubleMs);
  isInTrouble = false;
  operator.end();
  nemesis.heal();
  const convergence = converge(world, runUntil);
  return {
    eventCount,
    committedCount: judge.committed.endSeq,
    acknowledgedCount: clients.acknowledgedCount,
    leaderCount: judge.leaderEpochs.length,
    convergence,
  };
}

/** Looks again and again at what followers say of their age, until their clocks are set right. */
function readFollowers(world: World, prng: Prng, goesOn: () => boolean): void {
  const { events, nodes, clients, schedule } = world;
  // A machine that was suspended and whose wall clock was set back meanwhile has no clock left to know it by.
  if (schedule.faults.suspend > 0 && schedule.faults.wallJump > 0) return;
  events.after(prng.span(staleEveryMs), () => {
    if (!goesOn()) return;
    const node = prng.pick(nodes);
    const status = node.isStandingStill ? undefined : node.member?.status();
    if (status?.stalenessMs !== undefined && status.role.kind === "follower") {
      // Its clock may run slow, and it answers in whole steps of it.
      const ageMs = status.stalenessMs * (1 + 2 * schedule.clockRateErrorMax) + 1;
      clients.readFollower(node.name, status.appliedSeq, events.nowMs - ageMs);
    }
    readFollowers(world, prng, goesOn);
  });
}
