// Judges reads of one queue that any node may answer. The queue only grows, so that every acknowledged write, and every answer,
// proves what later and fresher answers must show at least.
//
//   stale      an answer lacks what was acknowledged before the call (leader_*), before the age it promises (bounded), or at or
//              before the position it was to be at (at_least); or it shows less than an earlier answer proved
//   invented   an answer counts more than anybody had asked for when it was given
//
// A position proves by itself: what was seen in a state up to there is in every state up to there or further.

import type { ClusterViolation, Position, Read, Wrote } from "./cluster-history.js";

interface Proof {
  /** Known by then. */
  readonly endedMs: number;
  readonly position: Position | undefined;
  readonly count: number;
}

export function judgeReads(writes: readonly Wrote[], reads: readonly Read[]): ClusterViolation[] {
  const acknowledged = writes.filter(({ outcome }) => outcome === "ok");
  return reads.flatMap((read) => [
    ...judgeFreshness(acknowledged, reads, read),
    ...judgeInvention(writes, read),
  ]);
}

function judgeFreshness(
  acknowledged: readonly Wrote[],
  reads: readonly Proof[],
  read: Read,
): ClusterViolation[] {
  const isProven = provenBy(read);
  const writtenCount = acknowledged.filter(isProven).length;
  const seenCount = reads.reduce(
    (most, proof) => (isProven(proof) ? Math.max(most, proof.count) : most),
    0,
  );
  const provenCount = Math.max(writtenCount, seenCount);
  if (read.count >= provenCount) return [];
  const { node, count, freshness } = read;
  const by = writtenCount > seenCount ? "acknowledged" : "seen";
  const sentence = `${node} answers ${freshness.kind} with ${count}, and ${provenCount} were ${by} before`;
  return [{ kind: "stale", sentence }];
}

/** Whether something known then and there must show in an answer. */
function provenBy({
  freshness,
  startedMs,
}: Read): (
  known: Pick<Proof, "endedMs"> & { readonly position?: Position | undefined },
) => boolean {
  switch (freshness.kind) {
    case "leader_lease":
    case "leader_quorum":
      return ({ endedMs }) => endedMs < startedMs;
    case "bounded":
      return ({ endedMs }) => endedMs < startedMs - freshness.stalenessMsMax;
    case "at_least":
      return ({ position }) => position !== undefined && position.seq <= freshness.position.seq;
    case "any":
      return () => false;
  }
}

function judgeInvention(writes: readonly Wrote[], read: Read): ClusterViolation[] {
  const asked = writes.filter(
    ({ outcome, startedMs }) => outcome !== "refused" && startedMs < read.endedMs,
  );
  if (read.count <= asked.length) return [];
  const { node, count } = read;
  const sentence = `${node} counts ${count} messages, and ${asked.length} were sent by then`;
  return [{ kind: "invented", sentence }];
}
