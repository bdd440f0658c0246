// Digest authentication (RFC 7616) for endpoints whose URL has a user: the answer to a challenge, which proves that we know the
// password without sending it. Of the challenge's algorithms MD5 and SHA-256, with quality of protection `auth` or, as old servers
// have it, none.

import { createHash } from "node:crypto";

export interface DigestRequest {
  /** The `www-authenticate` header, which may hold several challenges. */
  readonly challenge: string;
  readonly user: string;
  readonly password: string;
  readonly method: string;
  /** Path and query, as they are requested. */
  readonly path: string;
  /** Ours, by chance: without one that is new, a server could have answers prepared. */
  readonly clientNonce: string;
}

const hashes: Readonly<Record<string, string>> = { md5: "md5", "sha-256": "sha256" };

type Parameters = ReadonlyMap<string, string>;

/** The `authorization` header; undefined when there is no challenge that can be answered. */
export function digestAuthorization(request: DigestRequest): string | undefined {
  // A header holds ASCII; the ways around that are not known to servers.
  if (!/^[\x20-\x7e]*$/.test(request.user)) return undefined;
  for (const parameters of challengesIn(request.challenge)) {
    const hash = hashes[(parameters.get("algorithm") ?? "MD5").toLowerCase()];
    const offered = parameters.get("qop");
    const hasQuality = offered !== undefined;
    const isKnown = !hasQuality || offered.split(",").some((each) => each.trim() === "auth");
    if (hash === undefined || !isKnown || !parameters.has("nonce")) continue;
    return answerTo(parameters, hash, hasQuality, request);
  }
  return undefined;
}

/** The server's order is its preference. */
function challengesIn(header: string): readonly Parameters[] {
  const [, ...texts] = header.split(/(?:^|,)\s*Digest\s+/i);
  return texts.map((text) => {
    const parameters = new Map<string, string>();
    for (const [, name = "", quoted, token] of text.matchAll(parameterPattern)) {
      // The first one: those of another scheme may follow.
      if (!parameters.has(name.toLowerCase())) {
        parameters.set(name.toLowerCase(), quoted?.replace(/\\(.)/g, "$1") ?? token ?? "");
      }
    }
    return parameters;
  });
}

const parameterPattern = /([A-Za-z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))/g;

// A nonce is used once: each attempt begins without one.
const nonceCount = "00000001";

function answerTo(
  parameters: Parameters,
  hash: string,
  hasQuality: boolean,
  { user, password, method, path, clientNonce }: DigestRequest,
): string {
  const digest = (text: string): string => createHash(hash).update(text, "utf8").digest("hex");
  const realm = parameters.get("realm") ?? "";
  const nonce = parameters.get("nonce") ?? "";
  const who = digest(`${user}:${realm}:${password}`);
  const what = digest(`${method}:${path}`);
  const between = hasQuality ? `${nonce}:${nonceCount}:${clientNonce}:auth` : nonce;
  const opaque = parameters.get("opaque");
  const algorithm = parameters.get("algorithm");
  return [
    `Digest username=${quotedText(user)}`,
    `realm=${quotedText(realm)}`,
    `nonce=${quotedText(nonce)}`,
    `uri=${quotedText(path)}`,
    ...(algorithm === undefined ? [] : [`algorithm=${algorithm}`]),
    ...(hasQuality ? ["qop=auth", `nc=${nonceCount}`, `cnonce="${clientNonce}"`] : []),
    `response="${digest(`${who}:${between}:${what}`)}"`,
    ...(opaque === undefined ? [] : [`opaque=${quotedText(opaque)}`]),
  ].join(", ");
}

const quotedText = (text: string): string => `"${text.replace(/["\\]/g, "\\$&")}"`;
