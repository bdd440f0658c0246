// Judges the stores of a cluster's members, all of them stopped: one history, and one state at one place in it. A member that
// applied less is taken on by its own log to where the furthest is, so that states are compared at equal positions whenever the
// members were stopped.
//
//   log broken       a record does not follow the one before it, by its place, its chain hash or its checksum
//   log diverged     two members have different records at a place that was committed
//   state diverged   two members have different rows at an equal position
//   not caught up    a member lacks records that another one has applied

import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import { Record as LogRecord } from "../../../src/gen/forebay/replication/v1/record.js";
import type { LogEntry, MemberState } from "../../../src/store/replica-disk.js";
import type { ClusterViolation } from "./cluster-history.js";

/** What a member has on its disk. */
export interface MemberImage {
  readonly node: string;
  readonly member: Pick<MemberState, "logBase" | "logEnd" | "appliedSeq">;
  readonly log: readonly LogEntry[];
  /** By key, in latin1. */
  readonly rows: ReadonlyMap<string, Buffer>;
}

export function judgeMembers(images: readonly MemberImage[]): ClusterViolation[] {
  const broken = images.flatMap(judgeLog);
  if (broken.length > 0) return broken;
  const furthest = images.reduce((one, other) =>
    other.member.appliedSeq > one.member.appliedSeq ? other : one,
  );
  return images
    .filter((image) => image !== furthest)
    .flatMap((image) => {
      const diverged = judgePair(image, furthest);
      return diverged.length > 0 ? diverged : judgeState(image, furthest);
    });
}

function judgeLog({ node, member, log }: MemberImage): ClusterViolation[] {
  let before: Pick<LogEntry, "seq" | "chain"> = member.logBase;
  for (const entry of log) {
    const chain = createHash("sha256").update(before.chain).update(entry.record).digest();
    const isWhole =
      entry.seq === before.seq + 1 &&
      entry.chain.equals(chain.subarray(0, entry.chain.length)) &&
      entry.crc32 === crc32(entry.record);
    if (!isWhole) {
      const sentence = `the record at ${entry.seq} of ${node} does not follow ${before.seq}`;
      return [{ kind: "log broken", sentence }];
    }
    before = entry;
  }
  const { logEnd } = member;
  if (logEnd.seq === before.seq && logEnd.chain.equals(before.chain)) return [];
  const sentence = `${node} says its log ends at ${logEnd.seq}, and it ends at ${before.seq}`;
  return [{ kind: "log broken", sentence }];
}

/** What both have of what was committed. */
function judgePair(one: MemberImage, furthest: MemberImage): ClusterViolation[] {
  const places = chains(furthest);
  for (const [seq, chain] of chains(one)) {
    if (seq > furthest.member.appliedSeq || (places.get(seq)?.equals(chain) ?? true)) continue;
    const sentence = `${one.node} and ${furthest.node} have different records at ${seq}`;
    return [{ kind: "log diverged", sentence }];
  }
  return [];
}

const chains = ({ member: { logBase }, log }: MemberImage): ReadonlyMap<number, Buffer> =>
  new Map([logBase, ...log].map(({ seq, chain }) => [seq, chain]));

function judgeState(one: MemberImage, furthest: MemberImage): ClusterViolation[] {
  const { appliedSeq } = furthest.member;
  const { node, member } = one;
  if (member.logEnd.seq < appliedSeq) {
    const sentence = `${node} ends at ${member.logEnd.seq}, and ${furthest.node} applied ${appliedSeq}`;
    return [{ kind: "not caught up", sentence }];
  }
  const rows = rowsAt(one, appliedSeq);
  if (stateHash(rows) === stateHash(furthest.rows)) return [];
  const different = [...new Set([...rows.keys(), ...furthest.rows.keys()])].filter((key) => {
    const [left, right] = [rows.get(key), furthest.rows.get(key)];
    return left === undefined || right === undefined || !left.equals(right);
  });
  const [first = ""] = different.sort();
  const sentence = `${node} and ${furthest.node} differ at ${appliedSeq} in ${different.length} rows, first ${Buffer.from(first, "latin1").toString("hex")}`;
  return [{ kind: "state diverged", sentence }];
}

/** The rows that a member will have once it has applied its log up to a place. */
function rowsAt({ member, log, rows }: MemberImage, seq: number): ReadonlyMap<string, Buffer> {
  const later = new Map(rows);
  for (const entry of log) {
    if (entry.seq <= member.appliedSeq || entry.seq > seq) continue;
    for (const { key, value } of LogRecord.decode(entry.record).mutations) {
      const name = Buffer.from(key).toString("latin1");
      if (value === undefined) later.delete(name);
      else later.set(name, Buffer.from(value));
    }
  }
  return later;
}

/** SHA-256 over keys and values with their lengths, in key order. */
export function stateHash(rows: ReadonlyMap<string, Buffer>): string {
  const hash = createHash("sha256");
  for (const key of [...rows.keys()].sort()) {
    const value = rows.get(key) as Buffer;
    hash.update(`${key.length} ${value.length} `).update(key, "latin1").update(value);
  }
  return hash.digest("hex");
}
