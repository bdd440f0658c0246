// Whatever a member asks of its disk, in whatever order, it reads what a list of records and a map of rows would hold, also after
// it was closed and opened again. Rows and records of all sizes, because chunks are what can be left behind.

import fc from "fast-check";
import { expect, test } from "vitest";
import { epoch, logSeq } from "../../src/base/brands.js";
import { checkLog } from "../../src/store/check-log.js";
import { CheckWalk } from "../../src/store/check-walk.js";
import type {
  DiskOutcome,
  LogEntry,
  MemberState,
  StateChange,
} from "../../src/store/replica-disk.js";
import type { ReplicaStore } from "../../src/store/replica-store.js";
import { runs } from "../support/property.js";
import {
  entriesAfter,
  newMember,
  openTestReplica,
  outcomeOf,
  positionOf,
} from "../support/replica-log.js";
import { temporaryDirectory } from "../support/temporary-store.js";

const segment = "\x00\x01\x00\x00\x00\x00\x00\x00\x00\x01";
/** Of a segment, of the store, before and after where their chunks stand. */
const keys = [`${segment}m1`, `${segment}m2`, `${segment}y1`, "\x80a", "\x82b", "\x8ac"];
/** On both sides of what fits one value, two, and many. */
const length = fc.oneof(
  fc.nat({ max: 200 }),
  fc.constantFrom(7_994, 7_995, 7_996, 15_984, 15_985),
  fc.nat({ max: 60_000 }),
);

const row = fc.record({
  key: fc.constantFrom(...keys),
  length: fc.option(length, { nil: undefined }),
});

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({
      kind: fc.constant("write" as const),
      truncated: fc.nat({ max: 3 }),
      appended: fc.array(length, { maxLength: 4 }),
      applied: fc.nat({ max: 4 }),
      rows: fc.array(row, { maxLength: 6 }),
      trimmed: fc.nat({ max: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("copy" as const),
      slices: fc.array(fc.array(row, { maxLength: 4 }), { maxLength: 3 }),
    }),
  },
  { weight: 1, arbitrary: fc.constant({ kind: "reopen" as const }) },
);
type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;
type Row = typeof row extends fc.Arbitrary<infer Value> ? Value : never;

const bytesOf = (size: number, salt: number): Buffer =>
  Buffer.from(Array.from({ length: size }, (_, at) => (at * 31 + (at >> 8) * 17 + salt) & 0xff));

class Modelled {
  readonly #directory = temporaryDirectory();
  #replica: ReplicaStore = openTestReplica(this.#directory);
  #member: MemberState = newMember();
  #entries: LogEntry[] = [];
  #rows = new Map<string, Buffer>();
  #salt = 0;

  /** A store gets its member before it gets anything else. */
  async begin(): Promise<void> {
    await this.#durable((done) => this.#replica.disk.write({ state: this.#member }, done));
  }

  async run(next: Step): Promise<void> {
    switch (next.kind) {
      case "write":
        return await this.#write(next);
      case "copy":
        return await this.#copy(next.slices);
      case "reopen":
        await this.#replica.store.close();
        this.#replica = openTestReplica(this.#directory);
    }
  }

