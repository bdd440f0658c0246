// The protocol with one of its rules broken, to show that the simulator would notice. The code that runs is the real one; what is
// broken is the rule it is handed, or the world that keeps a promise to it.

import type { PeerMessage } from "../../src/gen/forebay/replication/v1/replication_service.js";
import type { Rules } from "../../src/replication/rules.js";
import type { Theme } from "./schedule.js";
import type { DiskLie } from "./simulated-disk.js";
import type { EtcdFault } from "./simulated-etcd.js";

export interface Mutation {
  /** The world in which the rule matters, if it does not in most. */
  readonly theme?: Theme;
  /** Members have a second line here, and stop themselves before anybody else could see it: that is enough. */
  readonly mayMembersNotice?: boolean;
  readonly rules?: Partial<Rules>;
  readonly diskLie?: DiskLie;
  readonly etcd?: EtcdFault;
  readonly leaseNeverEnds?: boolean;
  /** What a member hears instead. */
  readonly hear?: (message: PeerMessage) => PeerMessage;
}

const majority = (count: number): number => Math.floor(count / 2) + 1;

export const mutations = {
  "ack-before-flush": { rules: { confirmedSeq: (agreedSeq) => agreedSeq } },
  "disk-lies-about-records": { diskLie: "records" },
  "promise-not-durable": { rules: { mayAnswer: () => true } },
  "disk-lies-about-promises": { diskLie: "promises" },
  "old-epochs-not-fenced": { rules: { mayFollow: () => true } },
  "most-advanced-log-not-adopted": { rules: { isMoreAdvanced: () => false } },
  "old-epoch-records-counted": { rules: { countsByItself: () => true } },
  "applied-records-truncated": {
    theme: "async",
    mayMembersNotice: true,
    rules: { mayTruncate: () => true },
  },
  "applied-before-commit": { hear: commitAll },
  "lease-not-checked": { leaseNeverEnds: true },
  "old-majority-counted": {
    rules: {
      // What one voter less would need: the same for three voters, too little for two and for four.
      acksNeeded: (_acks, voterCount) => majority(voterCount - 1),
      promisesNeeded: (voterCount) => majority(voterCount - 1),
    },
  },
  "copy-without-its-log": { hear: copyIsWhole },
  "epochs-not-compared": { mayMembersNotice: true, etcd: "epochs_not_compared" },
  "forgotten-epochs-trusted": { theme: "forgetful_etcd", rules: { mayTrust: () => true } },
} as const satisfies Record<string, Mutation>;

export type MutationName = keyof typeof mutations;

export const noMutation: Mutation = {};

export function mutationOf(name: string): Mutation {
  const found = Object.entries(mutations).find(([each]) => each === name)?.[1];
  if (found !== undefined) return found;
  throw new Error(`There is no mutation ${name}; there are ${Object.keys(mutations).join(", ")}.`);
}

/** Everything that was sent counts as committed. */
function commitAll(message: PeerMessage): PeerMessage {
  const { kind } = message;
  if (kind?.$case !== "append") return message;
  const { prevSeq, entries } = kind.value;
  const commitSeq = prevSeq + BigInt(entries.length);
  return { kind: { $case: "append", value: { ...kind.value, commitSeq } } };
}

/** Every slice of a copy claims to be as old as possible, so that no log seems needed to make it whole. */
function copyIsWhole(message: PeerMessage): PeerMessage {
  const { kind } = message;
  if (kind?.$case !== "stateSlice") return message;
  return { kind: { $case: "stateSlice", value: { ...kind.value, appliedSeq: 0n } } };
}
