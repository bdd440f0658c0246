// Records whose effects follow from their numbers: after a crash anybody can tell from `appliedSeq` alone what the state must
// be, and from the log's ends which records must stand in it.

import { epochMs, epoch as epochOf, type LogSeq, logSeq } from "../../src/base/brands.js";
import type {
  DiskBatch,
  LogEntry,
  LogPosition,
  MemberState,
  ReplicaDisk,
  StateChange,
} from "../../src/store/replica-disk.js";
import { entriesAfter, entryAfter, newMember, positionOf, put, removal } from "./replica-log.js";

const slots = 40;
/** Records that stay in the log behind what is applied. */
const keptCount = 30;
/** Where a copy that is taken stands: far from anything the log had. */
export const copySeq = 1_000_000;

const slotKey = (seq: number): string => `\x82r${String(seq % slots).padStart(2, "0")}`;

/** Some fit a value, some take chunks, and the sizes of one slot differ from time to time. */
const textOf = (seq: number, epoch: number): string =>
  `${seq}/${epoch} ${"x".repeat((seq * 7_919) % 5 === 0 ? (seq * 31) % 40_000 : seq % 500)}`;

/** What the record does: one row put, or removed, and the row that says how far the state is. */
function changesOf(seq: number): readonly StateChange[] {
  const row =
    seq % 7 === 0
      ? removal(slotKey(seq), true)
      : put(slotKey(seq), `state ${textOf(seq, 0)}`, true);
  return [row, put("\x84applied", String(seq))];
}

/** The rows of the state at a record. */
export function rowsAt(appliedSeq: number): Map<string, string> {
  const rows = new Map<string, string>();
  if (appliedSeq === 0) return rows;
  for (let seq = Math.max(1, appliedSeq - slots + 1); seq <= appliedSeq; seq += 1) {
    if (seq % 7 !== 0) rows.set(slotKey(seq), `state ${textOf(seq, 0)}`);
  }
  rows.set("\x84applied", String(appliedSeq));
  return rows;
}

export const copiedRows = (): readonly StateChange[] =>
  [...rowsAt(copySeq)].sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => put(key, value));

export function copiedState(before: MemberState): MemberState {
  const base = positionOf(entryAfter({ ...before.logBase, seq: logSeq(copySeq - 1) }, "base", 9));
  return {
    ...before,
    promisedEpoch: epochOf(9),
    logBase: base,
    logEnd: base,
    epochBegins: [{ epoch: epochOf(9), firstSeq: logSeq(copySeq) }],
    appliedSeq: base.seq,
    wholeFrom: base.seq,
    leaderTime: epochMs(copySeq),
  };
}

/**
 * What a member might write next: some records, the effects of those before, at times a tail taken back for one of a later
 * epoch, and the oldest records trimmed. Of the whole batch or nothing of it must be found after a crash. The leader's time
 * counts the batches.
 */
export function nextBatch(disk: ReplicaDisk): DiskBatch {
  const before = disk.load() ?? newMember({ leaderTime: epochMs(0) });
  const turn = before.leaderTime + 1;
  const isTruncating = turn % 5 === 0 && before.logEnd.seq > before.appliedSeq + 1;
  const truncateAbove = logSeq(before.appliedSeq + 1);
  const end = isTruncating ? positionAt(disk, truncateAbove) : before.logEnd;
  const promisedEpoch = epochOf(before.promisedEpoch + (isTruncating ? 1 : 0));
  const append = entriesAfter(
    end,
    Array.from({ length: 1 + (turn % 4) }, (_, at) => textOf(end.seq + 1 + at, promisedEpoch)),
    promisedEpoch,
  );
  // What was stored by the batch before is applied by this one, as a leader does it.
  const appliedSeq = isTruncating ? before.appliedSeq : before.logEnd.seq;
  const apply: StateChange[] = [];
  for (let seq = before.appliedSeq + 1; seq <= appliedSeq; seq += 1) apply.push(...changesOf(seq));
  const trimThrough = logSeq(appliedSeq - keptCount);
  const isTrimming = turn % 13 === 0 && trimThrough > before.logBase.seq;
  return {
    state: {
      ...before,
      promisedEpoch,
      appliedSeq,
      logBase: isTrimming ? positionAt(disk, trimThrough) : before.logBase,
      logEnd: positionOf(append[append.length - 1] as LogEntry),
      epochBegins: isTruncating
        ? [...before.epochBegins, { epoch: promisedEpoch, firstSeq: logSeq(end.seq + 1) }]
        : before.epochBegins,
      leaderTime: epochMs(turn),
    },
    append,
    apply,
    ...(isTruncating && { truncateAbove }),
    ...(isTrimming && { trimThrough }),
  };
}

function positionAt(disk: ReplicaDisk, seq: LogSeq): LogPosition {
  const [entry] = disk.readLog(seq, 0);
  if (entry === undefined) throw new Error(`Record ${seq} is not in the log.`);
  return positionOf(entry);
}
