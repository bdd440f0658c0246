// A member's state while records are applied to it: what a read sees is known to the record, although LMDB shows a batch some time
// before the disk says that it is durable.

import { setImmediate as turn } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { logSeq } from "../../src/base/brands.js";
import { appended, newMember, openTestReplica, put, written } from "../support/replica-log.js";
import { temporaryDirectory } from "../support/temporary-store.js";

const recordCount = 200;
const key = "n";

test("a read knows of which record the state is that it sees, at every moment", async () => {
  const { store, disk, appliedInView } = openTestReplica(temporaryDirectory());
  onTestFinished(() => store.close());
  await written(disk, { state: newMember() });
  let aheadCount = 0;
  for (let number = 1; number <= recordCount; number += 1) {
    let isWritten = false;
    const writing = appended(disk, [`record ${number}`], {
      apply: [put(key, String(number))],
      appliedSeq: logSeq(number),
    }).then(() => {
      isWritten = true;
    });
    while (!isWritten) {
      store.refresh();
      const seen = Number(store.get(key)?.toString() ?? 0);
      expect(appliedInView()).toBe(seen);
      if (seen > (disk.load()?.appliedSeq ?? 0)) aheadCount += 1;
      await turn();
    }
    await writing;
  }
  // Otherwise the disk's own word would do.
  expect(aheadCount).toBeGreaterThan(0);
});
