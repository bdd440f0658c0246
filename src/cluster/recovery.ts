// The last resort: most voters are gone for good, and an operator says which member is to go on alone. Nobody can know whether it
// has all that was acknowledged, so it never happens by itself, and never while anybody leads.

import type { Configuration } from "../store/replica-disk.js";
import type { ClusterFacts } from "./cluster-facts.js";

export type Recovery =
  | { readonly kind: "made"; readonly configuration: Configuration }
  | { readonly kind: "refused"; readonly why: string };

/** The configuration in which the member of `node` is alone; all others are out, and may join anew. */
export function decideRecovery(facts: ClusterFacts, node: string): Recovery {
  const { configuration, leader } = facts;
  if (configuration === undefined) {
    return refused("No cluster has begun here; begin one with `forebay cluster init`.");
  }
  if (leader !== undefined) {
    const leading = configuration.members.find(({ id }) => id === leader.memberId)?.node;
    return refused(
      `Node "${leading ?? leader.memberId}" leads, so a majority of the voters is there and nothing has to be given up. ` +
        "If it was ended a moment ago, try again when its lease has run out.",
    );
  }
  const survivor = configuration.members.find((member) => member.node === node);
  if (survivor === undefined) {
    const names = configuration.members.map((member) => member.node).join(", ");
    return refused(`Node "${node}" is no member of the cluster: ${names} are.`);
  }
  const version = configuration.version + 1;
  return {
    kind: "made",
    configuration: { ...configuration, version, members: [{ ...survivor, isVoter: true }] },
  };
}

const refused = (why: string): Recovery => ({ kind: "refused", why });
