// Which content types a webhook may be sent (Amazon SNS developer guide, "Creating an HTTP/S delivery policy"): an envelope is JSON
// or goes as plain text; a message alone may be more.

const envelopeTypes: ReadonlySet<string> = new Set(["text/plain", "application/json"]);

const rawTypes: ReadonlySet<string> = new Set([
  "text/css",
  "text/csv",
  "text/html",
  "text/plain",
  "text/xml",
  "application/atom+xml",
  "application/json",
  "application/octet-stream",
  "application/soap+xml",
  "application/x-www-form-urlencoded",
  "application/xhtml+xml",
  "application/xml",
]);

const charactersMax = 256;
// A type, then parameters whose values are tokens or quoted text of visible ASCII: nothing that could end a header.
const pattern =
  /^([a-z]+\/[a-z+-]+)(?:[ ]*;[ ]*[A-Za-z0-9-]+=(?:[A-Za-z0-9!#$%&'*+.^_`|~-]+|"[ !#-[\]-~]*"))*$/i;

/** Undefined when it is allowed. */
export function contentTypeProblem(text: string, isRaw: boolean): string | undefined {
  const allowed = isRaw ? rawTypes : envelopeTypes;
  const type = text.length > charactersMax ? undefined : pattern.exec(text)?.[1]?.toLowerCase();
  if (type !== undefined && allowed.has(type)) return undefined;
  return `is one of ${[...allowed].join(", ")}${isRaw ? "" : " (more with raw delivery, in the policy of the subscription)"}`;
}
