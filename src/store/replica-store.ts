// The store of a member of a replicated group: the same state as a lone node's, beside it the log, and what the member knows
// of itself; all three changed by one batch.
//
// The state is read through `Store`, as ever. It is written through the disk alone, since whatever changes it is a record first.

import { rmSync } from "node:fs";
import { join } from "node:path";
import { assert } from "../base/assert.js";
import type { LogSeq } from "../base/brands.js";
import { LmdbStore } from "./environment.js";
import { LmdbEnvironment } from "./lmdb-environment.js";
import { LmdbReplicaDisk } from "./lmdb-replica-disk.js";
import { memberKey, memberOf } from "./member-row.js";
import { incomingName } from "./replica-copy.js";
import type { ReplicaDisk } from "./replica-disk.js";
import type { Store, StoreOptions } from "./store.js";

export interface ReplicaStore {
  /** Closing it ends what the disk is about and closes that too. */
  readonly store: Store;
  readonly disk: ReplicaDisk;
  /**
   * Up to where the state is that the reads of this turn see. A batch can be read some time before the disk says that it is durable
   * (it is, by then), so this may be ahead of what the disk has told of.
   */
  readonly appliedInView: () => LogSeq | undefined;
}

/** Opens a member's store, or makes that of a node, with what it holds, one that can become a member's. */
export function openReplicaStore(options: Omit<StoreOptions, "isReadOnly">): ReplicaStore {
  const environment = LmdbEnvironment.open({ ...options, hasLog: true });
  // A copy that was not finished when the process ended is begun anew.
  rmSync(join(options.directory, incomingName), { recursive: true, force: true });
  const store = new MemberStore(environment, options);
  return { store, disk: store.disk, appliedInView: () => store.appliedInView() };
}

class MemberStore extends LmdbStore {
  readonly disk: LmdbReplicaDisk;

  constructor(environment: LmdbEnvironment, options: StoreOptions) {
    super(environment, options);
    this.disk = new LmdbReplicaDisk(this, options);
  }

  /** The member's row is written with what it tells of, and read in the same transaction of LMDB. */
  appliedInView(): LogSeq | undefined {
    const row = this.environment.meta.get(memberKey);
    return row === undefined ? undefined : memberOf(row).appliedSeq;
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
