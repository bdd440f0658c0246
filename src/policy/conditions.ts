// When a statement holds: operators over facts of the call. All conditions of a statement must hold; of a condition's values
// one is enough (for the negated operators: none may match).
//
// Values are read here, into networks, instants and numbers, so that judging a call reads no text. Two things that IAM has
// are refused: `…IfExists` and the set operators (`ForAllValues:`, `ForAnyValue:`), which hold when a fact is missing.

import { type EpochMs, epochMs } from "../base/brands.js";
import { type IpNetwork, parseIpNetwork } from "./ip-network.js";
import type { JsonNode } from "./json-text.js";
import { type Element, type PolicyProblems, shown } from "./problems.js";

export type Comparison = "=" | "!=" | "<" | "<=" | ">" | ">=";
export type TextMatch = "equal" | "equal_ignoring_case" | "pattern";

export type PolicyCondition = { readonly key: string } & (
  | {
      readonly kind: "string";
      /** Of a pattern `*` is any characters and `?` is one. */
      readonly match: TextMatch;
      readonly isNegated: boolean;
      readonly values: readonly string[];
    }
  | { readonly kind: "number"; readonly comparison: Comparison; readonly values: readonly number[] }
  | { readonly kind: "date"; readonly comparison: Comparison; readonly values: readonly EpochMs[] }
  | { readonly kind: "boolean"; readonly values: readonly boolean[] }
  /** True: the fact must be missing. */
  | { readonly kind: "missing"; readonly values: readonly boolean[] }
  | { readonly kind: "ip"; readonly isNegated: boolean; readonly values: readonly IpNetwork[] }
  | { readonly kind: "time_of_day"; readonly values: readonly DaySpan[] }
);

/** A part of the day by the clock on the wall of a place. */
export interface DaySpan {
  /** Minutes after midnight, inclusive. */
  readonly fromMinute: number;
  /** Exclusive; when it is not after `fromMinute`, of the next day. */
  readonly toMinute: number;
  readonly timeZone: string;
  /** The days on which it begins; 0 is Sunday. */
  readonly days: readonly number[];
}

type Family = "string" | "arn" | "number" | "date" | "boolean" | "missing" | "ip" | "time_of_day";

/** What an operator does with each value, and what it does with them all. */
type Operator =
  | { readonly family: "string" | "arn"; readonly match: TextMatch; readonly isNegated: boolean }
  | { readonly family: "number" | "date"; readonly comparison: Comparison }
  | { readonly family: "ip"; readonly isNegated: boolean }
  | { readonly family: "boolean" | "missing" | "time_of_day" };

const comparisons = {
  Equals: "=",
  NotEquals: "!=",
  LessThan: "<",
  LessThanEquals: "<=",
  GreaterThan: ">",
  GreaterThanEquals: ">=",
} as const satisfies Record<string, Comparison>;

const comparing = (prefix: string, family: "number" | "date"): [string, Operator][] =>
  Object.entries(comparisons).map(([name, comparison]) => [
    `${prefix}${name}`,
    { family, comparison },
  ]);

const matching = (
  family: "string" | "arn",
  name: string,
  negatedName: string,
  match: TextMatch,
): [string, Operator][] => [
  [name, { family, match, isNegated: false }],
  [negatedName, { family, match, isNegated: true }],
];

const operators: ReadonlyMap<string, Operator> = new Map([
  ...matching("string", "StringEquals", "StringNotEquals", "equal"),
  ...matching(
    "string",
    "StringEqualsIgnoreCase",
    "StringNotEqualsIgnoreCase",
    "equal_ignoring_case",
  ),
  ...matching("string", "StringLike", "StringNotLike", "pattern"),
  // IAM's two pairs of ARN operators do the same.
  ...matching("arn", "ArnEquals", "ArnNotEquals", "pattern"),
  ...matching("arn", "ArnLike", "ArnNotLike", "pattern"),
  ...comparing("Numeric", "number"),
  ...comparing("Date", "date"),
  ["Bool", { family: "boolean" }],
  ["Null", { family: "missing" }],
  ["IpAddress", { family: "ip", isNegated: false }],
  ["NotIpAddress", { family: "ip", isNegated: true }],
  ["TimeBetween", { family: "time_of_day" }],
] satisfies [string, Operator][]);

/** The facts that conditions may ask for, and the families of operators that make sense of each. */
const keys: ReadonlyMap<string, readonly Family[]> = new Map([
  ["aws:SourceIp", ["ip"]],
  ["forebay:SourceIp", ["ip"]],
  ["aws:CurrentTime", ["date"]],
  ["aws:EpochTime", ["number", "date"]],
  ["forebay:TimeOfDay", ["time_of_day"]],
  ["aws:SecureTransport", ["boolean"]],
  ["forebay:TlsClientCert", ["boolean"]],
  ["forebay:PrincipalKind", ["string"]],
  ["aws:PrincipalAccount", ["string"]],
  ["forebay:Encrypted", ["boolean"]],
  ["forebay:KeyId", ["string"]],
  ["forebay:Tag", ["string"]],
  ["forebay:Source", ["string"]],
  ["aws:SourceArn", ["arn", "string"]],
  ["forebay:MessageBytes", ["number"]],
] satisfies [string, readonly Family[]][]);

