// The durable floor: ordered bytes, changed by one batch at a time, safe on disk when the batch resolves.
//
// Nothing outside this folder knows LMDB, and in it only `lmdb-environment.ts` writes with it. LMDB has no page checksums, so
// every value carries a CRC-32 over its key and bytes.
//
// The environment below may be replaced while the store is open: a member of a group that takes a copy of the state builds it
// in another one (`replica-copy.ts`), and everything that is read afterwards is read there.

import { RecordCorrupt } from "../base/record-corrupt.js";
import { frameHeaderBytes } from "./bytes.js";
import { DiskRoom } from "./disk-room.js";
import { headOf, keyBytes, keyRange, orPassOver, unseal, valueKinds } from "./frames.js";
import { LmdbEnvironment } from "./lmdb-environment.js";
import { memberKey, memberOf } from "./member-row.js";
import { RowWrites, type SealedRows } from "./sealed-rows.js";
import type {
  MemberRows,
  RowChange,
  ScannedRow,
  Store,
  StoredHead,
  StoredRow,
  StoreOptions,
  StoreSpace,
} from "./store.js";
import { StoreRefused } from "./store-format.js";

/** The store of a node alone, or any one to be read only. A member's is opened by `openReplicaStore`. */
export function openStore(options: StoreOptions): Store {
  const environment = LmdbEnvironment.open({ ...options, hasLog: false });
  if (options.isReadOnly !== true && environment.log !== undefined) {
    void environment.close();
    throw new StoreRefused(
      `The store in ${options.directory} is a cluster member's, which a node alone would set apart from the others. ` +
        "Start it with the settings of its cluster, or set FOREBAY_DATA_DIR to another directory.",
    );
  }
  return new LmdbStore(environment, options);
}

export class LmdbStore implements Store {
  readonly secret: Buffer;
  readonly room: DiskRoom;
  readonly #options: StoreOptions;
  #environment: LmdbEnvironment;

  constructor(environment: LmdbEnvironment, options: StoreOptions) {
    this.#environment = environment;
    this.#options = options;
    this.room = new DiskRoom(options.directory, options.mapSizeBytes);
    this.secret = environment.secret;
  }

  get environment(): LmdbEnvironment {
    return this.#environment;
  }

  /** Reads and writes `environment` from now on, and returns the one before, for its closing. */
  replaceEnvironment(environment: LmdbEnvironment): LmdbEnvironment {
    const replaced = this.#environment;
    this.#environment = environment;
    return replaced;
  }

  get #state(): SealedRows {
    return this.#environment.state;
  }

  get(key: string): Buffer | undefined {
    return this.#state.get(key);
  }

  range(
    from: string,
    to: string,
    passOver?: (corrupt: RecordCorrupt) => void,
  ): Iterable<StoredRow> {
    return this.#readable(this.#state.database.getRange(keyRange(from, to)), passOver);
  }

  rangeReversed(
    from: string,
    to: string,
    passOver?: (corrupt: RecordCorrupt) => void,
  ): Iterable<StoredRow> {
    const { start, end } = keyRange(from, to);
    // lmdb-js takes the first key it returns as the start, whatever the direction.
    const reversed = { start: end, end: start, exclusiveStart: true, inclusiveEnd: true };
    return this.#readable(this.#state.database.getRange({ ...reversed, reverse: true }), passOver);
  }

  *#readable(
    entries: Iterable<{ readonly key: Buffer; readonly value: Buffer }>,
    passOver: ((corrupt: RecordCorrupt) => void) | undefined,
  ): Iterable<StoredRow> {
    for (const { key, value } of entries) {
      const text = key.toString("latin1");
      const bytes =
        passOver === undefined
          ? this.#state.payload(text, value)
          : orPassOver(passOver, () => this.#state.payload(text, value));
      if (bytes !== undefined) yield { key: text, bytes };
    }
  }

  *heads(
    from: string,
    to: string,
    passOver: (corrupt: RecordCorrupt) => void,
  ): Iterable<StoredHead> {
    for (const { key, value } of this.#state.database.getRange(keyRange(from, to))) {
      const text = key.toString("latin1");
      const head = orPassOver(passOver, () => headOf(text, value));
      if (head !== undefined) yield head;
    }
  }

  keys(from: string, to: string, limit: number): readonly string[] {
    const found: string[] = [];
    for (const key of this.#state.database.getKeys({ ...keyRange(from, to), limit })) {
      found.push(key.toString("latin1"));
    }
    return found;
  }

  *scan(from: string, to: string): Iterable<ScannedRow> {
    for (const { key, value } of this.#state.database.getRange(keyRange(from, to))) {
      yield scanned(this.#state, key.toString("latin1"), value);
    }
  }

  async commit(changes: readonly RowChange[]): Promise<void> {
    // Everything that can throw happens before the batch: a throw inside it would commit the puts before it.
    const writes = new RowWrites(this.#state);
    for (const { key, framed, mayReplaceChunks } of changes) {
      this.#state.prepare(keyBytes(key), framed, mayReplaceChunks, writes);
    }
    await this.#environment.commit([writes], this.room);
  }

  refresh(): void {
    this.#environment.refresh();
  }

  async space(): Promise<StoreSpace> {
    if (this.#options.isReadOnly !== true) await this.room.keepBallast();
    const { fileBytes, reusableBytes } = this.#environment.pages();
    const mapLeftBytes = Math.max(0, this.#options.mapSizeBytes - fileBytes);
    return {
      availableBytes: Math.min(this.room.freeForMessages(), mapLeftBytes) + reusableBytes,
      fileBytes,
      mapBytes: this.#options.mapSizeBytes,
    };
  }

  get memberRows(): MemberRows | undefined {
    const { log, meta } = this.#environment;
    if (log === undefined) return undefined;
    return {
      member: () => {
        const row = meta.get(memberKey);
        return row === undefined ? undefined : memberOf(row);
      },
      scanLog: (from) => scanFrom(log, from),
    };
  }

  async close(): Promise<void> {
    await this.#environment.close();
  }
}

function* scanFrom(rows: SealedRows, from: string): Iterable<ScannedRow> {
  const range = from === "" ? {} : { start: keyBytes(from) };
  for (const { key, value } of rows.database.getRange(range)) {
    yield scanned(rows, key.toString("latin1"), value);
  }
}

/** A stored value as a check meets it. */
function scanned(rows: SealedRows, key: string, framed: Buffer): ScannedRow {
  try {
    if (framed[0] === valueKinds.chunk) {
      unseal(key, framed);
      return { kind: "chunk", key, bytes: framed.subarray(frameHeaderBytes) };
    }
    const bytes = rows.payload(key, framed);
    const chunkCount = framed[0] === valueKinds.first ? framed.readUInt16BE(frameHeaderBytes) : 0;
    return { kind: "row", key, bytes, chunkCount };
  } catch (error) {
    // The row is what cannot be read, also when it is one of its chunks that is broken.
    if (error instanceof RecordCorrupt) return { kind: "corrupt", key, what: error.what };
    throw error;
  }
}
