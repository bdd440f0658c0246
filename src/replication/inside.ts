// What the parts of a member may ask of each other, through the member that holds them.

import type { Epoch, LogSeq, MemberId } from "../base/brands.js";
import type { Configuration, GroupMember } from "../store/replica-disk.js";
import type { MemberContext } from "./context.js";
import type { DurableSide } from "./durable.js";
import type { Position } from "./message.js";

export interface Inside {
  readonly context: MemberContext;
  readonly durable: DurableSide;
  /** The latest configuration that this member's log or the coordinator tells of. */
  configuration(): Configuration;
  /** Where this member stands, by what is on its disk. */
  position(): Position;
  /**
   * Where a leader alone confirms, what shows in a copy of its state may be lost with it: whether this member's state is such a
   * copy, not whole yet, of another leader than that of `epoch`. It needs a new one.
   */
  isCopyTorn(epoch: Epoch): boolean;
  /** An epoch that is known to have begun, though nobody asked for its promise here. */
  heardOf(epoch: Epoch): void;
  /** Leads or wants to lead no longer, gives the lease back and waits a while. */
  resign(why: string, hint: MemberId | undefined): void;
  quarantine(why: string): void;
  /** The first record of this epoch is committed and everything before it applied. */
  leads(epoch: Epoch): void;
  committed(seq: LogSeq): void;
}

export const votersOf = (configuration: Configuration): readonly GroupMember[] =>
  configuration.members.filter(({ isVoter }) => isVoter);

export const isVoter = (configuration: Configuration, id: MemberId): boolean =>
  configuration.members.some((member) => member.id === id && member.isVoter);
