// What a statement is about: actions by name, by group, or by the start of their names.
//
// They are resolved when the document is read, so judging a call is one look into a set. A pattern takes in what a later
// release adds, since a document is kept as text and read again.

import type { PolicyRules } from "./policy-rules.js";
import { type Element, type PolicyProblems, shown } from "./problems.js";

/** The names of the actions meant, without the service; problems with them otherwise. */
export function readActions(
  problems: PolicyProblems,
  element: Element,
  rules: PolicyRules,
): { readonly actions: ReadonlySet<string>; readonly writtenCount: number } {
  const elements = problems.each(element);
  const actions = new Set<string>();
  for (const each of elements) {
    const text = problems.text(each, `write an action as text, like "${rules.service}:*"`);
    if (text === undefined) continue;
    const meant = actionsOf(text, rules);
    if (typeof meant !== "string") for (const action of meant) actions.add(action);
    else problems.add("POLICY_UNKNOWN_ACTION", each.path, each.node.at, meant);
  }
  return { actions, writtenCount: elements.length };
}

/** The actions a text means, or what to write instead. */
function actionsOf(text: string, rules: PolicyRules): readonly string[] | string {
  const { service, actions, groups, forms, compounds } = rules;
  const prefix = `${service}:`;
  const unknown = `"${shown(text)}" is no action of a ${service}; write "${prefix}*" or`;
  const name = text.slice(prefix.length);
  const known = [...Object.keys(groups), ...actions].join(", ");
  if (!text.startsWith(prefix)) return `${unknown} "${prefix}" and one of ${known}`;
  if (name.endsWith("*")) {
    const start = name.slice(0, -1);
    const found = actions.filter((action) => action.startsWith(start));
    return found.length > 0 ? found : `${unknown} the start, then "*", of ${known}`;
  }
  if (actions.includes(name)) return [name];
  if (Object.hasOwn(groups, name)) return groups[name] ?? [];
  if (Object.hasOwn(forms, name)) return [forms[name] ?? ""];
  if (Object.hasOwn(compounds, name)) {
    const parts = (compounds[name] ?? []).map((part) => `"${prefix}${part}"`);
    return `"${text}" is several actions; write ${parts.join(", ")}`;
  }
  return `${unknown} "${prefix}" and one of ${known}`;
}
