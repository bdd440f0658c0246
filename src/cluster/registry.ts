// Who is there: nodes put themselves and their member into etcd before they take part, and a cluster is begun from those that did.

import type { Epoch, GroupId } from "../base/brands.js";
import { epoch } from "../base/brands.js";
import type { Configuration } from "../store/replica-disk.js";
import { type ClusterFacts, factsOf } from "./cluster-facts.js";
import { configurationChange } from "./configuration-change.js";
import {
  configurationText,
  epochText,
  groupText,
  memberText,
  type RegisteredMember,
} from "./documents.js";
import type { Condition, EtcdClient, Operation } from "./etcd-client.js";
import { EtcdFault } from "./etcd-fault.js";
import type { ClusterKeys } from "./keys.js";
import { decideRecovery, type Recovery } from "./recovery.js";
import {
  decideStart,
  type NodeDescription,
  type OwnStore,
  type StartDecision,
} from "./start-rules.js";

/** How often a registration is decided anew because something changed in between. */
const roundsMax = 5;

export class ClusterRegistry {
  readonly #client: EtcdClient;
  readonly #keys: ClusterKeys;

  constructor(client: EtcdClient, keys: ClusterKeys) {
    this.#client = client;
    this.#keys = keys;
  }

  /**
   * Everything etcd knows of the cluster now.
   *
   * @throws EtcdFault
   */
  async facts(): Promise<ClusterFacts> {
    return factsOf(this.#keys, await this.#client.readAll(this.#keys.prefix));
  }

  /**
   * Registers a node's member unless the rules refuse it. The store must know its member id by then, on disk: one that forgot it
   * would come back as another.
   *
   * @throws EtcdFault
   */
  async register(own: OwnStore, node: NodeDescription): Promise<StartDecision> {
    const keys = this.#keys;
    for (let round = 1; round <= roundsMax; round += 1) {
      const stored = await this.#client.readAll(keys.prefix);
      const facts = factsOf(keys, stored);
      const decision = decideStart(own, node, facts);
      if (decision.kind !== "register") return decision;
      const { member } = decision;
      const nodeKey = keys.node(member.node);
      const known = stored.keys.get(nodeKey);
      const isAsSeen: Condition =
        known === undefined
          ? { kind: "absent", key: nodeKey }
          : { kind: "unchanged", key: nodeKey, modRevision: known.modRevision };
      const { isDone } = await this.#client.transact(
        [isAsSeen, { kind: "absent", key: keys.removed(member.id) }],
        [
          { kind: "put", key: nodeKey, value: member.id },
          { kind: "put", key: keys.member(member.id), value: memberText(member) },
          ...forgotten(keys, facts, member),
        ],
      );
      if (isDone) return decision;
    }
    throw new EtcdFault("unavailable", `Node "${node.node}" is being registered elsewhere.`);
  }

  /**
   * Begins the cluster with a first configuration; false if it has begun already.
   *
   * @throws EtcdFault
   */
  async initialise(groupId: GroupId, configuration: Configuration): Promise<boolean> {
    const keys = this.#keys;
    const { isDone } = await this.#client.transact(
      [
        { kind: "absent", key: keys.group },
        ...configuration.members.map(
          ({ id }): Condition => ({ kind: "present", key: keys.member(id) }),
        ),
      ],
      [
        { kind: "put", key: keys.group, value: groupText(groupId) },
        { kind: "put", key: keys.configuration, value: configurationText(configuration) },
        { kind: "put", key: keys.epoch, value: epochText(epoch(0)) },
      ],
    );
    // Asked twice, the first time may have done it.
    return isDone || (await this.facts()).groupId === groupId;
  }

  /**
   * Makes the member of a node the only one, if nobody leads.
   *
   * @throws EtcdFault
   */
  async recover(node: string): Promise<Recovery> {
    const keys = this.#keys;
    for (let round = 1; round <= roundsMax; round += 1) {
      const stored = await this.#client.readAll(keys.prefix);
      const recovery = decideRecovery(factsOf(keys, stored), node);
      if (recovery.kind === "refused") return recovery;
      const { configuration } = recovery;
      const change = configurationChange(keys, stored, { configuration, held: undefined });
      if (change === undefined) break;
      const { isDone } = await this.#client.transact(change.conditions, change.operations);
      if (isDone) return recovery;
    }
    throw new EtcdFault("unavailable", "The members of the cluster are being changed elsewhere.");
  }

  /**
   * Rule E7: after etcd was restored from a backup, raises the last epoch to one that no member has promised yet. False if it is
   * as high already.
   *
   * @throws EtcdFault
   */
  async raiseEpoch(to: Epoch): Promise<boolean> {
    const { epoch: last } = await this.facts();
    if (last >= to) return false;
    const { isDone } = await this.#client.transact(
      [{ kind: "value", key: this.#keys.epoch, value: epochText(last) }],
      [{ kind: "put", key: this.#keys.epoch, value: epochText(to) }],
    );
    return isDone;
  }
}

/** The node's former member, if it never took part. One that did is removed by an operator. */
function forgotten(
  keys: ClusterKeys,
  { nodes, configuration }: ClusterFacts,
  { id, node }: RegisteredMember,
): readonly Operation[] {
  const former = nodes.get(node);
  if (former === undefined || former === id) return [];
  const tookPart = configuration?.members.some((member) => member.id === former) ?? false;
  return tookPart ? [] : [{ kind: "delete", key: keys.member(former) }];
}
