// The parts of the simulated world keep the promises that real ones make, and break those that real ones break: a simulator
// whose disks lose nothing and whose coordinator never refuses would find nothing either.

import { expect, test } from "vitest";
import { epoch, epochMs, groupId, logSeq, memberId } from "../../src/base/brands.js";
import { PeerMessage } from "../../src/gen/forebay/replication/v1/replication_service.js";
import type { ReplicationMember } from "../../src/replication/ports.js";
import type { DiskOutcome, MemberState } from "../../src/store/replica-disk.js";
import { EventQueue } from "./event-queue.js";
import { Prng } from "./prng.js";
import { runSchedule } from "./run.js";
import { type DiskLie, SimulatedDisk } from "./simulated-disk.js";
import { SimulatedEtcd } from "./simulated-etcd.js";
import { SimulatedNetwork } from "./simulated-network.js";
import { Trace } from "./trace.js";

const ids = ["01", "02"].map((byte) => memberId(byte.repeat(16)));
const [one, two] = ids as [(typeof ids)[0], (typeof ids)[0]];
const nothing = { epoch: epoch(0), seq: logSeq(0), chain: Buffer.alloc(16) };
const configuration = { version: 1, members: [], acks: "quorum" } as const;

const state = (promised: number): MemberState => ({
  memberId: one,
  groupId: groupId("aa".repeat(16)),
  promisedEpoch: epoch(promised),
  configuration,
  epochBegins: [],
  logBase: nothing,
  logEnd: nothing,
  appliedSeq: logSeq(0),
  wholeFrom: logSeq(0),
  leaderTime: epochMs(0),
});

function openDisk(lie: DiskLie, seed = 1) {
  const events = new EventQueue();
  const disk = new SimulatedDisk(events, new Prng(seed), { written: () => undefined }, lie);
  const port = disk.open(
    (fire) => fire(),
    () => true,
  );
  const outcomes: DiskOutcome["kind"][] = [];
  const write = (promised: number): void =>
    port.write({ state: state(promised) }, ({ kind }) => outcomes.push(kind));
  const runFor = (ms: number): void => {
    const untilMs = events.nowMs + ms;
    while (events.step(untilMs));
  };
  const stored = (): number | undefined => port.load()?.promisedEpoch;
  return { disk, write, runFor, outcomes, stored };
}

test("what a disk called done survives a power cut, and what it did not may or may not", () => {
  const survived = new Set<number | undefined>();
  for (let seed = 1; seed <= 20; seed += 1) {
    const { disk, write, runFor, outcomes, stored } = openDisk("none", seed);
    write(1);
    runFor(1_000);
    expect(outcomes).toEqual(["durable"]);
    write(2);
    disk.powerCut();
    runFor(1_000);
    expect(outcomes).toEqual(["durable"]);
    survived.add(stored());
  }
  expect([...survived].sort()).toEqual([1, 2]);
});

test("a disk that lies loses in a power cut what it called done, and not in a crash", () => {
  const { disk, write, runFor, outcomes, stored } = openDisk("promises");
  write(1);
  while (outcomes.length === 0) runFor(0.1);
  expect(stored()).toBe(1);
  disk.crash();
  expect(stored()).toBe(1);
  disk.powerCut();
  expect(stored()).toBeUndefined();
});

test("a disk writes one thing at a time, and a full one nothing", () => {
  const { disk, write, runFor, outcomes, stored } = openDisk("none");
  disk.health.fullChance = 1;
  write(1);
  expect(() => write(2)).toThrow("while another one was under way");
  runFor(1_000);
  expect(outcomes).toEqual(["full"]);
  expect(stored()).toBeUndefined();
});

function openEtcd() {
  const events = new EventQueue();
  const parts = { events, trace: new Trace(false), chance: () => 0.5 };
  const etcd = new SimulatedEtcd(parts, { leaseMs: 1_000, configuration, fault: "none" });
  const runUntil = (ms: number): void => {
    while (events.step(ms));
  };
  return { etcd, runUntil };
}

