// Whether a node may take part as the member that its store is. A member that comes back must be the one that left, with all it
// promised: a store that was wiped, restored elsewhere or copied is somebody else under a known name, and letting it vote could
// lose what a majority had confirmed. So a doubt ends in a sentence that says what an operator should run.

import type { GroupId, MemberId } from "../base/brands.js";
import type { ClusterFacts } from "./cluster-facts.js";
import { memberText, type RegisteredMember } from "./documents.js";

/** What a node's store says about itself. */
export interface OwnStore {
  readonly memberId: MemberId;
  /** Undefined until it has been a member of a group. */
  readonly groupId: GroupId | undefined;
  /** It holds data that no group knows. */
  readonly hasOwnData: boolean;
}

/** What a node's settings say. */
export interface NodeDescription {
  readonly cluster: string;
  readonly node: string;
  readonly zone: string;
  readonly replicationEndpoint: string;
  readonly dataEndpoint: string;
  readonly managementEndpoint: string;
}

export type StartDecision =
  /** Known as it is. */
  | { readonly kind: "go_on" }
  /** Unknown yet, or known otherwise: the record is to be written. */
  | { readonly kind: "register"; readonly member: RegisteredMember }
  | { readonly kind: "refuse"; readonly why: string };

export function decideStart(
  own: OwnStore,
  node: NodeDescription,
  facts: ClusterFacts,
): StartDecision {
  const why =
    whyOtherGroup(own, node, facts) ??
    whyRemoved(own, node, facts) ??
    whyCopied(own, node, facts) ??
    whyReplaced(own, node, facts);
  if (why !== undefined) return { kind: "refuse", why };
  const { cluster: _, ...description } = node;
  const member = { id: own.memberId, ...description, hasOwnData: own.hasOwnData };
  const known = facts.members.get(own.memberId);
  const isKnown =
    facts.nodes.get(node.node) === own.memberId &&
    known !== undefined &&
    memberText(known) === memberText(member);
  return isKnown ? { kind: "go_on" } : { kind: "register", member };
}

function whyOtherGroup(
  own: OwnStore,
  { cluster }: NodeDescription,
  facts: ClusterFacts,
): string | undefined {
  if (own.groupId === undefined || own.groupId === facts.groupId) return undefined;
  if (facts.groupId === undefined) {
    return (
      `This store belongs to a cluster already (group ${own.groupId}), and etcd knows no cluster "${cluster}". ` +
      "Check cluster_name and cluster_etcd_endpoints; if etcd lost its data, restore it from a backup. " +
      "To begin a new cluster, start this node with an empty data directory."
    );
  }
  return (
    `This store belongs to group ${own.groupId}, and cluster "${cluster}" in etcd is group ${facts.groupId}. ` +
    "Check cluster_name, cluster_etcd_endpoints and data_dir. To join that cluster instead, start this node with an empty data directory."
  );
}

function whyRemoved(
  own: OwnStore,
  { node }: NodeDescription,
  facts: ClusterFacts,
): string | undefined {
  const removed = facts.removed.get(own.memberId);
  if (removed === undefined) return undefined;
  return (
    `This store is member ${own.memberId}, which was removed from the cluster as node "${removed.node}" and cannot come back. ` +
    `Start this node with an empty data directory; then \`forebay cluster add ${node}\` makes it a new member.`
  );
}

function whyCopied(
  own: OwnStore,
  { node }: NodeDescription,
  facts: ClusterFacts,
): string | undefined {
  const registered = facts.members.get(own.memberId);
  if (registered === undefined || registered.node === node) return undefined;
  return (
    `This store is member ${own.memberId}, which is registered as node "${registered.node}", and this node is "${node}". ` +
    `If the node was renamed, give it its old node_name. If the data directory was copied, start "${node}" with an empty one: ` +
    "two nodes must never be the same member."
  );
}

function whyReplaced(
  own: OwnStore,
  { node }: NodeDescription,
  facts: ClusterFacts,
): string | undefined {
  const registered = facts.nodes.get(node);
  if (registered === undefined || registered === own.memberId) return undefined;
  const former = facts.configuration?.members.find(({ id }) => id === registered);
  if (former === undefined || !former.isVoter) return undefined;
  return (
    `Node "${node}" is a voter of the cluster as member ${registered}, and this store is another one, ${own.memberId}: ` +
    "its data directory was emptied or exchanged. If the former directory still exists, start the node with it. Otherwise run " +
    `\`forebay cluster remove ${node}\`, start this node again, and run \`forebay cluster add ${node}\` and, ` +
    `once it has caught up, \`forebay cluster promote ${node}\`.`
  );
}
