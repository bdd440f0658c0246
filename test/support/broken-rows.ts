// Rows that a disk has broken: one bit of what is stored changed in the file, while the server of a scenario is stopped, so
// that the next who reads the row finds that its checksum does not match.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { slotOfName } from "../../src/queue/slots.js";
import { frameHeaderBytes } from "../../src/store/bytes.js";
import { checkStore } from "../../src/store/check.js";
import { tableLetters, u16Text } from "../../src/store/keys.js";
import type { ScannedRow, Store } from "../../src/store/store.js";
import type { Scenario } from "./scenario.js";
import { openTestStore } from "./temporary-store.js";

type Table = keyof typeof tableLetters;

/** Where the table's letter stands in a key, after slot and segment. */
const letterAt = 10;

/** Picks the rows of one table of a queue. */
export const rowsOf =
  (queue: string, table: Table) =>
  (key: string): boolean =>
    key.startsWith(u16Text(slotOfName("default", queue))) && key[letterAt] === tableLetters[table];

/** Changes a bit of the first row that is picked, behind the back of a server that is stopped meanwhile. */
export async function breakRow(t: Scenario, isPicked: (key: string) => boolean): Promise<void> {
  t.expectContradictions();
  await whileStopped(t, async (directory) => {
    const row = await withStore(directory, (store) => firstRow(store, isPicked));
    breakInFile(directory, row);
  });
}

/** What a check of the files finds wrong, while the server is stopped. */
export async function contradictions(t: Scenario): Promise<readonly string[]> {
  let found: readonly string[] = [];
  await whileStopped(t, async (directory) => {
    found = await withStore(directory, async (store) =>
      (await checkStore(store)).contradictions.map(({ row, sentence }) => `${row}: ${sentence}`),
    );
  });
  return found;
}

/** Picks the kept results of request ids. */
export const isRequestRow = (key: string): boolean => key.startsWith("\x82");

/** How many of the rows on disk are picked. */
export async function rowCount(t: Scenario, isPicked: (key: string) => boolean): Promise<number> {
  let count = 0;
  await whileStopped(t, async (directory) => {
    count = await withStore(
      directory,
      (store) => [...everything(store)].filter(({ key }) => isPicked(key)).length,
    );
  });
  return count;
}

async function whileStopped(
  t: Scenario,
  work: (directory: string) => Promise<void>,
): Promise<void> {
  await t.settle();
  t.client.close();
  await t.stop();
  await work(directoryOf(t));
  await t.start();
}

/** The server says at its start where its files are. */
function directoryOf(t: Scenario): string {
  const line = t.logged.findLast(({ message }) => message === "serving");
  if (line === undefined) throw new Error("The server has not been started.");
  return (line.fields as { dataDir: string }).dataDir;
}

async function withStore<Result>(
  directory: string,
  work: (store: Store) => Result | Promise<Result>,
): Promise<Result> {
  const store = openTestStore(directory);
  try {
    return await work(store);
  } finally {
    await store.close();
  }
}

const everything = (store: Store): Iterable<ScannedRow> => store.scan("\x00", "\xff\xff");

interface StoredValue {
  readonly key: Buffer;
  /** The end of what is stored under it, long enough to know the value by. */
  readonly bytes: Buffer;
}

function firstRow(store: Store, isPicked: (key: string) => boolean): StoredValue {
  for (const row of everything(store)) {
    if (row.kind === "corrupt" || !isPicked(row.key)) continue;
    return { key: Buffer.from(row.key, "latin1"), bytes: Buffer.from(row.bytes) };
  }
  throw new Error("There is no such row.");
}

function breakInFile(directory: string, { key, bytes }: StoredValue): void {
  const path = join(directory, "data.mdb");
  const file = readFileSync(path);
  let count = 0;
  // The key also stands in branch pages, and both in pages that are free by now: those do no harm.
  for (let at = file.indexOf(key); at !== -1; at = file.indexOf(key, at + 1)) {
    const from = at + key.length + frameHeaderBytes;
    if (bytes.length === 0 || !file.subarray(from, from + bytes.length).equals(bytes)) continue;
    const last = from + bytes.length - 1;
    file.writeUInt8(file.readUInt8(last) ^ 1, last);
    count += 1;
  }
  if (count === 0) throw new Error("The row is not in the file as one piece.");
  writeFileSync(path, file);
}
