// The rules that make the protocol safe, each a small function and each in this one place. A member gets them as a value, so
// that a simulated run can break one and show that it is needed. (E1, that an epoch is minted once, is the coordinator's.)
//
//   E2  A member follows no epoch below its promise, and answers only when the promise is on disk.
//   E3  A leader appends only records of its own epoch; records never change.
//   E4  Of two logs the more advanced one has the larger last epoch, then the larger last seq.
//   E5  A record counts once enough voters have it on disk and its epoch is the leader's; then all before it counts.
//   E6  A log is cut only above what is applied.
//   E7  A coordinator that names an epoch below the promise has forgotten: its epochs are not to be used.

import { type Epoch, type LogSeq, logSeq } from "../base/brands.js";
import type { AcksMode } from "../store/replica-disk.js";

export interface Rules {
  /** E2: whether a message of `epoch` is listened to at all. */
  mayFollow(epoch: Epoch, promised: Epoch): boolean;
  /** E2: whether a message of `epoch` may be answered, by the promise that is on disk. */
  mayAnswer(epoch: Epoch, promisedOnDisk: Epoch): boolean;
  /** What of the records that agree with the leader's a member confirms: those on its disk. */
  confirmedSeq(agreedSeq: LogSeq, durableSeq: LogSeq): LogSeq;
  /** E3 */
  mayAppend(recordEpoch: Epoch, leaderEpoch: Epoch): boolean;
  /** E4 */
  isMoreAdvanced(one: LogPlace, other: LogPlace): boolean;
  /** How many promises a new leader needs, its own among them. */
  promisesNeeded(voterCount: number): number;
  /** How many voters must have a record on disk. */
  acksNeeded(acks: AcksMode, voterCount: number): number;
  /** E5: whether a record that enough voters have is thereby committed. */
  countsByItself(recordEpoch: Epoch, leaderEpoch: Epoch): boolean;
  /** E6: whether the log may be cut above `seq`. */
  mayTruncate(seq: LogSeq, appliedSeq: LogSeq): boolean;
  /** E7 */
  mayTrust(coordinatorEpoch: Epoch, promised: Epoch): boolean;
}

export interface LogPlace {
  readonly epoch: Epoch;
  readonly seq: LogSeq;
}

const majority = (voterCount: number): number => Math.floor(voterCount / 2) + 1;

export const protocolRules: Rules = {
  mayFollow: (epoch, promised) => epoch >= promised,
  mayAnswer: (epoch, promisedOnDisk) => epoch === promisedOnDisk,
  confirmedSeq: (agreedSeq, durableSeq) => logSeq(Math.min(agreedSeq, durableSeq)),
  mayAppend: (recordEpoch, leaderEpoch) => recordEpoch === leaderEpoch,
  isMoreAdvanced: (one, other) =>
    one.epoch > other.epoch || (one.epoch === other.epoch && one.seq > other.seq),
  promisesNeeded: majority,
  acksNeeded: (acks, voterCount) => {
    switch (acks) {
      case "async":
        return 1;
      case "quorum":
        return majority(voterCount);
      case "all":
        return voterCount;
    }
  },
  countsByItself: (recordEpoch, leaderEpoch) => recordEpoch === leaderEpoch,
  mayTruncate: (seq, appliedSeq) => seq >= appliedSeq,
  mayTrust: (coordinatorEpoch, promised) => coordinatorEpoch >= promised,
};
