// Every check of the judge, once with a history that is right and once with one that is not: a check that finds nothing in the
// second proves nothing in a hundred thousand schedules.

import { expect, test } from "vitest";
import {
  type Epoch,
  epoch,
  epochMs,
  groupId,
  type LogSeq,
  logSeq,
  memberId,
} from "../../src/base/brands.js";
import {
  Ack,
  HelloAck,
  type PeerMessage,
} from "../../src/gen/forebay/replication/v1/replication_service.js";
import { makeRecord, type RecordPurpose } from "../../src/replication/record.js";
import type {
  Configuration,
  LogEntry,
  LogPosition,
  MemberState,
} from "../../src/store/replica-disk.js";
import { CommittedLog } from "./committed-log.js";
import { DiskImage, type DiskWrite } from "./disk-image.js";
import { Judge } from "./judge.js";
import { ClientJudge } from "./judge-clients.js";
import { judgeMessage } from "./judge-wire.js";
import { Trace } from "./trace.js";
import { membershipOf } from "./world.js";

const group = groupId("aa".repeat(16));
const ids = ["01", "02", "03"].map((byte) => memberId(byte.repeat(16)));
const nothing: LogPosition = { epoch: epoch(0), seq: logSeq(0), chain: Buffer.alloc(16) };

const configuration: Configuration = {
  version: 1,
  members: ids.map((id, at) => ({
    id,
    node: `n${at}`,
    zone: `z${at}`,
    isVoter: true,
    replicationEndpoint: "",
    dataEndpoint: "",
  })),
  acks: "quorum",
};

interface Contents {
  readonly epoch?: number;
  readonly value?: string;
  readonly timeMs?: number;
  readonly purpose?: RecordPurpose;
}

function recordAfter(before: LogPosition, contents: Contents = {}): LogEntry {
  const { value = "v", timeMs = 1_000, purpose = { kind: "batch" } } = contents;
  const { entry } = makeRecord(before, {
    groupId: group,
    epoch: epoch(contents.epoch ?? 1),
    leaderTime: epochMs(timeMs),
    configVersion: 1,
    purpose,
    changes: [{ key: Buffer.from("k"), value: Buffer.from(value), mayReplaceChunks: false }],
  });
  return entry;
}

/** Three voters with empty disks, and a judge who watches them. */
class Group {
  readonly images = new Map(ids.map((id) => [id as string, new DiskImage()]));
  readonly minted = new Map<number, string>();
  readonly judge: Judge;
  readonly clients: ClientJudge;

  constructor(of: Configuration = configuration) {
    const log = new CommittedLog(nothing, [], membershipOf(of));
    const world = {
      flushedOf: (id: string) => this.images.get(id),
      forgottenOf: () => [],
      wasMintedFor: (id: string, number: number) => this.minted.get(number) === id,
      lastEpochOf: (_: string, through: number) => through,
      membershipInCoordinator: () => membershipOf(of),
    };
    this.judge = new Judge(world, log, new Trace(false));
    this.clients = new ClientJudge(this.judge);
    for (const id of ids) this.write(id, { state: stateOf(id, of) });
  }

  image(id: string): DiskImage {
    return this.images.get(id) as DiskImage;
  }

  write(id: string, batch: Extract<DiskWrite, { kind: "batch" }>["batch"]): void {
    this.writeAny(id, { kind: "batch", batch });
  }

  writeAny(id: string, write: DiskWrite): void {
    const image = this.image(id);
    const before = image.member;
    image.write(write);
    this.judge.written({ name: id.slice(0, 2), memberId: id }, before, write);
  }

  /** Records on some disks, nothing applied. */
  store(entries: readonly LogEntry[], on: readonly string[] = ids): void {
    for (const id of on) {
      this.write(id, { state: this.state(id, { end: entries.at(-1) }), append: entries });
    }
  }

