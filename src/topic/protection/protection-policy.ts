// A data protection policy: what is looked for in the messages of a topic and what is done about it, in the JSON of Amazon SNS.
//
// The text is kept as its author gave it. Reading it says everything that is wrong with it at once, each with its place, or gives
// the model that messages are judged by.

import { readJson } from "../../policy/json-text.js";
import {
  describePrincipal,
  type PolicyPrincipal,
  parsePrincipal,
} from "../../policy/principals.js";
import { type Element, type PolicyProblem, PolicyProblems, shown } from "../../policy/problems.js";
import { topicLimits } from "../limits.js";
import { builtInIdentifiers, builtInName } from "./identifiers.js";
import { compilePattern, type Finder } from "./pattern-automaton.js";
import { parsePattern } from "./pattern-syntax.js";

export interface ProtectionPolicy {
  readonly kind: "policy";
  readonly statements: readonly ProtectionStatement[];
  /** Every identifier that a statement names. */
  readonly finders: ReadonlyMap<string, Finder>;
}

export interface ProtectionStatement {
  readonly direction: "inbound" | "outbound";
  readonly principals: readonly PolicyPrincipal[];
  readonly identifiers: readonly string[];
  readonly operation: ProtectionOperation;
}

export type ProtectionOperation =
  | Audit
  | { readonly kind: "deny" }
  | { readonly kind: "deidentify"; readonly style: DeidentifyStyle };

export interface Audit {
  readonly kind: "audit";
  /** Of a hundred messages. */
  readonly samplePercent: number;
  /** Whether messages in which something was found are logged. */
  readonly logsFindings: boolean;
  /** Whether the others are. */
  readonly logsNoFindings: boolean;
}

export type DeidentifyStyle =
  /** Every character becomes this one. */
  { readonly kind: "mask"; readonly character: string } | { readonly kind: "redact" };

export type ProtectionRead =
  | ProtectionPolicy
  | { readonly kind: "invalid"; readonly problems: readonly PolicyProblem[] };