test("E1: an epoch is minted once, and the next one when its lease has ended", () => {
  const { etcd, runUntil } = openEtcd();
  expect(etcd.mint(one, epoch(0), 1)).toBe(true);
  expect(etcd.mint(two, epoch(0), 2)).toBe(false);
  expect(etcd.mint(two, epoch(1), 2)).toBe(false);
  runUntil(900);
  expect(etcd.renew(1)).toBe(true);
  runUntil(1_800);
  expect(etcd.holder).toBe(one);
  runUntil(3_000);
  expect(etcd.holder).toBeUndefined();
  expect(etcd.renew(1)).toBe(false);
  expect(etcd.mint(two, epoch(0), 3)).toBe(false);
  expect(etcd.mint(two, epoch(1), 3)).toBe(true);
  expect(etcd.view()).toMatchObject({ epoch: 2, leader: two });
});

test("a successor takes over from the living holder, and only from that one", () => {
  const { etcd } = openEtcd();
  etcd.mint(one, epoch(0), 1);
  expect(etcd.takeOver(two, epoch(2), 2)).toBe(false);
  expect(etcd.takeOver(two, epoch(1), 2)).toBe(true);
  expect(etcd.takeOver(one, epoch(1), 3)).toBe(false);
  expect(etcd.view()).toMatchObject({ epoch: 2, leader: two });
});

test("a configuration is stored by the holder of the epoch, one version after the other", () => {
  const { etcd } = openEtcd();
  const next = { ...configuration, version: 2 };
  expect(etcd.changeConfiguration(one, epoch(1), next)).toBe(false);
  etcd.mint(one, epoch(0), 1);
  expect(etcd.changeConfiguration(two, epoch(1), next)).toBe(false);
  expect(etcd.changeConfiguration(one, epoch(1), { ...next, version: 3 })).toBe(false);
  expect(etcd.changeConfiguration(one, epoch(1), next)).toBe(true);
});

function openNetwork(reorders: boolean) {
  const events = new EventQueue();
  const habits = { delayMsMean: 5, loss: 0, repetition: 0.5, encodes: true, windowBytes: 1e6 };
  const network = new SimulatedNetwork(
    events,
    new Prng(3),
    { ...habits, reorders },
    () => undefined,
  );
  const heard: number[] = [];
  const say = (number: number): void => {
    const hello = PeerMessage.fromPartial({
      kind: { $case: "hello", value: { epoch: BigInt(number) } },
    });
    network.send("a", "b", hello, ({ kind }) => {
      if (kind?.$case === "hello") heard.push(Number(kind.value.epoch));
    });
  };
  const settle = (): void => {
    while (events.step(events.nowMs + 1_000));
  };
  return { network, heard, say, settle };
}

const numbers = Array.from({ length: 50 }, (_, at) => at);

test("a connection keeps the order, and another network neither order nor number", () => {
  const connection = openNetwork(false);
  for (const number of numbers) connection.say(number);
  connection.settle();
  expect(connection.heard).toEqual(numbers);
  const other = openNetwork(true);
  for (const number of numbers) other.say(number);
  other.settle();
  expect(other.heard.length).toBeGreaterThan(numbers.length);
  expect(other.heard).not.toEqual([...other.heard].sort((left, right) => left - right));
});

test("a cut way carries nothing, nor what was on it", () => {
  const { network, heard, say, settle } = openNetwork(false);
  say(1);
  network.cut("a", "b");
  say(2);
  settle();
  network.mend("a", "b");
  say(3);
  settle();
  expect(heard).toEqual([3]);
});

test("a group whose members do nothing fails for want of progress, and one that throws fails for that", () => {
  const idle = {
    start: () => undefined,
    receive: () => undefined,
    networkReady: () => undefined,
    coordinatorChanged: () => undefined,
    status: () => ({ role: { kind: "follower" }, stalenessMs: undefined }),
    leadership: () => undefined,
  } as unknown as ReplicationMember;
  expect(runSchedule(1, { createMember: () => idle })).toMatchObject({ rule: "liveness" });
  const throwing = {
    ...idle,
    start: () => {
      throw new Error("a mistake");
    },
  };
  expect(runSchedule(1, { createMember: () => throwing })).toMatchObject({ rule: "thrown" });
});
