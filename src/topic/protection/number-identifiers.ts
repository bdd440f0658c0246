// Sensitive numbers: payment cards, bank accounts, telephone and social-security numbers. Where a number has check digits they are
// checked, and where it has a written form only that counts, since most long numbers of a message are nothing of the kind.
//
// Every expression here has bounded repetitions only, whose parts exclude each other: at each place it takes a bounded time.

import type { Spans } from "./pattern-automaton.js";

/** What an expression finds and `isGood` takes; `expression` is global and has no empty match. */
function spansOf(text: string, expression: RegExp, isGood: (found: string) => boolean): Spans {
  const spans: number[] = [];
  for (const { 0: found, index } of text.matchAll(expression)) {
    if (isGood(found)) spans.push(index, index + found.length);
  }
  return spans;
}

const always = (): boolean => true;

/** In a row, or in the groups that are printed on cards: 4-4-4-4 (with 3 more), 4-6-5 and 4-6-4. */
const cardForm =
  /(?<![\p{L}\d])(?<!\d[.-])(?:\d{13,19}|\d{4}([ -])\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?|\d{4}([ -])\d{6}\2\d{4,5})(?![\p{L}\d])(?![.-]\d)/gu;

/** How the numbers of a brand begin, and how many digits they have (ISO/IEC 7812 issuer ranges, as the brands publish them). */
const cardBrands: readonly { readonly begin: RegExp; readonly lengths: readonly number[] }[] = [
  { begin: /^4/, lengths: [13, 16, 19] },
  { begin: /^(?:5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720)/, lengths: [16] },
  { begin: /^3[47]/, lengths: [15] },
  { begin: /^3(?:0[0-5]|[689])/, lengths: [14, 16, 19] },
  { begin: /^(?:6011|64[4-9]|65)/, lengths: [16, 19] },
  { begin: /^35(?:2[89]|[3-8])/, lengths: [16, 17, 18, 19] },
  { begin: /^62/, lengths: [16, 17, 18, 19] },
  { begin: /^(?:5018|5020|5038|58|6304|67)/, lengths: [13, 14, 15, 16, 17, 18, 19] },
];

export const findCards = (text: string): Spans =>
  spansOf(text, cardForm, (found) => {
    const digits = found.replace(/[ -]/g, "");
    return (
      cardBrands.some(
        ({ begin, lengths }) => lengths.includes(digits.length) && begin.test(digits),
      ) && hasLuhnDigit(digits)
    );
  });

/** The last digit makes the sum a multiple of ten (ISO/IEC 7812-1, annex B). */
function hasLuhnDigit(digits: string): boolean {
  let sum = 0;
  for (let place = 0; place < digits.length; place += 1) {
    const digit = Number(digits[digits.length - 1 - place]);
    const doubled = digit * 2;
    sum += place % 2 === 0 ? digit : doubled > 9 ? doubled - 9 : doubled;
  }
  return sum % 10 === 0;
}

/** How long the account numbers of a country are (SWIFT's IBAN registry). */
const ibanLengths: Readonly<Record<string, number>> = {
  AD: 24,
  AE: 23,
  AL: 28,
  AT: 20,
  AZ: 28,
  BA: 20,
  BE: 16,
  BG: 22,
  BH: 22,
  BI: 27,
  BR: 29,
  BY: 28,
  CH: 21,
  CR: 22,
  CY: 28,
  CZ: 24,
  DE: 22,
  DJ: 27,
  DK: 18,
  DO: 28,
  EE: 20,
  EG: 29,
  ES: 24,
  FI: 18,
  FK: 18,
  FO: 18,
  FR: 27,
  GB: 22,
  GE: 22,
  GI: 23,
  GL: 18,
  GR: 27,
  GT: 28,
  HN: 28,
  HR: 21,
  HU: 28,
  IE: 22,
  IL: 23,
  IQ: 23,
  IS: 26,
  IT: 27,
  JO: 30,
  KW: 30,
  KZ: 20,
  LB: 28,
  LC: 32,
  LI: 21,
  LT: 20,
  LU: 20,
  LV: 21,
  LY: 25,
  MC: 27,
  MD: 24,
  ME: 22,
  MK: 19,
  MN: 20,
  MR: 27,
  MT: 31,
  MU: 30,
  NI: 28,
  NL: 18,
  NO: 15,
  OM: 23,
  PK: 24,
  PL: 28,
  PS: 29,
  PT: 25,
  QA: 29,
  RO: 24,
  RS: 22,
  RU: 33,
  SA: 24,
  SC: 31,
  SD: 18,
  SE: 24,
  SI: 19,
  SK: 24,
  SM: 27,
  SO: 23,
  ST: 25,
  SV: 28,
  TL: 23,
  TN: 24,
  TR: 26,
  UA: 29,
  VA: 22,
  VG: 24,
  XK: 20,
  YE: 30,
};

