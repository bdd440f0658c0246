// The engine's log over a member that leads: what the engine is told of its records, also when the member stops taking them.

import { expect, test } from "vitest";
import { type EpochMs, epoch, type LogSeq, logSeq } from "../../src/base/brands.js";
import { LeadershipLost } from "../../src/base/leadership-lost.js";
import type { AppendProgress, Leadership } from "../../src/replication/ports.js";
import { LeaderLog } from "../../src/server/leader-log.js";
import { frameHeaderBytes } from "../../src/store/bytes.js";
import type { StateChange } from "../../src/store/replica-disk.js";
import { ManualClock } from "../support/manual-clock.js";

class HeldLeadership implements Leadership {
  readonly epoch = epoch(4);
  /** It looks for a successor. */
  isClosing = false;
  isOver = false;
  readonly taken: (readonly StateChange[])[] = [];
  progress: AppendProgress | undefined;

  append(changes: readonly StateChange[], _time: EpochMs, progress: AppendProgress): LogSeq {
    if (this.isClosing || this.isOver) throw new LeadershipLost("as the test asked for");
    this.taken.push(changes);
    this.progress = progress;
    return logSeq(10 + this.taken.length);
  }
  mayAnswer(): boolean {
    return !this.isOver;
  }
  confirm(): void {
    throw new Error("Nobody asks for it.");
  }
  whenDurable(): void {
    throw new Error("Nobody asks for it.");
  }
  durableCount(): number {
    return 1;
  }
}

function logOver(leadership: Leadership) {
  const clock = new ManualClock();
  const committedMs: number[] = [];
  const log = new LeaderLog({
    leadership,
    clock,
    recordBytesMax: 1_000,
    beginsAt: { epoch: 4, seq: 10 },
    committed: (elapsedMs) => committedMs.push(elapsedMs),
  });
  const told: unknown[] = [];
  const append = (): void =>
    log.append(
      [
        { key: "\x82a", framed: Buffer.from("....._row"), mayReplaceChunks: true },
        { key: "\x82b", framed: undefined, mayReplaceChunks: false },
      ],
      {
        stored: () => told.push("stored"),
        committed: (position) => told.push(position),
        applied: () => told.push("applied"),
        failed: (error) => told.push(error.name),
      },
    );
  return { clock, log, told, append, committedMs };
}

test("a record's rows go on without the bytes of the store's seal and without a copy", () => {
  const leadership = new HeldLeadership();
  const { log } = logOver(leadership);
  const framed = Buffer.from("....._row");
  const ignore = (): void => undefined;
  const progress = { stored: ignore, committed: ignore, applied: ignore, failed: ignore };
  log.append([{ key: "\x82a", framed, mayReplaceChunks: true }], progress);
  const [change] = leadership.taken[0] ?? [];
  expect(change).toEqual({
    key: Buffer.from([0x82, 0x61]),
    value: Buffer.from("_row"),
    mayReplaceChunks: true,
  });
  expect(change?.value?.buffer).toBe(framed.buffer);
  expect(change?.value?.byteOffset).toBe(framed.byteOffset + frameHeaderBytes);
});

test("the engine hears of a record what the group says of it, with its position and its time", async () => {
  const leadership = new HeldLeadership();
  const { clock, told, append, committedMs } = logOver(leadership);
  append();
  leadership.progress?.stored();
  await clock.advance(30);
  leadership.progress?.committed(logSeq(11));
  leadership.progress?.applied();
  expect(told).toEqual(["stored", { epoch: 4, seq: 11 }, "applied"]);
  expect(committedMs).toEqual([30]);
});

test("a record that comes when leadership is over fails, though not from within the call", async () => {
  const leadership = new HeldLeadership();
  const { told, append } = logOver(leadership);
  leadership.isOver = true;
  append();
  expect(told).toEqual([]);
  await Promise.resolve();
  expect(told).toEqual(["LeadershipLost"]);
});

test("a record that comes during a handover waits, and goes on when that came to nothing", async () => {
  const leadership = new HeldLeadership();
  const { clock, told, append, committedMs } = logOver(leadership);
  leadership.isClosing = true;
  append();
  await clock.advance(1_900);
  expect([told, leadership.taken]).toEqual([[], []]);
  leadership.isClosing = false;
  await clock.advance(100);
  expect(leadership.taken).toHaveLength(1);
  leadership.progress?.stored();
  leadership.progress?.committed(logSeq(11));
  expect(told).toEqual(["stored", { epoch: 4, seq: 11 }]);
  // Its time is what its callers waited.
  expect(committedMs[0]).toBeGreaterThanOrEqual(1_900);
});

test("a record that waits for the end of a handover fails when another leads", async () => {
  const leadership = new HeldLeadership();
  const { clock, told, append } = logOver(leadership);
  leadership.isClosing = true;
  append();
  await clock.advance(100);
  leadership.isOver = true;
  await clock.advance(100);
  expect(told).toEqual(["LeadershipLost"]);
  await clock.advance(10_000);
  expect(told).toEqual(["LeadershipLost"]);
});
