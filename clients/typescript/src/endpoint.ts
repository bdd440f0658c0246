// Where the server is: `host:port`, `[::1]:port` or a name alone. Checked before anything is dialled, because a channel given
// a web address would only say, much later, that a name could not be resolved.

const portDefault = 7400;

/**
 * The endpoint with its port; 7400 when it names none.
 *
 * @throws TypeError if it is empty, holds a scheme or a path, or a port outside 1 to 65535.
 */
export function parseEndpoint(endpoint: string): string {
  const trimmed = endpoint.trim();
  const hint = "Write it as host:port, for example 127.0.0.1:7400.";
  if (trimmed === "") throw new TypeError(`The endpoint is empty. ${hint}`);
  if (trimmed.includes("/")) {
    throw new TypeError(`The endpoint "${endpoint}" looks like a web address. ${hint}`);
  }
  const match = /^(\[[0-9A-Fa-f:.%]+\]|[^\s:[\]]+)(?::(\d+))?$/.exec(trimmed);
  if (match === null) throw new TypeError(`"${endpoint}" is not an endpoint. ${hint}`);
  const [, host = "", portText] = match;
  const port = portText === undefined ? portDefault : Number(portText);
  if (port < 1 || port > 65_535) {
    throw new TypeError(`The port of "${endpoint}" is not between 1 and 65535.`);
  }
  return `${host}:${port}`;
}

/**
 * The endpoints of a list, the first of which is the one to ask first: `a:7400,b:7400`, or an array of such.
 *
 * @throws TypeError as `parseEndpoint`.
 */
export function parseEndpoints(
  given: string | readonly string[],
): readonly [string, ...(readonly string[])] {
  const texts = typeof given === "string" ? given.split(",") : given;
  const [first = "", ...others] = texts;
  const parsed = [parseEndpoint(first), ...others.map(parseEndpoint)] as const;
  return [parsed[0], ...new Set(parsed.slice(1).filter((other) => other !== parsed[0]))];
}
