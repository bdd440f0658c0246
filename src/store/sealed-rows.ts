// One LMDB database of sealed values: checksums checked when they are read, long values cut into chunks when they are written
// and put together again when they are read. The state, the log and what a member knows of itself all stand so.
//
// Writing is in two steps. `prepare` does everything that can throw; what it leaves in `RowWrites` then goes into one batch.

import type { Database } from "lmdb";
import { assert } from "../base/assert.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import { frameHeaderBytes } from "./bytes.js";
import {
  chunksOf,
  firstChunkHeaderBytes,
  keyBytes,
  keyBytesMax,
  seal,
  sealedWhole,
  unseal,
  valueBytesMax,
  valueKinds,
  wholeRow,
} from "./frames.js";

type LmdbDatabase = Database<Buffer, Buffer>;

/** What a batch does to one database. Removals come first, so that a key may be removed and written anew. */
export class RowWrites {
  readonly rows: SealedRows;
  readonly removes: Buffer[] = [];
  readonly puts: Buffer[] = [];
  /** Of `puts`, sealed. */
  readonly values: Buffer[] = [];

  constructor(rows: SealedRows) {
    this.rows = rows;
  }
}

/** As lmdb-js takes it where something is read; undefined: the reader of this turn. */
export type Snapshot = NonNullable<ReturnType<LmdbDatabase["useReadTransaction"]>>;

export class SealedRows {
  readonly database: LmdbDatabase;
  /** The key of chunk `index` (from 1) of the value at `key`. */
  readonly #chunkKey: (key: string, index: number) => string;

  constructor(database: LmdbDatabase, chunkKey: (key: string, index: number) => string) {
    this.database = database;
    this.#chunkKey = chunkKey;
  }

  get(key: string, snapshot?: Snapshot): Buffer | undefined {
    const framed = this.#stored(keyBytes(key), snapshot);
    return framed === undefined ? undefined : this.payload(key, framed, snapshot);
  }

  #stored(key: Buffer, snapshot: Snapshot | undefined): Buffer | undefined {
    return snapshot === undefined
      ? this.database.getBinary(key)
      : this.database.get(key, { transaction: snapshot });
  }

  /** The row whose first value is `framed`, with the chunks that belong to it. */
  payload(key: string, framed: Buffer, snapshot?: Snapshot): Buffer {
    const kind = unseal(key, framed);
    const row = wholeRow(framed, kind);
    if (row !== undefined) return row;
    if (kind !== valueKinds.first)
      throw new RecordCorrupt(key, "a chunk stands where a row should");
    const chunkCount = framed.readUInt16BE(frameHeaderBytes);
    const whole = Buffer.allocUnsafe(framed.readUInt32BE(frameHeaderBytes + 2));
    let at = framed.copy(whole, 0, firstChunkHeaderBytes);
    for (let index = 1; index <= chunkCount; index += 1) {
      const at_ = this.#chunkKey(key, index);
      const chunk = this.#stored(keyBytes(at_), snapshot);
      if (chunk === undefined)
        throw new RecordCorrupt(key, `chunk ${index} of ${chunkCount} is missing`);
      if (unseal(at_, chunk) !== valueKinds.chunk)
        throw new RecordCorrupt(at_, "it is not a chunk");
      at += chunk.copy(whole, at, frameHeaderBytes);
    }
    if (at !== whole.length) throw new RecordCorrupt(key, "its chunks do not add up");
    return whole;
  }

  /**
   * One change of a row: `frameHeaderBytes` free bytes and the row behind them, or its removal. With `mayReplaceChunks` the
   * chunks of the row that stands there are looked up in what is committed, so a key may be prepared once a batch.
   */
  prepare(
    key: Buffer,
    framed: Buffer | undefined,
    mayReplaceChunks: boolean,
    writes: RowWrites,
  ): void {
    assert(key.length > 0 && key.length <= keyBytesMax, "keys have 1 to 330 bytes");
    const chunkCount =
      framed === undefined || framed.length <= valueBytesMax ? 0 : chunksOf(framed.length);
    if (mayReplaceChunks) {
      for (let index = this.#storedChunks(key); index > chunkCount; index -= 1) {
        writes.removes.push(keyBytes(this.#chunkKey(key.toString("latin1"), index)));
      }
    }
    if (framed === undefined) writes.removes.push(key);
    else if (chunkCount === 0) {
      writes.puts.push(key);
      writes.values.push(sealedWhole(key, framed));
    } else this.#prepareChunks(key, framed, chunkCount, writes);
  }

  #prepareChunks(key: Buffer, framed: Buffer, chunkCount: number, writes: RowWrites): void {
    const text = key.toString("latin1");
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
      const at = index === 0 ? key : keyBytes(this.#chunkKey(text, index));
      seal(at, chunk, index === 0 ? valueKinds.first : valueKinds.chunk);
      writes.puts.push(at);
      writes.values.push(chunk);
    }
  }

  #storedChunks(key: Buffer): number {
    const stored = this.database.getBinary(key);
    return stored?.[0] === valueKinds.first ? stored.readUInt16BE(frameHeaderBytes) : 0;
  }
}
