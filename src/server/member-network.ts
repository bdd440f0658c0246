// A member's way to the others of its group, made from the settings of its node.

import type { Clock } from "../base/clock.js";
import { fractionOf, systemRandom } from "../base/ids.js";
import type { Log } from "../base/log.js";
import { version } from "../base/version.js";
import type { Config } from "../config/settings.js";
import type { ReplicationMember } from "../replication/ports.js";
import { createPeerNetwork, type PeerNetwork } from "../replication/transport/peer-network.js";
import type { MemberState } from "../store/replica-disk.js";
import type { createPassedOnCalls } from "./passed-on-calls.js";

export interface MemberNetworkParts {
  readonly config: Config;
  readonly clock: Clock;
  readonly log: Log;
  /** Whom the calls are for that other nodes pass on. */
  readonly passedOn: ReturnType<typeof createPassedOnCalls>;
}

/** `member` is who hears what is said, once there is one. */
export function networkOf(
  { config, clock, log, passedOn }: MemberNetworkParts,
  { groupId, memberId }: MemberState,
  member: () => ReplicationMember | undefined,
): PeerNetwork {
  const { replicationCaFile, replicationCertFile, replicationKeyFile } = config;
  return createPeerNetwork({
    groupId,
    memberId,
    release: version,
    tls:
      replicationCertFile === ""
        ? undefined
        : {
            identity: { cluster: config.clusterName, node: config.nodeName },
            caFile: replicationCaFile,
            certFile: replicationCertFile,
            keyFile: replicationKeyFile,
          },
    clock,
    random: fractionOf(systemRandom),
    log,
    receive: (from, message) => member()?.receive(from, message),
    networkReady: (to) => member()?.networkReady(to),
    takeCalls: (socket) => passedOn.take(socket),
  });
}
