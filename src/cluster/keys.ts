// Where things are in etcd: everything of one cluster under `/forebay/<name>/`, in JSON that a person can read with etcdctl.
//
//   group            which group of members this is, written once
//   config           the members, which of them vote, and how many must have a record
//   epoch            the last epoch minted, in decimal
//   leader           who holds that epoch; attached to the holder's lease, so that it goes with it
//   hint             who should campaign before others; attached to a lease nobody renews
//   nodes/<node>     the member that a node runs
//   members/<id>     a member as its node registered it
//   removed/<id>     members that must not come back

import type { MemberId } from "../base/brands.js";
import { isClusterName } from "../base/cluster-names.js";

export class ClusterKeys {
  readonly prefix: string;

  /** @throws RangeError if the name is none. */
  constructor(cluster: string) {
    if (!isClusterName(cluster)) {
      throw new RangeError(
        `"${cluster}" is no name of a cluster: use 1 to 63 of a-z, 0-9 and "-".`,
      );
    }
    this.prefix = `/forebay/${cluster}/`;
  }

  get group(): string {
    return `${this.prefix}group`;
  }

  get configuration(): string {
    return `${this.prefix}config`;
  }

  get epoch(): string {
    return `${this.prefix}epoch`;
  }

  get leader(): string {
    return `${this.prefix}leader`;
  }

  get hint(): string {
    return `${this.prefix}hint`;
  }

  get nodes(): string {
    return `${this.prefix}nodes/`;
  }

  get members(): string {
    return `${this.prefix}members/`;
  }

  get removedMembers(): string {
    return `${this.prefix}removed/`;
  }

  node(name: string): string {
    return `${this.nodes}${name}`;
  }

  member(id: MemberId): string {
    return `${this.members}${id}`;
  }

  removed(id: MemberId): string {
    return `${this.removedMembers}${id}`;
  }
}
