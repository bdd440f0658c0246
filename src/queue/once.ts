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
  return (
    replay(transaction, stamp, identity, codec) ??
    keep(transaction, stamp, identity, codec, decide())
  );
}

/** As `decideOnce`, for a decision that may also find nothing yet; that is not a result to keep. */
export function decideOnceOrWait<Outcome, Nothing extends { readonly kind: "nothing_yet" }>(
  transaction: QueueTransaction,
  stamp: Stamp,
  identity: RequestIdentity | undefined,
  codec: OutcomeCodec<Outcome>,
  decide: () => Decided<Outcome> | Nothing,
): Decided<OnceOutcome<Outcome>> | Nothing {
  const replayed = replay(transaction, stamp, identity, codec);
  if (replayed !== undefined) return replayed;
  const decided = decide();
  return isNothing(decided) ? decided : keep(transaction, stamp, identity, codec, decided);
}

const isNothing = <Outcome, Nothing extends { readonly kind: "nothing_yet" }>(
  decided: Decided<Outcome> | Nothing,
): decided is Nothing => decided.kind === "nothing_yet";

function replay<Outcome>(
  transaction: QueueTransaction,
  stamp: Stamp,
  identity: RequestIdentity | undefined,
  codec: OutcomeCodec<Outcome>,
): Decided<OnceOutcome<Outcome>> | undefined {
  if (identity === undefined) return undefined;
  const kept = transaction.requestResult(identity.key);
  if (kept === undefined || kept.keepUntil <= stamp.now) return undefined;
  if (!kept.payloadHash.equals(identity.payloadHash)) return reject({ kind: "request_id_reused" });
  if (!kept.wasReplayed) transaction.putRequestResult(identity.key, { ...kept, wasReplayed: true });
  return accept({ outcome: codec.decode(kept.result), isReplayed: true });
}

function keep<Outcome>(
  transaction: QueueTransaction,
  stamp: Stamp,
  identity: RequestIdentity | undefined,
  codec: OutcomeCodec<Outcome>,
  decided: Decided<Outcome>,
): Decided<OnceOutcome<Outcome>> {
  if (decided.kind === "rejected") return decided;
  const { outcome } = decided;
  if (identity !== undefined) {
    const old = transaction.requestResult(identity.key);
    if (old !== undefined) transaction.removeRequestResult(identity.key, old.keepUntil);
    transaction.putRequestResult(identity.key, {
      payloadHash: identity.payloadHash,
      result: codec.encode(outcome),
      keepUntil: after(stamp.now, identity.keepMs),
      wasReplayed: false,
    });
  }
  return accept({ outcome, isReplayed: false });
}
