// The durable floor: ordered bytes, changed by one batch at a time, safe on disk when the batch resolves.
//
// Nothing outside this folder knows LMDB. It is used in the one mode that was measured to keep its promises: no overlapping
// sync (a commit is visible only when durable), an explicit map size, 16 KiB pages, binary keys, values of at most 8,000
// bytes so that none needs an overflow page, exactly one `batch` per record and one in flight, no callback that awaits, no
// reader kept open. LMDB has no page checksums, so every value carries a CRC-32 over its key and bytes.
//
// Room is looked for before every batch: where there is none, `StorageFull` is thrown, nothing was written, and the store
// goes on. A batch that LMDB itself could not write is fatal (`commit-fault.ts`).

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { type Database, open, type RootDatabase } from "lmdb";
import { assert } from "../base/assert.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import { frameHeaderBytes } from "./bytes.js";
import { commitFault, StorageFull } from "./commit-fault.js";
import { batchBytes, DiskRoom } from "./disk-room.js";
import {
  chunksOf,
  firstChunkHeaderBytes,
  headOf,
  keyBytes,
  keyBytesMax,
  keyRange,
  orPassOver,
  seal,
  unseal,
  valueBytesMax,
  valueKinds,
} from "./frames.js";
import { chunkKey } from "./keys.js";
import type {
  RowChange,
  ScannedRow,
  Store,
  StoredHead,
  StoredRow,
  StoreOptions,
  StoreSpace,
} from "./store.js";
import {
  holdsLmdbFile,
  metaName,
  refuseForeignRoot,
  StoreRefused,
  stampOrRefuse,
  stateName,
} from "./store-format.js";

const pageBytes = 16_384;
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

class LmdbStore implements Store {
  readonly secret: Buffer;
  readonly #root: RootDatabase<Buffer, Buffer>;
  readonly #state: Database<Buffer, Buffer>;
  readonly #options: StoreOptions;
  readonly #room: DiskRoom;
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
    this.#room = new DiskRoom(options.directory);
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
      this.#requireRoom(values, puts.length + removes.length);
      await this.#write(puts, values, removes);
    } finally {
      this.#isCommitting = false;
      this.refresh();
    }
  }

  #requireRoom(values: readonly Buffer[], rowCount: number): void {
    let valueBytes = 0;
    for (const { length } of values) valueBytes += length;
    const bytes = batchBytes(valueBytes, rowCount);
    if (this.#room.hasFor(bytes, () => this.#pages().reusableBytes)) return;
    throw new StorageFull(`The disk has no room for a batch of about ${bytes} bytes.`);
  }

  async #write(
    puts: readonly Buffer[],
    values: readonly Buffer[],
    removes: readonly Buffer[],
  ): Promise<void> {
    try {
      await this.#state.batch(() => {
        for (let index = 0; index < puts.length; index += 1) {
          void this.#state.put(puts[index] as Buffer, values[index] as Buffer);
        }
        for (const key of removes) void this.#state.remove(key);
      });
    } catch (error) {
      throw await commitFault(error, this.#room.free());
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

  refresh(): void {
    this.#state.resetReadTxn();
  }

  async space(): Promise<StoreSpace> {
    if (this.#options.isReadOnly !== true) await this.#room.keepBallast();
    const { fileBytes, reusableBytes } = this.#pages();
    const mapLeftBytes = Math.max(0, this.#options.mapSizeBytes - fileBytes);
    return {
      availableBytes: Math.min(this.#room.freeForMessages(), mapLeftBytes) + reusableBytes,
      fileBytes,
      mapBytes: this.#options.mapSizeBytes,
    };
  }

  #pages(): { readonly fileBytes: number; readonly reusableBytes: number } {
    const stats = this.#root.getStats() as LmdbStats;
    const stateStats = this.#state.getStats() as LmdbStats;
    const fileBytes = (stats.lastPageNumber + 1) * pageBytes;
    const usedPages =
      stateStats.treeBranchPageCount + stateStats.treeLeafPageCount + stateStats.overflowPages;
    // Besides the state's pages a store holds a handful: two meta pages, the root and the free list.
    return { fileBytes, reusableBytes: Math.max(0, fileBytes - (usedPages + 64) * pageBytes) };
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