/** Ours; Amazon SNS has the ten. */
const customMax = 10;
const sampleMax = 99;
const nameForm = /^[A-Za-z0-9_-]{1,128}$/;
const versions = ["2021-06-01", "2026-01"];
/** One character of ASCII, so that nothing grows, that breaks no JSON around it. */
const maskForm = /^[ !#-[\]-~]$/;

const documentRule =
  'write an object: {"Name": "…", "Version": "2021-06-01", "Statement": [{…}]}, with Description and Configuration if wanted';

export function readProtectionPolicy(text: string): ProtectionRead {
  const problems = new PolicyProblems(text);
  const bytes = Buffer.byteLength(text);
  const { policyBytesMax } = topicLimits;
  if (bytes > policyBytesMax) {
    // First, since it bounds the work of all that follows.
    problems.add("POLICY_SYNTAX", "", 0, `it has ${bytes} bytes; at most ${policyBytesMax}`);
    return { kind: "invalid", problems: problems.found };
  }
  const read = readJson(text);
  if (read.kind === "broken") {
    problems.add("POLICY_SYNTAX", "", read.at, read.description);
    return { kind: "invalid", problems: problems.found };
  }
  const policy = new PolicyReader(problems).document({ node: read.node, path: "" });
  return problems.found.length > 0 ? { kind: "invalid", problems: problems.found } : policy;
}

class PolicyReader {
  readonly #problems: PolicyProblems;
  readonly #custom = new Map<string, Finder>();
  readonly #finders = new Map<string, Finder>();
  #auditCount = 0;

  constructor(problems: PolicyProblems) {
    this.#problems = problems;
  }

  document(element: Element): ProtectionPolicy {
    const names = ["Name", "Description", "Version", "Configuration", "Statement"] as const;
    const fields = this.#problems.fields(element, names, documentRule);
    const name = this.#needed(element, fields.get("Name"), "Name", documentRule);
    if (name !== undefined) this.#problems.text(name, "write the policy's name as text");
    const description = fields.get("Description");
    if (description !== undefined) this.#problems.text(description, "write text, or leave it out");
    const version = this.#needed(element, fields.get("Version"), "Version", documentRule);
    if (version !== undefined) this.#oneOf(version, versions);
    const configuration = fields.get("Configuration");
    if (configuration !== undefined) this.#readConfiguration(configuration);
    const list = this.#needed(element, fields.get("Statement"), "Statement", documentRule);
    const sids = new Set<string>();
    const statements = (list === undefined ? [] : this.#problems.each(list)).flatMap(
      (each) => this.#statement(each, sids) ?? [],
    );
    return { kind: "policy", statements, finders: this.#finders };
  }

  #add({ node, path }: Element, description: string): void {
    this.#problems.add("POLICY_SYNTAX", path, node.at, description);
  }

  /** Says that a field is missing, unless there is no object that could hold it. */
  #needed(
    owner: Element,
    field: Element | undefined,
    name: string,
    rule: string,
  ): Element | undefined {
    if (field === undefined && owner.node.kind === "object") {
      this.#add(owner, `${name} is missing; ${rule}`);
    }
    return field;
  }

  #oneOf<Value extends string>(field: Element, values: readonly Value[]): Value | undefined {
    const rule = `write "${values.join('" or "')}"`;
    const text = this.#problems.text(field, rule);
    const found = values.find((value) => value.toLowerCase() === text?.toLowerCase());
    if (text !== undefined && found === undefined) this.#add(field, rule);
    return found;
  }

  // --- identifiers of the user's own --------------------------------------------------------------------------------------

  #readConfiguration(element: Element): void {
    const rule = 'write {"CustomDataIdentifier": [{"Name": "…", "Regex": "…"}]}';
    const fields = this.#problems.fields(element, ["CustomDataIdentifier"], rule);
    const list = this.#needed(
      element,
      fields.get("CustomDataIdentifier"),
      "CustomDataIdentifier",
      rule,
    );
    const items = list === undefined ? [] : this.#problems.each(list);
    if (list !== undefined && items.length > customMax) {
      this.#add(list, `there are ${items.length}; at most ${customMax}`);
      return;
    }
    for (const item of items) this.#readCustom(item, rule);
  }

  #readCustom(element: Element, rule: string): void {
    const fields = this.#problems.fields(element, ["Name", "Regex"], rule);
    const nameField = this.#needed(element, fields.get("Name"), "Name", rule);
    const regexField = this.#needed(element, fields.get("Regex"), "Regex", rule);
    const finder = regexField === undefined ? undefined : this.#readRegex(regexField);
    const nameRule = 'write 1 to 128 letters, digits, "_" or "-"';
    const name = nameField && this.#problems.text(nameField, nameRule);
    if (nameField === undefined || name === undefined) return;
    if (!nameForm.test(name)) this.#add(nameField, nameRule);
    else if (builtInName(name) !== undefined) this.#add(nameField, "this name is built in");
    else if (this.#custom.has(name)) this.#add(nameField, "this name is there twice");
    // Named in a statement it is known, also when its expression is bad: that is said once.
    this.#custom.set(name, finder ?? findNothing);
  }

  #readRegex(field: Element): Finder | undefined {
    const text = this.#problems.text(field, "write a regular expression as text");
    if (text === undefined) return undefined;
    const parsed = parsePattern(text);
    const compiled = parsed.kind === "invalid" ? parsed : compilePattern(parsed);
    if (compiled.kind === "compiled") return compiled.find;
    this.#add(field, `the expression cannot be used: ${compiled.description}`);
    return undefined;
  }

  // --- statements ---------------------------------------------------------------------------------------------------------

  #statement(element: Element, sids: Set<string>): ProtectionStatement | undefined {
    const rule =
      "write an object with DataDirection, Principal, DataIdentifier and Operation, and Sid if wanted";
    const needed = ["DataDirection", "Principal", "DataIdentifier", "Operation"] as const;
    const fields = this.#problems.fields(element, ["Sid", ...needed], rule);
    for (const name of needed) this.#needed(element, fields.get(name), name, rule);
    const [directionField, principalField, identifierField, operationField] = needed.map((name) =>
      fields.get(name),
    );
    this.#readSid(fields.get("Sid"), sids);
    const direction = directionField && this.#oneOf(directionField, ["Inbound", "Outbound"]);
    const principals = principalField === undefined ? [] : this.#principals(principalField);
    const identifiers = identifierField === undefined ? [] : this.#identifiers(identifierField);
    const operation = operationField && this.#operation(operationField);
    if (direction === undefined || operation === undefined || operationField === undefined) {
      return undefined;
    }
    if (direction === "Outbound" && operation.kind !== "deny") {
      this.#add(operationField, "outbound messages can be denied only; make it Inbound, or Deny");
    }
    return {
      direction: direction === "Inbound" ? "inbound" : "outbound",
      principals,
      identifiers,
      operation,
    };
  }

  #readSid(field: Element | undefined, sids: Set<string>): void {
    const rule = "write 1 to 80 characters, or leave it out";
    const sid = field && this.#problems.text(field, rule);
    if (field === undefined || sid === undefined) return;
    if (sid.length < 1 || [...sid].length > 80) this.#add(field, rule);
    if (sids.has(sid)) {
      const description = `another statement is "${shown(sid)}" too; give each its own Sid`;
      this.#problems.add("POLICY_DUPLICATE_SID", field.path, field.node.at, description);
    }
    sids.add(sid);
  }

  #principals(field: Element): readonly PolicyPrincipal[] {
    return this.#problems.each(field).flatMap((each) => {
      const text = this.#problems.text(each, 'write "*", a namespace or a caller, as text');
      if (text === undefined) return [];
      const principal = parsePrincipal(text);
      if (principal === undefined) this.#add(each, describePrincipal(text));
      return principal ?? [];
    });
  }

  #identifiers(field: Element): readonly string[] {
    const names = this.#problems.each(field).flatMap((each) => {
      const text = this.#problems.text(each, "write the name of an identifier");
      if (text === undefined) return [];
      const name = builtInName(text) ?? text;
      const finder = builtInIdentifiers.get(name) ?? this.#custom.get(name);
      if (finder === undefined) {
        const known = [...builtInIdentifiers.keys(), ...this.#custom.keys()].join(", ");
        this.#add(each, `there is no identifier "${shown(text)}"; those there are: ${known}`);
        return [];
      }
      this.#finders.set(name, finder);
      return name;
    });
    return [...new Set(names)];
  }

  #operation(field: Element): ProtectionOperation | undefined {
    const rule =
      'write one of {"Audit": {…}}, {"Deny": {}} and {"Deidentify": {"MaskConfig": {…}}} or {"Deidentify": {"RedactConfig": {}}}';
    const fields = this.#problems.fields(field, ["Audit", "Deny", "Deidentify"], rule);
    if (fields.size !== 1) {
      if (field.node.kind === "object") this.#add(field, rule);
      return undefined;
    }
    const [audit, deny, deidentify] = ["Audit", "Deny", "Deidentify"].map((name) =>
      fields.get(name as "Audit"),
    );
    if (audit !== undefined) return this.#audit(audit);
    if (deny !== undefined) {
      this.#problems.fields(deny, [], "write {}");
      return { kind: "deny" };
    }
    return deidentify && this.#deidentify(deidentify);
  }

  #audit(element: Element): Audit {
    this.#auditCount += 1;
    if (this.#auditCount === 2) this.#add(element, "a policy has one Audit at most; join them");
    const rule =
      'write {"SampleRate": 99, "FindingsDestination": {"Log": {}}}, with NoFindingsDestination if wanted';
    const names = ["SampleRate", "FindingsDestination", "NoFindingsDestination"] as const;
    const fields = this.#problems.fields(element, names, rule);
    const rate = this.#needed(element, fields.get("SampleRate"), "SampleRate", rule);
    const logsFindings = this.#isLogged(fields.get("FindingsDestination"));
    const logsNoFindings = this.#isLogged(fields.get("NoFindingsDestination"));
    const hasDestination = fields.has("FindingsDestination") || fields.has("NoFindingsDestination");
    if (element.node.kind === "object" && !hasDestination) {
      this.#add(element, `nothing says where findings go; ${rule}`);
    }
    const samplePercent = rate === undefined ? 0 : this.#sampleRate(rate);
    return { kind: "audit", samplePercent, logsFindings, logsNoFindings };
  }

  /** A number, or its text, as in Amazon SNS. */
  #sampleRate(field: Element): number {
    const { node } = field;
    const isText = node.kind === "text" && /^\d{1,2}$/.test(node.value);
    const rate = node.kind === "number" || isText ? Number(node.value) : Number.NaN;
    if (Number.isInteger(rate) && rate >= 0 && rate <= sampleMax) return rate;
    this.#add(field, `write a whole number from 0 to ${sampleMax}: so many of a hundred messages`);
    return 0;
  }

  #isLogged(field: Element | undefined): boolean {
    if (field === undefined) return false;
    const rule = 'write {"Log": {}}, the server\'s log: there is no other destination here';
    const log = this.#problems.fields(field, ["Log"], rule).get("Log");
    if (log === undefined) {
      if (field.node.kind === "object") this.#add(field, rule);
      return false;
    }
    this.#problems.fields(log, [], "write {}");
    return true;
  }

  #deidentify(element: Element): ProtectionOperation | undefined {
    const rule = 'write {"MaskConfig": {"MaskWithCharacter": "#"}} or {"RedactConfig": {}}';
    const fields = this.#problems.fields(element, ["MaskConfig", "RedactConfig"], rule);
    const mask = fields.get("MaskConfig");
    const redact = fields.get("RedactConfig");
    if (fields.size !== 1 || (mask === undefined && redact === undefined)) {
      if (element.node.kind === "object") this.#add(element, rule);
      return undefined;
    }
    if (mask === undefined) {
      if (redact !== undefined) this.#problems.fields(redact, [], "write {}");
      return { kind: "deidentify", style: { kind: "redact" } };
    }
    const field = this.#needed(
      mask,
      this.#problems.fields(mask, ["MaskWithCharacter"], rule).get("MaskWithCharacter"),
      "MaskWithCharacter",
      rule,
    );
    const character = field && this.#problems.text(field, 'write one character, like "#"');
    if (field === undefined || character === undefined) return undefined;
    if (!maskForm.test(character)) {
      this.#add(field, 'write one printable character of ASCII, and neither " nor \\');
    }
    return { kind: "deidentify", style: { kind: "mask", character } };
  }
}

const findNothing: Finder = () => [];
