// What a directory may hold to be opened: nothing, or a store that this program understands. Anything else is refused with a
// sentence and left untouched: another program's LMDB store, a file that is no LMDB store at all, a store of a newer format.

import { closeSync, openSync, readSync, statSync } from "node:fs";
import type { Database, RootDatabase } from "lmdb";
import { OperatorFault } from "../base/operator-fault.js";
import type { StoreOptions } from "./store.js";

/**
 * Stamped into every store. `minReader` is the oldest program format that may open it. Formats 1 and 2 were never released and are
 * refused: 1 kept visible messages in another order, 2 had pages that LMDB cannot always split.
 */
const format = { magic: "forebay", version: 3, minReader: 3 } as const;

export const metaName = "meta";
export const stateName = "state";
/** Only in the store of a member of a replicated group. */
export const logName = "log";

const ours: readonly string[] = [metaName, stateName, logName];

const lmdbMagic = 0xbeefc0de;

/** The directory holds something this program must not open; the message is a sentence for the operator. */
export class StoreRefused extends OperatorFault {
  override readonly name = "StoreRefused";
}

/**
 * True when there is a file to open. LMDB may crash on one that is not its own, so its magic number is looked at first; an
 * empty one is what a crash before the first write leaves.
 */
export function holdsLmdbFile(path: string): boolean {
  let size: number;
  try {
    size = statSync(path).size;
  } catch {
    return false;
  }
  if (size === 0) return false;
  const head = Buffer.alloc(64);
  const descriptor = openSync(path, "r");
  readSync(descriptor, head, 0, head.length, 0);
  closeSync(descriptor);
  // The page header before the magic number has 16 bytes, 24 in builds for other page formats.
  const isLmdb = [16, 24].some((at) => head.readUInt32LE(at) === lmdbMagic);
  if (!isLmdb) {
    throw new StoreRefused(
      `${path} is not a Forebay store, and it is left untouched. Set FOREBAY_DATA_DIR to another directory.`,
    );
  }
  return true;
}

/** Before anything is made in it: opening a database by name would write into another program's store. The names that are there. */
export function refuseForeignRoot(
  root: RootDatabase<Buffer, Buffer>,
  directory: string,
): readonly string[] {
  const names = [...root.getKeys()].map((key) => key.toString("utf8").replace(/\0$/, ""));
  const strangers = names.filter((name) => !ours.includes(name));
  if (strangers.length > 0) throw belongsToAnother(directory, strangers.slice(0, 3).join(", "));
  return names;
}

const belongsToAnother = (directory: string, what: string): StoreRefused =>
  new StoreRefused(
    `The LMDB store in ${directory} belongs to another program (it holds ${what}), and it is left untouched. ` +
      "Set FOREBAY_DATA_DIR to another directory.",
  );

export function stampOrRefuse(
  root: RootDatabase<Buffer, Buffer>,
  meta: Database<Buffer, Buffer>,
  options: StoreOptions,
): Buffer {
  const formatKey = Buffer.from("format");
  const secretKey = Buffer.from("secret");
  const stamp = meta.get(formatKey);
  if (stamp === undefined) {
    // A crash before the first commit leaves both databases without a row; anything else is not ours.
    const [key] = meta.getKeys({ limit: 1 });
    if (key !== undefined) {
      throw belongsToAnother(options.directory, `${metaName} without a stamp`);
    }
    if (options.isReadOnly === true) {
      throw new StoreRefused(`There is no Forebay store in ${options.directory}.`);
    }
    // Start-up is the only time a synchronous transaction is used: nothing else is in flight.
    root.transactionSync(() => {
      void meta.put(formatKey, Buffer.from(JSON.stringify(format)));
      void meta.put(secretKey, options.freshSecret);
    });
  } else {
    refuseOtherFormat(stamp, options.directory);
  }
  const secret = meta.get(secretKey);
  if (secret === undefined)
    throw new StoreRefused(
      `The store in ${options.directory} has no secret; restore it from a copy.`,
    );
  return secret;
}

function refuseOtherFormat(stamp: Buffer, directory: string): void {
  let found: { magic?: unknown; version?: unknown; minReader?: unknown };
  try {
    found = (JSON.parse(stamp.toString("utf8")) ?? {}) as typeof found;
  } catch {
    found = {};
  }
  const { magic, version, minReader } = found;
  if (magic !== format.magic || typeof version !== "number" || typeof minReader !== "number") {
    throw new StoreRefused(
      `The store in ${directory} does not carry Forebay's stamp, and it is left untouched. Set FOREBAY_DATA_DIR to another directory.`,
    );
  }
  if (version < format.version) {
    throw new StoreRefused(
      `The store in ${directory} was written by a Forebay before the first release (format ${version}, this program reads ` +
        `${format.version}), and it is left untouched. Empty its queues with the older program, then set FOREBAY_DATA_DIR to another directory.`,
    );
  }
  if (minReader > format.version) {
    throw new StoreRefused(
      `The store in ${directory} was written by a newer Forebay (format ${version}, this program reads up to ` +
        `${format.version}), and it is left untouched. Start the newer version, or set FOREBAY_DATA_DIR to another directory.`,
    );
  }
}
