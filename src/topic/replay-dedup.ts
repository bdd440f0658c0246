// The deduplication id of a copy that is replayed. A queue forgets ids after five minutes, so a message replayed sooner would be taken
// for a repeat of itself and be lost. An id of the replay makes it another; within the replay it still is what it was.

import { hash } from "node:crypto";
import { topicLimits } from "./limits.js";
import type { TopicMessage } from "./model.js";

/** Hashed where it would be longer than an id may be. */
export function replayedDedupId({
  dedupId,
  replayId,
}: Pick<TopicMessage, "dedupId" | "replayId">): string | undefined {
  if (dedupId === undefined || replayId === undefined) return dedupId;
  const suffixed = `${dedupId}:r${replayId}`;
  return suffixed.length > topicLimits.idCharactersMax ? hash("sha256", suffixed, "hex") : suffixed;
}
