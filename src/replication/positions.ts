// Where logs stand and how far two of them agree, computed from where their epochs begin and never from a remembered commit
// mark: cutting a log to such a mark has lost confirmed records elsewhere (KIP-101, KIP-279).
//
// One epoch has one leader, and a leader writes one record at a place. So two logs that have a record of the same epoch at the
// same place have the same record there, and the same records before it.

import { type Epoch, type LogSeq, logSeq } from "../base/brands.js";
import type { EpochBegin } from "../store/replica-disk.js";

/** The epochs of a log: where each begins, oldest first, and where the log ends. */
export interface History {
  readonly begins: readonly EpochBegin[];
  readonly endSeq: LogSeq;
}

/** The epoch of the record at `seq`; undefined before the first epoch that the history knows, and after its end. */
export function epochAt(history: History, seq: LogSeq): Epoch | undefined {
  if (seq > history.endSeq) return undefined;
  return history.begins.findLast(({ firstSeq }) => firstSeq <= seq)?.epoch;
}

/** The last place at which both logs have the same record; undefined when the histories share none. */
export function commonSeq(one: History, other: History): LogSeq | undefined {
  for (const begin of one.begins.toReversed()) {
    const counterpart = other.begins.find(({ epoch }) => epoch === begin.epoch);
    if (counterpart === undefined) continue;
    const last = Math.min(lastSeqOf(one, begin.epoch), lastSeqOf(other, begin.epoch));
    return last >= Math.max(begin.firstSeq, counterpart.firstSeq) ? logSeq(last) : undefined;
  }
  return undefined;
}

/** The last record of an epoch that the history has. */
function lastSeqOf(history: History, epoch: Epoch): number {
  const next = history.begins.find((begin) => begin.epoch > epoch);
  return next === undefined ? history.endSeq : next.firstSeq - 1;
}

/** The epochs once a record of `epoch` stands at `seq`, behind all others. */
export function beginsWith(
  begins: readonly EpochBegin[],
  { epoch, seq }: { readonly epoch: Epoch; readonly seq: LogSeq },
): readonly EpochBegin[] {
  return begins.at(-1)?.epoch === epoch ? begins : [...begins, { epoch, firstSeq: seq }];
}

/** The epochs of a log cut above `seq`. The first stays: it covers the place before the log. */
export function beginsThrough(begins: readonly EpochBegin[], seq: LogSeq): readonly EpochBegin[] {
  return begins.filter(({ firstSeq }, index) => index === 0 || firstSeq <= seq);
}

/** The epochs of a log whose records up to `baseSeq` are gone: without those that ended there, save the last one of them. */
export function beginsFrom(begins: readonly EpochBegin[], baseSeq: LogSeq): readonly EpochBegin[] {
  const covering = begins.findLastIndex(({ firstSeq }) => firstSeq <= baseSeq);
  return covering > 0 ? begins.slice(covering) : begins;
}

/** Before the first record of all. */
export const emptyChain = Buffer.alloc(16);
