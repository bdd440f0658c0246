// Filters judged slowly and plainly, to be held against the real ones: every value with the list of the array elements it is in,
// every way to pick one value (or absence) for each key tried, numbers as exact decimals, patterns letter by letter, networks by
// Node. It shares no code with src/topic/filter and takes the policy as the JSON it was written in, which must be a valid one.

import { BlockList, isIPv4, isIPv6 } from "node:net";
import type { MessageAttribute } from "../../src/queue/model.js";

interface PlainValue {
  readonly path: string;
  readonly value: unknown;
  /** Array by number, and the element of it. */
  readonly elements: Elements;
}

type Json = Readonly<Record<string, unknown>>;

type Elements = ReadonlyMap<number, number>;

/** Path and conditions, which must all hold. */
type PlainRule = readonly { readonly path: string; readonly conditions: readonly unknown[] }[];

export function plainlyTakesBody(policy: Json, body: string): boolean {
  if (Object.keys(policy).length === 0) return true;
  const parsed = parsedOf(body)?.value;
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) return false;
  const values = new BodyValues(parsed).found;
  return plainRules(policy).some((rule) => isFulfilled(rule, values));
}

function parsedOf(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

const isPlain = (value: unknown): boolean => typeof value !== "object" || value === null;

class BodyValues {
  readonly found: PlainValue[] = [];
  #arrays = 0;

  constructor(body: unknown) {
    this.#collect(body, undefined, new Map());
  }

  #collect(value: unknown, path: string | undefined, elements: Elements): void {
    if (isPlain(value)) this.found.push({ path: path ?? "", value, elements });
    else if (Array.isArray(value)) this.#collectItems(value, path, elements);
    else {
      for (const [name, member] of Object.entries(value as Json)) {
        this.#collect(member, path === undefined ? name : `${path}.${name}`, elements);
      }
    }
  }

  #collectItems(items: readonly unknown[], path: string | undefined, elements: Elements): void {
    this.#arrays += 1;
    const array = this.#arrays;
    for (const [index, item] of items.entries()) {
      this.#collect(item, path, isPlain(item) ? elements : new Map([...elements, [array, index]]));
    }
  }
}

export function plainlyTakesAttributes(
  policy: Json,
  attributes: readonly MessageAttribute[],
): boolean {
  const rules = plainRules(policy);
  const named = new Set(rules.flatMap((rule) => rule.map(({ path }) => path)));
  const values: PlainValue[] = [];
  for (const attribute of attributes) {
    const found = attributeValues(attribute);
    if (found === undefined && named.has(attribute.name)) return false;
    for (const value of found ?? []) {
      values.push({ path: attribute.name, value, elements: new Map() });
    }
  }
  return rules.some((rule) => isFulfilled(rule, values));
}

function attributeValues({ dataType, value }: MessageAttribute): readonly unknown[] | undefined {
  const text = value.toString("utf8");
  if (dataType.startsWith("Binary")) return [];
  if (dataType === "String.Array" || dataType === "Number.Array") {
    const parsed = parsedOf(text);
    return parsed && [parsed.value].flat(1).filter(isPlain);
  }
  return [dataType.startsWith("Number") ? Number(text) : text];
}

/** Without `$or`: one rule for every choice of alternatives. */
function plainRules(policy: Json, prefix?: string): readonly PlainRule[] {
  let rules: readonly PlainRule[] = [[]];
  for (const [name, value] of Object.entries(policy)) {
    const path = prefix === undefined ? name : `${prefix}.${name}`;
    const added: readonly PlainRule[] =
      name === "$or"
        ? (value as Json[]).flatMap((branch) => plainRules(branch, prefix))
        : Array.isArray(value)
          ? [[{ path, conditions: value as unknown[] }]]
          : plainRules(value as Json, path);
    rules = rules.flatMap((rule) => added.map((each) => [...rule, ...each]));
  }
  return rules;
}

const goTogether = (left: Elements, right: Elements): boolean =>
  [...right].every(([array, index]) => (left.get(array) ?? index) === index);

function isFulfilled(rule: PlainRule, values: readonly PlainValue[]): boolean {
  const absentPaths = new Set<string>();
  const pick = (index: number, chosen: Elements): boolean => {
    const key = rule[index];
    if (key === undefined) {
      return [...absentPaths].every(
        (path) => !values.some((each) => each.path === path && goTogether(chosen, each.elements)),
      );
    }
    for (const { path, value, elements } of values) {
      if (path !== key.path || !goTogether(chosen, elements)) continue;
      if (!key.conditions.some((condition) => holds(condition, value))) continue;
      if (pick(index + 1, new Map([...chosen, ...elements]))) return true;
    }
    if (!key.conditions.some((condition) => operatorOf(condition)?.[1] === false)) return false;
    absentPaths.add(key.path);
    const isDone = pick(index + 1, chosen);
    absentPaths.delete(key.path);
    return isDone;
  };
  return pick(0, new Map());
}

