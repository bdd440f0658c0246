// The text of a filter, read: what it means, or all that is wrong with it.
//
// Besides its form a filter has bounds. They are judged by what is written, also where other things are wrong, so that one
// answer says everything; only a text that is too long is not read at all.

import { type JsonMember, type JsonNode, readJson } from "../../policy/json-text.js";
import { shown } from "../../policy/problems.js";
import type { FilterScope } from "../limits.js";
import { checkComplexity, type WrittenGroup, type WrittenKey } from "./complexity.js";
import { type FilterLimits, filterLimits } from "./filter-limits.js";
import { type ConditionReader, operatorNames, parseCondition } from "./parse-condition.js";
import { itemsOf, placeOf, type Written } from "./parse-number.js";
import type { FilterCondition, FilterPolicy } from "./policy.js";
import { type FilterProblem, FilterProblems, memberPath, type Place } from "./problems.js";

export type ParsedFilter =
  | { readonly kind: "policy"; readonly policy: FilterPolicy }
  /** Never empty. */
  | { readonly kind: "invalid"; readonly problems: readonly FilterProblem[] };

export function parseFilterPolicy(
  text: string,
  scope: FilterScope,
  limits: FilterLimits = filterLimits,
): ParsedFilter {
  const problems = new FilterProblems();
  const group = readText({ problems, limits, scope }, text);
  const found = problems.in(text);
  return found.length > 0
    ? { kind: "invalid", problems: found }
    : { kind: "policy", policy: { scope, group } };
}

interface PolicyReader extends ConditionReader {
  readonly scope: FilterScope;
}

const emptyGroup: WrittenGroup = { keys: [], alternatives: [] };
const beginning: Place = { at: 0, path: "" };

/** Deeper than the 150 combinations of SNS allow (depth is a factor), with lists and operators inside. */
const jsonDepthMax = 200;

function readText(reader: PolicyReader, text: string): WrittenGroup {
  const { problems, limits } = reader;
  const actual = Buffer.byteLength(text);
  if (actual > limits.bytesMax) {
    const bound = { what: "bytes", limit: limits.bytesMax, actual };
    problems.exceeds("FILTER_TOO_COMPLEX", beginning, bound);
    return emptyGroup;
  }
  const read = readJson(text, jsonDepthMax);
  if (read.kind === "broken") {
    problems.invalid({ at: read.at, path: "" }, `failed to parse: ${read.description}`);
    return emptyGroup;
  }
  const { node } = read;
  if (node.kind !== "object") {
    problems.invalid({ at: node.at, path: "" }, 'must be an object, like {"store": ["north"]}');
    return emptyGroup;
  }
  const root = { name: undefined, depth: 0, isBranch: false, claims: new Claims() };
  const group = readGroup(reader, { node, path: "" }, root);
  checkComplexity(reader, group);
  return group;
}

/** Where in a filter an object stands. */
interface Standing {
  /** Its path in messages; undefined for the root. */
  readonly name: string | undefined;
  /** Objects around its keys, without those of `$or`. */
  readonly depth: number;
  /** Whether it is an alternative of `$or` itself. */
  readonly isBranch: boolean;
  readonly claims: Claims;
}

/** Paths that must hold together: those of an alternative of `$or`, and of what it stands beside. */
class Claims {
  readonly paths = new Set<string>();
  readonly #around: Claims | undefined;

  constructor(around?: Claims) {
    this.#around = around;
  }

  has(path: string): boolean {
    return this.paths.has(path) || this.#around?.has(path) === true;
  }
}

function readGroup(reader: PolicyReader, written: Written, standing: Standing): WrittenGroup {
  const { node, path } = written;
  const keys: WrittenKey[] = [];
  const alternatives: (readonly WrittenGroup[])[] = [];
  const names = new Set<string>();
  for (const member of node.kind === "object" ? node.members : []) {
    const place = { at: member.at, path: memberPath(path, member.name) };
    if (names.has(member.name)) {
      reader.problems.invalid(place, `duplicate key "${shown(member.name)}"; keep one`);
      continue;
    }
    names.add(member.name);
    const value = { node: member.value, path: place.path };
    if (member.name === "$or") alternatives.push(readAlternatives(reader, value, standing));
    else {
      const inner = readMember(reader, { member, place, value }, standing);
      for (const key of inner.keys) keys.push(key);
      for (const branches of inner.alternatives) alternatives.push(branches);
    }
  }
  return { keys, alternatives };
}