  state(id: string, change: StateChangeOf = {}): MemberState {
    const before = this.image(id).member as MemberState;
    const end = change.end ?? before.logEnd;
    return {
      ...before,
      promisedEpoch: epoch(change.promised ?? Math.max(before.promisedEpoch, end.epoch)),
      logEnd: { epoch: end.epoch, seq: end.seq, chain: end.chain },
      epochBegins: [{ epoch: end.epoch, firstSeq: logSeq(1) }],
      appliedSeq: logSeq(change.applied ?? before.appliedSeq),
    };
  }

  claim(id: string, of: { epoch: number; seq: number }): void {
    this.judge.claimed({ by: id.slice(0, 2), memberId: id, ...of });
  }
}

interface StateChangeOf {
  readonly end?: LogPosition | undefined;
  readonly promised?: number;
  readonly applied?: number;
}

function stateOf(id: string, of: Configuration): MemberState {
  return {
    memberId: memberId(id),
    groupId: group,
    promisedEpoch: epoch(1),
    configuration: of,
    epochBegins: [],
    logBase: nothing,
    logEnd: nothing,
    appliedSeq: logSeq(0),
    wholeFrom: logSeq(0),
    leaderTime: epochMs(0),
  };
}

const [a = "", b = "", c = ""]: readonly string[] = ids;
const first = recordAfter(nothing);
const second = recordAfter(first, { value: "w" });
const otherFirst = recordAfter(nothing, { epoch: 2, value: "x" });

test("a record that a majority has on disk is committed, and its effects may be applied", () => {
  const group3 = new Group();
  group3.store([first, second], [a, b]);
  group3.claim(a, { epoch: 1, seq: 2 });
  const apply = [{ key: Buffer.from("k"), value: Buffer.from("w"), mayReplaceChunks: false }];
  group3.write(a, { state: group3.state(a, { applied: 2 }), apply });
  expect(group3.judge.committed.endSeq).toBe(2);
});

test("I5: a record that one of three voters has is not committed", () => {
  const group3 = new Group();
  group3.store([first], [a]);
  expect(() => group3.claim(a, { epoch: 1, seq: 1 })).toThrow(/^I5: .*on 1 disks, 2 needed/);
});

test("I5: in the mode `all` two of three are not enough", () => {
  const group3 = new Group({ ...configuration, acks: "all" });
  group3.store([first], [a, b]);
  expect(() => group3.claim(a, { epoch: 1, seq: 1 })).toThrow(/^I5: .*on 2 disks, 3 needed/);
});

test("I5: a new configuration is counted with its own majority", () => {
  const of: Configuration = {
    ...configuration,
    members: configuration.members.map((each, at) => ({ ...each, isVoter: at === 0 })),
  };
  const group1 = new Group(of);
  const promoted = { ...of, version: 2, members: configuration.members.slice(0, 2) };
  const record = recordAfter(nothing, { purpose: { kind: "config", configuration: promoted } });
  group1.store([record], [a]);
  expect(() => group1.claim(a, { epoch: 1, seq: 1 })).toThrow(/^I5: .*on 1 disks, 2 needed/);
});

test("E5: a record of an earlier epoch is not committed by count", () => {
  const group3 = new Group();
  group3.store([first], [a, b, c]);
  expect(() => group3.claim(a, { epoch: 2, seq: 1 })).toThrow(/^E5/);
});

test("I1: one place has one record, whoever commits it", () => {
  const group3 = new Group();
  group3.store([first], [a, b]);
  group3.claim(a, { epoch: 1, seq: 1 });
  group3.write(b, {
    state: group3.state(b, { end: otherFirst }),
    truncateAbove: logSeq(0),
    append: [otherFirst],
  });
  group3.store([otherFirst], [c]);
  expect(() => group3.claim(c, { epoch: 2, seq: 1 })).toThrow(/^I1/);
});

