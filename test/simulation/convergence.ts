// When everything is mended a group must get on by itself: somebody leads and a client's write is acknowledged within a bound of
// time, and once clients are quiet all members have the same log and the same state.

import { majorityOf } from "./committed-log.js";
import { Violation } from "./trace.js";
import { membershipOf, type World } from "./world.js";

/** Beyond the lease that may still be held by nobody: elections that collide, copies that have to be taken. */
const progressSpareMs = 12_000;
const equalWithinMs = 15_000;
/** A group that gets on, if slowly, is given more: a member may lack much, and its way be narrow. */
const patienceMs = 90_000;
const lookEveryMs = 50;

export interface Convergence {
  readonly progressMs: number;
  readonly equalMs: number;
}

/** Undefined when what is left of the group can decide nothing. */
export function converge(
  world: World,
  runUntil: (untilMs: number) => void,
): Convergence | undefined {
  const { events, clients, schedule } = world;
  const healedMs = events.nowMs;
  const before = clients.acknowledgedCount;
  const progressMs = waitFor(world, runUntil, schedule.leaseMs * 2 + progressSpareMs, () => {
    return clients.acknowledgedCount > before;
  });
  if (!canDecide(world)) return undefined;
  if (progressMs === undefined) {
    throw new Violation(
      "liveness",
      `no write was acknowledged since ${healedMs.toFixed(0)}: ${standing(world)}`,
    );
  }
  world.isQuiet = true;
  const equalMs = waitFor(world, runUntil, equalWithinMs, () => unequal(world) === undefined);
  if (equalMs === undefined) {
    throw new Violation("liveness", `members stay unequal: ${unequal(world)}: ${standing(world)}`);
  }
  return { progressMs, equalMs };
}

function waitFor(
  world: World,
  runUntil: (untilMs: number) => void,
  withinMs: number,
  isSo: () => boolean,
): number | undefined {
  const { events } = world;
  const startMs = events.nowMs;
  let advance = advanceOf(world);
  let advancedMs = startMs;
  while (!isSo()) {
    const isStuck = events.nowMs >= advancedMs + withinMs;
    if (isStuck || events.nowMs >= startMs + patienceMs) return undefined;
    runUntil(events.nowMs + lookEveryMs);
    if (advanceOf(world) > advance) {
      advance = advanceOf(world);
      advancedMs = events.nowMs;
    }
  }
  return events.nowMs - startMs;
}

/** Grows whenever a member gets on. */
function advanceOf(world: World): number {
  const { voters, learners } = membershipOf(world.latestConfiguration());
  return [...voters, ...learners].reduce((sum, id) => {
    const state = world.nodeOf(id)?.disk.flushed.member;
    return state === undefined ? sum : sum + state.logEnd.seq + state.appliedSeq;
  }, 0);
}

/** Whether enough of the voters are there: a disk that was wiped or put back is not, for good. */
function canDecide(world: World): boolean {
  const { voters, acks } = membershipOf(world.latestConfiguration());
  const present = voters.filter((id) => {
    const node = world.nodeOf(id);
    return node !== undefined && node.role?.kind !== "quarantined";
  });
  const needed = acks === "all" ? voters.length : majorityOf(voters.length);
  return present.length >= needed;
}

/** What is not the same on all members; undefined when nothing is. */
function unequal(world: World): string | undefined {
  const [leader, second] = world.leaders();
  if (leader === undefined) return "nobody leads";
  if (second !== undefined) return "two lead";
  const led = leader.member?.status();
  if (led === undefined || led.appliedSeq !== led.logEnd.seq)
    return "the leader has not applied its log";
  if (led.configuration.version !== world.etcd.configuration.version) {
    return `the leader knows configuration ${led.configuration.version}, etcd ${world.etcd.configuration.version}`;
  }
  for (const { id } of led.configuration.members) {
    const node = world.nodeOf(id);
    if (node === undefined || node.role?.kind === "quarantined") continue;
    const status = node.member?.status();
    const end = status?.logEnd;
    if (status?.appliedSeq !== led.appliedSeq)
      return `${node.name} has applied ${status?.appliedSeq} of ${led.appliedSeq}`;
    if (end === undefined || !end.chain.equals(led.logEnd.chain))
      return `${node.name} has another log`;
    if (node.disk.visible.rows.hash !== leader.disk.visible.rows.hash) {
      throw new Violation("I3", `${node.name} and ${leader.name} differ at ${led.appliedSeq}`);
    }
  }
  return undefined;
}

function standing(world: World): string {
  const { epoch, leader, hint } = world.etcd.view();
  const nameOf = (id: string | undefined): string =>
    id === undefined ? "nobody" : (world.nodeOf(id)?.name ?? id.slice(0, 4));
  const members = world.nodes.map((node) => {
    const state = node.disk.flushed.member;
    const role = node.role === undefined ? "not running" : node.role.kind;
    return `${node.name} ${role} promised ${state?.promisedEpoch} log ${state?.logBase.seq}..${state?.logEnd.epoch}/${state?.logEnd.seq} applied ${state?.appliedSeq} whole ${state?.wholeFrom}`;
  });
  const { voters, acks } = membershipOf(world.latestConfiguration());
  return `etcd epoch ${epoch} of ${nameOf(leader)} hint ${nameOf(hint)}; voters ${voters.map(nameOf).join(" ")} (${acks}); ${members.join("; ")}`;
}
