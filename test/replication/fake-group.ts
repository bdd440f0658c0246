// A group of members over ports that do nothing until they are told: messages wait in a bag, writes and answers of the
// coordinator in a line, and time stands still. `settle` lets everything happen that waits, `advance` lets time pass.

import { epoch, epochMs, groupId, logSeq, type MemberId, memberId } from "../../src/base/brands.js";
import type { PeerMessage } from "../../src/gen/forebay/replication/v1/replication_service.js";
import { createMember } from "../../src/replication/member.js";
import type { Message } from "../../src/replication/message.js";
import type {
  AppendProgress,
  CampaignResult,
  Coordinator,
  CoordinatorView,
  Leadership,
  MemberSettings,
  ReplicationMember,
  Role,
} from "../../src/replication/ports.js";
import { emptyChain } from "../../src/replication/positions.js";
import { defaultMemberSettings } from "../../src/replication/settings.js";
import { messageFromWire, messageToWire } from "../../src/replication/wire.js";
import type {
  AcksMode,
  Configuration,
  GroupMember,
  MemberState,
  StateChange,
} from "../../src/store/replica-disk.js";
import { FakeDisk } from "./fake-disk.js";

export const group = groupId("0a".repeat(16));
export const idOf = (name: string): MemberId =>
  memberId(Buffer.from(name.padEnd(16)).toString("hex"));

export const memberOf = (name: string, isVoter = true): GroupMember => ({
  id: idOf(name),
  node: name,
  zone: `zone-${name}`,
  isVoter,
  replicationEndpoint: `${name}:7402`,
  dataEndpoint: `${name}:7400`,
});

export const emptyState = (name: string, configuration: Configuration): MemberState => ({
  memberId: idOf(name),
  groupId: group,
  promisedEpoch: epoch(0),
  configuration,
  epochBegins: [{ epoch: epoch(0), firstSeq: logSeq(0) }],
  logBase: { epoch: epoch(0), seq: logSeq(0), chain: emptyChain },
  logEnd: { epoch: epoch(0), seq: logSeq(0), chain: emptyChain },
  appliedSeq: logSeq(0),
  wholeFrom: logSeq(0),
  leaderTime: epochMs(0),
});

export const put = (key: string, value: string): StateChange => ({
  key: Buffer.from(key),
  value: Buffer.from(value),
  mayReplaceChunks: false,
});

export interface Letter {
  readonly from: string;
  readonly to: string;
  readonly message: Message;
}

interface FakeTimer {
  readonly atMs: number;
  readonly fire: () => void;
  isCancelled: boolean;
}

/** What the coordinator knows, shared by all. */
class FakeEtcd {
  epoch = epoch(0);
  leader: MemberId | undefined;
  configuration: Configuration;
  hint: MemberId | undefined;
  /** Everybody that was ever named when a lease was given back. */
  readonly hints: (MemberId | undefined)[] = [];
  isAway = false;

  constructor(configuration: Configuration) {
    this.configuration = configuration;
  }

  view(): CoordinatorView {
    const { leader, configuration, hint } = this;
    return { epoch: this.epoch, leader, configuration, hint };
  }
}

export class FakeNode {
  readonly name: string;
  readonly disk: FakeDisk;
  readonly told: Role[] = [];
  readonly failures: Error[] = [];
  lostCount = 0;
  leaseDeadlineMs = Number.POSITIVE_INFINITY;
  isLeaseProven = true;
  wallOffsetMs = 0;
  member: ReplicationMember;
  life = 0;
  isRunning = false;
  readonly #group: FakeGroup;

  constructor(fakeGroup: FakeGroup, name: string, state: MemberState) {
    this.#group = fakeGroup;
    this.name = name;
    this.disk = new FakeDisk(state);
    this.member = this.#born();
  }

  get role(): Role {
    return this.member.status().role;
  }

  begin(): void {
    this.isRunning = true;
    this.member.start();
  }

  /** The process dies and another one begins; what its disk had not finished is gone. */
  restart(): void {
    this.stop();
    this.member = this.#born();
    this.begin();
  }

  stop(): void {
    this.isRunning = false;
    this.member.stop();
    this.life += 1;
    this.disk.forget();
  }

  lead(): Leadership {
    const leadership = this.member.leadership();
    if (leadership === undefined) throw new Error(`${this.name} does not lead.`);
    return leadership;
  }

