// What filters see of a message. Attributes and body are looked at once, when the first filter asks, and shared by all that
// judge the message: parsing a body costs more than a thousand filters.

import { isUtf8 } from "node:buffer";
import type { MessageAttribute } from "../../queue/model.js";
import type { FilterScope } from "../limits.js";
import { valuesIn } from "./count-values.js";
import { judgedValuesMax } from "./filter-limits.js";
import { numberOf } from "./numbers.js";
import { Leaf, PathTree, treeOf } from "./path-tree.js";

export interface FilteredMessage {
  readonly attributes: readonly MessageAttribute[];
  /** What is delivered to the kind of target; undefined for bytes that are not said to be JSON. */
  readonly body: Buffer | undefined;
}

/** What there is in one scope. */
export interface ScopeFacts {
  /** Undefined: a body that is no JSON object. No filter on bodies takes it. */
  readonly tree: PathTree | undefined;
  /** Attributes that cannot be read as what their type says. No filter that names one takes the message. */
  readonly unreadable: ReadonlySet<string>;
}

export class MessageFacts {
  readonly #message: FilteredMessage;
  #attributes: ScopeFacts | undefined;
  #body: ScopeFacts | undefined;

  constructor(message: FilteredMessage) {
    this.#message = message;
  }

  of(scope: FilterScope): ScopeFacts {
    if (scope === "body") {
      this.#body ??= { tree: bodyTree(this.#message.body), unreadable: new Set() };
      return this.#body;
    }
    this.#attributes ??= attributeFacts(this.#message.attributes);
    return this.#attributes;
  }
}

function bodyTree(body: Buffer | undefined): PathTree | undefined {
  if (body === undefined || valuesIn(body) > judgedValuesMax || !isUtf8(body)) return undefined;
  const value = parsedJson(body.toString("utf8"));
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  return isObject ? treeOf(value) : undefined;
}

/** Undefined when it is not JSON. Of two members with one name the last counts (topics, "Leaves and arrays"). */
function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // Any other text is a body too, only not one that filters can judge.
    return undefined;
  }
}

function attributeFacts(attributes: readonly MessageAttribute[]): ScopeFacts {
  const tree = new PathTree();
  const unreadable = new Set<string>();
  let counted = 0;
  for (const attribute of attributes) {
    // Of a list the brackets tell how long it is.
    if (arrayTypes.has(attribute.dataType)) counted += valuesIn(attribute.value);
    const values = counted > judgedValuesMax ? undefined : valuesOf(attribute);
    if (values === undefined) unreadable.add(attribute.name);
    else {
      for (const value of values) {
        tree.at(attribute.name).add(new Leaf(value, undefined));
      }
    }
  }
  return { tree, unreadable };
}

type Value = string | number | boolean | null;

const arrayTypes = new Set(["String.Array", "Number.Array"]);

/** The values of an attribute; undefined when it is not what its type says. Of bytes there are none. */
function valuesOf({ dataType, isText, value }: MessageAttribute): readonly Value[] | undefined {
  if (!isText || dataType.startsWith("Binary")) return [];
  const text = value.toString("utf8");
  if (arrayTypes.has(dataType)) return arrayValues(text);
  if (!dataType.startsWith("Number")) return [text];
  const number = numberOf(text);
  return number === undefined ? undefined : [number];
}

/** The plain values of a list, or the one that stands alone. */
function arrayValues(text: string): readonly Value[] | undefined {
  const parsed = parsedJson(text);
  if (parsed === undefined) return undefined;
  const values: readonly unknown[] = Array.isArray(parsed) ? parsed : [parsed];
  return values.filter(isValue);
}

const isValue = (value: unknown): value is Value => typeof value !== "object" || value === null;
