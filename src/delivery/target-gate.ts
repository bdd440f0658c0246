// Between an endpoint and a socket: the only way to an address that may be dialled. A name is looked up, every one of its addresses is
// judged, and those very addresses are handed on, so that the answer to a second question cannot be another one (DNS rebinding).
// One bad address refuses all: a name that mixes them is up to no good.

import {
  type AddressRules,
  type AddressVerdict,
  judgeAddress,
  type Listener,
} from "./address-rules.js";
import type { Endpoint } from "./endpoint.js";
import { deliveryLimits } from "./limits.js";
import type { Resolve } from "./resolver.js";

export interface TargetRules extends AddressRules {
  /** Whether messages may travel without TLS outside the ranges that the operator opened. */
  readonly isPlaintextAllowed: boolean;
  /** Ports outside those ranges. */
  readonly ports: "any" | readonly number[];
}

export const webhookPortsDefault: readonly number[] = [443, 8443];

/** What of an endpoint decides where it is. */
export type Destination = Pick<Endpoint, "host" | "isAddress" | "port" | "isSecure">;

export type CheckedAddresses =
  /** Never empty. */
  | { readonly kind: "addresses"; readonly addresses: readonly string[] }
  | { readonly kind: "blocked"; readonly error: string }
  | { readonly kind: "unresolved"; readonly error: string };

export interface Gate {
  readonly rules: TargetRules;
  readonly resolve: Resolve;
}

/** The addresses of a destination, if each of them may be dialled. */
export async function checkedAddresses(
  destination: Destination,
  { rules, resolve }: Gate,
): Promise<CheckedAddresses> {
  const { host, isAddress } = destination;
  const found = isAddress ? [host] : await resolve(host).catch((error: unknown) => reasonOf(error));
  if (typeof found === "string") {
    return { kind: "unresolved", error: `The name ${host} cannot be looked up: ${found}.` };
  }
  const bad = firstBlocked(found, destination, rules);
  if (bad !== undefined) return bad;
  const addresses = [...new Set(found)].slice(0, deliveryLimits.addressesMax);
  if (addresses.length > 0) return { kind: "addresses", addresses };
  return { kind: "unresolved", error: `The name ${host} has no address.` };
}

/** What an endpoint may be refused for before anybody looks its name up. */
export function refusalBeforeLookup(
  destination: Destination,
  rules: TargetRules,
): string | undefined {
  if (!destination.isAddress) return undefined;
  return firstBlocked([destination.host], destination, rules)?.error;
}

function firstBlocked(
  addresses: readonly string[],
  destination: Destination,
  rules: TargetRules,
): Extract<CheckedAddresses, { kind: "blocked" }> | undefined {
  for (const address of addresses) {
    const verdict = judgeTarget(address, destination, rules);
    if (verdict.kind !== "blocked") continue;
    const { host, port } = destination;
    // Not the address: who may not reach a network need not learn its addresses from our names.
    return { kind: "blocked", error: `Nothing is sent to ${host}:${port}: it is ${verdict.why}.` };
  }
  return undefined;
}

/** Also asked of the address that a socket turns out to have. */
export function judgeTarget(
  address: string,
  { port, isSecure }: Pick<Destination, "port" | "isSecure">,
  rules: TargetRules,
): AddressVerdict {
  const verdict = judgeAddress(address, port, rules);
  if (verdict.kind !== "public") return verdict;
  if (!isSecure && !rules.isPlaintextAllowed) {
    return { kind: "blocked", why: "without TLS, and outside the ranges that are opened" };
  }
  if (rules.ports !== "any" && !rules.ports.includes(port)) {
    const why = `on a port other than ${rules.ports.join(" and ")}, and outside the ranges that are opened`;
    return { kind: "blocked", why };
  }
  return verdict;
}

const reasonOf = (error: unknown): string =>
  error instanceof Error ? ((error as NodeJS.ErrnoException).code ?? error.message) : String(error);

/** Where the machine can be reached, as `os.networkInterfaces()` lists it. */
export type Interfaces = Readonly<
  Record<string, readonly { readonly address: string }[] | undefined>
>;

const everyAddress: ReadonlySet<string> = new Set(["0.0.0.0", "::"]);

/** Where this server can be reached when it listens so: on all addresses of the machine, or on one. */
export function ownListenersOf(
  bound: readonly Listener[],
  interfaces: Interfaces,
): readonly Listener[] {
  const local = Object.values(interfaces).flatMap((list) => list ?? []);
  return bound.flatMap(({ address, port }) =>
    everyAddress.has(address)
      ? [...new Set(["127.0.0.1", "::1", ...local.map((each) => each.address)])].map((each) => ({
          address: each,
          port,
        }))
      : [{ address, port }],
  );
}
