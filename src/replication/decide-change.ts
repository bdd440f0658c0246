// What a change of a group's configuration makes of it, or what stands in its way: pure.

import type { LogSeq, MemberId } from "../base/brands.js";
import type { Configuration, GroupMember } from "../store/replica-disk.js";
import type { ConfigurationChange, FollowerStatus } from "./ports.js";
import { promotionLagMsMax } from "./settings.js";

export interface GroupFacts {
  readonly leader: MemberId;
  /** The first record of the leader's epoch. */
  readonly epochFirstSeq: LogSeq;
  readonly statusOf: (id: MemberId) => FollowerStatus | undefined;
}

export type ChangeDecision =
  | { readonly kind: "changed"; readonly configuration: Configuration }
  | { readonly kind: "refused"; readonly why: string };

export function decideChange(
  configuration: Configuration,
  change: ConfigurationChange,
  facts: GroupFacts,
): ChangeDecision {
  const { members } = configuration;
  const withMembers = (changed: readonly GroupMember[]): ChangeDecision => ({
    kind: "changed",
    configuration: { ...configuration, version: configuration.version + 1, members: changed },
  });
  const find = (id: MemberId): GroupMember | undefined => members.find((one) => one.id === id);
  switch (change.kind) {
    case "add_learner": {
      const { member } = change;
      if (find(member.id) !== undefined) return refuse(`${member.node} is a member already.`);
      if (members.some(({ node }) => node === member.node)) {
        return refuse(`Node ${member.node} runs another member of this group; remove that first.`);
      }
      return withMembers([...members, { ...member, isVoter: false }]);
    }
    case "promote": {
      const member = find(change.id);
      if (member === undefined) return refuse("There is no such member.");
      const why = whyNotVoter(member, configuration, facts);
      if (why !== undefined) return refuse(why);
      return withMembers(replaced(members, { ...member, isVoter: true }));
    }
    case "remove":
      if (find(change.id) === undefined) return refuse("There is no such member.");
      if (change.id === facts.leader) {
        return refuse("It leads the group: let another member take over first.");
      }
      return withMembers(members.filter(({ id }) => id !== change.id));
    case "set_acks":
      return {
        kind: "changed",
        configuration: {
          ...configuration,
          version: configuration.version + 1,
          acks: change.acks,
        },
      };
    case "move": {
      const present = find(change.member.id);
      if (present === undefined) return refuse("There is no such member.");
      if (present.isVoter && zoneVoter(configuration, change.member) !== undefined) {
        return refuse(`Zone ${change.member.zone} has a voter already.`);
      }
      return withMembers(replaced(members, { ...change.member, isVoter: present.isVoter }));
    }
  }
}

function whyNotVoter(
  member: GroupMember,
  configuration: Configuration,
  { statusOf, epochFirstSeq }: GroupFacts,
): string | undefined {
  if (member.isVoter) return `${member.node} is a voter already.`;
  const other = zoneVoter(configuration, member);
  if (other !== undefined) {
    return `Zone ${member.zone} has a voter already, ${other.node}: one zone that fails must not take two voters with it.`;
  }
  const status = statusOf(member.id);
  if (status?.isConnected !== true) return `${member.node} does not answer.`;
  if (status.isTakingCopy) return `${member.node} is still taking a copy of the state.`;
  // A leader that just began cannot tell how far behind a member is that has nothing of its epoch.
  if (status.durableSeq < epochFirstSeq) return `${member.node} has not caught up with its leader.`;
  if (status.lagMs > promotionLagMsMax) {
    return `${member.node} is ${Math.ceil(status.lagMs / 1_000)} s behind; it must be less than 1 s.`;
  }
  return undefined;
}

const zoneVoter = (
  { members }: Configuration,
  { id, zone }: GroupMember,
): GroupMember | undefined =>
  members.find((member) => member.isVoter && member.zone === zone && member.id !== id);

const replaced = (members: readonly GroupMember[], changed: GroupMember): GroupMember[] =>
  members.map((member) => (member.id === changed.id ? changed : member));

const refuse = (why: string): ChangeDecision => ({ kind: "refused", why });
