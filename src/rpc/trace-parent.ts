// The caller's trace context, carried with what it sends (W3C Trace Context: version, trace id, parent id, flags).

import type { CallContext } from "./call.js";

const traceParent = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The `traceparent` of the call; undefined when it has none or not a well-formed one. */
export function traceParentOf(context: CallContext): string | undefined {
  const given = context.metadata("traceparent");
  return given !== undefined && traceParent.test(given) ? given : undefined;
}