function operatorOf(condition: unknown): readonly [string, unknown] | undefined {
  return typeof condition === "object" && condition !== null
    ? Object.entries(condition)[0]
    : undefined;
}

function holds(condition: unknown, value: unknown): boolean {
  const [operator, operand] = operatorOf(condition) ?? ["", undefined];
  switch (operator) {
    case "":
      return isEqual(condition, value);
    case "exists":
      return operand === true;
    case "numeric":
      return typeof value === "number" && inRange(operand as unknown[], value);
    case "anything-but": {
      const inner = Array.isArray(operand) ? undefined : operatorOf(operand);
      const excluded: unknown[] = [inner === undefined ? operand : inner[1]].flat();
      if (inner === undefined) return !excluded.some((each) => isEqual(each, value));
      return !excluded.some((each) => textHolds(inner[0], each, value));
    }
    default:
      return textHolds(operator, operand, value);
  }
}

const isEqual = (left: unknown, right: unknown): boolean =>
  typeof left === "number" && typeof right === "number"
    ? compare(left, right) === 0
    : left === right;

function inRange(operand: readonly unknown[], value: number): boolean {
  for (let index = 0; index < operand.length; index += 2) {
    const order = compare(value, Number(operand[index + 1]));
    const operator = String(operand[index]);
    const isHeld =
      (operator.includes("=") && order === 0) ||
      (operator.includes("<") && order < 0) ||
      (operator.includes(">") && order > 0);
    if (!isHeld) return false;
  }
  return true;
}

function compare(left: number, right: number): number {
  if (Math.abs(left) > 1e9 || Math.abs(right) > 1e9) return Math.sign(left - right);
  const difference = hundredThousandths(left) - hundredThousandths(right);
  return difference === 0n ? 0 : difference < 0n ? -1 : 1;
}

/** Exact: the decimal as a fraction of whole numbers, divided with rounding half to even. */
function hundredThousandths(value: number): bigint {
  const match = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(String(value));
  if (match === null) throw new Error(`${value} is no number.`);
  const [, sign, whole = "", fraction = "", exponent = "0"] = match;
  const power = 5 - fraction.length + Number(exponent);
  const digits = BigInt(whole + fraction) * 10n ** BigInt(Math.max(power, 0));
  const divisor = 10n ** BigInt(Math.max(-power, 0));
  const quotient = digits / divisor;
  const twice = (digits % divisor) * 2n;
  const isUp = twice > divisor || (twice === divisor && quotient % 2n === 1n);
  const rounded = isUp ? quotient + 1n : quotient;
  return sign === "-" ? -rounded : rounded;
}

function textHolds(operator: string, operand: unknown, value: unknown): boolean {
  if (typeof value !== "string") return false;
  const inner = operatorOf(operand);
  if (inner !== undefined) {
    return textHolds(operator, String(inner[1]).toLowerCase(), value.toLowerCase());
  }
  const text = String(operand);
  switch (operator) {
    case "prefix":
      return value.slice(0, text.length) === text;
    case "suffix":
      return text === "" || value.slice(-text.length) === text;
    case "equals-ignore-case":
      return value.toLowerCase() === text.toLowerCase();
    case "wildcard":
      return fitsPattern(text, value);
    case "cidr":
      return isInside(text, value);
    default:
      throw new Error(`There is no operator ${operator}.`);
  }
}

/** All places in the pattern that reading the text so far can have led to. */
function fitsPattern(pattern: string, text: string): boolean {
  const letters = [...pattern.matchAll(/\\([*\\])|[\s\S]/g)].map(([whole, escaped]) => ({
    isStar: whole === "*",
    letter: escaped ?? whole,
  }));
  const rest = (places: Set<number>): Set<number> => {
    for (const place of places) if (letters[place]?.isStar === true) places.add(place + 1);
    return places;
  };
  let places = rest(new Set([0]));
  for (const letter of text.split("")) {
    const next = new Set<number>();
    for (const place of places) {
      const expected = letters[place];
      if (expected?.isStar === true) next.add(place);
      else if (expected?.letter === letter) next.add(place + 1);
    }
    places = rest(next);
  }
  return places.has(letters.length);
}

function isInside(network: string, address: string): boolean {
  const [base = "", mask = ""] = network.split("/");
  const type = isIPv4(base) ? "ipv4" : "ipv6";
  if (!(type === "ipv4" ? isIPv4(address) : isIPv6(address))) return false;
  const list = new BlockList();
  list.addSubnet(base, Number(mask), type);
  return list.check(address, type);
}
