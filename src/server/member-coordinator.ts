// A member's way to etcd, made from the settings of its node.

import type { Clock } from "../base/clock.js";
import { wallMs } from "../base/clock.js";
import { systemRandom } from "../base/ids.js";
import type { Log } from "../base/log.js";
import { coordinatorTimes, EtcdCoordinator } from "../cluster/coordinator.js";
import type { EtcdClient } from "../cluster/etcd-client.js";
import type { ClusterKeys } from "../cluster/keys.js";
import type { NodeDescription } from "../cluster/start-rules.js";
import type { Config } from "../config/settings.js";
import type { ReplicationMember } from "../replication/ports.js";
import type { MemberState } from "../store/replica-disk.js";

export interface MemberCoordinatorParts {
  readonly client: EtcdClient;
  readonly keys: ClusterKeys;
  readonly config: Config;
  readonly node: NodeDescription;
  readonly clock: Clock;
  readonly log: Log;
}

/** `member` is who hears of what changed, once there is one. */
export function coordinatorOf(
  { config, clock, log, node, client, keys }: MemberCoordinatorParts,
  { groupId, memberId }: MemberState,
  member: () => ReplicationMember | undefined,
): EtcdCoordinator {
  return new EtcdCoordinator({
    client,
    keys,
    groupId,
    self: { id: memberId, node: node.node, dataEndpoint: node.dataEndpoint },
    clock: { monotonicMs: clock.monotonicMs, setTimer: clock.setTimer, wallMs },
    random: systemRandom,
    log,
    times: coordinatorTimes(config.leaseTtlSeconds),
    viewChanged: (view) => member()?.coordinatorChanged(view),
  });
}
