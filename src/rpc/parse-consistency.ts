// How fresh a read has to be, as its request says. Read for every method in the same way and by whoever places the call, since
// it decides which node answers and not what the answer is.

import { type DurationMs, milliseconds } from "../base/brands.js";
import type { ReadConsistency } from "../gen/forebay/queue/v1/consistency.js";
import { ReadMode } from "../gen/forebay/queue/v1/consistency.js";
import { parseDuration, Violations } from "./violations.js";

export type Consistency =
  | { readonly kind: "leader_lease" }
  | { readonly kind: "leader_quorum" }
  | { readonly kind: "any" }
  | { readonly kind: "at_least"; readonly position: Position }
  | { readonly kind: "bounded"; readonly stalenessMsMax: DurationMs };

/** A place in a group's log. */
export interface Position {
  readonly epoch: number;
  readonly seq: number;
}

const leaderLease: Consistency = { kind: "leader_lease" };
const stalenessMsMax = 3_600_000;

/** What a request asks for; throws a WireFault when that cannot be read. Requests without the field ask for nothing. */
export function consistencyOf(request: unknown): Consistency {
  const kind = (request as { readonly consistency?: ReadConsistency }).consistency?.kind;
  if (kind === undefined) return leaderLease;
  const violations = new Violations();
  const parsed = parseKind(violations, kind);
  violations.throwIfAny();
  return parsed ?? leaderLease;
}

function parseKind(
  violations: Violations,
  kind: NonNullable<ReadConsistency["kind"]>,
): Consistency | undefined {
  switch (kind.$case) {
    case "mode":
      return parseMode(violations, kind.value);
    case "atLeast": {
      const position = parsePosition(kind.value);
      if (position !== undefined) return { kind: "at_least", position };
      violations.add(
        "INVALID_PARAMETER",
        "consistency.at_least",
        "is not a position; give the trailer `forebay-position` of an earlier answer, unchanged",
      );
      return undefined;
    }
    case "maxStaleness": {
      const range = { minMs: milliseconds(0), maxMs: milliseconds(stalenessMsMax) };
      const ms = parseDuration(violations, "consistency.max_staleness", kind.value, range);
      return ms === undefined ? undefined : { kind: "bounded", stalenessMsMax: ms };
    }
  }
}

function parseMode(violations: Violations, mode: ReadMode): Consistency | undefined {
  switch (mode) {
    case ReadMode.UNSPECIFIED:
    case ReadMode.LEADER_LEASE:
      return leaderLease;
    case ReadMode.LEADER_QUORUM:
      return { kind: "leader_quorum" };
    case ReadMode.ANY:
      return { kind: "any" };
    default:
      // The generated type is closed; the wire is not.
      violations.add("INVALID_PARAMETER", "consistency.mode", "is no mode of this release");
      return undefined;
  }
}

/** `epoch/seq`, each small enough to be counted with. */
function parsePosition(text: string): Position | undefined {
  const [, epoch, seq] = /^(\d{1,15})\/(\d{1,15})$/.exec(text) ?? [];
  if (epoch === undefined || seq === undefined) return undefined;
  return { epoch: Number(epoch), seq: Number(seq) };
}

export const positionText = ({ epoch, seq }: Position): string => `${epoch}/${seq}`;
