// With whom a cluster begins: at most one voter per zone, and an odd number of them, so that a zone more or less decides nothing.
//
// A node that brings data begins as the only voter. Two others that have nothing yet would be a majority too, could lead without
// it, and what it brought would be gone.

import type { AcksMode, Configuration } from "../store/replica-disk.js";
import type { RegisteredMember } from "./documents.js";

/** More voters would have to confirm each record, and survive no failure that matters. */
const voterCounts = [5, 3, 1] as const;

export type FirstConfiguration =
  | {
      readonly kind: "made";
      readonly configuration: Configuration;
      /** The nodes that are to vote once they have a copy of the data that one brings. */
      readonly promoteLater: readonly string[];
    }
  | { readonly kind: "refused"; readonly why: string };

export function decideFirstConfiguration(
  registered: readonly RegisteredMember[],
  { acks, voterCount }: { readonly acks: AcksMode; readonly voterCount: number | undefined },
): FirstConfiguration {
  if (registered.length === 0) {
    return refused(
      "No node has registered yet. Start the nodes with the same cluster_name and cluster_etcd_endpoints, then run this again.",
    );
  }
  const withData = registered.filter(({ hasOwnData }) => hasOwnData);
  if (withData.length > 1) {
    const names = withData.map(({ node }) => node).join(", ");
    return refused(
      `${names} each hold data of their own, and a cluster can begin with the data of one. Start all but one of them with an empty data directory.`,
    );
  }
  const candidates = onePerZone(registered);
  const count = voterCount ?? voterCounts.find((each) => each <= candidates.length) ?? 1;
  if (!voterCounts.some((each) => each === count)) {
    return refused(`A cluster has 1, 3 or 5 voters, not ${count}.`);
  }
  if (candidates.length < count) {
    const zones = candidates.map(({ zone }) => zone).join(", ");
    return refused(
      `${count} voters need nodes in ${count} zones, and those registered are in ${candidates.length}: ${zones}.`,
    );
  }
  const chosen = candidates.slice(0, count);
  const voters = new Set(withData.length > 0 ? withData : chosen);
  const members = [...registered].sort(byNode).map((member) => ({
    id: member.id,
    node: member.node,
    zone: member.zone,
    isVoter: voters.has(member),
    replicationEndpoint: member.replicationEndpoint,
    dataEndpoint: member.dataEndpoint,
  }));
  const later = chosen.filter((each) => !voters.has(each)).map(({ node }) => node);
  return { kind: "made", configuration: { version: 1, members, acks }, promoteLater: later };
}

/** Of each zone the member that holds data, else the first by name; the one with data first. */
function onePerZone(registered: readonly RegisteredMember[]): readonly RegisteredMember[] {
  const ordered = [...registered].sort(
    (one, other) => Number(other.hasOwnData) - Number(one.hasOwnData) || byNode(one, other),
  );
  const byZone = new Map<string, RegisteredMember>();
  for (const member of ordered) if (!byZone.has(member.zone)) byZone.set(member.zone, member);
  return [...byZone.values()];
}

const byNode = (one: { readonly node: string }, other: { readonly node: string }): number =>
  one.node < other.node ? -1 : 1;

const refused = (why: string): FirstConfiguration => ({ kind: "refused", why });
