// One simulated node: a disk and clocks that outlive processes, and at most one process, in which a member runs.
//
// A process ends between any two of its calls into the world: what it sent before is on its way, what it would have sent after
// is not. It may stand still for a while, and finds then that everything happened at once.

import { type MemberId, memberId } from "../../src/base/brands.js";
import type { PeerMessage } from "../../src/gen/forebay/replication/v1/replication_service.js";
import type {
  CoordinatorView,
  MemberObserver,
  ReplicationMember,
  Role,
} from "../../src/replication/ports.js";
import type { MemberState } from "../../src/store/replica-disk.js";
import type { DiskWrite } from "./disk-image.js";
import { Load } from "./load.js";
import { NodeClock } from "./node-clock.js";
import type { NodeWorld } from "./node-world.js";
import type { Prng } from "./prng.js";
import { type EtcdPath, SimulatedCoordinator } from "./simulated-coordinator.js";
import { SimulatedDisk } from "./simulated-disk.js";
import { Violation } from "./trace.js";

interface Process {
  readonly member: ReplicationMember;
  readonly coordinator: SimulatedCoordinator;
  load: Load | undefined;
  role: Role;
}

export class SimulatedNode {
  readonly name: string;
  readonly zone: string;
  readonly clock: NodeClock;
  readonly etcdPath: EtcdPath;
  disk: SimulatedDisk;
  id: MemberId;
  /** Not started again by itself any more. */
  isRetired = false;
  readonly #world: NodeWorld;
  readonly #prng: Prng;
  #process: Process | undefined;
  /** Counts processes: what was meant for an earlier one is not for this one. */
  #generation = 0;
  #isStandingStill = false;
  #meanwhile: (() => void)[] = [];
  /** Calls into the world this process may still make; undefined: as many as it likes. */
  #callsLeft: number | undefined;

  constructor(world: NodeWorld, name: string, zone: string, prng: Prng) {
    const { schedule } = world;
    this.#world = world;
    this.#prng = prng;
    this.name = name;
    this.zone = zone;
    this.id = memberId(prng.bytes(16).toString("hex"));
    this.clock = new NodeClock(world.events, {
      rate: 1 + prng.between(-1, 1) * schedule.clockRateErrorMax,
      wallOffsetMs: prng.between(-0.5, 0.5) * schedule.wallErrorMsMax,
    });
    this.etcdPath = { delayMsMean: schedule.etcdMsMean, questionLoss: 0, answerLoss: 0 };
    this.disk = this.#newDisk();
  }

  get member(): ReplicationMember | undefined {
    return this.#process?.member;
  }

  get role(): Role | undefined {
    return this.#process?.role;
  }

  get isRunning(): boolean {
    return this.#process !== undefined;
  }

  get isStandingStill(): boolean {
    return this.#isStandingStill;
  }

