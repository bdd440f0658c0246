// Which failures of a call mean that the connection failed, and what to tell a person about it. grpc-js has no code of its own
// for them: it answers UNAVAILABLE with the socket's error in the text, and, depending on what the socket did last,
// CANCELLED or INTERNAL for streams that the end of a connection tore down.

import { type ServiceError, status as StatusCode } from "@grpc/grpc-js";

/** A connection that failed: before anything was sent, or under a call. */
export interface LostConnection {
  readonly beforeContact: boolean;
  readonly text: string;
}

/** What to say about a failure that is no server's answer; undefined when the connection is not to blame. */
export function describeLostConnection(
  failure: Pick<ServiceError, "code" | "details">,
  endpoint: string,
): LostConnection | undefined {
  const { code, details } = failure;
  const cause = causes.find(({ pattern }) => pattern.test(details));
  if (code === StatusCode.UNAVAILABLE && cause !== undefined) {
    return { beforeContact: true, text: cause.text(endpoint) };
  }
  const wasReset = code === StatusCode.INTERNAL && /RST_STREAM|socket|ECONNRESET/.test(details);
  if (code === StatusCode.UNAVAILABLE || code === StatusCode.CANCELLED || wasReset) {
    return {
      beforeContact: false,
      text: `The connection to ${endpoint} broke (${details}). Whether the call took effect is unknown.`,
    };
  }
  return undefined;
}

const next = "or give another address as `endpoint` or in FOREBAY_ENDPOINT";

const causes: readonly {
  readonly pattern: RegExp;
  readonly text: (endpoint: string) => string;
}[] = [
  {
    pattern: /ECONNREFUSED/,
    text: (endpoint) =>
      `Nothing listens at ${endpoint} (connection refused). Start a server with \`forebay serve\`, ${next}.`,
  },
  {
    pattern: /ENOTFOUND|EAI_AGAIN|Name resolution failed/,
    text: (endpoint) => `The host of ${endpoint} has no known address. Check its name, ${next}.`,
  },
  {
    pattern: /ETIMEDOUT|EHOSTUNREACH|ENETUNREACH/,
    text: (endpoint) =>
      `${endpoint} cannot be reached (no route, or a firewall). Check the network, ${next}.`,
  },
  {
    pattern: /No connection established/,
    text: (endpoint) =>
      `No connection to ${endpoint} could be made: what listens there does not speak gRPC, or hangs up. Check the port, ${next}.`,
  },
];
