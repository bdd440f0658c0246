// Lets a listener that only takes connections of its own machine be reached from others: a process inside the node's namespace
// that passes bytes on. A node without its forwarder could only be asked by itself.
//
//   node forwarder.worker.js <address> <port>=<port> ...      from the address at the first to loopback at the second

import { connect, createServer, type Socket } from "node:net";

const [, , address = "", ...pairs] = process.argv;

for (const pair of pairs) {
  const [from = 0, to = 0] = pair.split("=").map(Number);
  createServer({ allowHalfOpen: true, noDelay: true }, (caller) => {
    const listener = connect({ host: "127.0.0.1", port: to, allowHalfOpen: true, noDelay: true });
    join(caller, listener);
    join(listener, caller);
  }).listen(from, address);
}

/** Bytes of the one go to the other, no faster than it takes them; when one breaks, both do. */
function join(from: Socket, to: Socket): void {
  from.pipe(to);
  // As a connection that is reset would be: whoever called shall not wait for what cannot come.
  from.once("error", () => to.resetAndDestroy());
  from.once("close", (hadError) => {
    if (hadError) to.resetAndDestroy();
  });
}