  start(): void {
    if (this.#process !== undefined || this.isRetired) return;
    this.#generation += 1;
    const generation = this.#generation;
    const isThis = (): boolean => generation === this.#generation && this.#mayCall();
    const enter = (fire: () => void): void => this.#enter(generation, fire);
    const world = this.#world;
    if (this.disk.visible.member === undefined) {
      this.disk.prepare(world.emptyState(this.id, world.etcd.configuration), []);
    }
    this.clock.restart(this.#prng.between(0, 1e6));
    this.#callsLeft = undefined;
    const clock = this.#clockOf(enter);
    const coordinator = new SimulatedCoordinator({
      memberId: this.id,
      etcd: world.etcd,
      path: this.etcdPath,
      events: world.events,
      prng: this.#prng.fork(1),
      clock,
      marginMs: world.schedule.settings.leaseMarginMs,
      enter,
      isRunning: isThis,
      changed: (view: CoordinatorView) => this.#process?.member.coordinatorChanged(view),
      leaseNeverEnds: world.mutation.leaseNeverEnds ?? false,
    });
    const member = world.createMember({
      id: this.id,
      disk: this.disk.open(enter, isThis),
      network: {
        send: (to, message) => {
          if (isThis()) world.recorded(() => world.send(this, to, message));
        },
        isReady: (to) => world.isReady(this, to),
      },
      coordinator,
      clock,
      random: this.#prng.fork(2).next,
      settings: world.schedule.settings,
      observer: this.#observer(generation),
    });
    this.#process = {
      member,
      coordinator,
      load: undefined,
      role: { kind: "follower", leader: undefined },
    };
    world.trace.note(() => `${this.name} starts`);
    world.network.connectionsMade(this.name);
    enter(() => member.start());
  }

  /** The process is killed: now, or after some more calls into the world. */
  crash(callsLeft = 0): void {
    if (this.#process === undefined) return;
    if (callsLeft > 0) {
      this.#callsLeft = callsLeft;
      return;
    }
    this.#end("crashes");
    this.disk.crash();
  }

  /** A crash that was only planned does not happen. */
  spare(): void {
    if (this.#callsLeft === 0) this.crash();
    this.#callsLeft = undefined;
  }

  powerCut(): void {
    if (this.#process !== undefined) this.#end("loses power");
    this.disk.powerCut();
  }

  /** Nothing of the process runs for a while. `clockStops`: the machine was suspended, and its clock with it. */
  standStill(spanMs: number, clockStops: boolean): void {
    if (this.#process === undefined || this.#isStandingStill) return;
    const generation = this.#generation;
    this.#isStandingStill = true;
    this.#world.trace.note(() => `${this.name} stands still for ${spanMs.toFixed(0)} ms`);
    this.#world.events.after(spanMs, () => {
      if (generation !== this.#generation) return;
      if (clockStops) this.clock.stoodStill(spanMs);
      this.goOn();
    });
  }

  goOn(): void {
    if (!this.#isStandingStill) return;
    this.#isStandingStill = false;
    this.#process?.coordinator.stoodStill();
    const meanwhile = this.#meanwhile;
    this.#meanwhile = [];
    const generation = this.#generation;
    for (const fire of meanwhile) this.#enter(generation, fire);
  }

  /** What was on the disk is gone, and with it who this member was. */
  wipe(): void {
    this.powerCut();
    this.#world.forget(this.id, this.disk.flushed);
    this.disk = this.#newDisk();
    this.id = memberId(this.#prng.bytes(16).toString("hex"));
    this.#world.trace.note(() => `${this.name} has an empty disk, and is ${this.id.slice(0, 4)}`);
  }

  receive(from: MemberId, message: PeerMessage): void {
    this.#enter(this.#generation, () => this.#process?.member.receive(from, message));
  }

  networkReady(to: MemberId): void {
    this.#enter(this.#generation, () => this.#process?.member.networkReady(to));
  }

  /** Runs something of the operator as the process. */
  ask(fire: (member: ReplicationMember) => void): void {
    this.#enter(this.#generation, () => {
      const { member } = this;
      if (member !== undefined) fire(member);
    });
  }

  #end(how: string): void {
    this.#world.trace.note(() => `${this.name} ${how}`);
    this.#generation += 1;
    this.#process?.load?.end();
    this.#process?.coordinator.close();
    this.#process = undefined;
    this.#isStandingStill = false;
    this.#meanwhile = [];
    this.#world.network.connectionsLost(this.name);
  }

  #enter(generation: number, fire: () => void): void {
    if (generation !== this.#generation || this.#callsLeft === 0) return;
    if (this.#isStandingStill) {
      this.#meanwhile.push(fire);
      return;
    }
    this.#world.judged(this.name, fire);
  }

  /** False once the process has made the last call it lives to make. */
  #mayCall(): boolean {
    if (this.#callsLeft === undefined) return true;
    if (this.#callsLeft === 0) return false;
    this.#callsLeft -= 1;
    const generation = this.#generation;
    if (this.#callsLeft === 0) {
      this.#world.events.after(0, () => {
        if (generation === this.#generation) this.crash();
      });
    }
    return true;
  }

  #clockOf(enter: (fire: () => void) => void) {
    const { clock } = this;
    return {
      monotonicMs: () => clock.monotonicMs(),
      wallMs: () => clock.wallMs(),
      setTimer: (delayMs: number, fire: () => void) => clock.setTimer(delayMs, () => enter(fire)),
    };
  }

  #newDisk(): SimulatedDisk {
    const world = this.#world;
    const disk = new SimulatedDisk(
      world.events,
      this.#prng.fork(3),
      {
        written: (before: MemberState | undefined, write: DiskWrite) =>
          world.judge.written({ name: this.name, memberId: this.id }, before, write),
      },
      world.mutation.diskLie ?? "none",
    );
    disk.health.writeMsMean = world.schedule.diskMsMean;
    return disk;
  }

  #observer(generation: number): MemberObserver {
    const world = this.#world;
    const ifThis = (act: () => void): void => {
      if (generation === this.#generation) world.recorded(act);
    };
    return {
      roleChanged: (role) => ifThis(() => this.#roleChanged(role)),
      configurationChanged: () => undefined,
      applied: (seq) =>
        ifThis(() => {
          const onDisk = this.disk.visible.member?.appliedSeq ?? 0;
          if (onDisk < seq)
            throw new Violation("I3", `${this.name} tells ${seq} applied, not ${onDisk}`);
        }),
      copyProgress: () => undefined,
      recordsLost: (count) => world.trace.note(() => `${this.name} lost ${count} records`),
      failed: (error) => ifThis(() => world.failed(this, error)),
    };
  }

  #roleChanged(role: Role): void {
    const world = this.#world;
    world.trace.note(() => `${this.name} is ${describe(role)}`);
    const running = this.#process;
    if (running === undefined) return;
    running.load?.end();
    running.load = undefined;
    running.role = role;
    if (role.kind === "quarantined") world.quarantined(this, role.why);
    if (role.kind !== "leader") return;
    world.judge.becameLeader(this.name, this.id, role.epoch);
    const generation = this.#generation;
    // Observers must not call back, so the engine comes a moment later.
    world.events.after(0, () => this.#enter(generation, () => this.#lead()));
  }

  #lead(): void {
    const running = this.#process;
    const leadership = running?.member.leadership();
    if (running === undefined || leadership === undefined || running.load !== undefined) return;
    const state = this.disk.visible.member;
    const world = this.#world;
    running.load = new Load({
      name: this.name,
      memberId: this.id,
      leadership,
      schedule: world.schedule,
      prng: this.#prng.fork(4),
      clock: this.#clockOf((fire) => this.#enter(this.#generation, fire)),
      clients: world.clients,
      recorded: (act) => world.recorded(act),
      trace: world.trace,
      worldMs: () => world.events.nowMs,
      appliedSeq: state?.appliedSeq ?? 0,
      notBeforeMs: state?.leaderTime ?? 0,
      nextValue: () => world.nextValue(this.name),
      isQuiet: () => world.isQuiet,
      appliedOnDisk: () => this.disk.visible.member?.appliedSeq ?? 0,
    });
  }
}

function describe(role: Role): string {
  switch (role.kind) {
    case "follower":
      return `following ${role.leader?.slice(0, 4) ?? "nobody"}`;
    case "candidate":
    case "leader":
      return `${role.kind} of epoch ${role.epoch}`;
    case "quarantined":
      return `quarantined: ${role.why}`;
    case "stopped":
      return "stopped";
  }
}
