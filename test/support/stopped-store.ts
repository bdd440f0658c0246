// Looks into a store that no process has open: what it holds, and that it contradicts itself nowhere.

import { expect } from "vitest";
import { checkStore, renderCheckReport } from "../../src/store/check.js";
import { tables } from "../../src/store/tables.js";
import { openTestStore } from "./temporary-store.js";

/** The first word of every stored message's body, in the order of their places. */
export async function storedNames(directory: string): Promise<string[]> {
  const store = openTestStore(directory, { isReadOnly: true });
  try {
    expect(renderCheckReport(await checkStore(store))).toMatch(/No contradictions/);
    const names: string[] = [];
    for (const row of store.scan("\x00", "\x80")) {
      if (row.kind !== "row" || row.key[10] !== "m") continue;
      const { content } = tables.message.decode(row.key, row.bytes);
      names.push(content.body.toString("utf8").split(" ")[0] ?? "");
    }
    return names;
  } finally {
    await store.close();
  }
}
