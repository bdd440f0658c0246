// Which addresses messages may be sent to. An endpoint is a text that somebody wrote, and this server stands inside a network: so
// nothing is dialled but the public internet, unless the operator opened a range, and some addresses not even then.
//
// An address is judged by what it is, not by how it is written: IPv4 in IPv6's clothes (mapped, NAT64, 6to4) is that IPv4 address.
// Sources: IANA's special-purpose registries for IPv4 and IPv6; the documents of clouds about their metadata services.

import { type IpNetwork, parseIpNetwork } from "../policy/ip-network.js";

export interface AddressRules {
  /** Ranges that the operator opened (`webhook_allowed_cidrs`). */
  readonly allowed: readonly IpNetwork[];
  /** Where this server itself listens: never a target, whatever is open. */
  readonly ownListeners: readonly Listener[];
}

export interface Listener {
  readonly address: string;
  readonly port: number;
}

export type AddressVerdict =
  /** A public one. */
  | { readonly kind: "public" }
  /** In a range that the operator opened. */
  | { readonly kind: "opened" }
  | { readonly kind: "blocked"; readonly why: string };

/** Opens ranges to nobody, whatever the operator wrote: whoever reaches these addresses can become the machine. */
const never = networks({
  "169.254.0.0/16": "link-local, where clouds have their metadata services",
  "fe80::/10": "link-local",
  "fd00:ec2::254": "the metadata service of AWS",
  "fd20:ce::254": "the metadata service of Google Cloud",
  "100.100.100.200": "the metadata service of Alibaba Cloud",
  "168.63.129.16": "the host of Azure",
  "192.0.0.192": "the metadata service of Oracle Cloud",
});

const denied = networks({
  "0.0.0.0/8": "of this host",
  "10.0.0.0/8": "private",
  "100.64.0.0/10": "shared by carriers",
  "127.0.0.0/8": "loopback",
  "172.16.0.0/12": "private",
  "192.0.0.0/24": "reserved",
  "192.0.2.0/24": "for documentation",
  "192.88.99.0/24": "reserved",
  "192.168.0.0/16": "private",
  "198.18.0.0/15": "for benchmarks",
  "198.51.100.0/24": "for documentation",
  "203.0.113.0/24": "for documentation",
  "224.0.0.0/4": "multicast",
  "240.0.0.0/4": "reserved",
  "::/128": "of this host",
  "::1/128": "loopback",
  "64:ff9b:1::/48": "translated within a network",
  "fc00::/7": "private",
  "fec0::/10": "private",
  "ff00::/8": "multicast",
  // Teredo among them, which has two IPv4 addresses in it.
  "2001::/23": "reserved",
  "2001:db8::/32": "for documentation",
  "3fff::/20": "for documentation",
});

/** All of IPv6 that is given out to the public, so that everything else is reserved. */
const publicIpv6 = network("2000::/3");

interface Embedding {
  readonly network: IpNetwork;
  /** How many bits stand behind the IPv4 address. */
  readonly shift: bigint;
  /** Whether its public addresses are reached through it: NAT64 and 6to4 are ways to IPv4, the other two are none. */
  readonly isRoute: boolean;
}

const embeddings: readonly Embedding[] = [
  { network: network("64:ff9b::/96"), shift: 0n, isRoute: true },
  { network: network("2002::/16"), shift: 80n, isRoute: true },
  { network: network("::ffff:0:0:0/96"), shift: 0n, isRoute: false },
  { network: network("::/96"), shift: 0n, isRoute: false },
];

/** What an address is, for a connection to one of its ports. */
export function judgeAddress(
  address: string,
  port: number,
  { allowed, ownListeners }: AddressRules,
): AddressVerdict {
  const parsed = parseIpNetwork(address);
  // With a zone (`fe80::1%eth0`) it is link-local; anything else is no address at all.
  if (parsed.kind !== "network") return blocked(`"${address}" is no address`);
  const host = parsed.network;
  const forbidden = why(host, never);
  if (forbidden !== undefined) return blocked(forbidden);
  if (ownListeners.some((own) => own.port === port && isSame(own.address, host))) {
    return blocked("where this server itself listens");
  }
  if (allowed.some((range) => contains(range, host))) return { kind: "opened" };
  const reason = why(host, denied) ?? reserved(host);
  return reason === undefined ? { kind: "public" } : blocked(reason);
}

const blocked = (why: string): AddressVerdict => ({ kind: "blocked", why });

/** The reason of the first range that an address, or the IPv4 address in it, is in. */
function why(host: IpNetwork, ranges: readonly Range[]): string | undefined {
  const inner = embeddedIn(host);
  const hosts = inner === undefined ? [host] : [host, inner];
  return ranges.find((range) => hosts.some((each) => contains(range.network, each)))?.why;
}

function embeddedIn(host: IpNetwork): IpNetwork | undefined {
  const embedding = embeddings.find((each) => contains(each.network, host));
  if (embedding === undefined) return undefined;
  return { family: 4, bits: BigInt.asUintN(32, host.bits >> embedding.shift), prefixLength: 32 };
}

function reserved(host: IpNetwork): string | undefined {
  if (host.family === 4) return undefined;
  const isRouted = embeddings.some(({ network, isRoute }) => isRoute && contains(network, host));
  return isRouted || contains(publicIpv6, host) ? undefined : "reserved";
}

const widths = { 4: 32, 6: 128 } as const;

const contains = (range: IpNetwork, host: IpNetwork): boolean => {
  const shift = BigInt(widths[range.family] - range.prefixLength);
  return range.family === host.family && range.bits >> shift === host.bits >> shift;
};

function isSame(address: string, host: IpNetwork): boolean {
  const parsed = parseIpNetwork(address);
  return parsed.kind === "network" && contains(parsed.network, host);
}

interface Range {
  readonly network: IpNetwork;
  readonly why: string;
}

function networks(table: Readonly<Record<string, string>>): readonly Range[] {
  return Object.entries(table).map(([text, reason]) => ({ network: network(text), why: reason }));
}

function network(text: string): IpNetwork {
  const parsed = parseIpNetwork(text);
  if (parsed.kind !== "network") throw new RangeError(`"${text}" is no network.`);
  return parsed.network;
}
