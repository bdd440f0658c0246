// Request ids: a call repeated with the same id within the window gets the first call's result and has no further effect.
// The result is kept in the same record as the effect, so after a crash either both are there or neither.

import { after, type DurationMs } from "../base/brands.js";
import { accept, type Decided, reject } from "./rejections.js";
import type { Stamp } from "./stamp.js";
import type { QueueTransaction } from "./view.js";

export interface RequestIdentity {
  /** 16 bytes as latin1 text: the hash of caller's namespace, method and request id. */
  readonly key: string;
  /** Hash of everything else in the request: the same id with another payload is refused. */
  readonly payloadHash: Buffer;
  readonly keepMs: DurationMs;
}

export interface OnceOutcome<Outcome> {
  readonly outcome: Outcome;
  readonly isReplayed: boolean;
}

export interface OutcomeCodec<Outcome> {
  encode(outcome: Outcome): Buffer;
  decode(bytes: Buffer): Outcome;
}

export function decideOnce<Outcome>(
  transaction: QueueTransaction,
  stamp: Stamp,
  identity: RequestIdentity | undefined,
  codec: OutcomeCodec<Outcome>,
  decide: () => Decided<Outcome>,
): Decided<OnceOutcome<Outcome>> {
  if (identity === undefined) return fresh(decide());
  const kept = transaction.requestResult(identity.key);
  if (kept !== undefined && kept.keepUntil > stamp.now) {
    return kept.payloadHash.equals(identity.payloadHash)
      ? accept({ outcome: codec.decode(kept.result), isReplayed: true })
      : reject({ kind: "request_id_reused" });
  }
  const decided = decide();
  if (decided.kind === "rejected") return decided;
  if (kept !== undefined) transaction.removeRequestResult(identity.key, kept.keepUntil);
  transaction.putRequestResult(identity.key, {
    payloadHash: identity.payloadHash,
    result: codec.encode(decided.outcome),
    keepUntil: after(stamp.now, identity.keepMs),
  });
  return fresh(decided);
}

const fresh = <Outcome>(decided: Decided<Outcome>): Decided<OnceOutcome<Outcome>> =>
  decided.kind === "rejected"
    ? decided
    : accept({ outcome: decided.outcome, isReplayed: false });
