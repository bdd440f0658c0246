// The transaction that stores a new configuration: only over the one before it, only by the holder of the epoch (or, when an
// operator gives up the other members, while nobody holds one), and together with the tombstones of members that left, whose ids
// must never come back.

import type { Epoch } from "../base/brands.js";
import type { Configuration } from "../store/replica-disk.js";
import { configurationText, epochText, readConfiguration, removedText } from "./documents.js";
import type { Condition, Operation, StoredKeys } from "./etcd-client.js";
import type { ClusterKeys } from "./keys.js";

export interface StoredChange {
  readonly conditions: readonly Condition[];
  readonly operations: readonly Operation[];
}

/** Undefined when the present configuration is not the one before, or a member comes back that was removed. */
export function configurationChange(
  keys: ClusterKeys,
  stored: StoredKeys,
  {
    configuration,
    held,
  }: {
    readonly configuration: Configuration;
    /** Undefined: only while nobody holds an epoch. */
    readonly held: { readonly epoch: Epoch; readonly lease: bigint } | undefined;
  },
): StoredChange | undefined {
  const found = stored.keys.get(keys.configuration);
  if (found === undefined) return undefined;
  const present = readConfiguration(keys.configuration, found.value);
  if (present.version !== configuration.version - 1) return undefined;
  if (configuration.members.some(({ id }) => stored.keys.has(keys.removed(id)))) return undefined;
  const staying = new Set(configuration.members.map(({ id }) => id));
  const leaving = present.members.filter(({ id }) => !staying.has(id));
  return {
    conditions: [
      { kind: "unchanged", key: keys.configuration, modRevision: found.modRevision },
      ...(held === undefined
        ? [{ kind: "absent", key: keys.leader } as const]
        : heldBy(keys, held)),
    ],
    operations: [
      { kind: "put", key: keys.configuration, value: configurationText(configuration) },
      ...leaving.flatMap(({ id, node }): Operation[] => [
        {
          kind: "put",
          key: keys.removed(id),
          value: removedText({ node, configurationVersion: configuration.version }),
        },
        { kind: "delete", key: keys.member(id) },
        // Only if the node has not registered another member meanwhile.
        { kind: "delete_if", key: keys.node(node), value: id },
      ]),
    ],
  };
}

const heldBy = (
  keys: ClusterKeys,
  { epoch, lease }: { readonly epoch: Epoch; readonly lease: bigint },
): readonly Condition[] => [
  { kind: "value", key: keys.epoch, value: epochText(epoch) },
  { kind: "held_by", key: keys.leader, lease },
];
