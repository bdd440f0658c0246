// What endpoints reach by the URLs in their messages: confirming a subscription, ending one, and the certificate that signatures are
// verified by. Requests in, responses out; the listener around it speaks HTTP, and ports do what is asked.
//
// Answers are those of SNS's query API, as XML or, for who asks for it, JSON. Nobody is authenticated here: a token is a right by
// itself, and ending a subscription is allowed only where its owner left that open.

import { deliveryLimits } from "./limits.js";
import type { SubscriptionReference, TopicReference } from "./resource-names.js";
import { arnPrefixDefault, readSubscriptionArn, readTopicArn } from "./resource-names.js";

export interface PageRequest {
  readonly method: string;
  /** Path and query, as they came. */
  readonly target: string;
  /** The `accept` header. */
  readonly accept: string | undefined;
  /** Made by the listener; a caller names it to the operator. */
  readonly requestId: string;
}

export interface PageResponse {
  readonly statusCode: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface PagePorts {
  confirm(request: ConfirmPageRequest): Promise<ConfirmPageResult>;
  unsubscribe(reference: SubscriptionReference): Promise<UnsubscribePageResult>;
  certificate(name: string): Promise<CertificatePageResult>;
}

export interface ConfirmPageRequest {
  readonly topic: TopicReference;
  readonly token: string;
  /** Whether the subscription can only be ended by somebody authenticated. */
  readonly isAuthenticatedOnUnsubscribe: boolean;
}

export type ConfirmPageResult =
  /** Also when it was confirmed before. */
  | { readonly kind: "confirmed"; readonly subscriptionArn: string }
  | { readonly kind: "invalid_token" }
  | { readonly kind: "unavailable" };

export type UnsubscribePageResult =
  /** Also when there is no such subscription. */
  | { readonly kind: "ended" }
  | { readonly kind: "authentication_required" }
  | { readonly kind: "unavailable" };

export type CertificatePageResult =
  | { readonly kind: "found"; readonly pem: string }
  /** It is not, or no longer, served. */
  | { readonly kind: "unknown" }
  | { readonly kind: "unavailable" };

export interface PageSettings {
  readonly arnPrefix?: string;
}

/** The pages of a server. What a port throws is thrown on: the listener answers 500 and logs it. */
export function createPages(
  ports: PagePorts,
  { arnPrefix = arnPrefixDefault }: PageSettings = {},
): (request: PageRequest) => Promise<PageResponse> {
  return async (request) => {
    if (request.method !== "GET" && request.method !== "HEAD") {
      return plain(405, "Use GET.", { allow: "GET, HEAD" });
    }
    if (request.target.length > deliveryLimits.pageUrlCharactersMax) {
      return plain(414, "The URL is too long.");
    }
    const { path, query } = readTarget(request.target);
    const [, name] = certificatePath.exec(path) ?? [];
    if (name !== undefined) return certificatePage(request, await ports.certificate(name));
    if (path !== "/") return plain(404, "There is nothing here.");
    // A look at a page must not do what visiting it does.
    if (request.method === "HEAD") return plain(200, "");
    switch (query.get("Action")) {
      case "ConfirmSubscription":
        return confirmPage(request, query, ports, arnPrefix);
      case "Unsubscribe":
        return unsubscribePage(request, query, ports, arnPrefix);
      default:
        return failure(request, 400, "InvalidAction", "The action is not one of this server's.");
    }
  };
}

const certificatePath = /^\/(SimpleNotificationService-[0-9a-f]{32}\.pem)$/;

function readTarget(target: string): { readonly path: string; readonly query: URLSearchParams } {
  const at = target.indexOf("?");
  return at === -1
    ? { path: target, query: new URLSearchParams() }
    : { path: target.slice(0, at), query: new URLSearchParams(target.slice(at + 1)) };
}

function certificatePage(request: PageRequest, result: CertificatePageResult): PageResponse {
  if (result.kind === "unavailable") return unavailable(request);
  if (result.kind === "unknown") return plain(404, "There is no such certificate.");
  // Its name is made of its bytes, so it never changes.
  const headers = {
    "content-type": "application/x-pem-file",
    "cache-control": "public, max-age=86400, immutable",
  };
  return { statusCode: 200, headers: { ...safeHeaders, ...headers }, body: result.pem };
}

const tokenCharactersMax = 256;

async function confirmPage(
  request: PageRequest,
  query: URLSearchParams,
  ports: PagePorts,
  arnPrefix: string,
): Promise<PageResponse> {
  const topic = readTopicArn(arnPrefix, query.get("TopicArn") ?? "");
  if (topic === undefined)
    return failure(request, 400, "InvalidParameter", "TopicArn is no topic.");
  const token = query.get("Token") ?? "";
  if (token === "" || token.length > tokenCharactersMax) return invalidToken(request);
  const flag = query.get("AuthenticateOnUnsubscribe")?.toLowerCase();
  const isAuthenticatedOnUnsubscribe = flag === "true";
  const result = await ports.confirm({ topic, token, isAuthenticatedOnUnsubscribe });
  switch (result.kind) {
    case "confirmed":
      return success(request, "ConfirmSubscription", { SubscriptionArn: result.subscriptionArn });
    case "invalid_token":
      return invalidToken(request);
    case "unavailable":
      return unavailable(request);
  }
}

async function unsubscribePage(
  request: PageRequest,
  query: URLSearchParams,
  ports: PagePorts,
  arnPrefix: string,
): Promise<PageResponse> {
  const reference = readSubscriptionArn(arnPrefix, query.get("SubscriptionArn") ?? "");
  if (reference === undefined) {
    return failure(request, 400, "InvalidParameter", "SubscriptionArn is no subscription.");
  }
  const result = await ports.unsubscribe(reference);
  switch (result.kind) {
    case "ended":
      return success(request, "Unsubscribe", {});
    case "authentication_required": {
      const message = "This subscription can only be ended by an authenticated call.";
      return failure(request, 403, "AuthorizationError", message);
    }
    case "unavailable":
      return unavailable(request);
  }
}

const invalidToken = (request: PageRequest): PageResponse =>
  failure(request, 400, "InvalidParameter", "The token is unknown or has expired.");

const unavailable = (request: PageRequest): PageResponse => ({
  ...failure(request, 503, "ServiceUnavailable", "Try again in some seconds."),
});

const namespace = "http://sns.amazonaws.com/doc/2010-03-31/";

function success(
  request: PageRequest,
  action: string,
  result: Readonly<Record<string, string>>,
): PageResponse {
  const metadata = { RequestId: request.requestId };
  const fields = Object.keys(result).length === 0 ? {} : { [`${action}Result`]: result };
  return answer(request, 200, `${action}Response`, { ...fields, ResponseMetadata: metadata });
}

function failure(
  request: PageRequest,
  statusCode: number,
  code: string,
  message: string,
): PageResponse {
  const type = statusCode < 500 ? "Sender" : "Receiver";
  const error = { Type: type, Code: code, Message: message };
  return answer(request, statusCode, "ErrorResponse", {
    Error: error,
    RequestId: request.requestId,
  });
}

type Tree = { readonly [name: string]: string | Tree };

function answer(request: PageRequest, statusCode: number, name: string, tree: Tree): PageResponse {
  const wantsJson = /\bapplication\/json\b/i.test(request.accept ?? "");
  const contentType = wantsJson ? "application/json" : "text/xml; charset=utf-8";
  const body = wantsJson
    ? JSON.stringify({ [name]: tree })
    : `<?xml version="1.0"?>\n<${name} xmlns="${namespace}">${xmlOf(tree)}</${name}>\n`;
  return { statusCode, headers: { ...safeHeaders, "content-type": contentType }, body };
}

const xmlOf = (tree: Tree): string =>
  Object.entries(tree)
    .map(
      ([name, value]) =>
        `<${name}>${typeof value === "string" ? escaped(value) : xmlOf(value)}</${name}>`,
    )
    .join("");

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
};

const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => entities[character] ?? "");

// Tokens are in the URL: they go to no cache, and to no other site.
const safeHeaders = {
  "cache-control": "no-store",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
} as const;

function plain(
  statusCode: number,
  text: string,
  headers: Readonly<Record<string, string>> = {},
): PageResponse {
  const contentType = { "content-type": "text/plain; charset=utf-8" };
  return {
    statusCode,
    headers: { ...safeHeaders, ...contentType, ...headers },
    body: text === "" ? "" : `${text}\n`,
  };
}
