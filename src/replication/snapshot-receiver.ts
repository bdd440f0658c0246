// Takes a copy of the leader's state: asks for it slice by slice, builds it beside the own state, and puts it in its place when it
// is complete. Until then this member is what it was. Afterwards its state is whole once the log has been applied up to the
// highest place that any slice showed; until then it may promise and store, but not lead.

import { epochMs, type LogSeq, logSeq, type MemberId } from "../base/brands.js";
import type { Timer } from "../base/clock.js";
import type { LogPosition, MemberState } from "../store/replica-disk.js";
import type { Inside } from "./inside.js";
import type { OfferSnapshotMessage, StateSliceMessage } from "./message.js";
import { commonSeq, epochAt, type History } from "./positions.js";
import { copyRetryMs, copySilenceMsMax } from "./settings.js";
import { rowsCrc } from "./snapshot-sender.js";

interface Copy {
  readonly from: MemberId;
  readonly offer: OfferSnapshotMessage;
  /** What is asked for next, once the slices before are on disk. */
  afterKey: Buffer;
  isAsking: boolean;
  wholeFrom: LogSeq;
  bytesDone: number;
  heardAtMs: number;
}

export class SnapshotReceiver {
  readonly #inside: Inside;
  readonly #installed: (offer: OfferSnapshotMessage) => void;
  #copy: Copy | undefined;
  #timer: Timer | undefined;

  constructor(inside: Inside, installed: (offer: OfferSnapshotMessage) => void) {
    this.#inside = inside;
    this.#installed = installed;
  }

  get isActive(): boolean {
    return this.#copy !== undefined;
  }

  /** The leader that offered it is followed no longer, or the copy is done. */
  end(): void {
    if (this.#copy === undefined) return;
    this.#report(this.#copy, true);
    this.#copy = undefined;
    this.#timer?.cancel();
  }

  offer(from: MemberId, offer: OfferSnapshotMessage): void {
    if (this.#copy?.offer.snapshotId === offer.snapshotId) return;
    this.end();
    if (!this.#mayGiveUpOwn(offer)) return;
    const { context, durable } = this.#inside;
    const copy: Copy = {
      from,
      offer,
      afterKey: Buffer.alloc(0),
      isAsking: false,
      wholeFrom: offer.startSeq,
      bytesDone: 0,
      heardAtMs: context.nowMs(),
    };
    this.#copy = copy;
    durable.other({
      isWanted: () => this.#copy === copy,
      start: (done) => context.parts.disk.beginCopy(done),
      finish: () => this.#ask(copy),
    });
    this.#watch(copy);
  }

  slice(from: MemberId, slice: StateSliceMessage): void {
    const copy = this.#copy;
    if (copy === undefined || from !== copy.from || !isNext(slice, copy)) return;
    if (rowsCrc(slice.rows) !== slice.crc32) return;
    const { context, durable } = this.#inside;
    copy.isAsking = false;
    copy.heardAtMs = context.nowMs();
    if (slice.appliedSeq > copy.wholeFrom) copy.wholeFrom = slice.appliedSeq;
    copy.bytesDone += slice.rows.reduce(
      (sum, row) => sum + row.key.length + (row.value?.length ?? 0),
      0,
    );
    copy.afterKey = slice.rows.at(-1)?.key ?? copy.afterKey;
    this.#report(copy, false);
    const next = (): void => (slice.isLast ? this.#install(copy) : this.#ask(copy));
    if (slice.rows.length === 0) {
      next();
      return;
    }
    durable.other({
      isWanted: () => this.#copy === copy,
      start: (done) => context.parts.disk.addToCopy(slice.rows, done),
      finish: next,
    });
  }

  #ask(copy: Copy): void {
    if (this.#copy !== copy) return;
    copy.isAsking = true;
    const { epoch, snapshotId } = copy.offer;
    this.#inside.context.send(copy.from, {
      kind: "ask_slice",
      epoch,
      snapshotId,
      afterKey: copy.afterKey,
    });
  }

  /** Asks again for what did not come, and gives up when nothing comes at all: the leader will offer another copy. */
  #watch(copy: Copy): void {
    const { context } = this.#inside;
    this.#timer?.cancel();
    this.#timer = context.timer(copyRetryMs, () => {
      if (this.#copy !== copy) return;
      if (copy.isAsking && context.nowMs() - copy.heardAtMs > copySilenceMsMax) {
        this.end();
        return;
      }
      if (copy.isAsking) this.#ask(copy);
      this.#watch(copy);
    });
  }

