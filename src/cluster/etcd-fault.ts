// What can go wrong with a call to etcd, in the two kinds that matter: nobody answered, so that it may have happened or not, or
// etcd said no, so that it did not and an operator should know why.

import { type ServiceError, status } from "@grpc/grpc-js";

export type EtcdFaultKind =
  /** No answer in time: the outcome is unknown. */
  | "unavailable"
  /** The token of a user has ended; another one may do. */
  | "token_ended"
  /** Nothing happened, and trying again will not help. */
  | "refused";

export class EtcdFault extends Error {
  override readonly name = "EtcdFault";
  readonly kind: EtcdFaultKind;

  constructor(kind: EtcdFaultKind, message: string) {
    super(message);
    this.kind = kind;
  }
}

/** etcd answers that it cannot, for now, with these. DATA_LOSS and INTERNAL are not among them: somebody has to look. */
const unavailableCodes: ReadonlySet<status> = new Set([
  status.UNAVAILABLE,
  status.DEADLINE_EXCEEDED,
  status.CANCELLED,
  status.ABORTED,
  status.RESOURCE_EXHAUSTED,
  status.UNKNOWN,
]);

// As api/v3rpc/rpctypes/error.go of etcd 3.5 has them; their codes alone do not tell them from other mistakes.
const endedTokenMessages = ["auth store is old", "user name is empty", "invalid auth token"];

export function etcdFaultOf(error: ServiceError, endpoint: string): EtcdFault {
  const message = `etcd at ${endpoint}: ${error.details || error.message}`;
  if (endedTokenMessages.some((text) => error.details.includes(text))) {
    return new EtcdFault("token_ended", message);
  }
  return new EtcdFault(unavailableCodes.has(error.code) ? "unavailable" : "refused", message);
}

/** A fault is an answer of a kind; anything else is a bug, and thrown on. */
export function asEtcdFault(error: unknown): EtcdFault {
  if (error instanceof EtcdFault) return error;
  throw error;
}