/** A claim of the caller's token, by its name. */
const claimKey = /^forebay:Claim\/[A-Za-z0-9_.:/-]{1,128}$/;
const claimFamilies: readonly Family[] = ["string", "missing"];

const conditionRule =
  'write operators with keys and values, like {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}';

/** One for each key under each operator. */
export function readConditions(
  problems: PolicyProblems,
  element: Element,
): readonly PolicyCondition[] {
  const conditions: PolicyCondition[] = [];
  for (const [name, underOperator] of problems.members(element, conditionRule)) {
    const operator = operators.get(name);
    if (operator === undefined) {
      problems.add(
        "POLICY_UNKNOWN_OPERATOR",
        underOperator.path,
        underOperator.node.at,
        `"${shown(name)}" is no operator; write one of ${[...operators.keys()].join(", ")}`,
      );
      continue;
    }
    for (const [key, values] of problems.members(underOperator, conditionRule)) {
      if (checkKey(problems, name, operator.family, key, values)) {
        conditions.push({ key, ...readValues(problems, operator, values) });
      }
    }
  }
  return conditions;
}

function checkKey(
  problems: PolicyProblems,
  operatorName: string,
  family: Family,
  key: string,
  { node, path }: Element,
): boolean {
  const families = claimKey.test(key) ? claimFamilies : keys.get(key);
  if (families?.includes(family)) return true;
  if (families === undefined) {
    const known = [...keys.keys()].join(", ");
    problems.add(
      "POLICY_UNKNOWN_KEY",
      path,
      node.at,
      `there is no key "${shown(key)}"; write one of ${known} or forebay:Claim/<name>`,
    );
  } else {
    const fitting = [...operators].filter(([, each]) => families.includes(each.family));
    problems.add(
      "POLICY_UNKNOWN_OPERATOR",
      path,
      node.at,
      `${operatorName} does not apply to "${key}"; use one of ${fitting.map(([name]) => name).join(", ")}`,
    );
  }
  return false;
}

type ConditionTest<Condition> = Condition extends unknown ? Omit<Condition, "key"> : never;

function readValues(
  problems: PolicyProblems,
  operator: Operator,
  element: Element,
): ConditionTest<PolicyCondition> {
  const all = <Value>(
    read: (problems: PolicyProblems, each: Element) => Value | undefined,
  ): Value[] =>
    problems.each(element).flatMap((each) => {
      const value = read(problems, each);
      return value === undefined ? [] : [value];
    });
  switch (operator.family) {
    case "string":
    case "arn": {
      const { match, isNegated } = operator;
      return { kind: "string", match, isNegated, values: all(readText) };
    }
    case "number":
      return { kind: "number", comparison: operator.comparison, values: all(readNumber) };
    case "date":
      return { kind: "date", comparison: operator.comparison, values: all(readDate) };
    case "boolean":
      return { kind: "boolean", values: all(readBoolean) };
    case "missing":
      return { kind: "missing", values: all(readBoolean) };
    case "ip":
      return { kind: "ip", isNegated: operator.isNegated, values: all(readNetwork) };
    case "time_of_day":
      return { kind: "time_of_day", values: all(readDaySpan) };
  }
}

const readText = (problems: PolicyProblems, element: Element): string | undefined =>
  problems.text(element, "write the value as text, in double quotes");

/** What policies also take as text: numbers and booleans, since many tools write every value so. */
const scalarText = (node: JsonNode): string | undefined =>
  node.kind === "text" || node.kind === "number" || node.kind === "boolean"
    ? String(node.value)
    : undefined;

const numeral = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

function numberOf(node: JsonNode): number | undefined {
  const text = node.kind === "boolean" ? "" : (scalarText(node) ?? "");
  const value = Number(text);
  return numeral.test(text) && Number.isFinite(value) ? value : undefined;
}

function readNumber(problems: PolicyProblems, { node, path }: Element): number | undefined {
  const value = numberOf(node);
  if (value === undefined) problems.add("POLICY_SYNTAX", path, node.at, "write a number");
  return value;
}

function readBoolean(problems: PolicyProblems, { node, path }: Element): boolean | undefined {
  const text = node.kind === "number" ? undefined : scalarText(node);
  if (text === "true" || text === "false") return text === "true";
  problems.add("POLICY_SYNTAX", path, node.at, "write true or false");
  return undefined;
}

const instantPattern =
  /^(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,3})?)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;
