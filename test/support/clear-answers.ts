// Calls whose input is bad, or good after all: how they ended, as data, and never later than a test can wait.

import { CallError } from "./call-error.js";
import { type RequestPart, serviceMethods, type UnaryMethod } from "./queue-client.js";

/** What a call may end with. */
export const clearCodes: ReadonlySet<string> = new Set([
  "OK",
  "INVALID_ARGUMENT",
  "NOT_FOUND",
  "ALREADY_EXISTS",
  "FAILED_PRECONDITION",
  "ABORTED",
  "RESOURCE_EXHAUSTED",
  "UNIMPLEMENTED",
]);

/** No call of these tests may take longer: nothing that is asked for waits so long. */
const hangMs = 5_000;

export interface Ended {
  readonly code: string;
  readonly reason: string | undefined;
  readonly violations: readonly string[];
  readonly message: string;
}

const ok: Ended = { code: "OK", reason: undefined, violations: [], message: "" };

/** How a call ended; rejects when it hangs, and with what is no answer at all. */
export async function endOf(call: Promise<unknown>): Promise<Ended> {
  return await soon(
    call.then(
      () => ok,
      (error: unknown) => {
        if (error instanceof CallError) return error;
        throw error;
      },
    ),
  );
}

/** What comes within the bound. */
export async function soon<Value>(coming: Promise<Value>): Promise<Value> {
  let timer: NodeJS.Timeout | undefined;
  const tooLate = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error("The call hangs.")), hangMs);
  });
  return await Promise.race([coming, tooLate]).finally(() => clearTimeout(timer));
}

/** A request as it goes over the wire. */
export function encodeRequest<Method extends keyof typeof serviceMethods>(
  method: Method,
  request: RequestPart<Method>,
): Buffer {
  const { requestType } = serviceMethods[method];
  const codec = requestType as {
    fromPartial(part: unknown): unknown;
    encode(message: unknown): { finish(): Uint8Array };
  };
  return Buffer.from(codec.encode(codec.fromPartial(request)).finish());
}

/** The answer of a unary method. */
export const decodeAnswer = <Method extends UnaryMethod>(method: Method, bytes: Uint8Array) =>
  serviceMethods[method].responseType.decode(bytes) as ReturnType<
    (typeof serviceMethods)[Method]["responseType"]["decode"]
  >;
