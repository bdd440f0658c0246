// A copy of the leader's state for one member: rows in key order, read a slice at a time while the state goes on changing, and
// then the log from where the copy began. Changes are absolute, so applying the log over the rows makes them whole: a row read
// early is put again, a row removed since is removed again.

import { crc32 } from "node:zlib";
import type { Epoch, EpochMs, LogSeq, MemberId } from "../base/brands.js";
import type { Configuration, EpochBegin, LogPosition, StateChange } from "../store/replica-disk.js";
import type { Inside } from "./inside.js";
import type { AskSliceMessage } from "./message.js";
import { beginsThrough } from "./positions.js";
import { copySilenceMsMax } from "./settings.js";

export class SnapshotSender {
  readonly #inside: Inside;
  readonly #to: MemberId;
  readonly #epoch: Epoch;
  readonly #snapshotId: number;
  readonly #start: LogPosition;
  readonly #begins: readonly EpochBegin[];
  readonly #configuration: Configuration;
  readonly #estimatedBytes: number;
  readonly #leaderTime: EpochMs;
  #askedAtMs: number;
  #isAsked = false;
  #waiting: AskSliceMessage | undefined;
  #bytesDone = 0;

  constructor(inside: Inside, to: MemberId, epoch: Epoch, snapshotId: number) {
    const { durable, context } = inside;
    // What is applied on disk when the first slice is read, or less: the log is kept from here on.
    const startSeq = durable.stored.appliedSeq;
    const start = durable.positionAt(startSeq);
    if (start === undefined)
      throw new Error(`The log does not hold its applied record ${startSeq}.`);
    this.#inside = inside;
    this.#to = to;
    this.#epoch = epoch;
    this.#snapshotId = snapshotId;
    this.#start = start;
    this.#begins = beginsThrough(durable.planned.epochBegins, startSeq);
    this.#configuration = durable.planned.configuration;
    this.#estimatedBytes = context.parts.disk.stateBytes();
    this.#leaderTime = durable.planned.leaderTime;
    this.#askedAtMs = context.nowMs();
    this.#offer();
  }

  /** The log is needed from the record after this one. */
  get startSeq(): LogSeq {
    return this.#start.seq;
  }

  /** Whether the member still asks, or may not have heard of it. */
  isAlive(): boolean {
    return this.#inside.context.nowMs() - this.#askedAtMs <= copySilenceMsMax;
  }

  /** An offer may be lost. */
  remind(): void {
    if (!this.#isAsked) this.#offer();
  }

  ask(message: AskSliceMessage): void {
    if (message.epoch !== this.#epoch || message.snapshotId !== this.#snapshotId) return;
    this.#isAsked = true;
    this.#askedAtMs = this.#inside.context.nowMs();
    this.#waiting = message;
    this.stored();
  }

  /**
   * Answers while nothing is being applied: rows might show it already, and then it would have to be waited for, though where
   * this disk alone confirms it is nothing that was confirmed.
   */
  stored(): void {
    const { stored, planned } = this.#inside.durable;
    const message = this.#waiting;
    if (message === undefined || planned.appliedSeq !== stored.appliedSeq) return;
    this.#waiting = undefined;
    this.#sendSlice(message, stored.appliedSeq);
  }

  end(): void {
    this.#report(true);
  }

  #sendSlice(message: AskSliceMessage, appliedSeq: LogSeq): void {
    const { context } = this.#inside;
    const { rows, isLast } = context.parts.disk.readState(
      message.afterKey,
      context.parts.settings.sliceBytesMax,
    );
    context.send(this.#to, {
      kind: "state_slice",
      epoch: this.#epoch,
      snapshotId: this.#snapshotId,
      afterKey: message.afterKey,
      rows,
      crc32: rowsCrc(rows),
      appliedSeq,
      isLast,
    });
    this.#bytesDone += rows.reduce(
      (sum, row) => sum + row.key.length + (row.value?.length ?? 0),
      0,
    );
    this.#report(isLast);
  }

  #offer(): void {
    this.#inside.context.send(this.#to, {
      kind: "offer_snapshot",
      epoch: this.#epoch,
      snapshotId: this.#snapshotId,
      startSeq: this.#start.seq,
      startEpoch: this.#start.epoch,
      startChain: this.#start.chain,
      epochBegins: this.#begins,
      configuration: this.#configuration,
      estimatedBytes: this.#estimatedBytes,
      leaderTime: this.#leaderTime,
    });
  }

  #report(isDone: boolean): void {
    const progress = {
      direction: "giving" as const,
      peer: this.#to,
      bytesDone: this.#bytesDone,
      bytesEstimated: this.#estimatedBytes,
      isDone,
    };
    this.#inside.context.tell(() => this.#inside.context.parts.observer.copyProgress(progress));
  }
}

/** CRC-32 over keys and values, one after another. */
export function rowsCrc(rows: readonly StateChange[]): number {
  let crc = 0;
  for (const { key, value } of rows) {
    crc = crc32(key, crc);
    if (value !== undefined) crc = crc32(value, crc);
  }
  return crc;
}
