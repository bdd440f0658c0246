// Sensitive texts: addresses of people and machines, and secrets. Each is looked for from where it must have something, an @ or a
// first line, so that a long text without one is passed over quickly; no place is looked at more than a bounded number of times.

import { parseIpNetwork } from "../../policy/ip-network.js";
import { merged } from "./number-identifiers.js";
import type { Spans } from "./pattern-automaton.js";

const localMax = 64;
const domainMax = 253;
const localCharacter = /[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]/;
/** Labels of up to 63 characters, the last of letters (RFC 1035, and what top-level domains are), or one that is encoded. */
const domainForm =
  /^(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+(?:[A-Za-z]{2,63}|xn--[A-Za-z0-9-]{1,59})$/;

/** Addresses as they are written without quotes (RFC 5321, dot-string and domain), of ASCII. */
export function findEmails(text: string): Spans {
  const spans: number[] = [];
  for (let at = text.indexOf("@"); at !== -1; at = text.indexOf("@", at + 1)) {
    const start = localStart(text, at);
    const end = domainEnd(text, at + 1);
    // A name too long for an address is none, and neither is one that overlaps the address before.
    if (start !== undefined && end !== undefined && start >= (spans.at(-1) ?? 0)) {
      spans.push(start, end);
    }
  }
  return spans;
}

function localStart(text: string, at: number): number | undefined {
  let start = at;
  while (start > 0 && at - start <= localMax && localCharacter.test(text.charAt(start - 1))) {
    start -= 1;
  }
  if (at - start > localMax) return undefined;
  while (start < at && text[start] === ".") start += 1;
  const local = text.slice(start, at);
  return local === "" || local.endsWith(".") || local.includes("..") ? undefined : start;
}

const domainCharacter = /[A-Za-z0-9.-]/;

/** Without the full stop of a sentence. */
function domainEnd(text: string, start: number): number | undefined {
  let end = start;
  while (end - start <= domainMax && domainCharacter.test(text.charAt(end))) end += 1;
  if (end - start > domainMax) return undefined;
  while (end > start && /[.-]/.test(text.charAt(end - 1))) end -= 1;
  return domainForm.test(text.slice(start, end)) ? end : undefined;
}

const octet = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const ipv4 = new RegExp(`(?<![\\w.])(?:${octet}\\.){3}${octet}(?!\\w)(?!\\.\\d)`, "g");
/** Of what an address has, at most as much as the longest one; nothing is tried again inside of it. */
const ipv6Run = /[0-9A-Fa-f:.]+/g;
const ipv6CharactersMax = 45;

/** IPv4 in four numbers, IPv6 in every spelling; the unspecified address, `::`, says nothing of anybody. */
export function findIpAddresses(text: string): Spans {
  const four: number[] = [];
  for (const { 0: found, index } of text.matchAll(ipv4)) four.push(index, index + found.length);
  const six: number[] = [];
  for (const { 0: run, index } of text.matchAll(ipv6Run)) {
    const first = run.indexOf(":");
    if (first === -1 || run.indexOf(":", first + 1) === -1) continue;
    const isInWord =
      /\w/.test(text.charAt(index - 1)) || /\w/.test(text.charAt(index + run.length));
    const address = run.endsWith("::") ? run : run.replace(/[.:]$/, "");
    if (isInWord || address.length > ipv6CharactersMax || address === "::") continue;
    if (parseIpNetwork(address).kind === "network") six.push(index, index + address.length);
  }
  return merged(four, six);
}

const blockBegin = /-----BEGIN ((?:[A-Z0-9]{1,16} ){0,3}PRIVATE KEY(?: BLOCK)?)-----/g;
const puttyBegin = /PuTTY-User-Key-File-[123]:/g;
const puttyEnd = /Private-(?:MAC|Hash): *[0-9A-Fa-f]*/g;

/** Private keys as PEM, OpenPGP and PuTTY write them, from the first line to the last; of one without its last line the rest. */
export function findPrivateKeys(text: string): Spans {
  const blocks = blocksOf(text, blockBegin, (label, from) => {
    const last = `-----END ${label}-----`;
    const at = text.indexOf(last, from);
    return at === -1 ? text.length : at + last.length;
  });
  const files = blocksOf(text, puttyBegin, (_label, from) => {
    puttyEnd.lastIndex = from;
    return puttyEnd.exec(text) === null ? text.length : puttyEnd.lastIndex;
  });
  return merged(blocks, files);
}

function blocksOf(
  text: string,
  begin: RegExp,
  endOf: (label: string, from: number) => number,
): Spans {
  const spans: number[] = [];
  begin.lastIndex = 0;
  for (let found = begin.exec(text); found !== null; found = begin.exec(text)) {
    const end = endOf(found[1] ?? "", begin.lastIndex);
    spans.push(found.index, end);
    begin.lastIndex = end;
  }
  begin.lastIndex = 0;
  return spans;
}

const secretRun = /[A-Za-z0-9/+]+/g;
const secretLength = 40;
/** Of 40 random characters of 64 fewer differ once in ten million times; names and paths seldom have as many. */
const distinctMin = 15;

/** Secret access keys of AWS: 40 characters of base64, no hexadecimal digest, no path. */
export function findAwsSecrets(text: string): Spans {
  const spans: number[] = [];
  for (const { 0: run, index } of text.matchAll(secretRun)) {
    if (run.length !== secretLength || text[index + run.length] === "=") continue;
    const isMixed = /[a-z]/.test(run) && /[A-Z]/.test(run) && /\d/.test(run);
    if (isMixed && new Set(run).size >= distinctMin) spans.push(index, index + run.length);
  }
  return spans;
}