const ibanBegin = /(?<![\p{L}\d])[A-Za-z]{2}\d{2}/gu;
const isLetterOrDigit = /^[\p{L}\d]/u;

/** In a row, or in groups of four. */
export function findIbans(text: string): Spans {
  const spans: number[] = [];
  for (const { 0: begin, index } of text.matchAll(ibanBegin)) {
    const length = ibanLengths[begin.slice(0, 2).toUpperCase()];
    const end = length === undefined ? undefined : ibanEnd(text, index, length);
    if (end === undefined || isLetterOrDigit.test(text.slice(end, end + 2))) continue;
    if (isCheckedIban(text.slice(index, end).replaceAll(" ", ""))) spans.push(index, end);
  }
  return spans;
}

/** The place behind so many letters and digits; undefined if there are fewer. */
function ibanEnd(text: string, start: number, length: number): number | undefined {
  const isGrouped = text[start + 4] === " ";
  let at = start;
  for (let count = 0; count < length; count += 1) {
    if (isGrouped && count > 0 && count % 4 === 0) {
      if (text[at] !== " ") return undefined;
      at += 1;
    }
    if (!/[A-Za-z0-9]/.test(text.charAt(at))) return undefined;
    at += 1;
  }
  return at;
}

/** The country and the check digits behind the rest, letters as numbers from 10, leave 1 divided by 97 (ISO 13616-1). */
function isCheckedIban(iban: string): boolean {
  let rest = 0;
  for (const character of `${iban.slice(4)}${iban.slice(0, 4)}`) {
    const value = Number.parseInt(character, 36);
    rest = (rest * (value > 9 ? 100 : 10) + value) % 97;
  }
  return rest === 1;
}

/** With a country code, 8 to 15 digits (ITU-T E.164). */
const internationalPhone = /(?<![\p{L}\d+])\+[1-9](?:[ .()/-]{0,2}\d){7,14}(?![\p{L}\d])/gu;
/** Of North America, written in its three parts: area, exchange, line (North American Numbering Plan). */
const americanPhone =
  /(?<![\p{L}\d+])(?<!\d[.-])(?:1[ .-])?(?:\([2-9]\d{2}\) ?|[2-9]\d{2}([ .-]))\d{3}(?:\1|[ .-])\d{4}(?![\p{L}\d])(?![.-]\d)/gu;

export const findPhones = (text: string): Spans =>
  merged(spansOf(text, internationalPhone, always), spansOf(text, americanPhone, always));

/** Areas 000, 666 and 900 to 999, group 00 and serial 0000 are never given out (Social Security Administration). */
const socialSecurity =
  /(?<![\p{L}\d])(?<!\d-)(?!000|666|9)\d{3}([ -])(?!00)\d{2}\1(?!0000)\d{4}(?![\p{L}\d])(?!-\d)/gu;

export const findSocialSecurity = (text: string): Spans => spansOf(text, socialSecurity, always);

/** Two lists as one. */
export function merged(left: Spans, right: Spans): Spans {
  if (left.length === 0 || right.length === 0) return left.length === 0 ? right : left;
  const pairs: (readonly [number, number])[] = [];
  for (const spans of [left, right]) {
    for (let at = 0; at < spans.length; at += 2) pairs.push([spans[at] ?? 0, spans[at + 1] ?? 0]);
  }
  pairs.sort(([one], [other]) => one - other);
  const result: number[] = [];
  for (const [start, end] of pairs) {
    const last = result.at(-1);
    if (last !== undefined && start < last) result[result.length - 1] = Math.max(last, end);
    else result.push(start, end);
  }
  return result;
}
