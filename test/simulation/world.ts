// A simulated group with everything around it: nodes, the network between them, the coordinator, and the judge who watches. It
// knows nothing of faults; those come from nemesis.ts and operator.ts, which this world offers what they need.

import {
  type Epoch,
  epochMs,
  epoch as epochOf,
  type GroupId,
  groupId,
  logSeq,
  type MemberId,
} from "../../src/base/brands.js";
import type { PeerMessage } from "../../src/gen/forebay/replication/v1/replication_service.js";
import type { MemberParts, ReplicationMember } from "../../src/replication/ports.js";
import type {
  Configuration,
  GroupMember,
  LogPosition,
  MemberState,
  StateChange,
} from "../../src/store/replica-disk.js";
import { CommittedLog, type Membership } from "./committed-log.js";
import type { DiskImage } from "./disk-image.js";
import { EventQueue } from "./event-queue.js";
import { Judge } from "./judge.js";
import { ClientJudge } from "./judge-clients.js";
import { judgeMessage } from "./judge-wire.js";
import { type Mutation, noMutation } from "./mutations.js";
import { SimulatedNode } from "./node.js";
import type { NamedNode, NodeWorld, RestartableNode } from "./node-world.js";
import type { Prng } from "./prng.js";
import type { Schedule } from "./schedule.js";
import { SimulatedEtcd } from "./simulated-etcd.js";
import { SimulatedNetwork } from "./simulated-network.js";
import { type Trace, Violation } from "./trace.js";

export type CreateMember = (parts: MemberParts, mutation: Mutation) => ReplicationMember;

export interface WorldParts {
  readonly schedule: Schedule;
  readonly mutation: Mutation;
  readonly prng: Prng;
  readonly trace: Trace;
  readonly createMember: CreateMember;
}

const zoneCount = 7;
/** The place before the first record. */
const nothing: LogPosition = { epoch: epochOf(0), seq: logSeq(0), chain: Buffer.alloc(16) };

export class World implements NodeWorld {
  readonly schedule: Schedule;
  readonly mutation: Mutation;
  readonly trace: Trace;
  readonly events = new EventQueue();
  readonly network: SimulatedNetwork;
  readonly etcd: SimulatedEtcd;
  readonly judge: Judge;
  readonly clients: ClientJudge;
  readonly groupId: GroupId;
  readonly nodes: SimulatedNode[] = [];
  isQuiet = false;
  /** The first thing that must never happen, if it did. */
  verdict: Error | undefined;
  readonly #createMember: CreateMember;
  readonly #prng: Prng;
  readonly #forgotten = new Map<string, DiskImage[]>();
  #valueCount = 0;

  constructor({ schedule, mutation, prng, trace, createMember }: WorldParts) {
    this.schedule = schedule;
    this.mutation = mutation;
    this.trace = trace;
    this.#createMember = createMember;
    this.#prng = prng;
    trace.attach(this.events);
    this.groupId = groupId(prng.bytes(16).toString("hex"));
    this.network = new SimulatedNetwork(
      this.events,
      prng.fork(1),
      { ...schedule.network },
      (from, to) => this.#wayReady(from, to),
    );
    const names = Array.from(
      { length: schedule.voterCount + schedule.learnerCount },
      (_, at) => `n${at + 1}`,
    );
    for (const [at, name] of names.entries()) this.addNode(name, `z${(at % zoneCount) + 1}`);
    const configuration: Configuration = {
      version: 1,
      members: this.nodes.map((node, at) => this.memberOf(node, at < schedule.voterCount)),
      acks: schedule.acks,
    };
    this.etcd = new SimulatedEtcd(
      { events: this.events, trace, chance: prng.fork(2).next },
      { leaseMs: schedule.leaseMs, configuration, fault: mutation.etcd ?? "none" },
    );
    const { base, rows } = this.#earlierData(configuration);
    this.judge = new Judge(
      {
        flushedOf: (id) => this.nodeOf(id)?.disk.flushed,
        forgottenOf: (id) => this.#forgotten.get(id) ?? [],
        wasMintedFor: (id, epoch) => this.etcd.wasMintedFor(id, epoch),
        lastEpochOf: (id, through) => this.etcd.lastEpochOf(id, through),
        membershipInCoordinator: () => membershipOf(this.etcd.configuration),
      },
      new CommittedLog(base, rows, membershipOf(configuration)),
      trace,
    );
    this.clients = new ClientJudge(this.judge);
  }

  emptyState(id: MemberId, configuration: Configuration): MemberState {
    return {
      memberId: id,
      groupId: this.groupId,
      promisedEpoch: epochOf(0),
      configuration,
      epochBegins: [],
      logBase: nothing,
      logEnd: nothing,
      appliedSeq: nothing.seq,
      wholeFrom: nothing.seq,
      leaderTime: epochMs(0),
    };
  }

