// A copy of another member's state while it is taken: an environment of its own below the data directory, which then takes the
// place of the one there.
//
// The swap is one rename of the data file, which a file system does entirely or not at all: before it a crash leaves the old
// store and a copy that the next start drops, after it the new store. Everything of the new file is on the disk before, and
// both directories are flushed around it.

import { closeSync, fsyncSync, openSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { assert } from "../base/assert.js";
import { StorageFull } from "./commit-fault.js";
import type { LmdbStore } from "./environment.js";
import { keyBytes } from "./frames.js";
import { LmdbEnvironment } from "./lmdb-environment.js";
import { framedMember, memberKey } from "./member-row.js";
import type { MemberState, StateChange } from "./replica-disk.js";
import { framedValue, lastOfEach } from "./replica-rows.js";
import { RowWrites } from "./sealed-rows.js";
import type { StoreOptions } from "./store.js";

/** Below the data directory. */
export const incomingName = "incoming";
const dataName = "data.mdb";
const lockName = "lock.mdb";

/** What LMDB and the directory take before the first row. */
const emptyStoreBytes = 1_048_576;

export class ReplicaCopy {
  readonly #store: LmdbStore;
  readonly #options: StoreOptions;
  readonly #directory: string;
  #environment: LmdbEnvironment | undefined;

  constructor(store: LmdbStore, options: StoreOptions) {
    this.#store = store;
    this.#options = options;
    this.#directory = join(options.directory, incomingName);
  }

  async begin(): Promise<void> {
    await this.close();
    this.#remove();
    if (!this.#store.room.hasFor(emptyStoreBytes, () => 0)) {
      throw new StorageFull("The disk has no room for a copy of the state.");
    }
    this.#environment = LmdbEnvironment.open({
      ...this.#options,
      directory: this.#directory,
      freshSecret: this.#store.secret,
      hasLog: true,
    });
  }

  async add(rows: readonly StateChange[]): Promise<void> {
    const environment = this.#begun();
    const writes = new RowWrites(environment.state);
    for (const { key, value } of lastOfEach(rows)) {
      assert(value !== undefined, "a copy has rows only, no removals");
      // A slice may come twice, with another value the second time.
      environment.state.prepare(key, framedValue(value), true, writes);
    }
    await environment.commit([writes], this.#store.room);
  }

  /** Puts it in the place of the store's environment. */
  async finish(member: MemberState): Promise<void> {
    const environment = this.#begun();
    const meta = new RowWrites(environment.meta);
    environment.meta.prepare(keyBytes(memberKey), framedMember(member), true, meta);
    await environment.commit([meta], this.#store.room);
    await this.close();
    const { directory } = this.#options;
    flush(join(this.#directory, dataName));
    flush(this.#directory);
    renameSync(join(this.#directory, dataName), join(directory, dataName));
    flush(directory);
    // The old environment, open still, keeps its lock file; the new one must not share it.
    rmSync(join(directory, lockName), { force: true });
    const opened = LmdbEnvironment.open({ ...this.#options, hasLog: true });
    await this.#store.replaceEnvironment(opened).close();
    this.#remove();
  }

  #begun(): LmdbEnvironment {
    assert(this.#environment !== undefined, "a copy is begun before it grows");
    return this.#environment;
  }

  #remove(): void {
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async close(): Promise<void> {
    const environment = this.#environment;
    this.#environment = undefined;
    await environment?.close();
  }
}

/** Of a file its bytes, of a directory the names in it. */
function flush(path: string): void {
  const descriptor = openSync(path, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
