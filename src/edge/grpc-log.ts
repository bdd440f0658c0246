// grpc-js writes to standard error by itself, and quotes what it was sent: a metadata entry with a character that is not
// allowed is printed whole, an `authorization` included. Its texts go to our log instead, cut before the first value.

import { logVerbosity, setLogger, setLogVerbosity } from "@grpc/grpc-js";
import type { Log } from "../base/log.js";

/** For the whole process; the last caller's log counts. */
export function redirectGrpcLog(log: Log): void {
  const write = (text: unknown): void => {
    log.warn({ text: withoutValues(String(text)) }, "grpc-js complained");
  };
  setLogger({ error: write, info: write, debug: write });
  setLogVerbosity(logVerbosity.ERROR);
}

/** `Failed to add metadata entry authorization: Bearer …` up to the colon. */
function withoutValues(text: string): string {
  const [beforeColon = ""] = text.split(":", 1);
  return beforeColon.slice(0, 200);
}
