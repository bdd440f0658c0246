// Members that came back at other addresses: a node registers where it is reached each time it starts, and the node that leads
// makes that part of the configuration, so that everybody finds it there.

import { type Clock, repeat, type Timer } from "../base/clock.js";
import type { ClusterFacts } from "../cluster/cluster-facts.js";
import type { ReplicationMember } from "../replication/ports.js";
import type { GroupMember } from "../store/replica-disk.js";

/** Between two looks at what etcd said last; costs no call. */
const lookMs = 500;

export interface MovedMembersParts {
  readonly member: Pick<ReplicationMember, "status" | "changeConfiguration">;
  readonly facts: () => ClusterFacts | undefined;
  readonly clock: Clock;
  readonly log: { info(fields: object, message: string): void };
}

export class MovedMembers {
  readonly #parts: MovedMembersParts;
  #timer: Timer | undefined;
  #isChanging = false;

  constructor(parts: MovedMembersParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#timer = repeat(this.#parts.clock, lookMs, () => this.#look());
  }

  stop(): void {
    this.#timer?.cancel();
  }

  #look(): void {
    const { member, facts, log } = this.#parts;
    const { role, configuration } = member.status();
    if (role.kind !== "leader" || this.#isChanging) return;
    const moved = configuration.members
      .map((one) => movedTo(one, facts()))
      .find((one) => one !== undefined);
    if (moved === undefined) return;
    this.#isChanging = true;
    // One that is refused now, as another change is under way, is tried again with the next look.
    member.changeConfiguration({ kind: "move", member: moved }, (result) => {
      this.#isChanging = false;
      const { node, replicationEndpoint, dataEndpoint } = moved;
      if (result.kind === "done") {
        log.info({ node, replicationEndpoint, dataEndpoint }, "a member has moved");
      }
    });
  }
}

/** The member at the addresses that it registered, if they are others. */
function movedTo(one: GroupMember, facts: ClusterFacts | undefined): GroupMember | undefined {
  const registered = facts?.members.get(one.id);
  if (registered === undefined) return undefined;
  const { replicationEndpoint, dataEndpoint } = registered;
  const isSame =
    replicationEndpoint === one.replicationEndpoint && dataEndpoint === one.dataEndpoint;
  return isSame ? undefined : { ...one, replicationEndpoint, dataEndpoint };
}
