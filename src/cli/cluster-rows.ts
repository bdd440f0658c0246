// A cluster as results of commands: its members in people's words, and as JSON in the client's, with numbers for what the client
// has as bigint.

import type {
  ClusterMember,
  ClusterMemberProgress,
  ClusterNode,
  ClusterStatus,
} from "@forebay/client";
import { formatDuration } from "./durations.js";
import type { Row } from "./output.js";

/** How far behind a member may be that has caught up: as far as one that is given a vote (src/replication/settings.ts). */
const caughtUpLagMsMax = 1_000;

export const memberHeadings = [
  "node",
  "zone",
  "votes",
  "role",
  "caught up",
  "epoch",
  "durable",
  "applied",
  "lag records",
  "lag bytes",
  "lag",
  "last contact",
  "applications at",
];

export function memberRow(member: ClusterMember): Row {
  const { progress } = member;
  return {
    cells: {
      node: member.node,
      zone: member.zone,
      votes: member.isVoter ? "yes" : "no",
      role: roleText(member),
      "applications at": member.dataEndpoint,
      ...(progress === undefined
        ? {}
        : {
            "caught up": hasCaughtUp(progress) ? "yes" : "no",
            epoch: String(progress.epoch),
            durable: String(progress.durableSeq),
            applied: String(progress.appliedSeq),
            "lag records": String(progress.lagRecordCount),
            "lag bytes": String(progress.lagBytes),
            lag: formatDuration(Math.round(progress.lagMs)),
            "last contact": `${formatDuration(Math.round(progress.silentMs))} ago`,
          }),
    },
    json: memberJson(member),
    raw: member.node,
  };
}

function roleText({ role, progress }: ClusterMember): string {
  if (progress?.isTakingCopy === true) return "taking a copy";
  if (progress?.isConnected === false) return "away";
  return role.toLowerCase();
}

/** The node that leads has what there is; of the others this is asked when they are to be given a vote. */
const hasCaughtUp = ({ isConnected, isTakingCopy, lagMs }: ClusterMemberProgress): boolean =>
  isConnected && !isTakingCopy && lagMs <= caughtUpLagMsMax;

/** What to do about members that could vote and do not. */
export function promotionTexts({ members }: ClusterStatus): readonly string[] {
  const zonesThatVote = new Set(members.filter(({ isVoter }) => isVoter).map(({ zone }) => zone));
  return members
    .filter(({ zone, progress }) => !zonesThatVote.has(zone) && progress && hasCaughtUp(progress))
    .map(
      ({ node }) => `Node ${node} has caught up. Give it a vote: forebay cluster promote ${node}`,
    );
}

export const registeredText = ({ node, zone, hasOwnData }: ClusterNode): string =>
  hasOwnData
    ? `Node ${node} in ${zone} has registered, and holds data of its own: start it with an empty data directory to add it.`
    : `Node ${node} in ${zone} has registered. Let it take part: forebay cluster add ${node}`;

export function statusJson(status: ClusterStatus): unknown {
  return {
    ...status,
    leader: status.leader ?? null,
    epoch: Number(status.epoch),
    configurationVersion: Number(status.configurationVersion),
    commitSeq: Number(status.commitSeq),
    members: status.members.map(memberJson),
  };
}

function memberJson(member: ClusterMember): unknown {
  const { progress } = member;
  return {
    ...member,
    progress: progress && {
      ...progress,
      epoch: Number(progress.epoch),
      durableSeq: Number(progress.durableSeq),
      appliedSeq: Number(progress.appliedSeq),
      lagRecordCount: Number(progress.lagRecordCount),
      lagBytes: Number(progress.lagBytes),
      diskFreeBytes: Number(progress.diskFreeBytes),
      hasCaughtUp: hasCaughtUp(progress),
    },
  };
}
