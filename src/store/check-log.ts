// The check of a member's log against itself and against what the member knows of itself: every record can be read, is the one
// whose checksum and chain hash it carries, follows the one before, and belongs to the epoch of its place.

import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { type LogSeq, logSeq } from "../base/brands.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import { type CheckWalk, keyName, Slice } from "./check-walk.js";
import { entryOf, isLogKey, logKeyBytes, seqAt } from "./log-rows.js";
import type { LogEntry, LogPosition, MemberState } from "./replica-disk.js";
import type { MemberRows, ScannedRow } from "./store.js";

export interface LogCheck {
  readonly recordCount: number;
  /** Undefined when it cannot be read. */
  readonly member: MemberState | undefined;
}

export async function checkLog(walk: CheckWalk, rows: MemberRows): Promise<LogCheck> {
  const member = readMember(walk, rows);
  if (member !== undefined) checkMember(walk, member);
  const log = new LogWalk(walk, member);
  let from: string | undefined = "";
  while (from !== undefined) {
    from = log.walkSlice(rows.scanLog(from));
    await walk.endSlice();
  }
  log.end();
  return { recordCount: log.recordCount, member };
}

function readMember(walk: CheckWalk, rows: MemberRows): MemberState | undefined {
  try {
    return rows.member();
  } catch (error) {
    if (!(error instanceof RecordCorrupt)) throw error;
    walk.report("member", `What it knows of itself cannot be read: ${error.what}.`);
    return undefined;
  }
}

function checkMember(walk: CheckWalk, member: MemberState): void {
  const { logBase, logEnd, appliedSeq, promisedEpoch, epochBegins } = member;
  if (logEnd.seq < logBase.seq) {
    walk.report("member", `Its log begins after ${logBase.seq} and ends at ${logEnd.seq}.`);
  }
  if (appliedSeq < logBase.seq || appliedSeq > logEnd.seq) {
    walk.report(
      "member",
      `Its state is that of record ${appliedSeq}, and its log is from ${logBase.seq} to ${logEnd.seq}.`,
    );
  }
  if (promisedEpoch < logEnd.epoch) {
    walk.report(
      "member",
      `It has promised epoch ${promisedEpoch}, and its log ends in ${logEnd.epoch}.`,
    );
  }
  for (const [at, begin] of epochBegins.entries()) {
    const before = epochBegins[at - 1];
    if (before === undefined) continue;
    if (begin.epoch > before.epoch && begin.firstSeq > before.firstSeq) continue;
    walk.report("member", `Epochs ${before.epoch} and ${begin.epoch} do not begin in order.`);
  }
}

class LogWalk {
  recordCount = 0;
  readonly #walk: CheckWalk;
  readonly #member: MemberState | undefined;
  /** The last record that was met where there may be one. */
  #seq: LogSeq | undefined;
  /** The last one that was met at all, whose chunks may follow. */
  #metSeq: LogSeq | undefined;
  #chunkCount = 0;
  /** Undefined behind a record that cannot be read. */
  #chain: Buffer | undefined;
  #last: LogEntry | undefined;

  constructor(walk: CheckWalk, member: MemberState | undefined) {
    this.#walk = walk;
    this.#member = member;
    this.#seq = member?.logBase.seq;
    this.#chain = member?.logBase.chain;
  }

  /** The key to go on from; undefined at the end. */
  walkSlice(rows: Iterable<ScannedRow>): string | undefined {
    const slice = new Slice();
    for (const row of rows) {
      this.#walk.rowCount += 1;
      this.#visit(row);
      if (slice.isFullWith(row)) return `${row.key}\x00`;
    }
    return undefined;
  }

  #visit(row: ScannedRow): void {
    const { key } = row;
    // Trimmed records go a number of values at a time, chunks after their record; what is left of them is nobody's business.
    if (key.length >= logKeyBytes && seqAt(key) <= (this.#member?.logBase.seq ?? 0)) return;
    if (isLogKey(key)) this.#visitRecord(row);
    else if (key.length === chunkKeyBytes) this.#visitChunk(row);
    else this.#walk.report(`log ${keyName(key)}`, "The key is neither a record's nor a chunk's.");
  }

  #visitChunk(row: ScannedRow): void {
    const { key } = row;
    const index = key.charCodeAt(8) * 256 + key.charCodeAt(9);
    const name = recordName(seqAt(key));
    if (row.kind === "row") this.#walk.report(name, `A row stands where chunk ${index} should.`);
    if (row.kind === "corrupt")
      this.#walk.report(name, `Chunk ${index} cannot be read: ${row.what}.`);
    const chunkCount = seqAt(key) === this.#metSeq ? this.#chunkCount : 0;
    if (index === 0 || index > chunkCount) {
      this.#walk.report(name, `Chunk ${index} is stored, and its record has ${chunkCount}.`);
    }
  }

