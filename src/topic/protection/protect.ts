// What a data protection policy does about a message: audit, de-identify, deny, in this order (Amazon SNS developer guide). Each
// identifier is looked for once in what was published, and those that are denied once more in what is left of it.
//
// Looked into are the message, its subject and the values of its attributes; names and ids are not. Of a message with a text for each
// kind of target these texts are, as targets get them. Bytes that are UTF-8 are read as such and others one by one, so that a byte
// which fits nowhere hides nothing.

import { isUtf8 } from "node:buffer";
import type { PolicyPrincipal } from "../../policy/principals.js";
import { attributesSize } from "../../queue/message-size.js";
import type { MessageAttribute } from "../../queue/model.js";
import type { TopicMessage } from "../model.js";
import type { Finder, Spans } from "./pattern-automaton.js";
import type {
  Audit,
  DeidentifyStyle,
  ProtectionPolicy,
  ProtectionStatement,
} from "./protection-policy.js";

/** What of a message is looked into. */
export type ProtectedContent = Pick<
  TopicMessage,
  "isText" | "isStructured" | "body" | "subject" | "attributes" | "sizeBytes"
>;

/** How often each identifier was found. */
export type Findings = ReadonlyMap<string, number>;

export interface ProtectedMessage<Content> {
  /** De-identified; the very same if nothing was. */
  readonly content: Content;
  /** What the audit found, and nothing if there is none for who published it. */
  readonly audited: { readonly audit: Audit; readonly findings: Findings } | undefined;
  /** The identifiers that are denied and were found. */
  readonly denied: readonly string[];
}

export function protectInbound<Content extends ProtectedContent>(
  policy: ProtectionPolicy,
  content: Content,
  senderId: string,
): ProtectedMessage<Content> {
  const statements = statementsFor(policy, "inbound", senderId);
  if (statements.length === 0) return { content, audited: undefined, denied: [] };
  const finders = findersOf(policy, statements);
  const styles = stylesOf(statements);
  const scan = new Scan(finders, styles);
  const left = deidentified(content, scan);
  const audit = auditOf(statements, scan.counts);
  const denying = denyStatements(statements);
  const found = left === content ? scan.counts : countIn(left, findersOf(policy, denying));
  return { content: left, audited: audit, denied: deniedOf(denying, found) };
}

/** The identifiers for which a message may not go to the one who subscribed. */
export function deniedOutbound(
  policy: ProtectionPolicy,
  content: ProtectedContent,
  ownerId: string,
): readonly string[] {
  const statements = statementsFor(policy, "outbound", ownerId);
  if (statements.length === 0) return [];
  return deniedOf(statements, outboundFindings(policy, content));
}

/** Kept while a message is handed to one subscription after another. */
const outboundKnown = new WeakMap<ProtectedContent, Map<ProtectionPolicy, Findings>>();

function outboundFindings(policy: ProtectionPolicy, content: ProtectedContent): Findings {
  const known = outboundKnown.get(content) ?? new Map<ProtectionPolicy, Findings>();
  outboundKnown.set(content, known);
  const before = known.get(policy);
  if (before !== undefined) return before;
  const outbound = policy.statements.filter(({ direction }) => direction === "outbound");
  const findings = countIn(content, findersOf(policy, outbound));
  known.set(policy, findings);
  return findings;
}

const statementsFor = (
  { statements }: ProtectionPolicy,
  wanted: ProtectionStatement["direction"],
  caller: string,
): readonly ProtectionStatement[] =>
  statements.filter(
    ({ direction, principals }) =>
      direction === wanted && principals.some((principal) => isMeant(principal, caller)),
  );

/** A caller is `<kind>:<namespace>:<id>`. */
function isMeant(principal: PolicyPrincipal, caller: string): boolean {
  switch (principal.kind) {
    case "everyone":
      return true;
    case "caller":
      return principal.name === caller;
    case "namespace":
    case "all_of_namespace":
      return caller.split(":", 2)[1] === principal.namespace;
    case "service":
      return false;
  }
}

function findersOf(
  { finders }: ProtectionPolicy,
  statements: readonly ProtectionStatement[],
): ReadonlyMap<string, Finder> {
  const wanted = new Set(statements.flatMap(({ identifiers }) => identifiers));
  return new Map([...finders].filter(([name]) => wanted.has(name)));
}

/** For each identifier what the first statement that names it does. */
function stylesOf(
  statements: readonly ProtectionStatement[],
): ReadonlyMap<string, DeidentifyStyle> {
  const styles = new Map<string, DeidentifyStyle>();
  for (const { operation, identifiers } of statements) {
    if (operation.kind !== "deidentify") continue;
    for (const name of identifiers) {
      if (!styles.has(name)) styles.set(name, operation.style);
    }
  }
  return styles;
}

function auditOf(
  statements: readonly ProtectionStatement[],
  counts: Findings,
): { readonly audit: Audit; readonly findings: Findings } | undefined {
  for (const { operation, identifiers } of statements) {
    if (operation.kind !== "audit") continue;
    const findings = new Map([...counts].filter(([name]) => identifiers.includes(name)));
    return { audit: operation, findings };
  }
  return undefined;
}

