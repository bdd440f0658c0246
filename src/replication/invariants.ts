// What must hold at every write, checked always: the member ends when it does not. A rule that was broken elsewhere shows here
// at the latest, before the disk has it.
//
//   I1  at most one record is ever committed at a place of the log
//   I2  what was answered is in every later leader's log
//   I3  the state holds committed records only, in order, without a gap
//   I4  promise and applied seq never go back; the log is cut only above what is applied
//   I5  nothing derived from an uncommitted record leaves the process (the engine's part)

import { assert } from "../base/assert.js";
import type { DiskBatch, LogPosition, MemberState } from "../store/replica-disk.js";
import { type LogRecord, standsBehind } from "./record.js";

/** Of a batch about to be written over `before`. */
export function checkBatch(before: MemberState, batch: DiskBatch): void {
  const { state } = batch;
  assert(state.memberId === before.memberId, "a store stays the same member");
  assert(state.promisedEpoch >= before.promisedEpoch, "I4: a promise never goes back");
  assert(state.appliedSeq >= before.appliedSeq, "I4: what is applied stays applied");
  assert(state.appliedSeq <= state.logEnd.seq, "I3: what is applied is in the log");
  assert(state.logBase.seq <= state.appliedSeq, "only applied records leave the log");
  assert(state.logEnd.epoch <= state.promisedEpoch, "E2: records are of promised epochs");
  const endBefore = Math.min(before.logEnd.seq, batch.truncateAbove ?? before.logEnd.seq);
  assert(endBefore >= before.appliedSeq, "I4: the log is cut only above what is applied");
  const first = batch.append?.[0];
  assert(first === undefined || first.seq === endBefore + 1, "the log has no gap");
  assert(
    state.logEnd.seq === endBefore + (batch.append?.length ?? 0),
    "the log ends with its last record",
  );
}

/** Of a record about to join the log. */
export function checkRecord(end: LogPosition, record: LogRecord): void {
  assert(standsBehind(record, end), "I1: a record stands behind the one it was made for");
}
