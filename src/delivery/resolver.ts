// Looks names up. Name servers are asked directly (c-ares), which takes no thread: Node's other way, the system's resolver, takes one
// of libuv's four for as long as a name server likes to think, and the store's commits need those threads too. The system's way is
// the second, for names that only the machine knows (its hosts file, search domains of a container), a few at once.

import { lookup, Resolver } from "node:dns/promises";
import { isIP } from "node:net";
import { deliveryLimits } from "./limits.js";

/** All addresses of a name, IPv4 first. Rejects, with whatever error, when it has none or nobody says. */
export type Resolve = (host: string) => Promise<readonly string[]>;

/** The name servers answered, and know no such name. */
const unknownNameCodes: ReadonlySet<string> = new Set(["ENOTFOUND", "ENODATA"]);

export function createSystemResolve(): Resolve {
  const resolver = new Resolver({
    timeout: deliveryLimits.nameServerMsMax,
    tries: deliveryLimits.nameServerTries,
  });
  const system = limited(lookupAll, deliveryLimits.systemLookupsMax);
  return async (host) => {
    const answers = await Promise.allSettled([resolver.resolve4(host), resolver.resolve6(host)]);
    const addresses = answers.flatMap((answer) =>
      answer.status === "fulfilled" ? answer.value : [],
    );
    if (addresses.length > 0) return addresses.filter((address) => isIP(address) !== 0);
    const failures = answers.flatMap((answer) =>
      answer.status === "rejected" ? [answer.reason as NodeJS.ErrnoException] : [],
    );
    const silent = failures.find(({ code }) => !unknownNameCodes.has(code ?? ""));
    // Who keeps one resolver waiting would keep the other waiting as well.
    if (silent !== undefined && silent.code !== "ECONNREFUSED") throw silent;
    return system(host);
  };
}

async function lookupAll(host: string): Promise<readonly string[]> {
  const found = await lookup(host, { all: true, verbatim: false });
  return found.map(({ address }) => address);
}

/** Runs at most so many at once; the others wait in line, and beyond the line's end are refused. */
export function limited(resolve: Resolve, runningMax: number): Resolve {
  const line: (() => void)[] = [];
  let running = 0;
  return async (host) => {
    if (running >= runningMax) {
      if (line.length >= deliveryLimits.systemLookupsWaitingMax) {
        throw new Error("Too many names are being looked up.");
      }
      // Whoever ends hands its place on, so `running` stays as it is.
      await new Promise<void>((proceed) => {
        line.push(proceed);
      });
    } else {
      running += 1;
    }
    try {
      return await resolve(host);
    } finally {
      const next = line.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}
