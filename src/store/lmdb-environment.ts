// One LMDB environment: its databases, and the one way in which anything is written to it.
//
// It is used in the one mode that was measured to keep its promises: no overlapping sync (a commit is visible only when
// durable), an explicit map size, pages and values of the sizes that `frames.ts` gives reasons for, binary keys, exactly one `batch`
// per record and one in flight, no callback that awaits, no reader kept open for long. A batch may span all databases of the
// environment: lmdb-js queues writes by environment, and LMDB has one write transaction.
//
// Room is looked for before every batch: where there is none, `StorageFull` is thrown, nothing was written, and the store
// goes on. A batch that LMDB itself could not write is fatal (`commit-fault.ts`).

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { open, type RootDatabase } from "lmdb";
import { assert } from "../base/assert.js";
import { commitFault, StorageFull } from "./commit-fault.js";
import { batchBytes, type DiskRoom } from "./disk-room.js";
import { pageBytes } from "./frames.js";
import { chunkKey, u16Text } from "./keys.js";
import { type RowWrites, SealedRows, type Snapshot } from "./sealed-rows.js";
import type { StoreOptions } from "./store.js";
import {
  holdsLmdbFile,
  logName,
  metaName,
  refuseForeignRoot,
  StoreRefused,
  stampOrRefuse,
  stateName,
} from "./store-format.js";

export interface EnvironmentOptions extends StoreOptions {
  /** True when a log is to stand beside the state; it is opened anyway where there is one. */
  readonly hasLog: boolean;
}

export interface EnvironmentPages {
  readonly fileBytes: number;
  readonly reusableBytes: number;
  readonly stateBytes: number;
}

export class LmdbEnvironment {
  readonly state: SealedRows;
  /** What a member of a group knows of itself, beside the stamp. */
  readonly meta: SealedRows;
  readonly log: SealedRows | undefined;
  readonly secret: Buffer;
  readonly #root: RootDatabase<Buffer, Buffer>;
  #isCommitting = false;

  private constructor(root: RootDatabase<Buffer, Buffer>, options: EnvironmentOptions) {
    this.#root = root;
    const names = refuseForeignRoot(root, options.directory);
    const openDatabase = (name: string) =>
      root.openDB<Buffer, Buffer>({ name, encoding: "binary", keyEncoding: "binary" });
    const meta = openDatabase(metaName);
    this.secret = stampOrRefuse(root, meta, options);
    this.meta = new SealedRows(meta, chunkBehind);
    this.state = new SealedRows(openDatabase(stateName), chunkKey);
    const hasLog = names.includes(logName) || (options.hasLog && options.isReadOnly !== true);
    this.log = hasLog ? new SealedRows(openDatabase(logName), chunkBehind) : undefined;
  }

  static open(options: EnvironmentOptions): LmdbEnvironment {
    const { directory } = options;
    const isNew = !holdsLmdbFile(join(directory, "data.mdb"));
    if (isNew && options.isReadOnly === true) {
      throw new StoreRefused(`There is no Forebay store in ${directory}.`);
    }
    if (isNew) mkdirSync(directory, { recursive: true });
    const root = openRoot(options);
    try {
      return new LmdbEnvironment(root, options);
    } catch (error) {
      void root.close();
      throw error;
    }
  }

  /** Resolves when all of it is flushed to disk. Throws StorageFull, with nothing written, or StoreFailed. */
  async commit(writes: readonly RowWrites[], room: DiskRoom): Promise<void> {
    assert(!this.#isCommitting, "one batch is in flight at a time");
    this.#requireRoom(writes, room);
    this.#isCommitting = true;
    try {
      await this.state.database.batch(() => {
        for (const { rows, removes, puts, values } of writes) {
          const { database } = rows;
          for (const key of removes) void database.remove(key);
          for (let index = 0; index < puts.length; index += 1) {
            void database.put(puts[index] as Buffer, values[index] as Buffer);
          }
        }
      });
    } catch (error) {
      throw await commitFault(error, room.free());
    } finally {
      this.#isCommitting = false;
      this.refresh();
    }
  }

  #requireRoom(writes: readonly RowWrites[], room: DiskRoom): void {
    let valueBytes = 0;
    let rowCount = 0;
    for (const { puts, values, removes } of writes) {
      for (const { length } of values) valueBytes += length;
      rowCount += puts.length + removes.length;
    }
    const bytes = batchBytes(valueBytes, rowCount);
    if (room.hasFor(bytes, () => this.pages().reusableBytes)) return;
    throw new StorageFull(`The disk has no room for a batch of about ${bytes} bytes.`);
  }

  /** Forgets the reader of this turn, so that the next read sees the last commit. */
  refresh(): void {
    this.#root.resetReadTxn();
  }

  /** What is committed now, readable until it is `done`, which must be soon. */
  snapshot(): Snapshot {
    this.refresh();
    return this.#root.useReadTransaction();
  }

  pages(): EnvironmentPages {
    const { lastPageNumber } = this.#root.getStats() as LmdbStats;
    const fileBytes = (lastPageNumber + 1) * pageBytes;
    const statePages = pagesOf(this.state);
    // Besides the state's and the log's pages a store holds a handful: two meta pages, the root and the free list.
    const usedPages = statePages + (this.log === undefined ? 0 : pagesOf(this.log)) + 64;
    return {
      fileBytes,
      reusableBytes: Math.max(0, fileBytes - usedPages * pageBytes),
      stateBytes: statePages * pageBytes,
    };
  }

  async close(): Promise<void> {
    await this.#root.close();
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

/** Chunks of log and meta rows stand right behind their row. */
const chunkBehind = (key: string, index: number): string => key + u16Text(index);

function pagesOf({ database }: SealedRows): number {
  const stats = database.getStats() as LmdbStats;
  return stats.treeBranchPageCount + stats.treeLeafPageCount + stats.overflowPages;
}

interface LmdbStats {
  readonly lastPageNumber: number;
  readonly treeBranchPageCount: number;
  readonly treeLeafPageCount: number;
  readonly overflowPages: number;
}
