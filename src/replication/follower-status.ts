// How the other members are doing, as their leader sees it: for operators, metrics, and for who may be promoted.

import type { MemberId } from "../base/brands.js";
import type { Leader } from "./leader.js";
import type { MemberStream } from "./member-stream.js";
import type { FollowerStatus } from "./ports.js";

export const followersOf = (leader: Leader): FollowerStatus[] =>
  [...leader.streams.values()].map((stream) => statusOf(leader, stream));

export function followerOf(leader: Leader, id: MemberId): FollowerStatus | undefined {
  const stream = leader.streams.get(id);
  return stream === undefined ? undefined : statusOf(leader, stream);
}

function statusOf(leader: Leader, stream: MemberStream): FollowerStatus {
  const { durable, context } = leader.inside;
  const endSeq = durable.planned.logEnd.seq;
  const isTakingCopy = stream.copy !== undefined;
  return {
    id: stream.id,
    isConnected: stream.hasAnsweredWithin(context.parts.settings.voterSilenceMsMax),
    durableSeq: stream.matchedSeq,
    appliedSeq: stream.appliedSeq,
    lagRecords: Math.max(0, endSeq - stream.matchedSeq),
    lagBytes: durable.bytesAbove(stream.matchedSeq),
    lagMs: leader.lag.lagMs(stream.matchedSeq, endSeq),
    roundTripMs: stream.roundTripMs,
    silentMs: stream.silentMs,
    diskFreeBytes: stream.diskFreeBytes,
    isTakingCopy,
  };
}
