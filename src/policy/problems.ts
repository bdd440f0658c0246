// What is wrong with a policy. All of it is found, not only the first: each problem has a code, the place in the text, the
// path of the element and a sentence that says what to write instead.

import { type JsonNode, positionOf } from "./json-text.js";

export type PolicyProblemCode =
  /** Not JSON, an element missing, or of the wrong type or form. */
  | "POLICY_SYNTAX"
  /** An element that there is not, or the same one twice: a misspelt `Condition` must not widen access. */
  | "POLICY_UNKNOWN_FIELD"
  | "POLICY_UNKNOWN_ACTION"
  | "POLICY_UNKNOWN_KEY"
  | "POLICY_UNKNOWN_OPERATOR"
  | "POLICY_BAD_CIDR"
  | "POLICY_BAD_TIME"
  | "POLICY_FOREIGN_RESOURCE"
  | "POLICY_DUPLICATE_SID"
  | "POLICY_PUBLIC";

export interface PolicyProblem {
  readonly code: PolicyProblemCode;
  /** As in `Statement[2].Action`; empty for the whole document. */
  readonly path: string;
  /** Of the element in the text, both from 1. */
  readonly line: number;
  readonly column: number;
  /** What to write instead. */
  readonly description: string;
}

/** A value of the document and its path. */
export interface Element {
  readonly node: JsonNode;
  readonly path: string;
}

/** Problems that are kept; a text of 8 KiB can have a thousand, and finding the line of each takes time. */
const problemsMax = 100;

export class PolicyProblems {
  readonly found: PolicyProblem[] = [];
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  add(code: PolicyProblemCode, path: string, at: number, description: string): void {
    if (this.found.length === problemsMax) return;
    this.found.push({ code, path, ...positionOf(this.#text, at), description });
  }

  /** The text of an element; undefined when it is none. */
  text({ node, path }: Element, description: string): string | undefined {
    if (node.kind === "text") return node.value;
    this.add("POLICY_SYNTAX", path, node.at, description);
    return undefined;
  }

  /** The elements of a list, or the one that stands alone, as everywhere in a policy. */
  each({ node, path }: Element): readonly Element[] {
    if (node.kind !== "list") return [{ node, path }];
    if (node.items.length === 0) {
      this.add("POLICY_SYNTAX", path, node.at, "the list is empty; name at least one");
    }
    return node.items.map((item, index) => ({ node: item, path: `${path}[${index}]` }));
  }

  /**
   * The members of an object by name, of which none may come twice; only those named in `names`, if they are.
   * `description` says what the object should be.
   */
  members(
    { node, path }: Element,
    description: string,
    names?: readonly string[],
  ): ReadonlyMap<string, Element> {
    const members = new Map<string, Element>();
    if (node.kind !== "object") {
      this.add("POLICY_SYNTAX", path, node.at, description);
      return members;
    }
    for (const { name, at, value } of node.members) {
      const memberPath = path === "" ? shown(name) : `${path}.${shown(name)}`;
      const complain = (complaint: string): void =>
        this.add("POLICY_UNKNOWN_FIELD", memberPath, at, complaint);
      if (members.has(name)) complain("is there twice; keep one of them");
      else if (names?.includes(name) === false) {
        complain(
          refusedFields.get(name) ?? `there is no such element here; write ${names.join(", ")}`,
        );
      }
      members.set(name, { node: value, path: memberPath });
    }
    return members;
  }

  /** As `members`, of an object whose members have fixed names. */
  fields<Name extends string>(
    element: Element,
    names: readonly Name[],
    description: string,
  ): ReadonlyMap<Name, Element> {
    return this.members(element, description, names) as ReadonlyMap<Name, Element>;
  }
}

// The usual source of access that nobody meant to give.
const refusedFields: ReadonlyMap<string, string> = new Map([
  ["NotPrincipal", "is refused, since it means everybody else; list who is meant under Principal"],
  ["NotAction", "is refused, since it means everything else; list what is meant under Action"],
  ["NotResource", "is refused, since it means everything else; name this resource under Resource"],
]);

const shownCharactersMax = 64;

/** What a caller wrote, short enough to repeat to him. */
export const shown = (text: string): string =>
  text.length > shownCharactersMax ? `${text.slice(0, shownCharactersMax - 1)}…` : text;
