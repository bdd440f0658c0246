// Whom the confirmation of a webhook goes to, for the limit of how often a host is asked. Where the operator opened the network there is
// none: who is there is the operator's own. A name is looked up only if there are such networks.

import { judgeAddress } from "./address-rules.js";
import type { Destination, Gate } from "./target-gate.js";

/** Undefined: each of its addresses is in a range that the operator opened. */
export async function hostToAsk(
  { host, isAddress, port }: Destination,
  { rules, resolve }: Gate,
): Promise<string | undefined> {
  // A name may end with a dot and is the same.
  const name = host.replace(/\.$/, "");
  if (rules.allowed.length === 0) return name;
  const found = isAddress ? [host] : await resolve(host).catch(() => []);
  const areOpened = found.every((address) => judgeAddress(address, port, rules).kind === "opened");
  return found.length > 0 && areOpened ? undefined : name;
}
