// What one seed means: how large the group is, how patient its members are, what may go wrong and how often. Every schedule draws
// which faults it has at all, because a run with everything at once seldom gets far enough to break what needs progress first.

import type { MemberSettings } from "../../src/replication/ports.js";
import { defaultMemberSettings } from "../../src/replication/settings.js";
import type { AcksMode } from "../../src/store/replica-disk.js";
import type { Prng } from "./prng.js";
import type { NetworkHabits } from "./simulated-network.js";

/** What may go wrong; the number is how often, relative to the others. */
export interface FaultWeights {
  readonly crash: number;
  readonly powerCut: number;
  readonly powerCutAll: number;
  readonly pause: number;
  readonly suspend: number;
  readonly isolate: number;
  readonly cutOneWay: number;
  readonly cutPair: number;
  readonly split: number;
  readonly etcdPath: number;
  readonly etcdDown: number;
  readonly wallJump: number;
  readonly slowDisk: number;
  readonly fullDisk: number;
  readonly failingDisk: number;
  readonly epochsMinted: number;
  /** Only in schedules that say so: they take away what leases rely on. */
  readonly etcdRestored: number;
  readonly epochForced: number;
  /** Only where the rest of the group has everything the disk had. */
  readonly wipe: number;
  readonly restoreDisk: number;
  readonly spoilDisk: number;
}

export interface OperatorWeights {
  readonly handOver: number;
  readonly addLearner: number;
  readonly promote: number;
  readonly remove: number;
  readonly setAcks: number;
}

export interface Schedule {
  readonly seed: number;
  readonly theme: Theme;
  readonly voterCount: 1 | 3 | 5;
  readonly learnerCount: number;
  /** The first voter's store had data when it became a member, and nobody else's. */
  readonly hasEarlierData: boolean;
  readonly acks: AcksMode;
  readonly settings: MemberSettings;
  readonly leaseMs: number;
  readonly network: NetworkHabits;
  readonly diskMsMean: number;
  readonly etcdMsMean: number;
  readonly clockRateErrorMax: number;
  readonly wallErrorMsMax: number;
  /** How long faults go on. */
  readonly troubleMs: number;
  readonly faultEveryMs: number;
  readonly faults: FaultWeights;
  readonly operatorEveryMs: number;
  readonly operations: OperatorWeights;
  readonly writeEveryMs: number;
  readonly readEveryMs: number;
  readonly keyCount: number;
  /** Nobody but the holder of the epoch can win another while its lease lives: what reads under a lease rely on. */
  readonly leasesHold: boolean;
  /** A member may meet what only an operator can mend: epochs that were forgotten, a disk that went back. */
  readonly mayNeedOperator: boolean;
}

/** Rare worlds, each alone, so that what they may lose or forbid is clear. */
export const themes = [
  "plain",
  "changing_members",
  /** Leaders answer before anybody else has the record, and may take the last answers with them. */
  "async",
  /** etcd is restored from a backup. */
  "forgetful_etcd",
  /** Epochs are minted over the head of a leader whose lease lives. */
  "forced_epochs",
  /** One node's disk is put back to an earlier state, in a group where all have everything. */
  "restored_disk",
  /** One node's disk is lost, and the node starts anew as somebody else. */
  "wiped_disk",
  /** What is on one node's disk can be read no more. */
  "spoilt_disk",
] as const;

export type Theme = (typeof themes)[number];

function themeOf(prng: Prng): Theme {
  const rare = themes.filter((theme) => theme !== "plain" && theme !== "changing_members");
  if (prng.chance(0.3)) return prng.pick(rare);
  return prng.chance(0.5) ? "changing_members" : "plain";
}

function acksOf(theme: Theme, prng: Prng): AcksMode {
  if (theme === "async") return "async";
  if (theme === "restored_disk") return "all";
  if (theme === "wiped_disk" || theme === "spoilt_disk") return "quorum";
  return prng.pick(["quorum", "quorum", "quorum", "all"] as const);
}

