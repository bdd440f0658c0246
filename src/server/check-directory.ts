// `forebay check`: reads a store that no server has open and tells what contradicts itself.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { createSystemClock } from "../base/clock.js";
import { lockDirectory } from "../base/directory-lock.js";
import { OperatorFault } from "../base/operator-fault.js";
import type { Config } from "../config/settings.js";
import { type CheckReport, checkStore } from "../store/check.js";
import { openStore } from "../store/environment.js";

export { renderCheckReport } from "../store/check.js";

export async function checkDirectory({ dataDir, mapSizeBytes }: Config): Promise<CheckReport> {
  if (!existsSync(join(dataDir, "data.mdb"))) {
    throw new OperatorFault(`There is no store in ${dataDir}; name another with --data-dir.`);
  }
  const lock = await lockDirectory(dataDir, createSystemClock());
  try {
    const store = openStore({
      directory: dataDir,
      mapSizeBytes,
      isReadOnly: true,
      // Only a new store would need one.
      freshSecret: Buffer.alloc(32),
    });
    try {
      return await checkStore(store);
    } finally {
      await store.close();
    }
  } finally {
    await lock.release();
  }
}
