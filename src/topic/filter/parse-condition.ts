// One element of a key's list: a value that a message may have, or an object that names an operator. Numbers are turned into what
// they are compared as, texts into lower case, patterns into pieces, so that nothing is left to interpret when messages come.

import type { JsonMember } from "../../policy/json-text.js";
import { shown } from "../../policy/problems.js";
import type { FilterLimits } from "./filter-limits.js";
import { parseNetwork } from "./networks.js";
import { itemsOf, parseNumber, parseNumeric, placeOf, type Written } from "./parse-number.js";
import type { FilterCondition, TextCondition, Token } from "./policy.js";
import { type FilterProblems, memberPath } from "./problems.js";
import { parseWildcard, starsOf } from "./wildcard.js";

/** What reading a condition needs. */
export interface ConditionReader {
  readonly problems: FilterProblems;
  readonly limits: FilterLimits;
}

type Operand<Condition extends FilterCondition = FilterCondition> = (
  reader: ConditionReader,
  written: Written,
) => Condition | undefined;

/** Undefined when it is none, which is among the problems then. */
export function parseCondition(
  reader: ConditionReader,
  written: Written,
): FilterCondition | undefined {
  const { node } = written;
  switch (node.kind) {
    case "object":
      return parseOperator(reader, written, operators);
    case "list":
      reader.problems.invalid(
        placeOf(written),
        "a list inside a list; a value must be a string, number, true, false, null or an operator",
      );
      return undefined;
    case "null":
      return { kind: "equals", token: null };
    case "number": {
      const number = parseNumber(reader.problems, written);
      return number === undefined ? undefined : { kind: "equals", token: number };
    }
    default:
      return { kind: "equals", token: node.value };
  }
}

/** An object of one member, whose name says what the value means. */
function parseOperator<Condition extends FilterCondition>(
  reader: ConditionReader,
  written: Written,
  table: ReadonlyMap<string, Operand<Condition>>,
): Condition | undefined {
  const members = written.node.kind === "object" ? written.node.members : [];
  const member = onlyMember(reader.problems, written, members);
  if (member === undefined) return undefined;
  const path = memberPath(written.path, member.name);
  const operand = table.get(member.name);
  if (operand !== undefined) return operand(reader, { node: member.value, path });
  const known = [...table.keys()].join(", ");
  reader.problems.invalid(
    { at: member.at, path },
    `unrecognized operator "${shown(member.name)}"; write one of ${known}`,
  );
  return undefined;
}

function onlyMember(
  problems: FilterProblems,
  written: Written,
  members: readonly JsonMember[],
): JsonMember | undefined {
  const [first, second] = members;
  if (first === undefined) {
    problems.invalid(placeOf(written), "empty object; name an operator");
    return undefined;
  }
  if (second === undefined) return first;
  const description =
    second.name === first.name
      ? `duplicate key "${shown(first.name)}"; keep one`
      : "an operator stands alone: only one key in an object";
  problems.invalid({ at: second.at, path: memberPath(written.path, second.name) }, description);
  return undefined;
}

function parseText({ problems }: ConditionReader, written: Written): string | undefined {
  if (written.node.kind === "text") return written.node.value;
  problems.invalid(placeOf(written), "must be a string");
  return undefined;
}

// ---- operators ---------------------------------------------------------------------------------------------------------

const ignoringCase: Operand<Extract<TextCondition, { kind: "equals_ignoring_case" }>> = (
  reader,
  written,
) => {
  const text = parseText(reader, written);
  return text === undefined
    ? undefined
    : { kind: "equals_ignoring_case", text: text.toLowerCase() };
};

const insideAffix = new Map([["equals-ignore-case", ignoringCase]]);

/** A prefix or suffix: a text, or one whose case does not matter (event-ruler has that, SNS does not). */
const affix =
  (kind: "prefix" | "suffix"): Operand<TextCondition> =>
  (reader, written) => {
    if (written.node.kind !== "object") return plainAffix(kind)(reader, written);
    const inner = parseOperator(reader, written, insideAffix);
    return inner && { kind, text: inner.text, ignoresCase: true };
  };

