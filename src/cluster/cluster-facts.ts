// Everything etcd knows of one cluster, read at one moment.

import { type Epoch, epoch, type GroupId, type MemberId, memberId } from "../base/brands.js";
import type { CoordinatorView } from "../replication/ports.js";
import type { Configuration } from "../store/replica-disk.js";
import {
  type LeaderDocument,
  type RegisteredMember,
  type RemovedMember,
  readConfiguration,
  readEpoch,
  readGroup,
  readLeader,
  readMember,
  readMemberId,
  readRemoved,
} from "./documents.js";
import type { StoredKeys } from "./etcd-client.js";
import type { ClusterKeys } from "./keys.js";

export interface ClusterFacts {
  readonly revision: bigint;
  /** Undefined before the cluster is initialised, as `configuration` is. */
  readonly groupId: GroupId | undefined;
  readonly configuration: Configuration | undefined;
  /** 0 before the first. */
  readonly epoch: Epoch;
  readonly leader: LeaderDocument | undefined;
  readonly hint: MemberId | undefined;
  /** Which member each node runs. */
  readonly nodes: ReadonlyMap<string, MemberId>;
  readonly members: ReadonlyMap<MemberId, RegisteredMember>;
  readonly removed: ReadonlyMap<MemberId, RemovedMember>;
}

/** @throws EtcdFault if a key does not hold what belongs there. */
export function factsOf(keys: ClusterKeys, { revision, keys: stored }: StoredKeys): ClusterFacts {
  const one = <Value>(
    key: string,
    read: (key: string, text: string) => Value,
  ): Value | undefined => {
    const found = stored.get(key);
    return found && read(key, found.value);
  };
  const below = <Value>(
    prefix: string,
    read: (key: string, text: string) => Value,
  ): [string, Value][] =>
    [...stored.values()]
      .filter(({ key }) => key.startsWith(prefix))
      .map(({ key, value }) => [key.slice(prefix.length), read(key, value)]);
  const byMember = <Value>(rows: readonly [string, Value][]): ReadonlyMap<MemberId, Value> =>
    new Map(rows.map(([id, value]) => [memberId(id), value]));
  return {
    revision,
    groupId: one(keys.group, readGroup),
    configuration: one(keys.configuration, readConfiguration),
    epoch: one(keys.epoch, readEpoch) ?? epoch(0),
    leader: one(keys.leader, readLeader),
    hint: one(keys.hint, readMemberId),
    nodes: new Map(below(keys.nodes, readMemberId)),
    members: byMember(below(keys.members, readMember)),
    removed: byMember(below(keys.removedMembers, readRemoved)),
  };
}

/** What the protocol needs of it; undefined before the cluster is initialised. */
export function viewOf(facts: ClusterFacts): CoordinatorView | undefined {
  const { configuration, leader, hint } = facts;
  if (configuration === undefined) return undefined;
  // A holder of another epoch than the last holds nothing: somebody raised the epoch above it.
  const holder = leader?.epoch === facts.epoch ? leader.memberId : undefined;
  return { epoch: facts.epoch, leader: holder, configuration, hint };
}

/** The members that nodes run now; one whose node registered another since is none of them. */
export const registeredMembers = ({ members, nodes }: ClusterFacts): readonly RegisteredMember[] =>
  [...members.values()].filter(({ id, node }) => nodes.get(node) === id);