  addNode(name: string, zone: string): SimulatedNode {
    const node = new SimulatedNode(this, name, zone, this.#prng.fork(10 + this.nodes.length));
    this.nodes.push(node);
    return node;
  }

  nodeOf(id: string): SimulatedNode | undefined {
    return this.nodes.find((node) => node.id === id);
  }

  memberOf(node: SimulatedNode, isVoter: boolean): GroupMember {
    return {
      id: node.id,
      node: node.name,
      zone: node.zone,
      isVoter,
      replicationEndpoint: `${node.name}:7402`,
      dataEndpoint: `${node.name}:7400`,
    };
  }

  /** Nodes whose member believes to lead. */
  leaders(): readonly SimulatedNode[] {
    return this.nodes.filter(({ role }) => role?.kind === "leader");
  }

  createMember(parts: MemberParts): ReplicationMember {
    return this.#createMember(parts, this.mutation);
  }

  nextValue(name: string): string {
    this.#valueCount += 1;
    return `${name}.${this.#valueCount}`;
  }

  send(from: NamedNode, to: MemberId, message: PeerMessage): void {
    judgeMessage(this.judge, { name: from.name, memberId: from.id }, message);
    const target = this.nodeOf(to);
    if (target === undefined || target.id === from.id) return;
    this.trace.note(() => `${from.name} > ${target.name} ${describe(message)}`);
    const fromId = from.id;
    this.network.send(from.name, target.name, message, (arrived) => {
      if (target.id !== to) return;
      const heard = this.mutation.hear === undefined ? arrived : this.mutation.hear(arrived);
      target.receive(fromId, heard);
    });
  }

  isReady(from: NamedNode, to: MemberId): boolean {
    const target = this.nodeOf(to);
    return target !== undefined && this.network.isReady(from.name, target.name);
  }

  recorded(act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#blame(error);
      throw error;
    }
  }

  judged(name: string, act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#blame(
        error instanceof Violation ? error : new Violation("thrown", `${name}: ${stackOf(error)}`),
      );
    }
  }

  failed(node: RestartableNode, error: Error): void {
    this.trace.note(() => `${node.name} fails: ${error.message}`);
    const isExpected = error.message.includes("the simulated disk failed") || this.#mayGiveUp();
    if (!isExpected) throw new Violation("failed", `${node.name}: ${stackOf(error)}`);
    this.events.after(0, () => {
      node.crash();
      this.events.after(this.#prng.span(this.schedule.leaseMs / 5), () => node.start());
    });
  }

  quarantined(node: NamedNode, why: string): void {
    if (this.#mayGiveUp()) return;
    throw new Violation("quarantined", `${node.name}: ${why}`);
  }

  forget(id: string, image: DiskImage): void {
    this.#forgotten.set(id, [...(this.#forgotten.get(id) ?? []), image]);
  }

  /** The highest promise on any disk, for the operator of a coordinator that forgot. */
  promisedMax(): Epoch {
    const promises = this.nodes.map(({ disk }) => disk.flushed.member?.promisedEpoch ?? 0);
    return epochOf(Math.max(0, ...promises));
  }

  /** The latest configuration on any disk or in etcd. */
  latestConfiguration(): Configuration {
    return this.nodes
      .map(({ disk }) => disk.flushed.member?.configuration ?? this.etcd.configuration)
      .reduce(
        (latest, each) => (each.version > latest.version ? each : latest),
        this.etcd.configuration,
      );
  }

  /** With a rule broken, what a member notices itself is not held against it: the judge must notice. */
  #mayGiveUp(): boolean {
    const isBroken = this.mutation !== noMutation && this.mutation.mayMembersNotice !== true;
    return this.schedule.mayNeedOperator || isBroken;
  }

  #wayReady(from: string, to: string): void {
    const sender = this.nodes.find(({ name }) => name === from);
    const target = this.nodes.find(({ name }) => name === to);
    if (sender !== undefined && target !== undefined) sender.networkReady(target.id);
  }

  #blame(error: unknown): void {
    this.verdict ??= error instanceof Error ? error : new Error(String(error));
  }

  /** The first node's store as it was while it stood alone. */
  #earlierData(configuration: Configuration): { base: LogPosition; rows: readonly StateChange[] } {
    const first = this.nodes[0];
    if (!this.schedule.hasEarlierData || first === undefined) return { base: nothing, rows: [] };
    const base = { epoch: epochOf(0), seq: logSeq(1), chain: this.#prng.bytes(16) };
    const rows = Array.from({ length: 10 }, (_, at): StateChange => {
      return {
        key: Buffer.from(`k${at}`),
        value: Buffer.from(`earlier.${at}`),
        mayReplaceChunks: false,
      };
    });
    const empty = this.emptyState(first.id, configuration);
    const state: MemberState = { ...empty, logBase: base, logEnd: base, appliedSeq: base.seq };
    first.disk.prepare(state, rows);
    return { base, rows };
  }
}

export function membershipOf({ version, members, acks }: Configuration): Membership {
  return {
    version,
    voters: members.filter(({ isVoter }) => isVoter).map(({ id }) => id),
    learners: members.filter(({ isVoter }) => !isVoter).map(({ id }) => id),
    acks,
  };
}

const stackOf = (error: unknown): string =>
  error instanceof Error ? (error.stack ?? error.message) : String(error);

function describe({ kind }: PeerMessage): string {
  if (kind === undefined) return "nothing";
  const shown = JSON.stringify(kind.value, (key, value: unknown) => {
    if (typeof value === "bigint") return Number(value);
    if (key === "entries" || key === "rows") return (value as unknown[]).length;
    if (/chain|time|epochStarts|sentAt|disk|config$/i.test(key)) return undefined;
    return value;
  });
  return `${kind.$case} ${shown.replaceAll('"', "")}`;
}
