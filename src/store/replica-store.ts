// The store of a member of a replicated group: the same state as a lone node's, beside it the log, and what the member knows
// of itself; all three changed by one batch.
//
// The state is read through `Store`, as ever. It is written through the disk alone, since whatever changes it is a record first.

import { rmSync } from "node:fs";
import { join } from "node:path";
import { assert } from "../base/assert.js";
import type { LogSeq } from "../base/brands.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import { LmdbStore } from "./environment.js";
import { LmdbEnvironment } from "./lmdb-environment.js";
import { LmdbReplicaDisk } from "./lmdb-replica-disk.js";
import { memberKey, memberOf } from "./member-row.js";
import { incomingName } from "./replica-copy.js";
import type { ReplicaDisk } from "./replica-disk.js";
import type { Store, StoredHead, StoredRow, StoreOptions } from "./store.js";

export interface ReplicaStore {
  /** Closing it ends what the disk is about and closes that too. */
  readonly store: Store;
  readonly disk: ReplicaDisk;
  /**
   * Up to where the state is that the reads of this turn see. A batch can be read some time before the disk says that it is durable
   * (it is, by then), so this may be ahead of what the disk has told of.
   */
  readonly appliedInView: () => LogSeq | undefined;
  /** `told` hears of every row of the state that cannot be read, before whoever asked for it does. */
  readonly onSpoiltRow: (told: (corrupt: RecordCorrupt) => void) => void;
}

/** Opens a member's store, or makes that of a node, with what it holds, one that can become a member's. */
export function openReplicaStore(options: Omit<StoreOptions, "isReadOnly">): ReplicaStore {
  const environment = LmdbEnvironment.open({ ...options, hasLog: true });
  // A copy that was not finished when the process ended is begun anew.
  rmSync(join(options.directory, incomingName), { recursive: true, force: true });
  const store = new MemberStore(environment, options);
  return {
    store,
    disk: store.disk,
    appliedInView: () => store.appliedInView(),
    onSpoiltRow: (told) => store.onSpoiltRow(told),
  };
}

/** Rows that cannot be read are never passed over here: other members have them whole, so nothing may be decided without them. */
class MemberStore extends LmdbStore {
  readonly disk: LmdbReplicaDisk;
  #told: (corrupt: RecordCorrupt) => void = () => undefined;

  constructor(environment: LmdbEnvironment, options: StoreOptions) {
    super(environment, options);
    this.disk = new LmdbReplicaDisk(this, options);
  }

  /** The member's row is written with what it tells of, and read in the same transaction of LMDB. */
  appliedInView(): LogSeq | undefined {
    const row = this.environment.meta.get(memberKey);
    return row === undefined ? undefined : memberOf(row).appliedSeq;
  }

  onSpoiltRow(told: (corrupt: RecordCorrupt) => void): void {
    this.#told = told;
  }

  override get(key: string): Buffer | undefined {
    try {
      return super.get(key);
    } catch (error) {
      if (error instanceof RecordCorrupt) this.#told(error);
      throw error;
    }
  }

  override range(from: string, to: string): Iterable<StoredRow> {
    return super.range(from, to, (corrupt) => this.#spoilt(corrupt));
  }

  override rangeReversed(from: string, to: string): Iterable<StoredRow> {
    return super.rangeReversed(from, to, (corrupt) => this.#spoilt(corrupt));
  }

  override heads(from: string, to: string): Iterable<StoredHead> {
    return super.heads(from, to, (corrupt) => this.#spoilt(corrupt));
  }

  #spoilt(corrupt: RecordCorrupt): never {
    this.#told(corrupt);
    throw corrupt;
  }

  override async commit(): Promise<void> {
    await Promise.resolve();
    assert(false, "a member's state changes by records only");
  }

  override async close(): Promise<void> {
    await this.disk.close();
    await super.close();
  }
}