test("I1: one leader writes one record at a place of its epoch", () => {
  const group3 = new Group();
  group3.store([first], [a]);
  expect(() => group3.store([recordAfter(nothing, { value: "another" })], [b])).toThrow(/^I1/);
});

test("I2: who leads has what was committed", () => {
  const group3 = new Group();
  group3.store([first], [a, b]);
  group3.claim(a, { epoch: 1, seq: 1 });
  group3.minted.set(2, c);
  expect(() => group3.judge.becameLeader("03", c, 2)).toThrow(/^I2/);
});

test("what `async` mode may lose is lost and no breach", () => {
  const group3 = new Group({ ...configuration, acks: "async" });
  group3.store([first], [a]);
  group3.claim(a, { epoch: 1, seq: 1 });
  group3.store([otherFirst], [b, c]);
  group3.claim(b, { epoch: 2, seq: 1 });
  expect(group3.judge.lostCount).toBe(1);
});

test("I3: nobody applies what is not committed", () => {
  const group3 = new Group();
  group3.store([first], [a]);
  const batch = { state: group3.state(a, { applied: 1 }), apply: [] };
  expect(() => group3.write(a, batch)).toThrow(/^I5/);
});

test("I3: a state is what the committed records make of it", () => {
  const group3 = new Group();
  group3.store([first], [a, b]);
  group3.claim(a, { epoch: 1, seq: 1 });
  const wrong = [{ key: Buffer.from("k"), value: Buffer.from("other"), mayReplaceChunks: false }];
  const batch = { state: group3.state(b, { applied: 1 }), apply: wrong };
  expect(() => group3.write(b, batch)).toThrow(/^I3/);
});

test("I3: a log has no gap, and I4: it ends where its member says", () => {
  const gap = new Group();
  expect(() => gap.store([second], [a])).toThrow(/^I3/);
  const shorter = new Group();
  const lie = { state: shorter.state(a, { end: nothing }), append: [first] };
  expect(() => shorter.write(a, lie)).toThrow(/^I4/);
});

test("I4: a promise and the applied place never go back", () => {
  const group3 = new Group();
  group3.write(a, { state: group3.state(a, { promised: 5 }) });
  expect(() => group3.write(a, { state: group3.state(a, { promised: 4 }) })).toThrow(/^I4/);
  group3.store([first], [b, c]);
  group3.claim(b, { epoch: 1, seq: 1 });
  const apply = [{ key: Buffer.from("k"), value: Buffer.from("v"), mayReplaceChunks: false }];
  group3.write(b, { state: group3.state(b, { applied: 1 }), apply });
  expect(() => group3.write(b, { state: group3.state(b, { applied: 0 }) })).toThrow(/^I4/);
});

test("E6: a log is not cut at or below what is applied", () => {
  const group3 = new Group();
  group3.store([first, second], [a, b]);
  group3.claim(a, { epoch: 1, seq: 2 });
  const apply = [{ key: Buffer.from("k"), value: Buffer.from("w"), mayReplaceChunks: false }];
  group3.write(a, { state: group3.state(a, { applied: 2 }), apply });
  const cut = {
    state: { ...group3.state(a, { end: first }), appliedSeq: logSeq(2) },
    truncateAbove: logSeq(1),
  };
  expect(() => group3.write(a, cut)).toThrow(/^E6/);
});

test("a record's bytes, its CRC and its chain belong together", () => {
  const other = { ...first, chain: Buffer.alloc(16, 7) };
  expect(() => new Group().store([other], [a])).toThrow(/^chain/);
  expect(() => new Group().store([{ ...first, crc32: 1 }], [a])).toThrow(/^chain/);
});

test("time in the log never goes back", () => {
  const group3 = new Group();
  group3.store([first, recordAfter(first, { timeMs: 999 })], [a, b]);
  expect(() => group3.claim(a, { epoch: 1, seq: 2 })).toThrow(/^time/);
});

