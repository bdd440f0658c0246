// How much of the log is kept: long enough for a member that was away to go on from it, and never so much that it fills the disk.
//
// The log does not know how old or how big its parts are. Marks do: one every few megabytes, with its time and what had been
// written by then. Of what was there before the start only an estimate is known, and it counts as written at the start.

import { type LogSeq, logSeq } from "../base/brands.js";
import type { Inside } from "./inside.js";
import type { MemberSettings } from "./ports.js";

export interface LogMark {
  readonly seq: LogSeq;
  /** Of the log up to here, from some beginning. */
  readonly bytes: number;
  readonly atMs: number;
}

/** What members need of a leader's log: from after these places on. */
export interface LogNeeds {
  readonly copies: LogSeq | undefined;
  readonly voters: LogSeq;
}

export interface LogExtent {
  /** Oldest first. */
  readonly marks: readonly LogMark[];
  readonly endBytes: number;
  readonly nowMs: number;
  readonly appliedSeq: LogSeq;
  readonly needs: LogNeeds | undefined;
}

const markBytes = 4 * 1_048_576;
const markEveryMs = 10_000;
const markCountMax = 8_192;

type Limits = Pick<MemberSettings, "logKeepMs" | "logKeepBytes" | "logBytesMax">;

/** Up to where the log may go; undefined while all of it is wanted. */
export function trimTarget(extent: LogExtent, limits: Limits): LogSeq | undefined {
  const { marks, endBytes, nowMs, appliedSeq, needs } = extent;
  const mayGo = ({ seq, bytes, atMs }: LogMark): boolean =>
    nowMs - atMs >= limits.logKeepMs &&
    endBytes - bytes >= limits.logKeepBytes &&
    seq <= (needs?.voters ?? seq);
  // Too much is too much: of what is above the bound, only what a copy under way needs is kept.
  const firstFitting = marks.findIndex(({ bytes }) => endBytes - bytes <= limits.logBytesMax);
  const seqMax = Math.min(appliedSeq, needs?.copies ?? appliedSeq);
  const target = marks.findLast(
    (mark, index) => mark.seq <= seqMax && (mayGo(mark) || index <= firstFitting),
  );
  return target?.seq;
}

type Place = Pick<LogMark, "seq" | "bytes">;

/** Of the log up to a place, by those around it. */
export function bytesAt(places: readonly Place[], seq: LogSeq): number {
  const before = places.findLast((place) => place.seq <= seq);
  const after = places.find((place) => place.seq > seq);
  if (before === undefined || after === undefined) return (before ?? after)?.bytes ?? 0;
  const part = (seq - before.seq) / (after.seq - before.seq);
  return before.bytes + part * (after.bytes - before.bytes);
}

export class LogRetention {
  readonly #inside: Inside;
  readonly #needs: () => LogNeeds | undefined;
  #marks: LogMark[] = [];
  #bytesBefore = 0;
  #isTrimming = false;

  constructor(inside: Inside, needs: () => LogNeeds | undefined) {
    this.#inside = inside;
    this.#needs = needs;
  }

  begin(): void {
    const { durable, context } = this.#inside;
    const { logBase, logEnd } = durable.stored;
    const atMs = context.nowMs();
    this.#bytesBefore = this.#estimateBytes(logBase.seq, logEnd.seq);
    this.#marks = [
      { seq: logBase.seq, bytes: 0, atMs },
      { seq: logEnd.seq, bytes: this.#bytesBefore, atMs },
    ];
  }

  /** What the log holds, as the marks tell: exact where there is a mark, and in proportion between two. */
  get bytes(): number {
    const { logBase, logEnd } = this.#inside.durable.stored;
    const bytes = this.#bytesBefore + this.#inside.durable.appendedBytes;
    return Math.max(
      0,
      Math.round(bytes - bytesAt([...this.#marks, { seq: logEnd.seq, bytes }], logBase.seq)),
    );
  }

  /** How old what the log has after `seq` is at least; 0 for what no mark was made behind. */
  ageMsAfter(seq: LogSeq): number {
    const mark = this.#marks.find((each) => each.seq > seq);
    return mark === undefined ? 0 : this.#inside.context.nowMs() - mark.atMs;
  }

  /** Something became durable: marks it, and lets go of what is not wanted any more. */
  stored(): void {
    const { durable, context } = this.#inside;
    const { seq } = durable.stored.logEnd;
    const bytes = this.#bytesBefore + durable.appendedBytes;
    const atMs = context.nowMs();
    const last = this.#marks.at(-1);
    if (last === undefined || seq < last.seq) this.#marks = [{ seq, bytes, atMs }];
    else if (
      seq > last.seq &&
      (bytes - last.bytes >= markBytes || atMs - last.atMs >= markEveryMs)
    ) {
      this.#marks.push({ seq, bytes, atMs });
      if (this.#marks.length > markCountMax)
        this.#marks = this.#marks.filter((_, at) => at % 2 === 0);
      this.#trim(bytes, atMs);
      return;
    }
    if (this.#isTrimming) this.#trim(bytes, atMs);
  }

  #trim(endBytes: number, nowMs: number): void {
    const { durable, context } = this.#inside;
    const { settings } = context.parts;
    const { appliedSeq, logBase } = durable.stored;
    const marks = this.#marks;
    const needs = this.#needs();
    const target = trimTarget({ marks, endBytes, nowMs, appliedSeq, needs }, settings);
    this.#isTrimming = target !== undefined && target > logBase.seq;
    if (target === undefined || !this.#isTrimming) return;
    durable.trimThrough(logSeq(Math.min(target, logBase.seq + settings.trimCountMax)));
    const gone = this.#marks.findLastIndex(({ seq }) => seq <= logBase.seq);
    if (gone > 0) this.#marks = this.#marks.slice(gone);
  }

  /** From a slice of each end of the log. */
  #estimateBytes(baseSeq: LogSeq, endSeq: LogSeq): number {
    const { durable, context } = this.#inside;
    const count = endSeq - baseSeq;
    if (count === 0) return 0;
    const { sliceBytesMax } = context.parts.settings;
    const tailFrom = logSeq(Math.max(baseSeq + 1, endSeq - 99));
    const sample = [
      ...durable.read(logSeq(baseSeq + 1), sliceBytesMax),
      ...durable.read(tailFrom, sliceBytesMax),
    ];
    const bytes = sample.reduce((sum, { record }) => sum + record.length, 0);
    return Math.ceil((bytes / Math.max(1, sample.length)) * count);
  }
}
