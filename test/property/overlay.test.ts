// What a decision reads, committed rows with uncommitted ones on top, is what one plain map would hold, whatever was put,
// removed, rolled back, committed or lost before; and once all is committed the store holds exactly that.

import fc from "fast-check";
import { expect, test } from "vitest";
import { StateView } from "../../src/engine/state-view.js";
import { ByteReader, ByteWriter } from "../../src/store/bytes.js";
import { messageKey, queueKey, segmentPrefix } from "../../src/store/keys.js";
import type { RowChange, Store } from "../../src/store/store.js";
import type { Table } from "../../src/store/tables.js";
import { MemoryStore } from "../support/memory-store.js";
import { propertyTimeoutMs, runs } from "../support/property.js";
import { openTestStore, temporaryDirectory } from "../support/temporary-store.js";

/** A row here is a number and as many bytes: large ones need chunks. */
type Row = number;

const writer = new ByteWriter();
const tableOf = (name: string, traits: Partial<Table<Row>>): Table<Row> => ({
  name,
  isCached: false,
  isOrdered: false,
  isChunked: false,
  encode: (row) =>
    writer
      .u32(row)
      .raw(Buffer.alloc(row, row & 0xff))
      .finish(),
  decode: (key, bytes) => {
    const reader = new ByteReader(bytes, key);
    const row = reader.u32();
    if (!reader.raw(row).every((byte) => byte === (row & 0xff)) || !reader.atEnd) {
      throw new Error("A row holds another row's bytes.");
    }
    return row;
  },
  ...traits,
});

/** The kinds there are: messages, deliveries, and queues (cached, ordered, of any size). */
const kinds = {
  message: tableOf("message", { isOrdered: true }),
  delivery: tableOf("delivery", {}),
  queue: tableOf("queue", { isCached: true, isOrdered: true, isChunked: true }),
} as const;
type Kind = keyof typeof kinds;

const prefix = segmentPrefix(3, 99);
const keyOf = (kind: Kind, at: number): string => {
  switch (kind) {
    case "message":
      return messageKey(prefix, at as Parameters<typeof messageKey>[1]);
    case "delivery":
      return `${prefix}s${String.fromCharCode(at)}`;
    case "queue":
      return queueKey("default", `q${String.fromCharCode(97 + at)}`);
  }
};

/** Few, so that steps meet each other's rows. */
const placesMax = 4;

type Write =
  | { readonly write: "put"; readonly kind: Kind; readonly at: number; readonly row: Row }
  | { readonly write: "remove"; readonly kind: Kind; readonly at: number }
  | { readonly write: "insert"; readonly row: Row }
  | { readonly write: "remove inserted"; readonly at: number };

type Step =
  | { readonly step: "decision"; readonly isKept: boolean; readonly writes: readonly Write[] }
  | { readonly step: "begin commit" }
  | { readonly step: "end commit"; readonly isStored: boolean };

const kind = fc.constantFrom<Kind>("message", "delivery", "queue");
const at = fc.nat({ max: placesMax - 1 });
const rows = fc.oneof(
  { weight: 5, arbitrary: fc.nat({ max: 300 }) },
  fc.integer({ min: 7_900, max: 17_000 }),
);
const write: fc.Arbitrary<Write> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ write: fc.constant("put" as const), kind, at, row: rows }) },
  { weight: 3, arbitrary: fc.record({ write: fc.constant("remove" as const), kind, at }) },
  { weight: 2, arbitrary: fc.record({ write: fc.constant("insert" as const), row: rows }) },
  { weight: 2, arbitrary: fc.record({ write: fc.constant("remove inserted" as const), at }) },
);
const mostly = fc.nat({ max: 3 }).map((value) => value < 3);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      step: fc.constant("decision" as const),
      isKept: mostly,
      writes: fc.array(write, { maxLength: 6 }),
    }),
  },
  { weight: 2, arbitrary: fc.constant({ step: "begin commit" as const }) },
  {
    weight: 2,
    arbitrary: fc.record({
      step: fc.constant("end commit" as const),
      isStored: mostly,
    }),
  },
);

/** Runs steps on a view and on plain maps side by side. */
class SideBySide {
  readonly #store: Store;
  readonly #view: StateView;
  #committed = new Map<string, Row>();
  #inFlight:
    | {
        readonly record: number;
        readonly changes: readonly RowChange[];
        readonly rows: Map<string, Row>;
      }
    | undefined;
  #rows = new Map<string, Row>();
  #nextInsert = 1_000;
  #inserted: string[] = [];

  constructor(store: Store) {
    this.#store = store;
    this.#view = new StateView(store);
  }

  async take(given: Step): Promise<void> {
    switch (given.step) {
      case "decision":
        this.#decide(given.isKept, given.writes);
        return;
      case "begin commit":
        if (this.#inFlight === undefined) {
          const record = this.#view.closeRecord();
          const changes = this.#view.overlay.changesOf(record);
          this.#inFlight = { record, changes, rows: new Map(this.#rows) };
        }
        return;
      case "end commit":
        await this.#endCommit(given.isStored);
    }
  }

