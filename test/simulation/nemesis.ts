// Breaks things while a run is in trouble, and leaves everything whole when it is over. What it may break is in the schedule.

import type { DiskImage } from "./disk-image.js";
import type { SimulatedNode } from "./node.js";
import type { Prng } from "./prng.js";
import type { FaultWeights } from "./schedule.js";
import type { EtcdBackup } from "./simulated-etcd.js";
import { pickWeighted } from "./weighted.js";
import type { World } from "./world.js";

export class Nemesis {
  readonly #world: World;
  readonly #prng: Prng;
  #isOver = false;
  #diskBackup: { readonly node: SimulatedNode; readonly image: DiskImage } | undefined;
  #etcdBackup: EtcdBackup | undefined;
  /** Once a run, so that a majority keeps what it has. */
  #hasTakenDisk = false;

  constructor(world: World, prng: Prng) {
    this.#world = world;
    this.#prng = prng;
    this.#next();
  }

  /** Mends everything that an operator or time would mend. */
  heal(): void {
    this.#isOver = true;
    const { nodes, network, etcd, schedule } = this.#world;
    this.#world.trace.note(() => "everything is mended");
    network.mendAll();
    network.habits.loss = 0;
    network.habits.repetition = 0;
    etcd.isDown = false;
    for (const node of nodes) {
      node.goOn();
      node.spare();
      node.clock.setWallOffset(this.#prng.between(-100, 100));
      Object.assign(node.etcdPath, {
        delayMsMean: schedule.etcdMsMean,
        questionLoss: 0,
        answerLoss: 0,
      });
      Object.assign(node.disk.health, {
        writeMsMean: schedule.diskMsMean,
        fullChance: 0,
        failChance: 0,
      });
      node.start();
    }
    const promised = this.#world.promisedMax();
    const latest = this.#world.latestConfiguration();
    const hasForgotten = etcd.configuration.version < latest.version;
    if (etcd.epoch < promised || hasForgotten) etcd.raise(promised, latest);
  }

  #next(): void {
    const { events, schedule } = this.#world;
    events.after(this.#prng.span(schedule.faultEveryMs), () => {
      if (this.#isOver) return;
      const fault = pickWeighted(this.#prng, schedule.faults);
      if (fault !== undefined) this.#break(fault);
      this.#next();
    });
  }

  #break(fault: keyof FaultWeights): void {
    const node = this.#victim();
    switch (fault) {
      case "crash":
        node.crash(this.#prng.chance(0.5) ? this.#prng.integer(1, 12) : 0);
        this.#later(0.32, () => node.start());
        return;
      case "powerCut":
        node.powerCut();
        this.#later(0.32, () => node.start());
        return;
      case "powerCutAll":
        for (const each of this.#world.nodes) each.powerCut();
        for (const each of this.#world.nodes) this.#later(0.24, () => each.start());
        return;
      case "pause":
      case "suspend":
        node.standStill(this.#prng.span(this.#world.schedule.leaseMs * 0.6), fault === "suspend");
        return;
      case "isolate":
      case "cutOneWay":
      case "cutPair":
      case "split":
        this.#cut(fault, node);
        return;
      case "etcdPath":
      case "etcdDown":
      case "epochsMinted":
      case "epochForced":
      case "etcdRestored":
        this.#breakEtcd(fault, node);
        return;
      case "wallJump":
        node.clock.setWallOffset(this.#prng.between(-1, 1) * this.#prng.pick([1_000, 3_600_000]));
        return;
      case "slowDisk":
      case "fullDisk":
      case "failingDisk":
        this.#breakDisk(fault, node);
        return;
      case "wipe":
        this.#wipe(node);
        return;
      case "spoilDisk":
        this.#spoil(node);
        return;
      case "restoreDisk":
        this.#restoreDisk(node);
        return;
    }
  }

  #cut(fault: "isolate" | "cutOneWay" | "cutPair" | "split", node: SimulatedNode): void {
    const { nodes, network, trace } = this.#world;
    const others = nodes.filter((each) => each !== node);
    const other = this.#prng.pickIfAny(others);
    if (other === undefined) return;
    const ways: [string, string][] = [];
    const both = (one: SimulatedNode, two: SimulatedNode): void => {
      ways.push([one.name, two.name], [two.name, one.name]);
    };
    if (fault === "cutOneWay") ways.push([node.name, other.name]);
    if (fault === "cutPair") both(node, other);
    if (fault === "isolate") {
      for (const each of others) both(node, each);
      if (this.#prng.chance(0.5)) this.#breakEtcdPath(node, 1, 1);
    }
    if (fault === "split") {
      const side = nodes.filter(() => this.#prng.chance(0.5));
      for (const one of side) for (const two of nodes) if (!side.includes(two)) both(one, two);
    }
    trace.note(() => `${fault}: cut ${ways.map((way) => way.join(">")).join(" ")}`);
    for (const [from, to] of ways) network.cut(from, to);
    this.#later(0.72, () => {
      for (const [from, to] of ways) network.mend(from, to);
    });
  }

  #breakEtcd(fault: keyof FaultWeights, node: SimulatedNode): void {
    const { etcd, trace } = this.#world;
    trace.note(() => `${fault} (${node.name})`);
    switch (fault) {
      case "etcdPath": {
        const loss = this.#prng.pick([0.3, 1]);
        const isQuestion = this.#prng.chance(0.5);
        this.#breakEtcdPath(node, isQuestion ? loss : 0, isQuestion ? 0 : loss);
        return;
      }
      case "etcdDown":
        etcd.isDown = true;
        this.#later(0.6, () => {
          etcd.isDown = false;
        });
        return;
      case "epochsMinted":
        if (etcd.holder === undefined) etcd.mintMore(this.#prng.integer(1, 3));
        return;
      case "epochForced":
        etcd.mintMore(this.#prng.integer(1, 3));
        return;
      case "etcdRestored":
        if (this.#etcdBackup === undefined) this.#etcdBackup = etcd.backup();
        else {
          etcd.restore(this.#etcdBackup);
          this.#etcdBackup = undefined;
        }
        return;
      default:
        return;
    }
  }

  #breakEtcdPath(node: SimulatedNode, questionLoss: number, answerLoss: number): void {
    Object.assign(node.etcdPath, { questionLoss, answerLoss });
    if (this.#prng.chance(0.3)) node.etcdPath.delayMsMean = 300;
    this.#later(0.8, () => {
      const delayMsMean = this.#world.schedule.etcdMsMean;
      Object.assign(node.etcdPath, { delayMsMean, questionLoss: 0, answerLoss: 0 });
    });
  }

  #breakDisk(fault: "slowDisk" | "fullDisk" | "failingDisk", node: SimulatedNode): void {
    const { health } = node.disk;
    this.#world.trace.note(() => `${fault} (${node.name})`);
    if (fault === "slowDisk") health.writeMsMean = this.#prng.pick([100, 500]);
    if (fault === "fullDisk") health.fullChance = this.#prng.pick([0.3, 1]);
    if (fault === "failingDisk") health.failChance = 0.2;
    this.#later(0.6, () => {
      Object.assign(health, {
        writeMsMean: this.#world.schedule.diskMsMean,
        fullChance: 0,
        failChance: 0,
      });
    });
  }