  /** Appends one change; the list says what it was told. */
  append(key: string, value = key): string[] {
    const told: string[] = [];
    const progress: AppendProgress = {
      stored: () => told.push("stored"),
      committed: (seq) => told.push(`committed ${seq}`),
      applied: () => told.push("applied"),
      failed: (error) => told.push(error.name),
    };
    this.lead().append([put(key, value)], epochMs(this.#group.nowMs), progress);
    return told;
  }

  /** As if a member had said it. */
  hear(from: string, message: Message): void {
    this.member.receive(idOf(from), messageToWire(message));
  }

  #born(): ReplicationMember {
    const { life, name } = this;
    const fakeGroup = this.#group;
    return createMember({
      id: idOf(name),
      disk: this.disk,
      network: {
        send: (to, message) => {
          if (this.life === life) fakeGroup.post(name, to, message);
        },
        isReady: (to) => fakeGroup.isReady(name, to),
      },
      coordinator: this.#coordinator(life),
      clock: {
        monotonicMs: () => fakeGroup.nowMs,
        wallMs: () => 1_700_000_000_000 + fakeGroup.nowMs + this.wallOffsetMs,
        setTimer: (delayMs, fire) => fakeGroup.setTimer(delayMs, fire),
      },
      random: () => 0.5,
      settings: fakeGroup.settings,
      observer: {
        roleChanged: (role) => this.told.push(role),
        configurationChanged: () => undefined,
        applied: () => undefined,
        copyProgress: () => undefined,
        recordsLost: (count) => {
          this.lostCount += count;
        },
        failed: (error) => this.failures.push(error),
      },
    });
  }

  #coordinator(life: number): Coordinator {
    const { etcd } = this.#group;
    const id = idOf(this.name);
    const ask = <Answer>(act: () => Answer, done: (answer: Answer | undefined) => void): void =>
      this.#group.later(() => {
        const answer = etcd.isAway ? undefined : act();
        if (this.life === life) done(answer);
      });
    const take = (isFree: () => boolean, done: (result: CampaignResult) => void): void =>
      ask(
        () => {
          if (!isFree()) return { kind: "lost" as const, view: etcd.view() };
          etcd.epoch = epoch(etcd.epoch + 1);
          etcd.leader = id;
          etcd.hint = undefined;
          this.#group.tellViews();
          return { kind: "won" as const, epoch: etcd.epoch };
        },
        (result) => done(result ?? { kind: "unavailable" }),
      );
    return {
      view: () => etcd.view(),
      confirm: (done) => ask(() => etcd.view(), done),
      campaign: (after, done) =>
        take(() => etcd.leader === undefined && etcd.epoch === after, done),
      takeOver: (from, done) => take(() => etcd.leader !== undefined && etcd.epoch === from, done),
      leaseDeadlineMs: () => this.leaseDeadlineMs,
      isLeaseProven: () => this.isLeaseProven,
      resign: (hint) => {
        if (etcd.leader !== id) return;
        etcd.leader = undefined;
        etcd.hint = hint;
        etcd.hints.push(hint);
        this.#group.tellViews();
      },
      changeConfiguration: (of, configuration, done) =>
        ask(
          () => {
            const isHeld = etcd.leader === id && etcd.epoch === of;
            if (!isHeld || etcd.configuration.version !== configuration.version - 1) {
              return "refused" as const;
            }
            etcd.configuration = configuration;
            return "stored" as const;
          },
          (result) => done(result ?? "unavailable"),
        ),
    };
  }
}

export interface FakeGroupOptions {
  readonly voters?: readonly string[];
  readonly learners?: readonly string[];
  readonly acks?: AcksMode;
  readonly settings?: Partial<MemberSettings>;
}

/** One that would go on for ever is a bug of the protocol. */
const stepCountMax = 100_000;

export class FakeGroup {
  nowMs = 1_000;
  readonly etcd: FakeEtcd;
  readonly settings: MemberSettings;
  readonly nodes = new Map<string, FakeNode>();
  /** Everything ever sent. */
  readonly sent: Letter[] = [];
  /** Whether a message gets through. */
  delivers: (letter: Letter) => boolean = () => true;
  /** Whether a way is ready. */
  isReady: (from: string, to: MemberId) => boolean = () => true;
  #bag: Letter[] = [];
  #line: (() => void)[] = [];
  #timers: FakeTimer[] = [];