  #install(copy: Copy): void {
    if (this.#copy !== copy) return;
    const { durable } = this.#inside;
    durable.installCopy({
      isWanted: () => this.#copy === copy,
      stateOf: (planned) => stateAfter(planned, copy),
      finish: () => {
        if (this.#copy !== copy) return;
        this.end();
        this.#installed(copy.offer);
      },
    });
  }

  /**
   * Rule E6: applied records are given up for a copy only where a leader alone could confirm them; they are kept aside. With more
   * confirmations, losing them means that something is corrupt.
   */
  #mayGiveUpOwn(offer: OfferSnapshotMessage): boolean {
    const { durable, context } = this.#inside;
    const theirs = { begins: offer.epochBegins, endSeq: offer.startSeq };
    const applied = durable.toBeApplied;
    if (!isContradicted(durable.history, theirs, applied)) return applied <= offer.startSeq;
    const common = commonSeq(durable.history, theirs) ?? durable.planned.logBase.seq;
    if (durable.planned.configuration.acks !== "async") {
      this.#inside.quarantine(
        `The leader's log parts from this one after ${common}, below what is applied (${applied}).`,
      );
      return false;
    }
    this.#keepLost(logSeq(common + 1));
    const lostCount = applied - common;
    context.tell(() => context.parts.observer.recordsLost(lostCount));
    return true;
  }

  #keepLost(from: LogSeq): void {
    const { durable, context } = this.#inside;
    const { disk, settings } = context.parts;
    const { epoch } = durable.planned.logEnd;
    for (let next = from; next <= durable.durableSeq; ) {
      const entries = durable.read(next, settings.sliceBytesMax);
      const last = entries.at(-1);
      if (last === undefined) return;
      durable.other({
        isWanted: () => true,
        start: (done) => disk.keepLost(epoch, entries, done),
        finish: () => undefined,
      });
      next = logSeq(last.seq + 1);
    }
  }

  #report(copy: Copy, isDone: boolean): void {
    const { context } = this.#inside;
    const progress = {
      direction: "taking" as const,
      peer: copy.from,
      bytesDone: copy.bytesDone,
      bytesEstimated: copy.offer.estimatedBytes,
      isDone,
    };
    context.tell(() => context.parts.observer.copyProgress(progress));
  }
}

/** Every slice is taken once, in order: a repeated one is not the one asked for. */
const isNext = (slice: StateSliceMessage, copy: Copy): boolean =>
  slice.epoch === copy.offer.epoch &&
  slice.snapshotId === copy.offer.snapshotId &&
  copy.isAsking &&
  slice.afterKey.equals(copy.afterKey);

/** Whether another log is known to have another record where this member has applied one. */
function isContradicted(own: History, theirs: History, appliedSeq: LogSeq): boolean {
  const seq = logSeq(Math.min(appliedSeq, theirs.endSeq));
  const epoch = epochAt(theirs, seq);
  return epoch !== undefined && epoch !== epochAt(own, seq);
}

function stateAfter(planned: MemberState, { offer, wholeFrom }: Copy): MemberState {
  const start: LogPosition = {
    epoch: offer.startEpoch,
    seq: offer.startSeq,
    chain: offer.startChain,
  };
  const isNewer = offer.configuration.version > planned.configuration.version;
  return {
    ...planned,
    configuration: isNewer ? offer.configuration : planned.configuration,
    epochBegins: offer.epochBegins,
    logBase: start,
    logEnd: start,
    appliedSeq: start.seq,
    wholeFrom,
    leaderTime: epochMs(Math.max(planned.leaderTime, offer.leaderTime)),
  };
}
