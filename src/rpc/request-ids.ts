// Request ids at the wire: who asked what under which id, and how the results of each kind of call are kept.

import { hash } from "node:crypto";
import type { DurationMs, Sequence } from "../base/brands.js";
import { limits } from "../queue/limits.js";
import type { OutcomeCodec, RequestIdentity } from "../queue/once.js";
import type { SendResult } from "../queue/send-message.js";
import type { Violations } from "./violations.js";

const hashBytes = 16;

/** SHA-256, cut: a character a byte. In one call, and as text, which costs a quarter of an incremental hash and a Buffer. */
const hashOf = (bytes: string | Uint8Array): string =>
  hash("sha256", bytes, "binary").slice(0, hashBytes);

/** Texts behind their lengths, so that no two lists of them are the same text. */
const joined = (...texts: readonly string[]): string =>
  texts.map((text) => `${text.length} ${text}`).join("");

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
    key: hashOf(joined(call.namespace, call.method, requestId)),
    payloadHash: Buffer.from(hashOf(payload()), "latin1"),
    keepMs: call.keepMs,
  };
}

/** A map in the order of its keys: maps have none on the wire, and a repeat may come with another. */
export const inKeyOrder = <Value>(map: ReadonlyMap<string, Value>): Map<string, Value> =>
  new Map(map.size < 2 ? map : [...map].sort(([left], [right]) => (left < right ? -1 : 1)));

/** For outcomes that are plain data. */
export const jsonCodec = <Outcome>(): OutcomeCodec<Outcome> => ({
  encode: (outcome) => Buffer.from(JSON.stringify(outcome), "utf8"),
  decode: (bytes) => JSON.parse(bytes.toString("utf8")) as Outcome,
});

interface KeptSendResult {
  readonly sent?: string;
  readonly sequence?: Sequence | undefined;
  readonly duplicate?: true;
  readonly refused?: Extract<SendResult, { kind: "refused" }>["rejection"];
}

export const sendResultsCodec: OutcomeCodec<readonly SendResult[]> = {
  encode: (results) =>
    Buffer.from(
      JSON.stringify(
        results.map(
          (result): KeptSendResult =>
            result.kind === "sent"
              ? {
                  sent: result.messageId.toString("base64"),
                  sequence: result.sequence,
                  ...(result.isDuplicate && { duplicate: true }),
                }
              : { refused: result.rejection },
        ),
      ),
      "utf8",
    ),
  decode: (bytes) =>
    (JSON.parse(bytes.toString("utf8")) as readonly KeptSendResult[]).map(
      ({ sent, sequence, duplicate, refused }): SendResult =>
        refused === undefined
          ? {
              kind: "sent",
              messageId: Buffer.from(sent ?? "", "base64"),
              sequence,
              isDuplicate: duplicate === true,
            }
          : { kind: "refused", rejection: refused },
    ),
};
