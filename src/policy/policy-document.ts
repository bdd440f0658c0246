// A policy: who may do what to a resource, in IAM's JSON.
//
// A document is kept as the text its author gave. Reading it says everything that is wrong with it at once, or gives the model
// that calls are to be judged by: principals, actions and conditions resolved, no text left to interpret. A statement that
// cannot mean what its author hoped is refused when it is written, not ignored when it is needed.

import { readActions } from "./actions.js";
import { type PolicyCondition, readConditions } from "./conditions.js";
import { readJson } from "./json-text.js";
import { type PolicyQuotas, type PolicyResource, resourceText } from "./policy-rules.js";
import { type PolicyPrincipal, readPrincipals } from "./principals.js";
import { type Element, type PolicyProblem, PolicyProblems, shown } from "./problems.js";

export interface PolicyDocument {
  readonly kind: "document";
  readonly id: string | undefined;
  readonly statements: readonly PolicyStatement[];
}

export interface PolicyStatement {
  readonly sid: string | undefined;
  readonly effect: "allow" | "deny";
  readonly principals: readonly PolicyPrincipal[];
  /** The names of actions without their service, patterns and groups resolved. */
  readonly actions: ReadonlySet<string>;
  /** All must hold. */
  readonly conditions: readonly PolicyCondition[];
}

export type PolicyFault =
  | { readonly kind: "invalid"; readonly problems: readonly PolicyProblem[] }
  | PolicyLimitExceeded;

/** A quota that is passed. */
export interface PolicyLimitExceeded {
  readonly kind: "limit";
  /** What there is too much of, in words: `conditions`. */
  readonly what: string;
  readonly count: number;
  readonly limit: number;
}

/** Reads the policy of a resource. */
export function parsePolicy(text: string, resource: PolicyResource): PolicyDocument | PolicyFault {
  const { quotas } = resource.rules;
  // First, since it bounds the work of all that follows.
  const bytes = Buffer.byteLength(text);
  if (bytes > quotas.bytes) {
    return { kind: "limit", what: "bytes", count: bytes, limit: quotas.bytes };
  }
  const problems = new PolicyProblems(text);
  const read = readJson(text);
  if (read.kind === "broken") {
    problems.add("POLICY_SYNTAX", "", read.at, read.description);
    return { kind: "invalid", problems: problems.found };
  }
  const { id, statements } = readDocument(problems, { node: read.node, path: "" }, resource);
  if (problems.found.length > 0) return { kind: "invalid", problems: problems.found };
  return (
    exceededQuota(statements, quotas) ?? {
      kind: "document",
      id,
      statements: statements.map(({ statement }) => statement),
    }
  );
}

/** A statement and how many actions it lists. */
interface ReadStatement {
  readonly statement: PolicyStatement;
  readonly writtenActionCount: number;
}

function exceededQuota(
  read: readonly ReadStatement[],
  quotas: PolicyQuotas,
): PolicyLimitExceeded | undefined {
  const sum = (countOf: (statement: PolicyStatement) => number): number =>
    read.reduce((total, { statement }) => total + countOf(statement), 0);
  const counts: readonly (readonly [string, number, number])[] = [
    ["statements", read.length, quotas.statements],
    ["principals", sum(({ principals }) => principals.length), quotas.principals],
    ["conditions", sum(({ conditions }) => conditions.length), quotas.conditions],
    [
      "actions in a statement",
      Math.max(...read.map(({ writtenActionCount }) => writtenActionCount)),
      quotas.actionsOfStatement,
    ],
  ];
  for (const [what, count, limit] of counts) {
    if (count > limit) return { kind: "limit", what, count, limit };
  }
  return undefined;
}

/** They mean the same here; the first is ours, the others come with documents from AWS. */
const versions = ["2026-01", "2012-10-17", "2008-10-17"];

const documentRule = 'write an object: {"Version": "2012-10-17", "Statement": [{…}]}';

function readDocument(
  problems: PolicyProblems,
  element: Element,
  resource: PolicyResource,
): { readonly id: string | undefined; readonly statements: readonly ReadStatement[] } {
  const fields = problems.fields(element, ["Version", "Id", "Statement"], documentRule);
  readOneOf(problems, fields.get("Version"), versions);
  const idField = fields.get("Id");
  const id =
    idField && problems.text(idField, "write the document's name as text, or leave it out");
  const list = fields.get("Statement");
  if (list === undefined) {
    addMissing(problems, element, "Statement", documentRule);
    return { id, statements: [] };
  }
  const sids = new Set<string>();
  const statements = problems
    .each(list)
    .map((each) => readStatement(problems, each, resource, sids));
  return { id, statements };
}

/** Says that a field is missing, unless there is no object that could hold it. */
function addMissing(problems: PolicyProblems, owner: Element, name: string, rule: string): void {
  const { node, path } = owner;
  if (node.kind !== "object") return;
  problems.add("POLICY_SYNTAX", path, node.at, `${name} is missing; ${rule}`);
}

