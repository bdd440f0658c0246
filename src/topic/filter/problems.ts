// What is wrong with a filter. All of it is found, not only the first: each problem has the reason that clients branch on, the path
// of the element, its place in the text and a sentence that says what to write instead.

import { shown } from "../../policy/problems.js";

export type FilterReason =
  /** Not JSON, or not of the form of a filter. */
  "FILTER_INVALID" | "FILTER_NUMBER_RANGE" | "FILTER_TOO_MANY_KEYS" | "FILTER_TOO_COMPLEX";

export interface FilterProblem {
  readonly reason: FilterReason;
  /** As in `order.total[1].numeric`; empty for the whole filter. */
  readonly path: string;
  /** Of the element in the text, both from 1. */
  readonly line: number;
  readonly column: number;
  readonly description: string;
  /** Of a bound that is passed, and by what. */
  readonly bound: { readonly limit: number; readonly actual: number } | undefined;
}

/** Where something is written. */
export interface Place {
  readonly at: number;
  readonly path: string;
}

type Found = Place & Pick<FilterProblem, "reason" | "description" | "bound">;

/** Problems that are told; a text of 256 KiB can have a hundred thousand. */
const problemsMax = 100;

export class FilterProblems {
  readonly #found: Found[] = [];

  add(reason: FilterReason, { at, path }: Place, description: string): void {
    this.#keep({ reason, at, path, description, bound: undefined });
  }

  invalid(place: Place, description: string): void {
    this.add("FILTER_INVALID", place, description);
  }

  exceeds(
    reason: FilterReason,
    { at, path }: Place,
    { what, ...bound }: { readonly what: string; readonly limit: number; readonly actual: number },
  ): void {
    const description = `${bound.actual} ${what}, and at most ${bound.limit} are allowed`;
    this.#keep({ reason, at, path, description, bound });
  }

  #keep(problem: Found): void {
    if (this.#found.length < problemsMax) this.#found.push(problem);
  }

  /** In the order of the text, in one pass over it. */
  in(text: string): readonly FilterProblem[] {
    const ordered = this.#found.toSorted((left, right) => left.at - right.at);
    const problems: FilterProblem[] = [];
    let line = 1;
    let column = 1;
    let next = 0;
    let at = 0;
    for (const character of text) {
      for (; ordered[next] !== undefined && (ordered[next] as Found).at <= at; next += 1) {
        problems.push(placed(ordered[next] as Found, line, column));
      }
      if (next === ordered.length) break;
      if (character === "\n") {
        line += 1;
        column = 1;
      } else column += 1;
      at += character.length;
    }
    // What is missing is missing at the end of the text.
    return [...problems, ...ordered.slice(next).map((found) => placed(found, line, column))];
  }
}

const placed = (
  { reason, path, description, bound }: Found,
  line: number,
  column: number,
): FilterProblem => ({ reason, path, line, column, description, bound });

/** The path of a member. */
export const memberPath = (path: string, name: string): string =>
  path === "" ? shown(name) : `${path}.${shown(name)}`;
