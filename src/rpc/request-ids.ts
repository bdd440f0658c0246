// Request ids at the wire: who asked what under which id, and how the results of each kind of call are kept.

import { createHash } from "node:crypto";
import type { DurationMs } from "../base/brands.js";
import { limits } from "../queue/limits.js";
import type { OutcomeCodec, RequestIdentity } from "../queue/once.js";
import type { SendResult } from "../queue/send-message.js";
import type { Violations } from "./violations.js";

const hashBytes = 16;

const hashOf = (...parts: readonly (string | Uint8Array)[]): Buffer => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(`${part.length} `).update(part);
  return hash.digest().subarray(0, hashBytes);
};

/** The identity of a call with a request id; undefined when it has none. `payload` is the request without its id. */
export function parseRequestId(
  violations: Violations,
  requestId: string,
  call: { readonly namespace: string; readonly method: string; readonly keepMs: DurationMs },
  payload: () => Uint8Array,
): RequestIdentity | undefined {
  if (requestId === "") return undefined;
  if (Buffer.byteLength(requestId) > limits.requestIdBytesMax) {
    violations.add(
      "INVALID_PARAMETER",
      "request_id",
      `must have 1 to ${limits.requestIdBytesMax} bytes`,
    );
    return undefined;
  }
  return {
    key: hashOf(call.namespace, call.method, requestId).toString("latin1"),
    payloadHash: hashOf(payload()),
    keepMs: call.keepMs,
  };
}

/** A map in the order of its keys: maps have none on the wire, and a repeat may come with another. */
export const inKeyOrder = <Value>(map: ReadonlyMap<string, Value>): Map<string, Value> =>
  new Map([...map].sort(([left], [right]) => (left < right ? -1 : 1)));

/** For outcomes that are plain data. */
export const jsonCodec = <Outcome>(): OutcomeCodec<Outcome> => ({
  encode: (outcome) => Buffer.from(JSON.stringify(outcome), "utf8"),
  decode: (bytes) => JSON.parse(bytes.toString("utf8")) as Outcome,
});

interface KeptSendResult {
  readonly sent?: string;
  readonly refused?: Extract<SendResult, { kind: "refused" }>["rejection"];
}

export const sendResultsCodec: OutcomeCodec<readonly SendResult[]> = {
  encode: (results) =>
    Buffer.from(
      JSON.stringify(
        results.map(
          (result): KeptSendResult =>
            result.kind === "sent"
              ? { sent: result.messageId.toString("base64") }
              : { refused: result.rejection },
        ),
      ),
      "utf8",
    ),
  decode: (bytes) =>
    (JSON.parse(bytes.toString("utf8")) as readonly KeptSendResult[]).map(
      ({ sent, refused }): SendResult =>
        refused === undefined
          ? { kind: "sent", messageId: Buffer.from(sent ?? "", "base64") }
          : { kind: "refused", rejection: refused },
    ),
};
