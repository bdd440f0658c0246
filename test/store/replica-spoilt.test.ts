// A row of a member's state that the disk has changed: whoever reads it is told, however it is read, and it is never passed over as
// on a node alone, since other members have it whole.

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { logSeq } from "../../src/base/brands.js";
import { RecordCorrupt } from "../../src/base/record-corrupt.js";
import type { ReplicaStore } from "../../src/store/replica-store.js";
import { appended, newMember, openTestReplica, put, written } from "../support/replica-log.js";
import { temporaryDirectory } from "../support/temporary-store.js";

const text = "a value that stands nowhere else";

/** Three rows, the second of them with one bit changed while nobody had them open. */
async function spoiltReplica(): Promise<ReplicaStore> {
  const directory = temporaryDirectory();
  const first = openTestReplica(directory);
  await written(first.disk, { state: newMember() });
  await appended(first.disk, ["record"], {
    apply: [put("a", "whole"), put("b", text), put("c", "whole")],
    appliedSeq: logSeq(1),
  });
  await first.store.close();
  const path = join(directory, "data.mdb");
  const file = readFileSync(path);
  let count = 0;
  for (let at = file.indexOf(text); at !== -1; at = file.indexOf(text, at + 1)) {
    file.writeUInt8(file.readUInt8(at) ^ 1, at);
    count += 1;
  }
  expect(count).toBeGreaterThan(0);
  writeFileSync(path, file);
  const replica = openTestReplica(directory);
  onTestFinished(async () => await replica.store.close());
  return replica;
}

const ignore = (): void => undefined;

test.each<[string, (replica: ReplicaStore) => unknown]>([
  ["by its key", ({ store }) => store.get("b")],
  ["in a range", ({ store }) => [...store.range("a", "d", ignore)]],
  ["by its head", ({ store }) => [...store.heads("a", "d", ignore)]],
])("a spoilt row that is read %s is told of and not passed over", async (_, read) => {
  const replica = await spoiltReplica();
  const told: string[] = [];
  replica.onSpoiltRow(({ message }) => told.push(message));
  expect(() => read(replica)).toThrow(RecordCorrupt);
  expect(told).toEqual([expect.stringContaining("its checksum does not match")]);
});

test("rows that are whole are read, and nobody is told of anything", async () => {
  const replica = await spoiltReplica();
  const told: string[] = [];
  replica.onSpoiltRow(({ message }) => told.push(message));
  expect(replica.store.get("a")?.toString()).toBe("whole");
  expect([...replica.store.range("c", "d")].map(({ key }) => key)).toEqual(["c"]);
  expect(told).toEqual([]);
});
