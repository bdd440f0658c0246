// The endpoint of a webhook or a function, read once: what is dialled is made of what was read here, and never of the text again.
// WHATWG's URL folds every odd way to write an address (`0x7f.1`, `2130706433`, full-width digits) into the plain one, so that what
// is checked is what is dialled.

import { isIP } from "node:net";
import { deliveryLimits } from "./limits.js";

export interface Endpoint {
  readonly isSecure: boolean;
  /** A name in lower case, or an address without brackets. */
  readonly host: string;
  /** Whether the host is an address, which no look-up will see. */
  readonly isAddress: boolean;
  readonly port: number;
  /** Of webhooks: path and query. */
  readonly path: string;
  /** As in the `Host` header: with brackets, and the port where it is not that of the scheme. */
  readonly authority: string;
  /** Of the URL's userinfo. */
  readonly credentials: { readonly user: string; readonly password: string } | undefined;
}

export type ReadEndpoint =
  | { readonly kind: "endpoint"; readonly endpoint: Endpoint }
  | { readonly kind: "invalid"; readonly why: string };

// URL would skip further slashes and take for the host what was not meant as one.
const schemePattern = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/(?!\/)/;
const secureSchemes: ReadonlySet<string> = new Set(["https", "grpcs"]);
const defaultPorts = { secure: 443, plain: 80 } as const;

/** Of a subscription of kind `http` or `https`, whose scheme is its kind. */
export function readWebhookEndpoint(text: string, scheme: "http" | "https"): ReadEndpoint {
  return read(text, [scheme]);
}

/** `grpc(s)://host:port[/authority]`: the authority is what the server is asked for, where it is not where it is. */
export function readFunctionEndpoint(text: string): ReadEndpoint {
  const result = read(text, ["grpc", "grpcs"]);
  if (result.kind === "invalid") return result;
  const { endpoint } = result;
  if (endpoint.credentials !== undefined) return invalid("it has a user; use a bearer token");
  const named = endpoint.path.slice(1);
  if (named === "") return result;
  if (!authorityPattern.test(named)) return invalid("what follows the port is no authority");
  return { kind: "endpoint", endpoint: { ...endpoint, authority: named.toLowerCase() } };
}

const authorityPattern = /^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(?::\d{1,5})?$/;

function read(text: string, schemes: readonly string[]): ReadEndpoint {
  if (text.length > deliveryLimits.urlCharactersMax) {
    return invalid(`it is longer than ${deliveryLimits.urlCharactersMax} characters`);
  }
  // URL drops tabs and newlines and trims; a text that needs that was not meant.
  if (/[\s\p{Cc}\\]/u.test(text))
    return invalid("it has spaces, backslashes or control characters");
  const scheme = schemePattern.exec(text)?.[1]?.toLowerCase() ?? "";
  if (!schemes.includes(scheme))
    return invalid(`it does not begin with ${schemes.join(":// or ")}://`);
  const isSecure = secureSchemes.has(scheme);
  // URL folds hosts only of schemes it knows.
  const known = `${isSecure ? "https" : "http"}${text.slice(scheme.length)}`;
  if (!URL.canParse(known)) return invalid("it is no URL");
  return endpointOf(new URL(known), isSecure);
}

function endpointOf(url: URL, isSecure: boolean): ReadEndpoint {
  if (url.hash !== "" || url.href.includes("#")) return invalid("it has a fragment");
  // A dot at the end is the same name, and would be another one for certificates.
  const host = url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  if (host === "") return invalid("it names no host");
  if (host.length > deliveryLimits.hostCharactersMax) return invalid("its host is too long");
  const credentials = credentialsOf(url);
  if (credentials === "malformed") return invalid("its user or password cannot be decoded");
  if (credentials !== undefined && !isSecure) {
    return invalid("it has a user, whose password would travel in the clear; use https");
  }
  const { secure, plain } = defaultPorts;
  const port = url.port === "" ? (isSecure ? secure : plain) : Number(url.port);
  if (port === 0) return invalid("its port is 0");
  return {
    kind: "endpoint",
    endpoint: {
      isSecure,
      host,
      isAddress: isIP(host) !== 0,
      port,
      path: `${url.pathname}${url.search}`,
      authority: url.host,
      credentials,
    },
  };
}

const invalid = (why: string): ReadEndpoint => ({ kind: "invalid", why });

function credentialsOf({ username, password }: URL): Endpoint["credentials"] | "malformed" {
  if (username === "" && password === "") return undefined;
  try {
    return { user: decodeURIComponent(username), password: decodeURIComponent(password) };
  } catch {
    // A percent sign that begins no escape.
    return "malformed";
  }
}
