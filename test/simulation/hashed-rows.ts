// Rows of a state with a hash of all of them that a change of one row changes in no time, so that the states of all members can
// be compared after every single write. The hash of the whole is the sum of those of its rows, hence the same in any order.

import type { StateChange } from "../../src/store/replica-disk.js";

interface HashedRow {
  readonly value: Buffer;
  readonly high: number;
  readonly low: number;
}

export class HashedRows {
  readonly #rows: Map<string, HashedRow>;
  #high: number;
  #low: number;
  #sortedKeys: readonly string[] | undefined;

  constructor(from?: HashedRows) {
    this.#rows = new Map(from === undefined ? [] : from.#rows);
    this.#high = from === undefined ? 0 : from.#high;
    this.#low = from === undefined ? 0 : from.#low;
  }

  get hash(): string {
    return `${this.#high}.${this.#low}`;
  }

  get bytes(): number {
    let bytes = 0;
    for (const [key, { value }] of this.#rows) bytes += key.length + value.length;
    return bytes;
  }

  change({ key, value }: Pick<StateChange, "key" | "value">): void {
    const name = key.toString("latin1");
    const old = this.#rows.get(name);
    if (old !== undefined) this.#add(-old.high, -old.low);
    if (value === undefined) {
      if (old === undefined) return;
      this.#rows.delete(name);
      this.#sortedKeys = undefined;
      return;
    }
    if (old === undefined) this.#sortedKeys = undefined;
    const row = { value, high: hashOf(key, value, 17), low: hashOf(key, value, 91) };
    this.#rows.set(name, row);
    this.#add(row.high, row.low);
  }

  /** Rows after a key, in key order: at least one if there is one, and at most `bytesMax` beyond that. */
  after(afterKey: Buffer, bytesMax: number): { rows: StateChange[]; isLast: boolean } {
    const from = afterKey.toString("latin1");
    const rows: StateChange[] = [];
    let bytes = 0;
    for (const name of this.#keys()) {
      const row = this.#rows.get(name);
      if (name <= from || row === undefined) continue;
      bytes += name.length + row.value.length;
      if (rows.length > 0 && bytes > bytesMax) return { rows, isLast: false };
      rows.push({ key: Buffer.from(name, "latin1"), value: row.value, mayReplaceChunks: false });
    }
    return { rows, isLast: true };
  }

  #keys(): readonly string[] {
    this.#sortedKeys ??= [...this.#rows.keys()].sort((one, other) => (one < other ? -1 : 1));
    return this.#sortedKeys;
  }

  #add(high: number, low: number): void {
    this.#high = (this.#high + high) | 0;
    this.#low = (this.#low + low) | 0;
  }
}

/** FNV-1a over key, a boundary, and value. */
function hashOf(key: Buffer, value: Buffer, seed: number): number {
  let hash = 2_166_136_261 ^ seed;
  for (const byte of key) hash = Math.imul(hash ^ byte, 16_777_619);
  hash = Math.imul(hash ^ 0x1ff, 16_777_619);
  for (const byte of value) hash = Math.imul(hash ^ byte, 16_777_619);
  return Math.imul(hash ^ (hash >>> 15), 0x85ebca6b) ^ (hash >>> 13);
}