  #visitRecord(row: ScannedRow): void {
    this.recordCount += 1;
    const seq = seqAt(row.key);
    const name = recordName(seq);
    this.#metSeq = seq;
    // Of one that cannot be read the number of its chunks is not known: none of them is called superfluous.
    this.#chunkCount = row.kind === "row" ? row.chunkCount : Number.POSITIVE_INFINITY;
    const member = this.#member;
    if (member !== undefined && seq > member.logEnd.seq) {
      const { logBase, logEnd } = member;
      this.#walk.report(name, `It is stored, and the log is from ${logBase.seq} to ${logEnd.seq}.`);
      return;
    }
    const before = this.#seq;
    if (before !== undefined && seq > before + 1) this.#missing(logSeq(before + 1), seq);
    const entry = this.#entryOf(row, name);
    if (entry !== undefined) this.#checkEntry(entry, name);
    this.#seq = seq;
    this.#last = entry;
    this.#chain = entry?.chain;
  }

  /** Records from `from` to before `to` are not there. */
  #missing(from: LogSeq, to: LogSeq): void {
    this.#walk.report(
      recordName(from),
      to === from + 1 ? "It is missing." : `It and all before ${to} are missing.`,
    );
    this.#chain = undefined;
  }

  #entryOf(row: ScannedRow, name: string): LogEntry | undefined {
    let what = "a chunk stands where it should";
    if (row.kind === "corrupt") what = row.what;
    if (row.kind === "row") {
      try {
        return entryOf(row.key, row.bytes);
      } catch (error) {
        if (!(error instanceof RecordCorrupt)) throw error;
        what = error.what;
      }
    }
    this.#walk.report(name, `It cannot be read: ${what}.`);
    return undefined;
  }

  #checkEntry({ epoch, seq, record, crc32: checksum, chain }: LogEntry, name: string): void {
    if (crc32(record) !== checksum) {
      this.#walk.report(name, "Its checksum is not that of its bytes.");
    }
    if (this.#chain !== undefined && !chainAfter(this.#chain, record).equals(chain)) {
      this.#walk.report(name, "Its chain hash does not follow from the record before it.");
    }
    const known = this.#epochAt(seq);
    if (known !== undefined && known !== epoch) {
      this.#walk.report(
        name,
        `It is of epoch ${epoch}, and epoch ${known} is known to stand there.`,
      );
    }
  }

  #epochAt(seq: LogSeq): number | undefined {
    return this.#member?.epochBegins.findLast(({ firstSeq }) => firstSeq <= seq)?.epoch;
  }

  /** After the last record. */
  end(): void {
    const member = this.#member;
    if (member === undefined) {
      if (this.recordCount > 0)
        this.#walk.report("log", "It has records, and no member knows of them.");
      return;
    }
    const { logBase, logEnd } = member;
    const seq = this.#seq ?? logBase.seq;
    if (seq < logEnd.seq) this.#missing(logSeq(seq + 1), logSeq(logEnd.seq + 1));
    const last = this.recordCount === 0 ? logBase : this.#last;
    if (last !== undefined && seq === logEnd.seq && !isSame(last, logEnd)) {
      this.#walk.report(
        recordName(seq),
        "It is the last, and the member knows another epoch or chain hash of it.",
      );
    }
  }
}

const chunkKeyBytes = 10;

const recordName = (seq: LogSeq): string => `log record ${seq}`;

const chainAfter = (chain: Buffer, record: Buffer): Buffer =>
  createHash("sha256").update(chain).update(record).digest().subarray(0, 16);

const isSame = (one: Pick<LogPosition, "epoch" | "chain">, other: LogPosition): boolean =>
  one.epoch === other.epoch && one.chain.equals(other.chain);
