// The log of a node alone: none. A record is one batch of the store, and once that is flushed it is stored, committed and
// applied at the same time.

import type { RowChange, Store } from "../store/store.js";
import type { CommitLog, RecordProgress } from "./commit-log.js";

export class LoneLog implements CommitLog {
  readonly beginsAt = undefined;
  /** Nothing sends it anywhere: everything that arrives during a flush shares the next one. */
  readonly recordBytesMax = Number.POSITIVE_INFINITY;
  readonly #store: Store;

  constructor(store: Store) {
    this.#store = store;
  }

  append(changes: readonly RowChange[], progress: RecordProgress): void {
    this.#store.commit(changes).then(
      () => {
        progress.stored();
        progress.committed(undefined);
        progress.applied();
      },
      (error: unknown) =>
        progress.failed(error instanceof Error ? error : new Error(String(error))),
    );
  }

  mayAnswer(): boolean {
    return true;
  }
}
