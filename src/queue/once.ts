// Request ids: a call repeated with the same id within the window gets the first call's result and has no further effect.
// The result is kept in the same record as the effect, so after a crash either both are there or neither.

import { after, type DurationMs } from "../base/brands.js";
import { accept, type Decided, type QueueRejection, reject } from "./rejections.js";
import type { Stamp } from "./stamp.js";
import type { QueueTransaction, RequestResult } from "./view.js";

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

export function decideOnce<Outcome, Rejection = QueueRejection>(
  transaction: QueueTransaction,
  stamp: Stamp,
  identity: RequestIdentity | undefined,
  codec: OutcomeCodec<Outcome>,
  decide: () => Decided<Outcome, Rejection>,
): Decided<OnceOutcome<Outcome>, Rejection | QueueRejection> {
  const kept = findKept(transaction, identity);
  return replay(transaction, stamp, kept, codec) ?? keep(transaction, stamp, kept, codec, decide());
}

/** As `decideOnce`, for a decision that may also find nothing yet; that is not a result to keep. */
export function decideOnceOrWait<
  Outcome,
  Nothing extends { readonly kind: "nothing_yet" },
  Rejection = QueueRejection,
>(
  transaction: QueueTransaction,
  stamp: Stamp,
  identity: RequestIdentity | undefined,
  codec: OutcomeCodec<Outcome>,
  decide: () => Decided<Outcome, Rejection> | Nothing,
): Decided<OnceOutcome<Outcome>, Rejection | QueueRejection> | Nothing {
  const kept = findKept(transaction, identity);
  const replayed = replay(transaction, stamp, kept, codec);
  if (replayed !== undefined) return replayed;
  const decided = decide();
  return isNothing(decided) ? decided : keep(transaction, stamp, kept, codec, decided);
}

const isNothing = <Outcome, Nothing extends { readonly kind: "nothing_yet" }, Rejection>(
  decided: Decided<Outcome, Rejection> | Nothing,
): decided is Nothing => decided.kind === "nothing_yet";

/** A request id and what is kept under it, perhaps for longer than it need be. */
interface Kept {
  readonly identity: RequestIdentity;
  readonly result: RequestResult | undefined;
}

const findKept = (
  transaction: QueueTransaction,
  identity: RequestIdentity | undefined,
): Kept | undefined => identity && { identity, result: transaction.requestResult(identity.key) };

function replay<Outcome>(
  transaction: QueueTransaction,
  stamp: Stamp,
  kept: Kept | undefined,
  codec: OutcomeCodec<Outcome>,
): Decided<OnceOutcome<Outcome>> | undefined {
  if (kept?.result === undefined || kept.result.keepUntil <= stamp.now) return undefined;
  const { identity, result } = kept;
  if (!result.payloadHash.equals(identity.payloadHash)) {
    return reject({ kind: "request_id_reused" });
  }
  if (!result.wasReplayed) {
    transaction.putRequestResult(identity.key, { ...result, wasReplayed: true });
  }
  return accept({ outcome: codec.decode(result.result), isReplayed: true });
}

function keep<Outcome, Rejection>(
  transaction: QueueTransaction,
  stamp: Stamp,
  kept: Kept | undefined,
  codec: OutcomeCodec<Outcome>,
  decided: Decided<Outcome, Rejection>,
): Decided<OnceOutcome<Outcome>, Rejection> {
  if (decided.kind === "rejected") return decided;
  const { outcome } = decided;
  if (kept !== undefined) {
    const { identity, result: old } = kept;
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