  #decide(isKept: boolean, writes: readonly Write[]): void {
    const before = new Map(this.#rows);
    const insertedBefore = [...this.#inserted];
    for (const given of writes) {
      this.#write(given);
      this.expectSame();
    }
    if (isKept) expect(this.#view.overlay.keep()).toBe(this.#hasWritten(writes, insertedBefore));
    else {
      this.#view.overlay.rollBack();
      this.#rows = before;
      this.#inserted = insertedBefore;
    }
  }

  #hasWritten(writes: readonly Write[], insertedBefore: readonly string[]): boolean {
    return writes.some((given) => given.write !== "remove inserted" || insertedBefore.length > 0);
  }

  #write(given: Write): void {
    switch (given.write) {
      case "put": {
        const key = keyOf(given.kind, given.at);
        // Only tables that say so hold rows larger than a page without being told.
        const stored = kinds[given.kind].isChunked ? given.row : given.row % 300;
        this.#view.put(kinds[given.kind], key, stored);
        this.#rows.set(key, stored);
        return;
      }
      case "remove":
        this.#view.remove(
          kinds[given.kind],
          keyOf(given.kind, given.at),
          kinds[given.kind].isChunked,
        );
        this.#rows.delete(keyOf(given.kind, given.at));
        return;
      case "insert": {
        // A key that never had a row, sometimes before others that have one.
        const key = keyOf(
          "message",
          this.#nextInsert % 2 === 0 ? this.#nextInsert : 100_000 - this.#nextInsert,
        );
        this.#nextInsert += 1;
        this.#view.insert(kinds.message, key, given.row);
        this.#rows.set(key, given.row);
        this.#inserted.push(key);
        return;
      }
      case "remove inserted": {
        const key = this.#inserted[given.at % Math.max(1, this.#inserted.length)];
        if (key === undefined) return;
        this.#view.remove(kinds.message, key, true);
        this.#rows.delete(key);
      }
    }
  }

  async #endCommit(isStored: boolean): Promise<void> {
    if (this.#inFlight === undefined) return;
    const { record, changes, rows } = this.#inFlight;
    this.#inFlight = undefined;
    if (isStored) {
      await this.#store.commit(changes);
      this.#view.committed(record);
      this.#committed = rows;
    } else {
      this.#view.discard();
      this.#rows = new Map(this.#committed);
    }
  }

  async finish(): Promise<void> {
    await this.take({ step: "end commit", isStored: true });
    await this.take({ step: "begin commit" });
    await this.take({ step: "end commit", isStored: true });
    this.expectSame();
    expect(this.#view.overlay.size).toBe(0);
    const stored = [...this.#store.scan("\x00", "\xff\xff")].filter(
      (found) => found.kind !== "chunk",
    );
    expect(stored.map(({ key }) => key)).toEqual([...this.#rows.keys()].sort());
    expect(stored.filter((found) => found.kind === "corrupt")).toEqual([]);
    // No chunk outlives its row: a small row takes one value, a large one as many as it needs.
    const chunkCount = stored.reduce(
      (sum, found) => sum + (found.kind === "row" ? found.chunkCount : 0),
      0,
    );
    expect([...this.#store.scan("\x00", "\xff\xff")].length).toBe(stored.length + chunkCount);
  }

  expectSame(): void {
    for (const name of ["message", "delivery", "queue"] as const) {
      for (let place = 0; place < placesMax; place += 1) {
        const key = keyOf(name, place);
        expect(this.#view.get(kinds[name], key)).toBe(this.#rows.get(key));
      }
    }
    for (const key of this.#inserted)
      expect(this.#view.get(kinds.message, key)).toBe(this.#rows.get(key));
    this.#expectSameRange("message", `${prefix}m`, `${prefix}n`);
    this.#expectSameRange("message", keyOf("message", 1), keyOf("message", 3));
    this.#expectSameRange("queue", "\x80", "\x81");
    this.#expectSameRange("queue", keyOf("queue", 2), "\x81");
  }

  #expectSameRange(name: Kind, from: string, to: string): void {
    const seen = [...this.#view.range(kinds[name], from, to)].map(({ key, row: found }) => [
      key,
      found,
    ]);
    const expected = [...this.#rows]
      .filter(([key]) => key >= from && key < to)
      .sort(([a], [b]) => (a < b ? -1 : 1));
    expect(seen).toEqual(expected);
  }
}

async function runSteps(store: Store, steps: readonly Step[]): Promise<void> {
  const both = new SideBySide(store);
  for (const given of steps) {
    await both.take(given);
    both.expectSame();
  }
  await both.finish();
}

const put = (row: Row): Step => ({
  step: "decision",
  isKept: true,
  writes: [{ write: "put", kind: "queue", at: 0, row }],
});

/** A cached row goes stale under a newer one, and the newest is lost with its record: rare, so always tried. */
const staleCache: Step[] = [
  put(1),
  { step: "begin commit" },
  { step: "end commit", isStored: true },
  put(2),
  { step: "begin commit" },
  put(3),
  { step: "end commit", isStored: true },
  { step: "begin commit" },
  { step: "end commit", isStored: false },
];

test(
  "a view over a store in memory reads as one plain map",
  async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 10, maxLength: 60 }),
        async (steps) => await runSteps(new MemoryStore(), steps),
      ),
      runs(250, [[staleCache]]),
    );
  },
  propertyTimeoutMs,
);

test(
  "a view over the real store reads as one plain map, chunks and all",
  async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40 }), async (steps) => {
        const store = openTestStore(temporaryDirectory());
        try {
          await runSteps(store, steps);
        } finally {
          await store.close();
        }
      }),
      runs(50, [[staleCache]]),
    );
  },
  propertyTimeoutMs,
);