  #spoil(node: SimulatedNode): void {
    if (this.#hasTakenDisk) return;
    this.#hasTakenDisk = true;
    this.#world.trace.note(() => `the disk of ${node.name} is spoilt`);
    node.disk.spoil();
  }

  #wipe(node: SimulatedNode): void {
    if (this.#hasTakenDisk) return;
    this.#hasTakenDisk = true;
    node.wipe();
    this.#later(0.32, () => node.start());
  }

  /** The first time takes a copy of the disk, the second puts it back: only ever of one node. */
  #restoreDisk(node: SimulatedNode): void {
    const backup = this.#diskBackup;
    if (backup === undefined) {
      this.#diskBackup = { node, image: node.disk.backup() };
      return;
    }
    const { name, id, disk } = backup.node;
    if (backup.image.member?.memberId !== id) return;
    backup.node.powerCut();
    this.#world.forget(id, disk.flushed);
    disk.restore(backup.image);
    this.#world.trace.note(() => `the disk of ${name} is restored`);
    this.#later(0.2, () => backup.node.start());
  }

  /** Rather one that leads or wants to than another. */
  #victim(): SimulatedNode {
    const { nodes } = this.#world;
    const interesting = nodes.filter(
      ({ role }) => role?.kind === "leader" || role?.kind === "candidate",
    );
    const chosen = this.#prng.chance(0.5) ? this.#prng.pickIfAny(interesting) : undefined;
    return chosen ?? this.#prng.pick(nodes);
  }

  /** `leases`: how long that takes, as a part of a lease's time. */
  #later(leases: number, mend: () => void): void {
    const meanMs = leases * this.#world.schedule.leaseMs;
    this.#world.events.after(this.#prng.span(meanMs), () => {
      if (!this.#isOver) mend();
    });
  }
}
