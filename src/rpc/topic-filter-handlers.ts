// TestFilterPolicy at the wire: a filter and a message, and nothing stored.

import { FilterPolicyScope } from "../gen/forebay/topic/v1/topic.js";
import { tryFilter } from "../topic/filters.js";
import type { TopicHandlers } from "./topic-handler-context.js";
import { parseAttributes } from "./topic-message.js";
import { filterFault } from "./topic-wire-errors.js";
import { parseEnum, Violations } from "./violations.js";

export function createFilterHandlers(): Pick<TopicHandlers, "testFilterPolicy"> {
  return {
    testFilterPolicy: (request) => {
      const violations = new Violations();
      const { filterPolicy, message } = request;
      if (filterPolicy === "") {
        violations.add("MISSING_PARAMETER", "filter_policy", "the filter is needed");
      }
      const scope = parseEnum(
        violations,
        "filter_policy_scope",
        request.filterPolicyScope,
        FilterPolicyScope,
        "INVALID_SCOPE",
      );
      const attributes = parseAttributes(violations, "", request.attributes);
      violations.throwIfAny();
      const tried = tryFilter(filterPolicy, scope === "MESSAGE_BODY" ? "body" : "attributes", {
        attributes,
        body: Buffer.from(message, "utf8"),
      });
      if (tried.kind === "invalid") throw filterFault(tried.problems);
      const { isMatched, keys } = tried.explanation;
      return {
        matched: isMatched,
        keys: keys.map((key) => ({
          path: key.path,
          matched: key.isMatched,
          values: [...key.values],
          explanation: key.explanation,
        })),
      };
    },
  };
}
