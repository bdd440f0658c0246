// AddPermission and RemovePermission on the text of a policy: a statement more, or one less, and the others as they were.

import { assert } from "../base/assert.js";
import { type PolicyLimitExceeded, parsePolicy } from "./policy-document.js";
import { type PolicyResource, resourceText } from "./policy-rules.js";

export interface NewStatement {
  /** Its Sid. */
  readonly label: string;
  /** Each one that `parsePrincipal` takes, and not everyone. */
  readonly principals: readonly string[];
  /** Names of actions or groups of the resource's service, without the service. */
  readonly actions: readonly string[];
  readonly resource: PolicyResource;
}

export type StatementAdded =
  | { readonly kind: "changed"; readonly policy: string }
  | { readonly kind: "label_exists" }
  | PolicyLimitExceeded;

export type StatementRemoved =
  /** Undefined: it was the last one, and the policy is gone. */
  | { readonly kind: "changed"; readonly policy: string | undefined }
  | { readonly kind: "label_not_found" };

// What a stored policy is known to look like: it was read with `parsePolicy` before it was stored.
interface StoredPolicy {
  readonly Version?: string;
  readonly Statement: StoredStatement | readonly StoredStatement[];
}

interface StoredStatement {
  readonly Sid?: string;
}

const newPolicy: StoredPolicy = { Version: "2012-10-17", Statement: [] };

/** Adds an Allow statement to the stored policy of a resource; undefined: it has none. */
export function addStatement(policy: string | undefined, added: NewStatement): StatementAdded {
  const { label, principals, actions, resource } = added;
  const stored = policy === undefined ? newPolicy : (JSON.parse(policy) as StoredPolicy);
  const statements = statementsOf(stored);
  if (statements.some(({ Sid }) => Sid === label)) return { kind: "label_exists" };
  const statement = {
    Sid: label,
    Effect: "Allow",
    Principal: { Forebay: principals },
    Action: actions.map((action) => `${resource.rules.service}:${action}`),
    Resource: resourceText(resource),
  };
  const text = JSON.stringify({ ...stored, Statement: [...statements, statement] });
  const checked = parsePolicy(text, resource);
  if (checked.kind === "limit") return checked;
  assert(
    checked.kind === "document" || isInvalid(policy, resource),
    "a statement that AddPermission takes makes no policy invalid",
  );
  return { kind: "changed", policy: text };
}

/** What was good when it was stored may not be now: the time zones of conditions are those that Node brings along. */
const isInvalid = (policy: string | undefined, resource: PolicyResource): boolean =>
  policy !== undefined && parsePolicy(policy, resource).kind === "invalid";

export function removeStatement(policy: string | undefined, label: string): StatementRemoved {
  if (policy === undefined) return { kind: "label_not_found" };
  const stored = JSON.parse(policy) as StoredPolicy;
  const statements = statementsOf(stored);
  const left = statements.filter(({ Sid }) => Sid !== label);
  if (left.length === statements.length) return { kind: "label_not_found" };
  if (left.length === 0) return { kind: "changed", policy: undefined };
  return { kind: "changed", policy: JSON.stringify({ ...stored, Statement: left }) };
}

const statementsOf = ({ Statement }: StoredPolicy): readonly StoredStatement[] =>
  Array.isArray(Statement) ? Statement : [Statement as StoredStatement];