const denyStatements = (statements: readonly ProtectionStatement[]) =>
  statements.filter(({ operation }) => operation.kind === "deny");

const deniedOf = (
  statements: readonly ProtectionStatement[],
  found: Findings,
): readonly string[] => [
  ...new Set(
    statements.flatMap(({ identifiers }) => identifiers).filter((name) => found.has(name)),
  ),
];

function countIn(content: ProtectedContent, finders: ReadonlyMap<string, Finder>): Findings {
  const scan = new Scan(finders, new Map());
  if (finders.size > 0) deidentified(content, scan);
  return scan.counts;
}

/** One pass over the texts of a message. */
class Scan {
  readonly counts = new Map<string, number>();
  readonly #finders: ReadonlyMap<string, Finder>;
  readonly #styles: ReadonlyMap<string, DeidentifyStyle>;

  constructor(finders: ReadonlyMap<string, Finder>, styles: ReadonlyMap<string, DeidentifyStyle>) {
    this.#finders = finders;
    this.#styles = styles;
  }

  /** The text without what is to be hidden; the same if there is nothing. */
  text(text: string): string {
    const hidden = new Map<DeidentifyStyle, Spans[]>();
    for (const [name, find] of this.#finders) {
      const spans = find(text);
      if (spans.length === 0) continue;
      this.counts.set(name, (this.counts.get(name) ?? 0) + spans.length / 2);
      const style = this.#styles.get(name);
      if (style !== undefined) hidden.set(style, [...(hidden.get(style) ?? []), spans]);
    }
    return hidden.size === 0 ? text : hide(text, [...hidden]);
  }

  bytes(bytes: Buffer): Buffer {
    const encoding = isUtf8(bytes) ? "utf8" : "latin1";
    const text = bytes.toString(encoding);
    const left = this.text(text);
    return left === text ? bytes : Buffer.from(left === "" ? redacted : left, encoding);
  }
}

/** What stands where nothing would be left: neither a message nor an attribute may be empty. */
const redacted = "-";

/** Where two overlap, the style that comes first holds. */
function hide(
  text: string,
  hidden: readonly (readonly [DeidentifyStyle, readonly Spans[]])[],
): string {
  const marks = new Uint8Array(text.length);
  hidden.forEach(([_style, found], index) => {
    for (const spans of found) {
      for (let span = 0; span < spans.length; span += 2) {
        const end = spans[span + 1] ?? 0;
        for (let at = spans[span] ?? 0; at < end; at += 1) {
          if (marks[at] === 0) marks[at] = index + 1;
        }
      }
    }
  });
  const parts: string[] = [];
  for (let start = 0; start < text.length; ) {
    const mark = marks[start] ?? 0;
    let end = start + 1;
    while (end < text.length && marks[end] === mark) end += 1;
    const style = mark === 0 ? undefined : hidden[mark - 1]?.[0];
    parts.push(inStyle(text.slice(start, end), style));
    start = end;
  }
  return parts.join("");
}

function inStyle(text: string, style: DeidentifyStyle | undefined): string {
  if (style === undefined) return text;
  return style.kind === "redact" ? "" : style.character.repeat([...text].length);
}

function deidentified<Content extends ProtectedContent>(content: Content, scan: Scan): Content {
  const { subject: given, attributes: before } = content;
  const body = content.isStructured ? structuredBody(content.body, scan) : scan.bytes(content.body);
  const left = given === undefined ? undefined : scan.text(given);
  const subject = left === "" ? undefined : left;
  const changed = before.map((attribute) => withValue(attribute, scan.bytes(attribute.value)));
  const areSame = changed.every((attribute, index) => attribute === before[index]);
  if (body === content.body && subject === given && areSame) return content;
  const attributes = areSame ? before : changed;
  const sizeBytes = body.length + attributesSize(attributes);
  return { ...content, body, subject, attributes, sizeBytes };
}

/** What was hidden in a number leaves a text. */
function withValue(attribute: MessageAttribute, value: Buffer): MessageAttribute {
  if (value === attribute.value) return attribute;
  const dataType = attribute.dataType.replace(/^Number(?=\.|$)/, "String");
  return { ...attribute, dataType, value };
}

/** The texts as targets get them. Something was hidden: then what no target gets is left out. */
function structuredBody(body: Buffer, scan: Scan): Buffer {
  const texts = Object.entries(JSON.parse(body.toString("utf8")) as Record<string, unknown>).filter(
    (entry): entry is [string, string] => typeof entry[1] === "string",
  );
  const left = texts.map(([kind, text]): [string, string] => {
    const hidden = scan.text(text);
    return [kind, hidden === "" && text !== "" ? redacted : hidden];
  });
  const isSame = left.every(([_kind, text], index) => text === texts[index]?.[1]);
  return isSame ? body : Buffer.from(JSON.stringify(Object.fromEntries(left)), "utf8");
}