/** `wanted`: instead of the theme that the seed draws. */
export function scheduleOf(seed: number, prng: Prng, wanted?: Theme): Schedule {
  const drawn = themeOf(prng);
  const theme = wanted ?? drawn;
  const mayStandAlone = theme === "plain" || theme === "changing_members";
  const hasEarlierData = prng.chance(0.1) && mayStandAlone;
  // Others than the one with data would begin without it, so it begins alone and is joined.
  const voterCount = hasEarlierData
    ? 1
    : mayStandAlone
      ? prng.pick([1, 3, 3, 3, 3, 5] as const)
      : prng.pick([3, 3, 3, 5] as const);
  const changesMembers = theme === "changing_members" || theme === "wiped_disk" || voterCount === 1;
  const acks = acksOf(theme, prng);
  // Short, beside a real one, so that more leaders come and go in fewer events.
  const leaseMs = prng.pick([1_000, 2_000, 3_500]);
  return {
    seed,
    theme,
    voterCount,
    learnerCount: prng.pick([0, 0, 1, 2]),
    hasEarlierData,
    acks,
    settings: settingsOf(prng),
    leaseMs,
    network: {
      delayMsMean: prng.pick([0.5, 2, 20]),
      loss: prng.pick([0, 0, 0.02, 0.15]),
      repetition: prng.pick([0, 0.05]),
      reorders: prng.chance(0.5),
      encodes: prng.chance(0.15),
      windowBytes: prng.pick([400, 4_000, 1_000_000]),
    },
    diskMsMean: prng.pick([0.3, 2, 15]),
    etcdMsMean: prng.pick([1, 5, 40]),
    clockRateErrorMax: prng.pick([0, 0.0005, 0.02]),
    wallErrorMsMax: prng.pick([0, 500, 5_000]),
    troubleMs: 1_000 + leaseMs * prng.between(2, 6),
    faultEveryMs: leaseMs * prng.pick([0.15, 0.3, 0.7]),
    faults: faultsOf(prng, theme),
    operatorEveryMs: leaseMs * prng.pick([0.2, 0.5, 1]),
    operations: {
      handOver: some(prng, 2),
      addLearner: changesMembers ? 2 : 0,
      promote: changesMembers ? 3 : 0,
      remove: changesMembers ? 2 : 0,
      // Another W than the one the schedule needs would let its faults lose what they may not.
      setAcks: mayStandAlone ? some(prng, 1) : 0,
    },
    writeEveryMs: prng.pick([15, 60, 250]),
    readEveryMs: prng.pick([40, 150]),
    keyCount: prng.pick([3, 40]),
    leasesHold: theme !== "forgetful_etcd" && theme !== "forced_epochs",
    mayNeedOperator: ["forgetful_etcd", "restored_disk", "spoilt_disk"].includes(theme),
  };
}

function settingsOf(prng: Prng): MemberSettings {
  const isSmall = prng.chance(0.6);
  const heartbeatMs = prng.pick([80, 150, 250]);
  return {
    ...defaultMemberSettings,
    heartbeatMs,
    // The last one may be longer than the lease, which then is all that ends a leader who is cut off.
    voterSilenceMsMax: heartbeatMs * prng.pick([4, 7, 30]),
    leaseMarginMs: prng.pick([100, 200]),
    yieldMs: prng.pick([50, 200]),
    backoffMinMs: 50,
    backoffMaxMs: prng.pick([200, 800]),
    windowBytesMax: prng.pick([300, 2_000, 100_000]),
    recordBytesMax: 4_096,
    sliceBytesMax: prng.pick([40, 200, 2_000]),
    logKeepMs: isSmall ? prng.pick([0, 500]) : 900_000,
    logKeepBytes: isSmall ? prng.pick([0, 1_000]) : 1_000_000,
    logBytesMax: isSmall ? prng.pick([800, 2_500]) : 10_000_000,
    trimCountMax: prng.pick([1, 5, 100]),
  };
}

function faultsOf(prng: Prng, theme: Theme): FaultWeights {
  return {
    crash: some(prng, 4),
    powerCut: some(prng, 3),
    powerCutAll: some(prng, 1),
    pause: some(prng, 3),
    suspend: some(prng, 1),
    isolate: some(prng, 4),
    cutOneWay: some(prng, 3),
    cutPair: some(prng, 2),
    split: some(prng, 2),
    etcdPath: some(prng, 3),
    etcdDown: some(prng, 1),
    wallJump: some(prng, 1),
    slowDisk: some(prng, 1),
    fullDisk: some(prng, 1),
    failingDisk: some(prng, 1),
    epochsMinted: some(prng, 2),
    etcdRestored: theme === "forgetful_etcd" ? 8 : 0,
    epochForced: theme === "forced_epochs" ? 4 : 0,
    wipe: theme === "wiped_disk" ? 4 : 0,
    spoilDisk: theme === "spoilt_disk" ? 4 : 0,
    restoreDisk: theme === "restored_disk" ? 3 : 0,
  };
}

/** Half of the schedules do without. */
const some = (prng: Prng, weight: number): number => (prng.chance(0.5) ? weight : 0);
