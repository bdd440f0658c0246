// The durable floor: ordered bytes, changed by one batch at a time, safe on disk when the batch resolves.
//
// Nothing outside this folder knows LMDB. It is used in the one mode that was measured to keep its promises: no overlapping
// sync (a commit is visible only when durable), an explicit map size, 16 KiB pages, binary keys, values of at most 8,000
// bytes so that none needs an overflow page, exactly one `batch` per record and one in flight, no callback that awaits, no
// reader kept open. LMDB has no page checksums, so every value carries a CRC-32 over its key and bytes.
//
// A failed commit is one of two things. No space: nothing of the batch is visible, the store goes on, `StorageFull` is
// thrown. Anything else (an I/O error with space left): Linux may have dropped the pages it could not write, so no later
// answer of this process can be trusted; `StoreFailed` is thrown and the process must end.

import { closeSync, mkdirSync, openSync, readSync, statfsSync, statSync } from "node:fs";
import { statfs } from "node:fs/promises";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { type Database, open, type RootDatabase } from "lmdb";
import { assert } from "../base/assert.js";
import { OperatorFault } from "../base/operator-fault.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import { frameHeaderBytes } from "./bytes.js";
import { chunkKey } from "./keys.js";

/** The disk or the map has no room for this batch. Nothing of it was stored. */
export class StorageFull extends Error {
  override readonly name = "StorageFull";
}

/** The store can no longer be trusted; the process must end. */
class StoreFailed extends Error {
  override readonly name = "StoreFailed";
}

/** The directory holds something this program must not open; the message is a sentence for the operator. */
class StoreRefused extends OperatorFault {
  override readonly name = "StoreRefused";
}

/** One absolute change: a row's framed bytes, or its removal. */
export interface RowChange {
  readonly key: string;
  /** `frameHeaderBytes` free bytes, then the row; undefined removes it. The store owns the buffer from here on. */
  readonly framed: Buffer | undefined;
  /** True when the row that stands at the key now may be chunked, so that its chunks are looked up and removed. */
  readonly mayReplaceChunks: boolean;
}

/** The first part of a row, all of it when it fits one page. */
export interface StoredHead {
  readonly key: string;
  readonly bytes: Buffer;
  readonly isWhole: boolean;
}

export interface StoredRow {
  readonly key: string;
  readonly bytes: Buffer;
}

/** A stored value as a check meets it: a corrupt one is reported, not thrown, and chunks are seen for what they are. */
export type ScannedRow =
  | {
      readonly kind: "row";
      readonly key: string;
      readonly bytes: Buffer;
      readonly chunkCount: number;
    }
  | { readonly kind: "chunk"; readonly key: string; readonly bytes: Buffer }
  | { readonly kind: "corrupt"; readonly key: string; readonly what: string };

export interface StoreSpace {
  /** Bytes the disk has left for us, plus pages inside the file that are free for reuse. */
  readonly availableBytes: number;
  readonly fileBytes: number;
  readonly mapBytes: number;
}

export interface Store {
  get(key: string): Buffer | undefined;
  /**
   * Rows from `from` (inclusive) to `to` (exclusive) in key order. Consume it within the same turn. A corrupt row goes to
   * `passOver` if it is given and ends the range with a RecordCorrupt if not.
   */
  range(from: string, to: string, passOver?: (corrupt: RecordCorrupt) => void): Iterable<StoredRow>;
  /** As `range`, but of a chunked row only the first chunk, checked by itself: enough to know what a megabyte is about. */
  heads(from: string, to: string, passOver: (corrupt: RecordCorrupt) => void): Iterable<StoredHead>;
  keys(from: string, to: string, limit: number): readonly string[];
  /** As `range`, for checking: every stored value, chunks and corrupt ones included. */
  scan(from: string, to: string): Iterable<ScannedRow>;
  /** Resolves when every change is flushed to disk. One at a time. Throws StorageFull or StoreFailed. */
  commit(changes: readonly RowChange[]): Promise<void>;
  /** Forgets the reader of this turn, so that the next read sees the last commit. */
  refresh(): void;
  space(): Promise<StoreSpace>;
  /** 32 random bytes made with the store: the key of receipt handles and page tokens. */
  readonly secret: Buffer;
  close(): Promise<void>;
}