const plainAffix =
  (kind: "prefix" | "suffix"): Operand<TextCondition> =>
  (reader, written) => {
    const text = parseText(reader, written);
    return text === undefined ? undefined : { kind, text, ignoresCase: false };
  };

const wildcard: Operand<TextCondition> = (reader, written) => {
  const text = parseText(reader, written);
  if (text === undefined) return undefined;
  const parsed = parseWildcard(text);
  if (parsed.kind === "malformed") {
    reader.problems.invalid(placeOf(written), parsed.description);
    return undefined;
  }
  const actual = starsOf(parsed.pattern);
  const limit = reader.limits.patternStarsMax;
  if (actual > limit) {
    const what = `"*" in one pattern`;
    reader.problems.exceeds("FILTER_TOO_COMPLEX", placeOf(written), { what, limit, actual });
  }
  return { kind: "wildcard", pattern: parsed.pattern };
};

const network: Operand = (reader, written) => {
  const text = parseText(reader, written);
  if (text === undefined) return undefined;
  const parsed = parseNetwork(text);
  if (parsed !== undefined) return { kind: "in_network", network: parsed };
  reader.problems.invalid(
    placeOf(written),
    "malformed CIDR; write an address, one slash and how many bits count, like 10.0.0.0/8",
  );
  return undefined;
};

const exists: Operand = ({ problems }, written) => {
  if (written.node.kind === "boolean") return { kind: written.node.value ? "present" : "absent" };
  problems.invalid(placeOf(written), "must be true or false");
  return undefined;
};

// ---- anything-but ------------------------------------------------------------------------------------------------------

/** One of them, or each of a list that is not empty. */
function each({ problems }: ConditionReader, written: Written): readonly Written[] {
  if (written.node.kind !== "list") return [written];
  const items = itemsOf(written);
  if (items.length === 0) {
    problems.invalid(placeOf(written), "empty array; name what is excluded");
  }
  return items;
}

const noTextOf =
  (test: Operand<TextCondition>): Operand =>
  (reader, written) => {
    const tests: TextCondition[] = [];
    for (const excluded of each(reader, written)) {
      const { node } = excluded;
      if (node.kind === "text" && node.value === "") {
        const description = "empty string, which would exclude every text or none";
        reader.problems.invalid(placeOf(excluded), description);
      } else {
        const parsed = test(reader, excluded);
        if (parsed !== undefined) tests.push(parsed);
      }
    }
    return { kind: "no_text_of", tests };
  };

const insideAnythingBut: ReadonlyMap<string, Operand> = new Map([
  ["prefix", noTextOf(plainAffix("prefix"))],
  ["suffix", noTextOf(plainAffix("suffix"))],
  ["wildcard", noTextOf(wildcard)],
  ["equals-ignore-case", noTextOf(ignoringCase)],
]);

const anythingBut: Operand = (reader, written) => {
  if (written.node.kind === "object") return parseOperator(reader, written, insideAnythingBut);
  const excluded = each(reader, written);
  const tokens = new Set<Token>();
  for (const value of excluded) {
    const { node } = value;
    const token = node.kind === "text" ? node.value : excludedNumber(reader, value);
    if (token !== undefined) tokens.add(token);
  }
  if (new Set(excluded.map(({ node }) => node.kind)).size > 1) {
    const description = "a mixed list is unsupported; write strings only or numbers only";
    reader.problems.invalid(placeOf(written), description);
  }
  return { kind: "none_of", tokens };
};

function excludedNumber({ problems }: ConditionReader, written: Written): number | undefined {
  if (written.node.kind === "number") return parseNumber(problems, written);
  const description = "unsupported in anything-but; write a string, a number or a list of either";
  problems.invalid(placeOf(written), description);
  return undefined;
}

const operators: ReadonlyMap<string, Operand> = new Map<string, Operand>([
  ["prefix", affix("prefix")],
  ["suffix", affix("suffix")],
  ["equals-ignore-case", ignoringCase],
  ["wildcard", wildcard],
  ["cidr", network],
  ["numeric", ({ problems }, written) => parseNumeric(problems, written)],
  ["exists", exists],
  ["anything-but", anythingBut],
]);

export const operatorNames: ReadonlySet<string> = new Set(operators.keys());