test("E1: an epoch has one leader, the one it was minted for", () => {
  const start = recordAfter(nothing, {
    purpose: { kind: "epoch_start", configuration },
  });
  const group3 = new Group();
  group3.store([start], [a, b]);
  group3.claim(a, { epoch: 1, seq: 1 });
  const apply = [{ key: Buffer.from("k"), value: Buffer.from("v"), mayReplaceChunks: false }];
  for (const id of [a, b]) group3.write(id, { state: group3.state(id, { applied: 1 }), apply });
  group3.minted.set(1, a);
  group3.judge.becameLeader("01", a, 1);
  expect(() => group3.judge.becameLeader("02", b, 1)).toThrow(/^E1/);
});

test("2.8: who leads has applied the first record of its epoch, and its state is whole", () => {
  const group3 = new Group();
  group3.store([first], [a, b]);
  group3.claim(a, { epoch: 1, seq: 1 });
  group3.minted.set(1, a);
  expect(() => group3.judge.becameLeader("01", a, 1)).toThrow(/^2\.8/);

  const half = new Group();
  const start = recordAfter(nothing, { purpose: { kind: "epoch_start", configuration } });
  half.store([start], [a, b]);
  const apply = [{ key: Buffer.from("k"), value: Buffer.from("v"), mayReplaceChunks: false }];
  half.write(a, { state: { ...half.state(a, { applied: 1 }), wholeFrom: logSeq(2) }, apply });
  half.minted.set(1, a);
  expect(() => half.judge.becameLeader("01", a, 1)).toThrow(/^2\.8: .*half a copy/);
});

test("2.6: a member knows where the epochs of its log begin", () => {
  const group3 = new Group();
  const wrong = { ...group3.state(a, { end: first }), epochBegins: [] };
  expect(() => group3.write(a, { state: wrong, append: [first] })).toThrow(/^2\.6/);
});

test("E2: a promise is told when it is on disk, and I5: so is what a member has", () => {
  const { judge } = new Group();
  const who = { name: "01", memberId: a };
  const say = (message: PeerMessage) => () => judgeMessage(judge, who, message);
  const helloAck = HelloAck.fromPartial({ epoch: 7n });
  expect(say({ kind: { $case: "helloAck", value: helloAck } })).toThrow(/^E2/);
  const ack = Ack.fromPartial({ epoch: 1n, durableSeq: 1n });
  expect(say({ kind: { $case: "ack", value: ack } })).toThrow(/^I5/);
});

test("a client is told of its own record, and no later read lacks it", () => {
  const group3 = new Group();
  group3.store([first, second], [a, b]);
  const claim = (seq: number) => ({ by: "01", memberId: a, epoch: 1 as Epoch, seq: seq as LogSeq });
  expect(() => group3.clients.acknowledged(claim(1), "another", 0)).toThrow(/^I1/);
  group3.clients.acknowledged(claim(2), "w", 10);
  const required = group3.clients.acknowledgedSeq;
  group3.clients.read("01", "lease", 2, required);
  expect(() => group3.clients.read("02", "lease", 1, required)).toThrow(/^lease/);
  expect(() => group3.clients.read("02", "confirm", 1, required)).toThrow(/^confirm/);
});

test("a follower's state is no older than it says", () => {
  const group3 = new Group();
  group3.store([first], [a, b]);
  group3.clients.acknowledged({ by: "01", memberId: a, epoch: 1, seq: 1 }, "v", 100);
  group3.clients.readFollower("02", 0, 100);
  expect(() => group3.clients.readFollower("02", 0, 101)).toThrow(/^staleness/);
});

test("as many voters have a record as a leader says", () => {
  const group3 = new Group();
  group3.store([first], [a, b]);
  group3.claim(a, { epoch: 1, seq: 1 });
  group3.clients.durable("01", 1, 2);
  expect(() => group3.clients.durable("01", 1, 3)).toThrow(/^durable/);
});