/** Seconds since 1970 up to the end of year 9999, as far as the other form goes. */
const epochSecondsMax = 253_402_300_799;

/** An absolute instant: a local time would depend on where the server stands. */
function readDate(problems: PolicyProblems, { node, path }: Element): EpochMs | undefined {
  const seconds = numberOf(node);
  if (seconds !== undefined && seconds >= 0 && seconds <= epochSecondsMax) {
    return epochMs(Math.round(seconds * 1_000));
  }
  const text = node.kind === "text" ? node.value : "";
  const [, year, month, day] = instantPattern.exec(text) ?? [];
  if (year !== undefined) {
    const first = Date.UTC(Number(year), Number(month));
    // Date.parse takes the 30th of February for the 1st or 2nd of March.
    if (Date.UTC(Number(year), Number(month) - 1, Number(day)) < first) {
      return epochMs(Date.parse(text));
    }
  }
  problems.add(
    "POLICY_BAD_TIME",
    path,
    node.at,
    "write an instant with its zone, like 2026-01-31T08:00:00Z, or seconds since 1970",
  );
  return undefined;
}

function readNetwork(problems: PolicyProblems, { node, path }: Element): IpNetwork | undefined {
  const text = node.kind === "text" ? node.value : "";
  const parsed = parseIpNetwork(text);
  if (parsed.kind === "network") return parsed.network;
  problems.add(
    "POLICY_BAD_CIDR",
    path,
    node.at,
    parsed.kind === "host_bits_set"
      ? `"${shown(text)}" is inside a network and does not name it; write its first address, or "${shown(parsed.address)}" alone for that one`
      : "write an IPv4 or IPv6 address or network, like 10.0.0.0/8 or 2001:db8::/32",
  );
  return undefined;
}

const dayNames = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
const everyDay: readonly number[] = dayNames.map((_, day) => day);
const timeOfDay = /^([01]\d|2[0-3]):([0-5]\d)$/;
const daySpanRule =
  'write {"from": "22:00", "to": "06:00", "tz": "Europe/Berlin"}, with "days": ["Fri"] for those on which it begins';

function readDaySpan(problems: PolicyProblems, element: Element): DaySpan | undefined {
  const { node, path } = element;
  const before = problems.found.length;
  const fields = problems.fields(element, ["from", "to", "tz", "days"], daySpanRule);
  const fromMinute = readMinute(problems, element, fields.get("from"));
  const toMinute = readMinute(problems, element, fields.get("to"));
  const timeZone = readTimeZone(problems, element, fields.get("tz"));
  const days = readDays(problems, fields.get("days"));
  if (fromMinute === undefined || toMinute === undefined || timeZone === undefined) {
    return undefined;
  }
  if (fromMinute === toMinute) {
    problems.add(
      "POLICY_BAD_TIME",
      path,
      node.at,
      "from and to are the same time; leave the condition out to mean the whole day",
    );
  }
  return problems.found.length > before ? undefined : { fromMinute, toMinute, timeZone, days };
}

function readMinute(
  problems: PolicyProblems,
  whole: Element,
  field: Element | undefined,
): number | undefined {
  const text = field?.node.kind === "text" ? field.node.value : "";
  const [, hour, minute] = timeOfDay.exec(text) ?? [];
  if (hour !== undefined) return Number(hour) * 60 + Number(minute);
  const { node, path } = field ?? whole;
  const rule = field === undefined ? daySpanRule : "write a time from 00:00 to 23:59";
  if (whole.node.kind === "object") problems.add("POLICY_BAD_TIME", path, node.at, rule);
  return undefined;
}

// Node also takes offsets like "+02:00", which know nothing of summer time.
const timeZonePattern = /^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/;

function readTimeZone(
  problems: PolicyProblems,
  whole: Element,
  field: Element | undefined,
): string | undefined {
  const text = field?.node.kind === "text" ? field.node.value : "";
  if (timeZonePattern.test(text) && isTimeZone(text)) return text;
  const { node, path } = field ?? whole;
  const rule =
    field === undefined ? daySpanRule : "write the IANA name of a time zone, like Europe/Berlin";
  if (whole.node.kind === "object") problems.add("POLICY_BAD_TIME", path, node.at, rule);
  return undefined;
}

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch (error) {
    // The only way to ask: a name that is not in the database is a RangeError.
    if (error instanceof RangeError) return false;
    throw error;
  }
}

function readDays(problems: PolicyProblems, field: Element | undefined): readonly number[] {
  if (field === undefined) return everyDay;
  return problems.each(field).flatMap(({ node, path }) => {
    const day = node.kind === "text" ? dayNames.indexOf(node.value) : -1;
    if (day !== -1) return [day];
    problems.add("POLICY_BAD_TIME", path, node.at, `write one of ${dayNames.join(", ")}`);
    return [];
  });
}
