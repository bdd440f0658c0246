// Ports for servers that are started by others, or again and again, and so cannot choose one themselves.
//
// They are below those that systems give to outgoing connections (from 32,768 on with Linux, 49,152 with others): a port of that
// range that was free a moment ago is often some client's by the time a server is to listen on it.

import { randomInt } from "node:crypto";
import { createServer } from "node:net";

const first = 10_000;
const end = 32_768;
const triesMax = 1_000;
/** Given to somebody of this process, who may not listen yet. */
const given = new Set();

/** A port of 127.0.0.1 that nobody listens on, and that this process has not been given before. */
export async function freePort() {
  for (let tried = 0; tried < triesMax; tried += 1) {
    const port = randomInt(first, end);
    if (given.has(port) || !(await isFree(port))) continue;
    given.add(port);
    return port;
  }
  throw new Error(`No port from ${first} to ${end - 1} is free.`);
}

/** @param {number} port */
function isFree(port) {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen(port, "127.0.0.1", () => probe.close(() => resolve(true)));
  });
}