  async #durable(ask: (done: (outcome: DiskOutcome) => void) => void): Promise<void> {
    expect(await outcomeOf(ask)).toEqual({ kind: "durable" });
  }

  async #write(asked: Extract<Step, { kind: "write" }>): Promise<void> {
    const { appliedSeq, logBase } = this.#member;
    const endSeq = Math.max(appliedSeq, this.#member.logEnd.seq - asked.truncated);
    const isTruncating = endSeq < this.#member.logEnd.seq;
    const kept = this.#entries.filter(({ seq }) => seq <= endSeq);
    const last = kept[kept.length - 1];
    const records = asked.appended.map((size) => this.#bytes(size));
    const append = entriesAfter(last === undefined ? logBase : positionOf(last), records);
    const entries = [...kept, ...append];
    const end = entries[entries.length - 1];
    const applied = logSeq(Math.min(appliedSeq + asked.applied, end?.seq ?? logBase.seq));
    const trimThrough = logSeq(Math.min(logBase.seq + asked.trimmed, applied));
    const base = entries.find(({ seq }) => seq === trimThrough);
    const apply = asked.rows.map((each) => this.#changeOf(each));
    this.#member = {
      ...this.#member,
      logBase: base === undefined ? logBase : positionOf(base),
      logEnd: end === undefined ? logBase : positionOf(end),
      appliedSeq: applied,
    };
    this.#entries = entries.filter(({ seq }) => seq > trimThrough);
    for (const { key, value } of apply) this.#model(this.#rows, key, value);
    await this.#durable((done) =>
      this.#replica.disk.write(
        {
          state: this.#member,
          append,
          apply,
          ...(isTruncating && { truncateAbove: logSeq(endSeq) }),
          ...(base !== undefined && { trimThrough }),
        },
        done,
      ),
    );
  }

  async #copy(slices: readonly (readonly Row[])[]): Promise<void> {
    const rows = new Map<string, Buffer>();
    const { disk } = this.#replica;
    await this.#durable((done) => disk.beginCopy(done));
    for (const slice of slices) {
      const changes = slice
        .filter((each) => each.length !== undefined)
        .map((each) => this.#changeOf(each));
      for (const { key, value } of changes) this.#model(rows, key, value);
      await this.#durable((done) => disk.addToCopy(changes, done));
    }
    const seq = logSeq(this.#member.logEnd.seq + 10);
    const base = { epoch: epoch(1), seq, chain: bytesOf(16, seq) };
    this.#member = { ...this.#member, logBase: base, logEnd: base, appliedSeq: seq };
    this.#entries = [];
    this.#rows = rows;
    await this.#durable((done) => disk.finishCopy(this.#member, done));
  }

  #bytes(size: number): Buffer {
    this.#salt += 1;
    return bytesOf(size, this.#salt);
  }

  #changeOf({ key, length: size }: Row): StateChange {
    const value = size === undefined ? undefined : this.#bytes(size);
    return { key: Buffer.from(key, "latin1"), value, mayReplaceChunks: true };
  }

  #model(rows: Map<string, Buffer>, key: Buffer, value: Buffer | undefined): void {
    if (value === undefined) rows.delete(key.toString("latin1"));
    else rows.set(key.toString("latin1"), value);
  }

  async expectSame(): Promise<void> {
    const { store, disk } = this.#replica;
    expect(disk.load()).toEqual(this.#member);
    const entries = disk.readLog(logSeq(this.#member.logBase.seq + 1), 1e9);
    expect(entries.map(({ seq, crc32 }) => [seq, crc32])).toEqual(
      this.#entries.map(({ seq, crc32 }) => [seq, crc32]),
    );
    expect(entries.every(({ record }, at) => this.#entries[at]?.record.equals(record))).toBe(true);
    const sorted = [...this.#rows].sort(([a], [b]) => (a < b ? -1 : 1));
    const { rows, isLast } = disk.readState(Buffer.alloc(0), 1e9);
    expect(isLast).toBe(true);
    expect(rows.map(({ key }) => key.toString("latin1"))).toEqual(sorted.map(([key]) => key));
    expect(rows.every(({ value }, at) => value?.equals(sorted[at]?.[1] ?? Buffer.alloc(0)))).toBe(
      true,
    );
    // Of every row as many chunks as it has, and none that belongs to nobody.
    const scanned = [...store.scan("\x00", "\xff\xff\xff")];
    expect(scanned.filter(({ kind }) => kind === "corrupt")).toEqual([]);
    const chunkCounts = scanned.map((each) => (each.kind === "row" ? each.chunkCount : 0));
    const chunkCount = chunkCounts.reduce((sum, count) => sum + count, 0);
    expect(scanned.filter(({ kind }) => kind === "chunk")).toHaveLength(chunkCount);
    const walk = new CheckWalk(store);
    if (store.memberRows === undefined) throw new Error("The store has no log.");
    await checkLog(walk, store.memberRows);
    expect(walk.contradictions).toEqual([]);
  }

  async close(): Promise<void> {
    await this.#replica.store.close();
  }
}

test("a disk reads what was asked of it, as a list of records and a map of rows would", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 3, maxLength: 25 }), async (steps) => {
      const modelled = new Modelled();
      try {
        await modelled.begin();
        for (const next of steps) {
          await modelled.run(next);
          await modelled.expectSame();
        }
      } finally {
        await modelled.close();
      }
    }),
    runs(25),
  );
}, 120_000);
