// What every handler of the queue service shares: who calls, how a request id, an address and a page token are read, and how
// a decision becomes an outcome or an error.

import type { DurationMs, Namespace } from "../base/brands.js";
import type { Clock } from "../base/clock.js";
import type { Decision } from "../engine/command.js";
import type { QueueServiceDefinition } from "../gen/forebay/queue/v1/queue_service.js";
import type { RequestIdentity } from "../queue/once.js";
import type { QueueAddress } from "../queue/queue-name.js";
import type { ReceiptCodec } from "../queue/receipt.js";
import type { QueueRejection } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import type { QueueTransaction } from "../queue/view.js";
import type { ServiceHandlers } from "./call.js";
import type { CommandRunner } from "./command-runner.js";
import type { PageTokens } from "./page-token.js";
import { parseAddress } from "./parse-queue.js";
import { parseRequestId } from "./request-ids.js";
import type { WireFault } from "./status-details.js";
import { Violations } from "./violations.js";
import { faultOf } from "./wire-errors.js";

export type QueueHandlers = ServiceHandlers<typeof QueueServiceDefinition>;

export interface QueueHandlerParts {
  readonly engine: CommandRunner;
  readonly clock: Clock;
  readonly receipts: ReceiptCodec;
  readonly pageTokens: PageTokens;
  /** `sqs_timing=strict`. */
  readonly isStrictTiming: boolean;
  /** How long results of request ids are kept. */
  readonly requestKeepMs: DurationMs;
  /** Aborted when the server drains: streams end. */
  readonly draining: AbortSignal;
}

/** Who calls. Without credentials on loopback: the development key of the default namespace (`design.md` 2). */
export const localCaller = {
  namespace: "default" as Namespace,
  senderId: "key:default:dev",
} as const;

export function outcomeOf<Outcome>(
  decision: Decision<Outcome, QueueRejection>,
  toFault: (rejection: QueueRejection) => WireFault = faultOf,
): Outcome {
  if (decision.kind === "rejected") throw toFault(decision.rejection);
  return decision.outcome;
}

/** Runs a decision that grows nothing. */
export async function run<Outcome>(
  engine: CommandRunner,
  name: string,
  decide: (transaction: QueueTransaction, stamp: Stamp) => Decision<Outcome, QueueRejection>,
  toFault?: (rejection: QueueRejection) => WireFault,
): Promise<Outcome> {
  const command = { name, bytes: commandBytes, isGrowing: false, decide };
  return outcomeOf(await engine.execute(command), toFault);
}

/** What a command without a payload is taken to write, for the engine's bound on uncommitted bytes. */
export const commandBytes = 256;
/** What each entry of a Produce request is taken to write beside its payload: rows, keys and checksums. */
export const entryBytes = 300;
/** What the command of a stream is taken to write for each handle. */
export const handleBytes = 128;

/** The readers that depend on the caller. */
export function createTools(parts: Pick<QueueHandlerParts, "requestKeepMs">) {
  const { namespace } = localCaller;

  const identify = (
    violations: Violations,
    requestId: string,
    method: string,
    payload: () => Uint8Array,
  ): RequestIdentity | undefined =>
    parseRequestId(
      violations,
      requestId,
      { namespace, method, keepMs: parts.requestKeepMs },
      payload,
    );

  const address = (violations: Violations, given: string): QueueAddress =>
    parseAddress(violations, given, namespace);

  /** For calls whose only parameter is the queue. */
  const addressOnly = (given: string): QueueAddress => {
    const violations = new Violations();
    const parsed = address(violations, given);
    violations.throwIfAny();
    return parsed;
  };

  return { identify, address, addressOnly };
}

export function parsePageToken(
  violations: Violations,
  tokens: PageTokens,
  scope: string,
  token: string,
): string {
  if (token === "") return "";
  const position = tokens.decode(scope, token);
  if (position === undefined) {
    violations.add(
      "INVALID_PAGE_TOKEN",
      "page_token",
      "is not a token of this list with these filters; start without one",
    );
  }
  return position ?? "";
}
