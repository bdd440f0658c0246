// The deduplication id of a copy that is replayed. A queue forgets ids after five minutes, so a message replayed sooner would be taken
// for a repeat of itself and be lost. An id of the replay makes it another; within the replay it still is what it was.

import { hash } from "node:crypto";
import { uuidText } from "../base/ids.js";
import type { Replay } from "./archive-model.js";
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

/**
 * What a subscription that catches up is handed on. Behind a replay that was stopped, and goes on from where it was, are messages
 * that it had before: those still are the replay's, or a queue would take them for repeats.
 */
export function markedAgain(
  replay: Replay | undefined,
  messages: readonly TopicMessage[],
): readonly TopicMessage[] {
  const { state, end, id } = replay ?? {};
  if (state !== "stopped" || end === undefined || id === undefined) return messages;
  const replayId = uuidText(id);
  return messages.map((message) => (message.sequence < end ? { ...message, replayId } : message));
}
