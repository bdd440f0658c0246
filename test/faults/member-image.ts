// What a stopped member has on its disk, read through the store as the server reads it.

import type { LogSeq } from "../../src/base/brands.js";
import type { LogEntry, ReplicaDisk } from "../../src/store/replica-disk.js";
import { openReplicaStore } from "../../src/store/replica-store.js";
import type { MemberImage } from "./checkers/members-equal.js";

const sliceBytesMax = 1_048_576;
const mapSizeBytes = 64 * 1_073_741_824;

export async function readMember(node: string, directory: string): Promise<MemberImage> {
  const { store, disk } = openReplicaStore({
    directory,
    mapSizeBytes,
    // Only a new store would need one.
    freshSecret: Buffer.alloc(32),
  });
  try {
    const member = disk.load();
    if (member === undefined) throw new Error(`${node} is no member.`);
    return { node, member, log: logOf(disk), rows: rowsOf(disk) };
  } finally {
    await store.close();
  }
}

function logOf(disk: ReplicaDisk): LogEntry[] {
  const member = disk.load();
  const log: LogEntry[] = [];
  if (member === undefined) return log;
  for (let next: number = member.logBase.seq + 1; next <= member.logEnd.seq; ) {
    const slice = disk.readLog(next as LogSeq, sliceBytesMax);
    const last = slice.at(-1);
    // A record that is missing is the judge's to find.
    if (last === undefined) break;
    log.push(...slice);
    next = last.seq + 1;
  }
  return log;
}

function rowsOf(disk: ReplicaDisk): Map<string, Buffer> {
  const rows = new Map<string, Buffer>();
  let after = Buffer.alloc(0);
  for (;;) {
    const slice = disk.readState(after, sliceBytesMax);
    for (const { key, value } of slice.rows) {
      rows.set(key.toString("latin1"), Buffer.from(value ?? []));
      after = Buffer.from(key);
    }
    if (slice.isLast) return rows;
  }
}
