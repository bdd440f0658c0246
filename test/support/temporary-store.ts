// A real store in a directory of its own that is gone after the test.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { openStore } from "../../src/store/environment.js";
import type { Store } from "../../src/store/store.js";
import type { Table } from "../../src/store/tables.js";

const testMapBytes = 2 ** 30;

export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "forebay-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export function openTestStore(
  directory: string,
  options: { readonly isReadOnly?: boolean } = {},
): Store {
  return openStore({
    directory,
    mapSizeBytes: testMapBytes,
    freshSecret: Buffer.alloc(32, 3),
    ...options,
  });
}

/** A store that is closed and removed when the test ends. */
export function temporaryStore(): Store {
  const store = openTestStore(temporaryDirectory());
  onTestFinished(async () => await store.close());
  return store;
}

/** Writes one row behind the back of whoever uses the store. */
export async function putRow<Row>(
  store: Store,
  table: Table<Row>,
  key: string,
  row: Row,
): Promise<void> {
  await store.commit([{ key, framed: table.encode(row), mayReplaceChunks: table.isChunked }]);
}

/** Removes one value behind the back of whoever uses the store, leaving its chunks. */
export async function removeValue(store: Store, key: string): Promise<void> {
  await store.commit([{ key, framed: undefined, mayReplaceChunks: false }]);
}
