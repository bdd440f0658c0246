// Who a statement is about: everyone, a namespace, one caller of it, or a service of this server.

import { type Element, type PolicyProblems, shown } from "./problems.js";

export type PolicyPrincipal =
  /** Anonymous callers included. */
  | { readonly kind: "everyone" }
  /** The namespace itself: its own policies say who of it. */
  | { readonly kind: "namespace"; readonly namespace: string }
  /** Every caller of the namespace. */
  | { readonly kind: "all_of_namespace"; readonly namespace: string }
  /** One caller by his canonical name, `<kind>:<namespace>:<id>`. */
  | { readonly kind: "caller"; readonly name: string }
  | { readonly kind: "service"; readonly service: PolicyService };

/** Parts of this server that call others on somebody's behalf. */
const services = ["topic.forebay"] as const;
type PolicyService = (typeof services)[number];

const namespacePattern = /^[a-z0-9][a-z0-9-]{0,62}$/;
// Anonymous callers have no name of their own: only `"*"` covers them.
const callerPattern =
  /^(?:forebay:)?((?:cert|jwt|key|session|svc):[a-z0-9][a-z0-9-]{0,62}:[ -)+->@-~]+)$/;
const callerBytesMax = 256;
const everyoneOfNamespace = ":*";
const accountOfArn = /^arn:[^:]*:(?:iam|sts)::(\d{12}):/;

/** A principal as policies and AddPermission name it; undefined when it is none. */
export function parsePrincipal(text: string): PolicyPrincipal | undefined {
  if (text === "*") return { kind: "everyone" };
  if (namespacePattern.test(text)) return { kind: "namespace", namespace: text };
  if (text.endsWith(everyoneOfNamespace)) {
    const namespace = text.slice(0, -everyoneOfNamespace.length);
    return namespacePattern.test(namespace) ? { kind: "all_of_namespace", namespace } : undefined;
  }
  const name = callerPattern.exec(text)?.[1];
  if (name === undefined || text.length > callerBytesMax) return undefined;
  return { kind: "caller", name };
}

/** What to write instead of a text that is no principal. */
export function describePrincipal(text: string): string {
  const account = accountOfArn.exec(text)?.[1];
  const meant = account === undefined ? "" : `; the account of this ARN is written "${account}"`;
  return `"${shown(text)}" is no principal; write a namespace ("billing"), all its callers ("billing:*") or one of them ("key:billing:reader", of at most ${callerBytesMax} characters)${meant}`;
}

const principalRule =
  'write "*", {"Forebay": […]} or {"AWS": […]} with namespaces and callers, or {"Service": "topic.forebay"}';

export function readPrincipals(
  problems: PolicyProblems,
  element: Element,
): readonly PolicyPrincipal[] {
  const { node, path } = element;
  if (node.kind === "text") {
    if (node.value === "*") return [{ kind: "everyone" }];
    problems.add("POLICY_SYNTAX", path, node.at, principalRule);
    return [];
  }
  const groups = problems.fields(element, ["Forebay", "AWS", "Service"], principalRule);
  if (node.kind === "object" && groups.size === 0) {
    problems.add("POLICY_SYNTAX", path, node.at, principalRule);
  }
  return [
    ...readNames(problems, groups.get("Forebay")),
    ...readNames(problems, groups.get("AWS")),
    ...readServices(problems, groups.get("Service")),
  ];
}

function readNames(problems: PolicyProblems, group: Element | undefined): PolicyPrincipal[] {
  const principals: PolicyPrincipal[] = [];
  for (const each of group === undefined ? [] : problems.each(group)) {
    const name = problems.text(each, "write a namespace or a caller here, as text");
    if (name === undefined) continue;
    const principal = parsePrincipal(name);
    if (principal !== undefined) principals.push(principal);
    else problems.add("POLICY_SYNTAX", each.path, each.node.at, describePrincipal(name));
  }
  return principals;
}

function readServices(problems: PolicyProblems, group: Element | undefined): PolicyPrincipal[] {
  const principals: PolicyPrincipal[] = [];
  const rule = `write ${services.map((name) => `"${name}"`).join(" or ")}`;
  for (const each of group === undefined ? [] : problems.each(group)) {
    const name = problems.text(each, rule);
    if (name === undefined) continue;
    const service = services.find((known) => known === name);
    if (service !== undefined) principals.push({ kind: "service", service });
    else {
      problems.add(
        "POLICY_SYNTAX",
        each.path,
        each.node.at,
        `there is no service "${shown(name)}"; ${rule}`,
      );
    }
  }
  return principals;
}
