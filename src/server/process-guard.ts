// What happens to failures that nobody caught. The store's library reports one failed commit through several promises, of
// which two reach nobody; those are expected, since the commit's own promise was dealt with. Everything else is a bug, and a
// process with an unknown bug must not answer calls: it logs the reason and ends, and its supervisor starts another. What was
// acknowledged is on disk.

import type { Log } from "../base/log.js";
import { isExpectedStoreRejection } from "../store/commit-fault.js";

/** The exit code of a process that ended itself (EX_SOFTWARE of sysexits). */
const bugExitCode = 70;

/** Watches this process; `die` is for failures that others noticed, as a store that cannot write. */
export function guardProcess(log: Log): { die(error: unknown): never } {
  const end = (error: unknown, message: string): never => {
    log.fatal({ err: error }, message);
    process.exit(bugExitCode);
  };
  process.on("uncaughtException", (error) => end(error, "uncaught exception"));
  process.on("unhandledRejection", (reason) => {
    if (isExpectedStoreRejection(reason)) log.debug({ err: reason }, "a failed commit's echo");
    else end(reason, "unhandled rejection");
  });
  // Who reads our output may leave (`forebay serve | head`); that is no reason to end.
  for (const output of [process.stdout, process.stderr]) {
    output.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") end(error, "output failed");
    });
  }
  return { die: (error) => end(error, "the server cannot go on") };
}