  constructor(options: FakeGroupOptions = {}) {
    const { voters = ["a", "b", "c"], learners = [], acks = "quorum" } = options;
    this.settings = { ...defaultMemberSettings, ...options.settings };
    const configuration: Configuration = {
      version: 1,
      members: [
        ...voters.map((name) => memberOf(name)),
        ...learners.map((name) => memberOf(name, false)),
      ],
      acks,
    };
    this.etcd = new FakeEtcd(configuration);
    for (const name of [...voters, ...learners]) this.add(name);
  }

  add(name: string, state?: MemberState): FakeNode {
    const node = new FakeNode(this, name, state ?? emptyState(name, this.etcd.configuration));
    this.nodes.set(name, node);
    return node;
  }

  node(name: string): FakeNode {
    const node = this.nodes.get(name);
    if (node === undefined) throw new Error(`There is no node ${name}.`);
    return node;
  }

  /** Starts the others first, so that the first named campaigns among members that answer. */
  start(first = "a"): FakeNode {
    for (const [name, node] of this.nodes) {
      if (name !== first) this.whileLed(() => node.begin());
    }
    this.node(first).begin();
    this.settle();
    return this.node(first);
  }

  /** Nobody campaigns meanwhile. */
  whileLed(act: () => void): void {
    const { leader } = this.etcd;
    this.etcd.leader ??= idOf("nobody");
    act();
    this.#line = this.#line.filter((step) => {
      step();
      return false;
    });
    this.etcd.leader = leader;
  }

  post(from: string, to: MemberId, peerMessage: PeerMessage): void {
    const name = Buffer.from(to, "hex").toString().trim();
    const message = messageFromWire(peerMessage);
    if (message === undefined) throw new Error("A member sent what no member understands.");
    const letter = { from, to: name, message };
    this.sent.push(letter);
    if (this.delivers(letter)) this.#bag.push(letter);
  }

  later(step: () => void): void {
    this.#line.push(step);
  }

  tellViews(): void {
    for (const node of this.nodes.values()) {
      const { life } = node;
      this.later(() => {
        if (node.life === life) node.member.coordinatorChanged(this.etcd.view());
      });
    }
  }

  setTimer(delayMs: number, fire: () => void): { cancel(): void } {
    const timer: FakeTimer = { atMs: this.nowMs + delayMs, fire, isCancelled: false };
    this.#timers.push(timer);
    return {
      cancel: () => {
        timer.isCancelled = true;
      },
    };
  }

  /** Everything that waits happens, without time passing. */
  settle(): void {
    for (let step = 0; step < stepCountMax; step += 1) {
      if (!this.#step()) return;
    }
    throw new Error("The group does not come to rest.");
  }

  advance(ms: number): void {
    const untilMs = this.nowMs + ms;
    this.settle();
    for (;;) {
      this.#timers = this.#timers.filter(({ isCancelled }) => !isCancelled);
      const next = this.#timers
        .filter(({ atMs }) => atMs <= untilMs)
        .sort((a, b) => a.atMs - b.atMs)[0];
      if (next === undefined) break;
      this.nowMs = Math.max(this.nowMs, next.atMs);
      next.isCancelled = true;
      next.fire();
      this.settle();
    }
    this.nowMs = untilMs;
  }

  /** The lease of whoever leads ends, for the coordinator. */
  endLease(): void {
    this.etcd.leader = undefined;
    this.tellViews();
  }

  leader(): FakeNode | undefined {
    return [...this.nodes.values()].find(({ role }) => role.kind === "leader");
  }

  /** What was sent from one to another, newest last. */
  sentOf<Kind extends Message["kind"]>(
    kind: Kind,
    way: { readonly from?: string; readonly to?: string } = {},
  ): Extract<Message, { kind: Kind }>[] {
    return this.sent
      .filter(({ from, to }) => from === (way.from ?? from) && to === (way.to ?? to))
      .map(({ message }) => message)
      .filter((message): message is Extract<Message, { kind: Kind }> => message.kind === kind);
  }

  #step(): boolean {
    const step = this.#line.shift();
    if (step !== undefined) {
      step();
      return true;
    }
    for (const { disk } of this.nodes.values()) if (disk.finishOne()) return true;
    const letter = this.#bag.shift();
    if (letter === undefined) return false;
    const { from, to, message } = letter;
    if (this.nodes.get(to)?.isRunning === true) this.node(to).hear(from, message);
    return true;
  }
}

export const cut =
  (...names: readonly string[]) =>
  ({ from, to }: Letter): boolean =>
    !names.includes(from) && !names.includes(to);
