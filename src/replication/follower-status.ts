// How the other members are doing, as their leader sees it: for operators, metrics, and for who may be promoted.

import type { MemberId } from "../base/brands.js";
import { votersOf } from "./inside.js";
import type { Leader } from "./leader.js";
import type { LogRetention } from "./log-retention.js";
import type { MemberStream } from "./member-stream.js";
import type { FollowerStatus, LogReader } from "./ports.js";

export const followersOf = (leader: Leader): FollowerStatus[] =>
  [...leader.streams.values()].map((stream) => statusOf(leader, stream));

export function followerOf(leader: Leader, id: MemberId): FollowerStatus | undefined {
  const stream = leader.streams.get(id);
  return stream === undefined ? undefined : statusOf(leader, stream);
}

/** The voter furthest behind, or the copy under way that began earliest. A learner that is behind holds nothing back. */
export function oldestReaderOf(leader: Leader, retention: LogRetention): LogReader | undefined {
  const { configuration, logEnd } = leader.inside.durable.planned;
  const voters = new Set(votersOf(configuration).map(({ id }) => id));
  const readers = [...leader.streams.values()].flatMap(({ id, copy, matchedSeq }) => {
    const asMember = { id, kind: "member" as const, seq: matchedSeq };
    const asCopy = copy && { id, kind: "copy" as const, seq: copy.startSeq };
    return [...(voters.has(id) ? [asMember] : []), ...(asCopy === undefined ? [] : [asCopy])];
  });
  const [oldest] = readers.toSorted((one, other) => one.seq - other.seq);
  if (oldest === undefined) return undefined;
  // Samples of the lag are exact and reach back some seconds; marks reach back as far as the log.
  const lagMs = leader.lag.lagMs(oldest.seq, logEnd.seq);
  return { ...oldest, ageMs: Math.max(lagMs, retention.ageMsAfter(oldest.seq)) };
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