export interface StoreOptions {
  readonly directory: string;
  readonly mapSizeBytes: number;
  /** 32 bytes for a new store's secret. */
  readonly freshSecret: Buffer;
  readonly isReadOnly?: boolean;
}

/** Stamped into every store. `minReader` is the oldest program format that may open it. */
const format = { magic: "forebay", version: 1, minReader: 1 } as const;

const metaName = "meta";
const stateName = "state";

const pageBytes = 16_384;
/** With 16 KiB pages LMDB keeps key and value up to 8,170 bytes in a leaf page (measured); larger ones stall the writer. */
const valueBytesMax = 8_000;
const keyBytesMax = 1_024;
const lmdbMagic = 0xbeefc0de;
/** Space below which a failed write is put down to a full disk, not to a broken one. */
const fullDiskBytes = 2 * 1_048_576;

const valueKinds = { whole: 0, first: 1, chunk: 2 } as const;
const firstChunkHeaderBytes = frameHeaderBytes + 6;

/** LMDB reports one failed commit through up to three promises; the two nobody can hold carry one of these texts. */
export function isExpectedStoreRejection(reason: unknown): boolean {
  return (
    reason instanceof Error &&
    (/^Commit failed/.test(reason.message) ||
      (reason as { commitError?: unknown }).commitError !== undefined ||
      failedCommitCauses.has(reason))
  );
}
const failedCommitCauses = new WeakSet<Error>();

export function openStore(options: StoreOptions): Store {
  const { directory } = options;
  const isNew = !holdsLmdbFile(join(directory, "data.mdb"));
  if (isNew && options.isReadOnly === true) {
    throw new StoreRefused(`There is no Forebay store in ${directory}.`);
  }
  if (isNew) mkdirSync(directory, { recursive: true });
  const root = openRoot(options);
  try {
    refuseForeignRoot(root, directory);
    const meta = root.openDB<Buffer, Buffer>({
      name: metaName,
      encoding: "binary",
      keyEncoding: "binary",
    });
    const secret = stampOrRefuse(root, meta, options);
    const state = root.openDB<Buffer, Buffer>({
      name: stateName,
      encoding: "binary",
      keyEncoding: "binary",
    });
    return new LmdbStore(root, state, options, secret);
  } catch (error) {
    void root.close();
    throw error;
  }
}

function openRoot(options: StoreOptions): RootDatabase<Buffer, Buffer> {
  try {
    return open<Buffer, Buffer>({
      path: options.directory,
      mapSize: options.mapSizeBytes,
      pageSize: pageBytes,
      overlappingSync: false,
      encoding: "binary",
      keyEncoding: "binary",
      maxDbs: 8,
      readOnly: options.isReadOnly ?? false,
      noSubdir: false,
      cache: false,
    });
  } catch (error) {
    throw new StoreRefused(
      `The store in ${options.directory} cannot be opened: ${error instanceof Error ? error.message : String(error)}. ` +
        "If the directory holds something else, set FOREBAY_DATA_DIR to an empty one.",
    );
  }
}

/**
 * True when there is a file to open. LMDB may crash on one that is not its own, so its magic number is looked at first; an
 * empty one is what a crash before the first write leaves.
 */
