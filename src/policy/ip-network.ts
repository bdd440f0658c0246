// IP addresses and networks as conditions name them: IPv4 or IPv6, with or without a prefix length. An IPv4 address written
// as IPv6 (`::ffff:10.0.0.1`) is that IPv4 address, since servers that listen on both families see clients so.

export interface IpNetwork {
  readonly family: 4 | 6;
  /** The address as a number of 32 or 128 bits; those after the prefix are zero. */
  readonly bits: bigint;
  readonly prefixLength: number;
}

interface IpAddress {
  readonly family: 4 | 6;
  readonly bits: bigint;
}

const widths = { 4: 32, 6: 128 } as const;
/** `::ffff:0:0/96`, the IPv4 addresses among the IPv6 ones. */
const mappedPrefix = 0xffffn;
const mappedPrefixLength = 96;

export type ParsedNetwork =
  | { readonly kind: "network"; readonly network: IpNetwork }
  | { readonly kind: "not_a_network" }
  /** The address is inside the network instead of naming it: one of the two is a slip, and nobody can say which. */
  | { readonly kind: "host_bits_set"; readonly address: string; readonly prefixLength: number };

const prefixPattern = /^(?:0|[1-9]\d{0,2})$/;

/** A network, or an address alone, which is the network of nobody else. */
export function parseIpNetwork(text: string): ParsedNetwork {
  const [address = "", prefix, ...rest] = text.split("/");
  const parsed = parseIpAddress(address);
  if (parsed === undefined || rest.length > 0) return { kind: "not_a_network" };
  if (prefix === undefined) {
    return { kind: "network", network: { ...fold(parsed, widths[parsed.family]) } };
  }
  const width = widths[parsed.family];
  const prefixLength = prefixPattern.test(prefix) ? Number(prefix) : width + 1;
  if (prefixLength > width) return { kind: "not_a_network" };
  if ((parsed.bits & ((1n << BigInt(width - prefixLength)) - 1n)) !== 0n) {
    return { kind: "host_bits_set", address, prefixLength };
  }
  return { kind: "network", network: fold(parsed, prefixLength) };
}

/** IPv4 within IPv6 becomes IPv4. A shorter prefix than that of the mapped addresses would have host bits set. */
function fold({ family, bits }: IpAddress, prefixLength: number): IpNetwork {
  const isMapped = family === 6 && bits >> BigInt(widths[4]) === mappedPrefix;
  return isMapped
    ? {
        family: 4,
        bits: BigInt.asUintN(widths[4], bits),
        prefixLength: prefixLength - mappedPrefixLength,
      }
    : { family, bits, prefixLength };
}

function parseIpAddress(text: string): IpAddress | undefined {
  const family = text.includes(":") ? 6 : 4;
  const bits = family === 6 ? ipv6Bits(text) : ipv4Bits(text);
  return bits === undefined ? undefined : { family, bits };
}

const ipv4Byte = /^(?:0|[1-9]\d{0,2})$/;

function ipv4Bits(text: string): bigint | undefined {
  const parts = text.split(".");
  if (parts.length !== 4) return undefined;
  let bits = 0n;
  for (const part of parts) {
    if (!ipv4Byte.test(part) || Number(part) > 255) return undefined;
    bits = (bits << 8n) | BigInt(part);
  }
  return bits;
}

const ipv6GroupCount = 8;

function ipv6Bits(text: string): bigint | undefined {
  const [head = "", tail, ...rest] = text.split("::");
  if (rest.length > 0) return undefined;
  const left = groupsOf(head, tail === undefined);
  const right = tail === undefined ? [] : groupsOf(tail, true);
  if (left === undefined || right === undefined) return undefined;
  const missing = ipv6GroupCount - left.length - right.length;
  // "::" stands for at least one group.
  if (tail === undefined ? missing !== 0 : missing < 1) return undefined;
  const groups = [...left, ...Array.from({ length: missing }, () => 0n), ...right];
  return groups.reduce((bits, group) => (bits << 16n) | group, 0n);
}

const ipv6Group = /^[0-9A-Fa-f]{1,4}$/;

/** The groups between two `::`, the last of which may be written as IPv4. */
function groupsOf(text: string, mayEndInIpv4: boolean): bigint[] | undefined {
  if (text === "") return [];
  const groups: bigint[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    const ipv4 = mayEndInIpv4 && index === parts.length - 1 ? ipv4Bits(part) : undefined;
    if (ipv4 !== undefined) groups.push(ipv4 >> 16n, ipv4 & 0xffffn);
    else if (ipv6Group.test(part)) groups.push(BigInt(`0x${part}`));
    else return undefined;
  }
  return groups;
}
