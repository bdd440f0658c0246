// Networks as filters name them, and the addresses in messages that are inside. Unlike in policies, host bits are allowed (SNS masks
// them), and an IPv4 address written as IPv6 stays IPv6: what counts is how it is written in the message.

import { parseIpNetwork } from "../../policy/ip-network.js";

export interface FilterNetwork {
  readonly family: 4 | 6;
  /** Bits of the address after the prefix. */
  readonly hostBits: bigint;
  /** The address without its host bits, shifted down by them. */
  readonly prefix: bigint;
}

const widths = { 4: 32, 6: 128 } as const;
const mappedPrefix = 0xffffn << 32n;
const maskPattern = /^(?:0|[1-9]\d{0,2})$/;

/** The longest an address can be written: IPv6 that ends in IPv4. */
const addressCharactersMax = 45;

interface Address {
  readonly family: 4 | 6;
  readonly bits: bigint;
}

function parseAddress(text: string): Address | undefined {
  if (text.length > addressCharactersMax || text.includes("/")) return undefined;
  const parsed = parseIpNetwork(text);
  if (parsed.kind !== "network") return undefined;
  const { family, bits } = parsed.network;
  const isMapped = family === 4 && text.includes(":");
  return isMapped ? { family: 6, bits: bits | mappedPrefix } : { family, bits };
}

/** Undefined when it is no address, a slash and how many bits count. */
export function parseNetwork(text: string): FilterNetwork | undefined {
  const [address = "", mask = "", ...rest] = text.split("/");
  const parsed = parseAddress(address);
  if (parsed === undefined || rest.length > 0 || !maskPattern.test(mask)) return undefined;
  const hostBits = widths[parsed.family] - Number(mask);
  if (hostBits < 0) return undefined;
  const shift = BigInt(hostBits);
  return { family: parsed.family, hostBits: shift, prefix: parsed.bits >> shift };
}

export function isInNetwork({ family, hostBits, prefix }: FilterNetwork, text: string): boolean {
  const address = parseAddress(text);
  return address?.family === family && address.bits >> hostBits === prefix;
}

/** The network as all its spellings are written alike. */
export function networkText({ family, hostBits, prefix }: FilterNetwork): string {
  const bits = prefix << hostBits;
  const mask = widths[family] - Number(hostBits);
  const parts =
    family === 4
      ? [24n, 16n, 8n, 0n].map((shift) => String((bits >> shift) & 0xffn)).join(".")
      : [112n, 96n, 80n, 64n, 48n, 32n, 16n, 0n]
          .map((shift) => ((bits >> shift) & 0xffffn).toString(16))
          .join(":");
  return `${parts}/${mask}`;
}
