// A store in memory with the same promises as the real one, and handles to pull on: commits can be held back, so that a test
// looks at what is decided and not yet durable, and can fail as a disk does.

import { frameHeaderBytes } from "../../src/store/bytes.js";
import { StorageFull } from "../../src/store/commit-fault.js";
import type {
  RowChange,
  ScannedRow,
  Store,
  StoredHead,
  StoredRow,
  StoreSpace,
} from "../../src/store/store.js";

/** What becomes of the commits to come. */
export type CommitMode = "at once" | "held" | "full" | { readonly fails: Error };

export class MemoryStore implements Store {
  readonly secret = Buffer.alloc(32, 7);
  readonly #rows = new Map<string, Buffer>();
  #keys: string[] = [];
  #held: (() => void) | undefined;
  mode: CommitMode = "at once";
  availableBytes = 1_000_000_000;
  commitCount = 0;

  get(key: string): Buffer | undefined {
    return this.#rows.get(key);
  }

  *range(from: string, to: string): Iterable<StoredRow> {
    for (const key of this.keys(from, to, Number.MAX_SAFE_INTEGER)) {
      yield { key, bytes: this.#rows.get(key) as Buffer };
    }
  }

  *rangeReversed(from: string, to: string): Iterable<StoredRow> {
    yield* [...this.range(from, to)].reverse();
  }

  *heads(from: string, to: string): Iterable<StoredHead> {
    for (const row of this.range(from, to)) yield { ...row, isWhole: true };
  }

  keys(from: string, to: string, limit: number): readonly string[] {
    const start = this.#keys.findIndex((key) => key >= from);
    if (start === -1) return [];
    const found: string[] = [];
    for (let at = start; at < this.#keys.length && found.length < limit; at += 1) {
      const key = this.#keys[at] as string;
      if (key >= to) break;
      found.push(key);
    }
    return found;
  }

  *scan(from: string, to: string): Iterable<ScannedRow> {
    for (const row of this.range(from, to)) yield { kind: "row", ...row, chunkCount: 0 };
  }

  async commit(changes: readonly RowChange[]): Promise<void> {
    const { mode } = this;
    if (mode === "held") {
      await new Promise<void>((resolve) => {
        this.#held = resolve;
      });
      this.#held = undefined;
      if (this.mode === "full")
        throw new StorageFull("The store has no room left: as the test asked for.");
    } else {
      await Promise.resolve();
      if (mode === "full")
        throw new StorageFull("The store has no room left: as the test asked for.");
      if (mode !== "at once") throw mode.fails;
    }
    for (const { key, framed } of changes) {
      if (framed === undefined) this.#rows.delete(key);
      else this.#rows.set(key, framed.subarray(frameHeaderBytes));
    }
    this.#keys = [...this.#rows.keys()].sort();
    this.commitCount += 1;
  }

  /** True while a commit waits to be released. */
  get isHolding(): boolean {
    return this.#held !== undefined;
  }

  /** Lets the commit that is held go on; says whether there was one. */
  release(): boolean {
    this.#held?.();
    return this.isHolding;
  }

  /** Replaces one stored value as a broken disk would, or takes it away. */
  damage(key: string, bytes: Buffer | undefined): void {
    if (bytes === undefined) this.#rows.delete(key);
    else this.#rows.set(key, bytes);
    this.#keys = [...this.#rows.keys()].sort();
  }

  refresh(): void {
    // Nothing is held between reads.
  }

  async space(): Promise<StoreSpace> {
    await Promise.resolve();
    return { availableBytes: this.availableBytes, fileBytes: 0, mapBytes: this.availableBytes };
  }

  async close(): Promise<void> {
    // Rows stay: opening it again is a restart.
  }
}
