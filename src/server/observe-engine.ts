// What the engine tells about itself goes to metrics and the log; a corrupt row gets one line, however often it is met.

import type { Log } from "../base/log.js";
import type { Metrics } from "../edge/metrics.js";
import type { EngineObserver } from "../engine/engine.js";

export function observeEngine(
  metrics: Metrics,
  log: Log,
  failed: (error: Error) => void,
): EngineObserver {
  const told = new Set<string>();
  return {
    recordCommitted: (changeCount, _commandCount, elapsedMs) =>
      metrics.committed(elapsedMs, changeCount),
    storageChanged: (isFull, space) => {
      const fields = { availableBytes: space.availableBytes, fileBytes: space.fileBytes };
      if (isFull) log.error(fields, "storage full: sends are refused, receives and deletes go on");
      else log.info(fields, "storage has room again");
    },
    corruptRowPassed: (corrupt) => {
      if (told.size >= toldRowsMax || told.has(corrupt.key)) return;
      told.add(corrupt.key);
      log.error({ err: corrupt }, "stored value is corrupt and is not served; run `forebay check`");
    },
    failed,
  };
}

/** Corrupt rows that get a line of their own in the log. */
const toldRowsMax = 1_000;
