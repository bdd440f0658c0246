// Who a node's store is among the members of a cluster. A store gets its id before anybody hears of it, on disk, so that one that
// was wiped can never come back as the member it was; and it gets its group when etcd knows one.

import type { EpochMs, GroupId, LogSeq } from "../base/brands.js";
import { type Epoch, groupId, memberId } from "../base/brands.js";
import type { Random } from "../base/ids.js";
import type {
  Configuration,
  DiskOutcome,
  LogPosition,
  MemberState,
  ReplicaDisk,
} from "../store/replica-disk.js";
import type { Store } from "../store/store.js";

/** Of a member that has no group yet. */
const noGroup = groupId("0".repeat(32));
const noConfiguration: Configuration = { version: 0, members: [], acks: "quorum" };
const idBytes = 16;

export const hasGroup = ({ groupId: group }: MemberState): boolean => group !== noGroup;

/** What the store knows of itself as a member, made up and stored when it is none yet. */
export async function memberStateOf(
  { store, disk }: { readonly store: Store; readonly disk: ReplicaDisk },
  random: Random,
): Promise<MemberState> {
  const known = disk.load();
  if (known !== undefined) return known;
  const base = holdsData(store) ? baseOfData(random) : emptyBase;
  const state: MemberState = {
    memberId: memberId(freshBytes(random).toString("hex")),
    groupId: noGroup,
    promisedEpoch: 0 as Epoch,
    configuration: noConfiguration,
    epochBegins: [{ epoch: base.epoch, firstSeq: base.seq }],
    logBase: base,
    logEnd: base,
    appliedSeq: base.seq,
    wholeFrom: base.seq,
    leaderTime: 0 as EpochMs,
  };
  await stored(disk, state);
  return state;
}

/** The member is of this group from now on, which begins with this configuration. */
export async function joinGroup(
  disk: ReplicaDisk,
  state: MemberState,
  group: GroupId,
  configuration: Configuration,
): Promise<MemberState> {
  const joined = { ...state, groupId: group, configuration };
  await stored(disk, joined);
  return joined;
}

/** Whether it was the store of a node alone that has already kept something. */
export const holdsOwnData = (state: MemberState): boolean =>
  !hasGroup(state) && state.logBase.seq > 0;

const holdsData = (store: Store): boolean => store.keys("\x00", "\xff\xff", 1).length > 0;

const emptyBase: LogPosition = {
  epoch: 0 as Epoch,
  seq: 0 as LogSeq,
  chain: Buffer.alloc(idBytes),
};

/** A place that no empty member can take for its own: what was stored alone is in no log, so it is copied. */
const baseOfData = (random: Random): LogPosition => ({
  epoch: 0 as Epoch,
  seq: 1 as LogSeq,
  chain: freshBytes(random),
});

function freshBytes(random: Random): Buffer {
  const bytes = Buffer.alloc(idBytes);
  random.fill(bytes);
  return bytes;
}

function stored(disk: ReplicaDisk, state: MemberState): Promise<void> {
  return new Promise((resolve, reject) => {
    disk.write({ state }, (outcome) => {
      if (outcome.kind === "durable") resolve();
      else reject(whyNot(outcome));
    });
  });
}

const whyNot = (outcome: Exclude<DiskOutcome, { kind: "durable" }>): Error =>
  outcome.kind === "failed" ? outcome.error : new Error("The disk has no room to join a cluster.");