function readOneOf<Value extends string>(
  problems: PolicyProblems,
  field: Element | undefined,
  values: readonly Value[],
): Value | undefined {
  if (field === undefined) return undefined;
  const { node, path } = field;
  const found = values.find((value) => node.kind === "text" && node.value === value);
  if (found === undefined) {
    problems.add("POLICY_SYNTAX", path, node.at, `write "${values.join('" or "')}"`);
  }
  return found;
}

const sidCharactersMax = 80;
const sidRule = `write 1 to ${sidCharactersMax} characters, or leave it out`;

const statementFields = ["Sid", "Effect", "Principal", "Action", "Resource", "Condition"] as const;

const statementRule =
  "write an object with Effect, Principal, Action and Resource, and Sid and Condition if wanted";

function readStatement(
  problems: PolicyProblems,
  element: Element,
  resource: PolicyResource,
  /** Of the statements before. */
  sids: Set<string>,
): ReadStatement {
  const { rules } = resource;
  const fields = problems.fields(element, statementFields, statementRule);
  const needed = [
    ["Effect", 'write "Allow" or "Deny"'],
    ["Principal", 'say who is meant, like {"Forebay": ["billing"]}'],
    ["Action", `say what is meant, like ["${rules.service}:*"]`],
    ["Resource", `write "${resourceText(resource)}"`],
  ] as const;
  for (const [name, rule] of needed) {
    if (!fields.has(name)) addMissing(problems, element, name, rule);
  }
  const effect = readOneOf(problems, fields.get("Effect"), ["Allow", "Deny"]);
  const principal = fields.get("Principal");
  const principals = principal === undefined ? [] : readPrincipals(problems, principal);
  const action = fields.get("Action");
  const { actions, writtenCount } =
    action === undefined
      ? { actions: new Set<string>(), writtenCount: 0 }
      : readActions(problems, action, rules);
  checkResources(problems, fields.get("Resource"), resource);
  const condition = fields.get("Condition");
  const conditions = condition === undefined ? [] : readConditions(problems, condition);
  const statement: PolicyStatement = {
    sid: readSid(problems, fields.get("Sid"), sids),
    effect: effect === "Deny" ? "deny" : "allow",
    principals,
    actions,
    conditions,
  };
  if (principal !== undefined) checkPublic(problems, principal, statement);
  return { statement, writtenActionCount: writtenCount };
}

function readSid(
  problems: PolicyProblems,
  field: Element | undefined,
  taken: Set<string>,
): string | undefined {
  const sid = field && problems.text(field, sidRule);
  if (field === undefined || sid === undefined) return undefined;
  const { node, path } = field;
  const { length } = [...sid];
  if (length < 1 || length > sidCharactersMax) {
    problems.add("POLICY_SYNTAX", path, node.at, sidRule);
  }
  if (taken.has(sid)) {
    const rule = `another statement is "${shown(sid)}" too; give each its own Sid`;
    problems.add("POLICY_DUPLICATE_SID", path, node.at, rule);
  }
  taken.add(sid);
  return sid;
}

/** A policy speaks for the resource it belongs to and for no other. */
function checkResources(
  problems: PolicyProblems,
  field: Element | undefined,
  resource: PolicyResource,
): void {
  const own = resourceText(resource);
  const rule = `a policy may name its own resource only; write "${own}"`;
  for (const each of field === undefined ? [] : problems.each(field)) {
    const text = problems.text(each, rule);
    if (text === undefined || text === own || text === `${resource.namespace}:${own}`) continue;
    problems.add("POLICY_FOREIGN_RESOURCE", each.path, each.node.at, rule);
  }
}

const narrowingKeys = new Set([
  "aws:SourceIp",
  "forebay:SourceIp",
  "aws:PrincipalAccount",
  "forebay:Source",
  "aws:SourceArn",
]);

/** Access for the whole world is most often a slip, so where a caller comes from must be said. */
function checkPublic(
  problems: PolicyProblems,
  principal: Element,
  { effect, principals, conditions }: PolicyStatement,
): void {
  if (effect === "deny" || !principals.some(({ kind }) => kind === "everyone")) return;
  if (conditions.some((condition) => narrowingKeys.has(condition.key) && narrows(condition))) {
    return;
  }
  problems.add(
    "POLICY_PUBLIC",
    principal.path,
    principal.node.at,
    '"*" lets everyone in; name who is meant, or add a condition on aws:SourceIp, aws:PrincipalAccount, forebay:Source or aws:SourceArn that does',
  );
}

/** False for conditions that all the world, or all but a part of it, fulfils. */
function narrows(condition: PolicyCondition): boolean {
  switch (condition.kind) {
    case "ip":
      return !condition.isNegated && condition.values.every(({ prefixLength }) => prefixLength > 0);
    case "string":
      return (
        !condition.isNegated &&
        (condition.match !== "pattern" || condition.values.every((value) => /[^*?]/.test(value)))
      );
    default:
      return false;
  }
}
