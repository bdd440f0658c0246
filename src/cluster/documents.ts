// The values in etcd, as JSON: written in one way only, since transactions compare them, and read with suspicion, since people have
// etcdctl.

import { z } from "zod";
import {
  type Epoch,
  epoch,
  type GroupId,
  groupId,
  type MemberId,
  memberId,
} from "../base/brands.js";
import { clusterNamePattern } from "../base/cluster-names.js";
import type { Configuration } from "../store/replica-disk.js";
import { EtcdFault } from "./etcd-fault.js";

/** A node's member as the node itself registered it. */
export interface RegisteredMember {
  readonly id: MemberId;
  readonly node: string;
  readonly zone: string;
  readonly replicationEndpoint: string;
  readonly dataEndpoint: string;
  /** Where operators reach it. */
  readonly managementEndpoint: string;
  /** It holds data that no group knows: of a server that ran alone until now. */
  readonly hasOwnData: boolean;
}

export interface LeaderDocument {
  readonly epoch: Epoch;
  readonly memberId: MemberId;
  readonly node: string;
  readonly dataEndpoint: string;
}

/** A member that left for good. */
export interface RemovedMember {
  readonly node: string;
  /** The configuration that it is no longer in. */
  readonly configurationVersion: number;
}

const id = z.string().regex(/^[0-9a-f]{32}$/);
const endpoint = z.string().max(300);
const name = z.string().regex(clusterNamePattern);

const groupShape = z.object({ groupId: id.transform(groupId) });
const leaderShape = z.object({
  epoch: z.int().min(1).transform(epoch),
  memberId: id.transform(memberId),
  node: name,
  dataEndpoint: endpoint,
});
const memberShape = z.object({
  id: id.transform(memberId),
  node: name,
  zone: name,
  replicationEndpoint: endpoint,
  dataEndpoint: endpoint,
  managementEndpoint: endpoint,
  hasOwnData: z.boolean(),
});
const removedShape = z.object({ node: name, configurationVersion: z.int().min(1) });
const configurationShape = z.object({
  version: z.int().min(1),
  acks: z.enum(["async", "quorum", "all"]),
  members: z
    .array(
      z.object({
        id: id.transform(memberId),
        node: name,
        zone: name,
        isVoter: z.boolean(),
        replicationEndpoint: endpoint,
        dataEndpoint: endpoint,
      }),
    )
    .max(1_000),
});

export const groupText = (groupIdentity: GroupId): string =>
  JSON.stringify({ groupId: groupIdentity });

export const readGroup = (key: string, text: string): GroupId =>
  read(key, text, groupShape).groupId;

export const epochText = (minted: Epoch): string => String(minted);

export function readEpoch(key: string, text: string): Epoch {
  if (!/^\d{1,15}$/.test(text)) throw unreadable(key, "a number");
  return epoch(Number(text));
}

export function leaderText(leader: LeaderDocument): string {
  const { epoch: held, memberId: holder, node, dataEndpoint } = leader;
  return JSON.stringify({ epoch: held, memberId: holder, node, dataEndpoint });
}

export const readLeader = (key: string, text: string): LeaderDocument =>
  read(key, text, leaderShape);

/** A member alone: whom to let go first, or whom a node runs. */
export const readMemberId = (key: string, text: string): MemberId => {
  const found = id.transform(memberId).safeParse(text);
  if (!found.success) throw unreadable(key, "a member");
  return found.data;
};

export function memberText(member: RegisteredMember): string {
  return JSON.stringify({
    id: member.id,
    node: member.node,
    zone: member.zone,
    replicationEndpoint: member.replicationEndpoint,
    dataEndpoint: member.dataEndpoint,
    managementEndpoint: member.managementEndpoint,
    hasOwnData: member.hasOwnData,
  });
}

export const readMember = (key: string, text: string): RegisteredMember =>
  read(key, text, memberShape);

export const removedText = ({ node, configurationVersion }: RemovedMember): string =>
  JSON.stringify({ node, configurationVersion });

export const readRemoved = (key: string, text: string): RemovedMember =>
  read(key, text, removedShape);

export function configurationText({ version, acks, members }: Configuration): string {
  return JSON.stringify({
    version,
    acks,
    members: members.map((member) => ({
      id: member.id,
      node: member.node,
      zone: member.zone,
      isVoter: member.isVoter,
      replicationEndpoint: member.replicationEndpoint,
      dataEndpoint: member.dataEndpoint,
    })),
  });
}

export const readConfiguration = (key: string, text: string): Configuration =>
  read(key, text, configurationShape);

function read<Shape>(key: string, text: string, shape: z.ZodType<Shape>): Shape {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw unreadable(key, "JSON");
  }
  const result = shape.safeParse(value);
  if (!result.success) throw unreadable(key, "what Forebay writes there");
  return result.data;
}

/** Nobody may act on half of the truth, so an unreadable key is as good as no answer; but somebody has to be told. */
function unreadable(key: string, expected: string): EtcdFault {
  return new EtcdFault("refused", `The key ${key} in etcd does not hold ${expected}.`);
}
