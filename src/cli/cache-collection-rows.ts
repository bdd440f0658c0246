// What collections hold, and what was done to them, as rows to print.

import type {
  DictionaryField,
  ElementTtl,
} from "@forebay/client/gen/forebay/cache/v1/dictionary_service";
import type { Key, Value } from "@forebay/client/gen/forebay/cache/v1/item";
import type { SetMembership } from "@forebay/client/gen/forebay/cache/v1/set_service";
import type {
  MemberRank,
  ScoredMember,
} from "@forebay/client/gen/forebay/cache/v1/sorted_set_service";
import { endOf } from "./cache-collections.js";
import { shown } from "./cache-rows.js";
import type { Row } from "./output.js";

/** A key or a value in its forms. */
interface Shown {
  readonly text: string;
  readonly encoding: "text" | "base64";
  readonly raw: string | Uint8Array;
}

function shownOf(content: NonNullable<Key["key"] | Value["value"]> | undefined): Shown {
  const raw = content?.value ?? "";
  const { text, isText } = shown(raw);
  return { text, encoding: isText ? "text" : "base64", raw };
}

const shownKey = (key: Key | undefined): Shown => shownOf(key?.key);
const shownValue = (value: Value | undefined): Shown => shownOf(value?.value);

/** What a write came to: counts by their names, the first of which is the bare value. */
export function countsRow(
  key: string,
  counts: Readonly<Record<string, bigint>>,
  version?: bigint,
): Row {
  const numbers = Object.entries(counts).map(([name, count]) => [name, Number(count)] as const);
  return {
    cells: {
      key,
      ...Object.fromEntries(numbers.map(([name, count]) => [name, String(count)])),
    },
    json: {
      key,
      ...Object.fromEntries(numbers),
      ...(version !== undefined && { version: String(version) }),
    },
    raw: String(numbers[0]?.[1] ?? ""),
  };
}

export const fieldHeadings = ["field", "value", "ends"];

/** A field that is there. In a list the bare value is the field's name, as those of keys are in a scan. */
export function fieldRow(found: DictionaryField, rawForm: "field" | "value"): Row {
  const field = shownKey(found.field);
  const value = found.value && shownValue(found.value);
  const ends = endOf(found.expireTime);
  return {
    cells: {
      field: field.text,
      value: value?.text ?? "",
      ends: ends ?? "with the key",
    },
    json: {
      field: field.text,
      fieldEncoding: field.encoding,
      ...(value !== undefined && { value: value.text, encoding: value.encoding }),
      expireTime: ends ?? null,
    },
    raw: rawForm === "field" ? field.raw : (value?.raw ?? ""),
  };
}

/** When elements end that are there, in the order they were named. */
export async function livesOf({
  element,
  names,
  lives,
}: {
  readonly element: "field" | "member";
  readonly names: readonly string[];
  readonly lives: readonly ElementTtl[];
}): Promise<readonly Row[]> {
  const { TtlOutcome } = await import("@forebay/client/gen/forebay/cache/v1/cache_service");
  return names.flatMap((name, index) => {
    const life = lives[index];
    if (life === undefined || life.outcome === TtlOutcome.MISSING) return [];
    const ends = endOf(life.expireTime);
    return [
      {
        cells: { [element]: name, ends: ends ?? "with the key" },
        json: { [element]: name, expireTime: ends ?? null },
        raw: name,
      },
    ];
  });
}

export const memberHeadings = ["member"];

export function memberRow(key: Key): Row {
  const { text, encoding, raw } = shownKey(key);
  return { cells: { member: text }, json: { member: text, encoding }, raw };
}

export const presenceHeadings = ["member", "there", "ends"];

/** Whether a set has a member, and until when. The bare value says whether. */
export function presenceRow(member: string, membership: SetMembership | undefined): Row {
  const found = membership?.found ?? false;
  const ends = endOf(membership?.expireTime);
  return {
    cells: {
      member,
      there: found ? "yes" : "no",
      ends: found ? (ends ?? "with the key") : "",
    },
    json: { member, found, expireTime: ends ?? null },
    raw: String(found),
  };
}

export const listHeadings = ["index", "value"];

/** A value of a list; `index` is undefined of one that was taken out. */
export function listRow(value: Value, index?: bigint): Row {
  const { text, encoding, raw } = shownValue(value);
  return {
    cells: { ...(index !== undefined && { index: String(index) }), value: text },
    json: { ...(index !== undefined && { index: Number(index) }), value: text, encoding },
    raw,
  };
}

/** JSON has no infinite numbers; they are texts there, as in the JSON of protocol buffers. */
export const scoreJson = (score: number): number | string =>
  Number.isFinite(score) ? score : String(score);

export const scoredHeadings = ["member", "score"];

export function scoredRow(element: ScoredMember): Row {
  const { text, encoding, raw } = shownKey(element.member);
  return {
    cells: { member: text, score: String(element.score) },
    json: { member: text, encoding, score: scoreJson(element.score) },
    raw,
  };
}

export const rankHeadings = ["member", "rank", "score"];

/** Of a member that is there. */
export const rankRow = (member: string, { rank, score }: MemberRank): Row => ({
  cells: { member, rank: String(rank), score: String(score) },
  json: { member, rank: Number(rank), score: scoreJson(score) },
  raw: String(rank),
});
