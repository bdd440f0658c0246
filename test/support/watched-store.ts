// A store that watches its user: every range that is opened must be closed in the same turn. An open range holds a reader,
// and with it every page that commits have freed since; a hundred of them and the store cannot be read at all.

import type { RecordCorrupt } from "../../src/base/record-corrupt.js";
import type {
  RowChange,
  ScannedRow,
  Store,
  StoredHead,
  StoredRow,
  StoreSpace,
} from "../../src/store/store.js";

export class WatchedStore implements Store {
  readonly #store: Store;
  #openRangeCount = 0;

  constructor(store: Store) {
    this.#store = store;
  }

  get openRangeCount(): number {
    return this.#openRangeCount;
  }
  get secret(): Buffer {
    return this.#store.secret;
  }
  get(key: string): Buffer | undefined {
    return this.#store.get(key);
  }
  *range(
    from: string,
    to: string,
    passOver?: (corrupt: RecordCorrupt) => void,
  ): Iterable<StoredRow> {
    this.#openRangeCount += 1;
    try {
      yield* this.#store.range(from, to, passOver);
    } finally {
      this.#openRangeCount -= 1;
    }
  }
  *rangeReversed(
    from: string,
    to: string,
    passOver?: (corrupt: RecordCorrupt) => void,
  ): Iterable<StoredRow> {
    this.#openRangeCount += 1;
    try {
      yield* this.#store.rangeReversed(from, to, passOver);
    } finally {
      this.#openRangeCount -= 1;
    }
  }
  *heads(from: string, to: string, passOver: Parameters<Store["heads"]>[2]): Iterable<StoredHead> {
    this.#openRangeCount += 1;
    try {
      yield* this.#store.heads(from, to, passOver);
    } finally {
      this.#openRangeCount -= 1;
    }
  }
  *scan(from: string, to: string): Iterable<ScannedRow> {
    this.#openRangeCount += 1;
    try {
      yield* this.#store.scan(from, to);
    } finally {
      this.#openRangeCount -= 1;
    }
  }
  keys(from: string, to: string, limit: number): readonly string[] {
    return this.#store.keys(from, to, limit);
  }
  async commit(changes: readonly RowChange[]): Promise<void> {
    if (this.#openRangeCount > 0)
      throw new Error(`${this.#openRangeCount} ranges are still open at a commit.`);
    await this.#store.commit(changes);
  }
  refresh(): void {
    this.#store.refresh();
  }
  async space(): Promise<StoreSpace> {
    return await this.#store.space();
  }
  async close(): Promise<void> {
    await this.#store.close();
  }
}