function holdsLmdbFile(path: string): boolean {
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

/** Before anything is made in it: opening a database by name would write into another program's store. */
function refuseForeignRoot(root: RootDatabase<Buffer, Buffer>, directory: string): void {
  const names = [...root.getKeys()].map((key) => key.toString("utf8").replace(/\0$/, ""));
  const strangers = names.filter((name) => name !== metaName && name !== stateName);
  if (strangers.length > 0) throw belongsToAnother(directory, strangers.slice(0, 3).join(", "));
}

const belongsToAnother = (directory: string, what: string): StoreRefused =>
  new StoreRefused(
    `The LMDB store in ${directory} belongs to another program (it holds ${what}), and it is left untouched. ` +
      "Set FOREBAY_DATA_DIR to another directory.",
  );

function stampOrRefuse(
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
  if (found.magic !== format.magic || typeof found.minReader !== "number") {
    throw new StoreRefused(
      `The store in ${directory} does not carry Forebay's stamp, and it is left untouched. Set FOREBAY_DATA_DIR to another directory.`,
    );
  }
  if (found.minReader > format.version) {
    throw new StoreRefused(
      `The store in ${directory} was written by a newer Forebay (format ${String(found.version)}, this program reads up to ` +
        `${format.version}), and it is left untouched. Start the newer version, or set FOREBAY_DATA_DIR to another directory.`,
    );
  }
}

const keyBytes = (key: string): Buffer => Buffer.from(key, "latin1");

/** LMDB throws at longer keys, also as bounds of a range. */
function keyRange(from: string, to: string): { readonly start: Buffer; readonly end: Buffer } {
  assert(from.length <= keyBytesMax && to.length <= keyBytesMax, "keys have 1 to 1,024 bytes");
  return { start: keyBytes(from), end: keyBytes(to) };
}

/** Writes kind and checksum into the free bytes in front. */
function seal(key: Buffer, framed: Buffer, kind: number): void {
  framed[0] = kind;
  framed.writeUInt32BE(crc32(framed.subarray(frameHeaderBytes), crc32(key, kind)), 1);
}

function unseal(key: string, framed: Buffer): number {
  const kind = framed[0] ?? 255;
  if (
    framed.length < frameHeaderBytes ||
    framed.readUInt32BE(1) !== crc32(framed.subarray(frameHeaderBytes), crc32(keyBytes(key), kind))
  ) {
    throw new RecordCorrupt(key, "its checksum does not match");
  }
  return kind;
}

function headOf(key: string, framed: Buffer): StoredHead {
  const isWhole = unseal(key, framed) === valueKinds.whole;
  return {
    key,
    bytes: framed.subarray(isWhole ? frameHeaderBytes : firstChunkHeaderBytes),
    isWhole,
  };
}

class LmdbStore implements Store {
  readonly secret: Buffer;
  readonly #root: RootDatabase<Buffer, Buffer>;
  readonly #state: Database<Buffer, Buffer>;
  readonly #options: StoreOptions;
  #isCommitting = false;

  constructor(
    root: RootDatabase<Buffer, Buffer>,
    state: Database<Buffer, Buffer>,
    options: StoreOptions,
    secret: Buffer,
  ) {
    this.#root = root;
    this.#state = state;
    this.#options = options;
    this.secret = secret;
  }

  get(key: string): Buffer | undefined {
    const framed = this.#state.getBinary(keyBytes(key));
    return framed === undefined ? undefined : this.#payload(key, framed);
  }

  *range(
    from: string,
    to: string,
    passOver?: (corrupt: RecordCorrupt) => void,
  ): Iterable<StoredRow> {
    for (const { key, value } of this.#state.getRange(keyRange(from, to))) {
      const text = key.toString("latin1");
      const bytes =
        passOver === undefined
          ? this.#payload(text, value)
          : orPassOver(passOver, () => this.#payload(text, value));
      if (bytes !== undefined) yield { key: text, bytes };
    }
  }

  *heads(
    from: string,
    to: string,
    passOver: (corrupt: RecordCorrupt) => void,
  ): Iterable<StoredHead> {
    for (const { key, value } of this.#state.getRange(keyRange(from, to))) {
      const text = key.toString("latin1");
      const head = orPassOver(passOver, () => headOf(text, value));
      if (head !== undefined) yield head;
    }
  }

  keys(from: string, to: string, limit: number): readonly string[] {
    const found: string[] = [];
    for (const key of this.#state.getKeys({ ...keyRange(from, to), limit })) {
      found.push(key.toString("latin1"));
    }
    return found;
  }

  *scan(from: string, to: string): Iterable<ScannedRow> {
    for (const { key, value } of this.#state.getRange(keyRange(from, to))) {
      yield this.#scanned(key.toString("latin1"), value);
    }
  }

  #scanned(key: string, framed: Buffer): ScannedRow {
    try {
      if (framed[0] === valueKinds.chunk) {
        unseal(key, framed);
        return { kind: "chunk", key, bytes: framed.subarray(frameHeaderBytes) };
      }
      const bytes = this.#payload(key, framed);
      const chunkCount = framed[0] === valueKinds.first ? framed.readUInt16BE(frameHeaderBytes) : 0;
      return { kind: "row", key, bytes, chunkCount };
    } catch (error) {
      // The row is what cannot be read, also when it is one of its chunks that is broken.
      if (error instanceof RecordCorrupt) return { kind: "corrupt", key, what: error.what };
      throw error;
    }
  }

  #payload(key: string, framed: Buffer): Buffer {
    const kind = unseal(key, framed);
    if (kind === valueKinds.whole) return framed.subarray(frameHeaderBytes);
    if (kind !== valueKinds.first)
      throw new RecordCorrupt(key, "a chunk stands where a row should");
    const chunkCount = framed.readUInt16BE(frameHeaderBytes);
    const whole = Buffer.allocUnsafe(framed.readUInt32BE(frameHeaderBytes + 2));
    let at = framed.copy(whole, 0, firstChunkHeaderBytes);
    for (let index = 1; index <= chunkCount; index += 1) {
      const at_ = chunkKey(key, index);
      const chunk = this.#state.getBinary(keyBytes(at_));
      if (chunk === undefined)
        throw new RecordCorrupt(key, `chunk ${index} of ${chunkCount} is missing`);
      if (unseal(at_, chunk) !== valueKinds.chunk)
        throw new RecordCorrupt(at_, "it is not a chunk");
      at += chunk.copy(whole, at, frameHeaderBytes);
    }
    if (at !== whole.length) throw new RecordCorrupt(key, "its chunks do not add up");
    return whole;
  }

  async commit(changes: readonly RowChange[]): Promise<void> {
    assert(!this.#isCommitting, "one batch is in flight at a time");
    this.#isCommitting = true;
    try {
      // Everything that can throw happens before the batch: a throw inside it would commit the puts before it.
      const puts: Buffer[] = [];
      const values: Buffer[] = [];
      const removes: Buffer[] = [];
      for (const change of changes) this.#prepare(change, puts, values, removes);
      await this.#state.batch(() => {
        for (let index = 0; index < puts.length; index += 1) {
          void this.#state.put(puts[index] as Buffer, values[index] as Buffer);
        }
        for (const key of removes) void this.#state.remove(key);
      });
    } catch (error) {
      throw await this.#commitFault(error);
    } finally {
      this.#isCommitting = false;
      this.refresh();
    }
  }

  #prepare(change: RowChange, puts: Buffer[], values: Buffer[], removes: Buffer[]): void {
    const key = keyBytes(change.key);
    assert(key.length > 0 && key.length <= keyBytesMax, "keys have 1 to 1,024 bytes");
    const { framed } = change;
    const chunkCount =
      framed === undefined || framed.length <= valueBytesMax ? 0 : chunksOf(framed.length);
    if (change.mayReplaceChunks) {
      for (let index = this.#storedChunks(key); index > chunkCount; index -= 1) {
        removes.push(keyBytes(chunkKey(change.key, index)));
      }
    }
    if (framed === undefined) {
      removes.push(key);
      return;
    }
    if (chunkCount === 0) {
      seal(key, framed, valueKinds.whole);
      puts.push(key);
      values.push(framed);
      return;
    }
    let from = frameHeaderBytes;
    for (let index = 0; index <= chunkCount; index += 1) {
      const headerBytes = index === 0 ? firstChunkHeaderBytes : frameHeaderBytes;
      const part = framed.subarray(from, from + valueBytesMax - headerBytes);
      from += part.length;
      const chunk = Buffer.allocUnsafe(headerBytes + part.length);
      part.copy(chunk, headerBytes);
      if (index === 0) {
        chunk.writeUInt16BE(chunkCount, frameHeaderBytes);
        chunk.writeUInt32BE(framed.length - frameHeaderBytes, frameHeaderBytes + 2);
      }
      const at = index === 0 ? key : keyBytes(chunkKey(change.key, index));
      seal(at, chunk, index === 0 ? valueKinds.first : valueKinds.chunk);
      puts.push(at);
      values.push(chunk);
    }
  }

  #storedChunks(key: Buffer): number {
    const stored = this.#state.getBinary(key);
    return stored?.[0] === valueKinds.first ? stored.readUInt16BE(frameHeaderBytes) : 0;
  }

  async #commitFault(error: unknown): Promise<Error> {
    const cause = await commitCause(error);
    let available: number;
    try {
      available = this.#diskAvailable();
    } catch {
      available = Number.MAX_SAFE_INTEGER; // a disk that cannot even be asked is not merely full
    }
    // "Input/output error" also comes from a write that ran out of space half way, so the disk decides, not the text.
    const isFull =
      /No space left|MDB_MAP_FULL|mapsize limit|Disk quota/i.test(cause) ||
      available < fullDiskBytes;
    return isFull
      ? new StorageFull(`The store has no room left: ${cause}.`)
      : new StoreFailed(`A commit failed with space left on the disk: ${cause}.`);
  }

  #diskAvailable(): number {
    const disk = statfsSync(this.#options.directory);
    return disk.bavail * disk.bsize;
  }

  refresh(): void {
    this.#state.resetReadTxn();
  }

  async space(): Promise<StoreSpace> {
    const disk = await statfs(this.#options.directory);
    const stats = this.#root.getStats() as LmdbStats;
    const stateStats = this.#state.getStats() as LmdbStats;
    const fileBytes = (stats.lastPageNumber + 1) * pageBytes;
    const usedPages =
      stateStats.treeBranchPageCount + stateStats.treeLeafPageCount + stateStats.overflowPages;
    // Besides the state's pages a store holds a handful: two meta pages, the root and the free list.
    const reusableBytes = Math.max(0, fileBytes - (usedPages + 64) * pageBytes);
    const mapLeftBytes = Math.max(0, this.#options.mapSizeBytes - fileBytes);
    return {
      availableBytes: Math.min(disk.bavail * disk.bsize, mapLeftBytes) + reusableBytes,
      fileBytes,
      mapBytes: this.#options.mapSizeBytes,
    };
  }

  async close(): Promise<void> {
    await this.#root.close();
  }
}

interface LmdbStats {
  readonly lastPageNumber: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}

/** Chunks after the first that a framed row of this length needs. */
function chunksOf(framedLength: number): number {
  const rest = framedLength - frameHeaderBytes - (valueBytesMax - firstChunkHeaderBytes);
  return Math.ceil(rest / (valueBytesMax - frameHeaderBytes));
}

async function commitCause(error: unknown): Promise<string> {
  if (!(error instanceof Error)) return String(error);
  failedCommitCauses.add(error);
  const cause = (error as { commitError?: unknown }).commitError;
  if (cause === undefined) return error.message;
  try {
    const settled = await cause;
    if (settled instanceof Error) {
      failedCommitCauses.add(settled);
      return settled.message;
    }
    return String(settled ?? error.message);
  } catch (thrown) {
    if (thrown instanceof Error) failedCommitCauses.add(thrown);
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}

/** What `read` gives; undefined when it is corrupt and was passed over. */
export function orPassOver<Value>(
  passOver: (corrupt: RecordCorrupt) => void,
  read: () => Value,
): Value | undefined {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof RecordCorrupt)) throw error;
    passOver(error);
    return undefined;
  }
}