interface ReadMember {
  readonly member: JsonMember;
  readonly place: Place;
  readonly value: Written;
}

/** Ours: a path is compared as a whole, and a text of 256 KiB could have ten thousand that all begin with half of it. */
const pathCharactersMax = 1_024;

function readMember(
  reader: PolicyReader,
  { member, place, value }: ReadMember,
  standing: Standing,
): WrittenGroup {
  const { problems, scope } = reader;
  const { name } = member;
  if (standing.isBranch && operatorNames.has(name)) {
    const description = `"${name}" is an operator and cannot be a key directly inside $or`;
    problems.invalid(place, description);
  }
  const path = standing.name === undefined ? name : `${standing.name}.${name}`;
  if (path.length > pathCharactersMax) {
    problems.invalid(place, `a path may have ${pathCharactersMax} characters at most`);
    return emptyGroup;
  }
  const depth = standing.depth + 1;
  switch (value.node.kind) {
    case "list":
      return {
        keys: [readKey(reader, { place, value }, { path, depth, standing })],
        alternatives: [],
      };
    case "object":
      if (scope === "attributes") {
        problems.invalid(placeOf(value), "nesting needs the scope MESSAGE_BODY; must be an array");
        return emptyGroup;
      }
      if (value.node.members.length === 0) problems.invalid(placeOf(value), "empty object");
      return readGroup(reader, value, { ...standing, name: path, depth, isBranch: false });
    default: {
      const nested = scope === "body" ? " or an object" : "";
      problems.invalid(
        placeOf(value),
        `must be an array${nested}; write [${shownValue(value.node)}]`,
      );
      return emptyGroup;
    }
  }
}

const shownValue = (node: JsonNode): string =>
  "value" in node ? shown(JSON.stringify(node.value)) : "null";

function readKey(
  reader: PolicyReader,
  { place, value }: Omit<ReadMember, "member">,
  { path, depth, standing }: { path: string; depth: number; standing: Standing },
): WrittenKey {
  claimPath(reader, { place, path }, standing.claims);
  const items = itemsOf(value);
  if (items.length === 0) {
    reader.problems.invalid(placeOf(value), "empty array, which no message could fulfil");
  }
  const conditions = items
    .map((item) => parseCondition(reader, item))
    .filter((condition): condition is FilterCondition => condition !== undefined);
  return { path, conditions, depth, place, writtenCount: items.length };
}

function claimPath(
  { problems }: PolicyReader,
  { place, path }: { readonly place: Place; readonly path: string },
  claims: Claims,
): void {
  if (claims.has(path)) {
    const description = `duplicate path "${shown(path)}"; write all of its conditions in one list`;
    problems.invalid(place, description);
  }
  claims.paths.add(path);
}

/** Fewer would be no alternatives (SNS). */
const branchesMin = 2;

function readAlternatives(
  reader: PolicyReader,
  written: Written,
  standing: Standing,
): WrittenGroup[] {
  const { problems } = reader;
  if (written.node.kind !== "list") {
    problems.invalid(placeOf(written), "$or must be an array of objects");
    return [];
  }
  const items = itemsOf(written);
  if (items.length < branchesMin) {
    problems.invalid(placeOf(written), `$or needs at least ${branchesMin} objects`);
  }
  // Two alternatives may name the same path; what stands beside them may not.
  const claimed: Claims[] = [];
  const branches = items.map((item) => {
    const claims = new Claims(standing.claims);
    claimed.push(claims);
    return readBranch(reader, item, { ...standing, isBranch: true, claims });
  });
  for (const { paths } of claimed) for (const path of paths) standing.claims.paths.add(path);
  return branches;
}

function readBranch(reader: PolicyReader, written: Written, standing: Standing): WrittenGroup {
  const { node } = written;
  if (node.kind !== "object") {
    reader.problems.invalid(placeOf(written), "a member of $or must be an object");
    return emptyGroup;
  }
  if (node.members.length === 0) reader.problems.invalid(placeOf(written), "empty object");
  return readGroup(reader, written, standing);
}
