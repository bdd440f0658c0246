// A queue's policy as callers write it: the whole document as an attribute, or one permission in parts.

import type { PolicyLimitExceeded } from "../policy/policy-document.js";
import { parsePolicy } from "../policy/policy-document.js";
import {
  grantableQueueActions,
  grantableQueueGroup,
  queuePolicyRules,
} from "../policy/policy-rules.js";
import { describePrincipal, parsePrincipal } from "../policy/principals.js";
import type { QueueAddress } from "../queue/queue-name.js";
import type { WireFault } from "./status-details.js";
import { checkListLength, listedMax, type Violations } from "./violations.js";
import { faultOf } from "./wire-errors.js";

/**
 * Checks the document of `attributes.policy`, if one is given; empty text removes the policy. A quota that it passes is
 * returned, since that is another kind of error than a bad field, to be thrown when no field is bad.
 */
export function checkPolicy(
  violations: Violations,
  { namespace, name, given }: QueueAddress,
  text: string | undefined,
): WireFault | undefined {
  if (text === undefined || text === "") return undefined;
  const parsed = parsePolicy(text, { rules: queuePolicyRules, namespace, name });
  if (parsed.kind === "limit") return policyLimit(given, parsed);
  if (parsed.kind === "document") return undefined;
  for (const { code, path, line, column, description } of parsed.problems) {
    const field = path === "" ? "attributes.policy" : `attributes.policy.${path}`;
    violations.add(
      "INVALID_ATTRIBUTE_VALUE",
      field,
      `line ${line}, column ${column}: ${description}`,
      { attribute: "policy", problem: code, line: String(line), column: String(column) },
    );
  }
  return undefined;
}

const policyLimit = (queue: string, { what, count, limit }: PolicyLimitExceeded): WireFault =>
  faultOf({ kind: "policy_limit", queue, what, count, limit });

const labelCharactersMax = 80;
const labelCharacters = /^[A-Za-z0-9_-]+$/;

/** The label of a new statement. */
export function checkNewLabel(violations: Violations, label: string): void {
  if (label === "") violations.add("MISSING_PARAMETER", "label", "the statement needs a label");
  else if (label.length > labelCharactersMax || !labelCharacters.test(label)) {
    violations.add(
      "INVALID_PARAMETER",
      "label",
      `must be 1 to ${labelCharactersMax} letters, digits, hyphens and underscores`,
    );
  }
}

/** A label to look for. Documents written by hand may name a statement with any characters. */
export function checkLabel(violations: Violations, label: string): void {
  if (label === "") violations.add("MISSING_PARAMETER", "label", "the label is needed");
  else if ([...label].length > labelCharactersMax) {
    violations.add("INVALID_PARAMETER", "label", `must have 1 to ${labelCharactersMax} characters`);
  }
}

export function checkPrincipals(
  violations: Violations,
  principals: readonly string[],
  countMax = listedMax,
): void {
  if (principals.length === 0) {
    violations.add("MISSING_PARAMETER", "principals", "at least one principal is needed");
  }
  if (!checkListLength(violations, "principals", principals.length, countMax)) return;
  principals.forEach((principal, index) => {
    const field = `principals[${index}]`;
    const kind = parsePrincipal(principal)?.kind;
    if (kind === undefined) {
      violations.add("INVALID_PARAMETER", field, describePrincipal(principal));
    } else if (kind === "everyone") {
      violations.add(
        "INVALID_PARAMETER",
        field,
        '"*" would let everyone in; name who is meant, or set a policy with a condition that says from where',
      );
    }
  });
}

/** The actions to grant, each once; all that can be granted are one. */
export function parseGrants(violations: Violations, actions: readonly string[]): readonly string[] {
  if (actions.length === 0) {
    violations.add("MISSING_PARAMETER", "actions", "at least one action is needed");
  }
  if (!checkListLength(violations, "actions", actions.length, listedMax)) return [];
  actions.forEach((action, index) => {
    if (action === "*" || (grantableQueueActions as readonly string[]).includes(action)) return;
    violations.add(
      "INVALID_PARAMETER",
      `actions[${index}]`,
      `"${action.slice(0, 64)}" cannot be granted; write * or one of ${grantableQueueActions.join(", ")}, which cover batches and streams`,
    );
  });
  return actions.includes("*") ? [grantableQueueGroup] : [...new Set(actions)];
}
