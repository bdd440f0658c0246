// DeleteTopic with `drain` at the wire.

import type {
  DeleteTopicRequest,
  DeleteTopicResponse,
} from "../gen/forebay/topic/v1/topic_service.js";
import { decideDrainTopic } from "../topic/drain-topic.js";
import type { TopicAddress } from "../topic/topic-name.js";
import { createTopicTools, type TopicHandlerParts } from "./topic-handler-context.js";

/** Answers when it is sure to drain; the sweeper deletes it when it has. */
export async function drainTopic(
  parts: TopicHandlerParts,
  { etag, force: isForced }: DeleteTopicRequest,
  address: TopicAddress,
): Promise<DeleteTopicResponse> {
  const { existed, begun } = await createTopicTools(parts).execute({
    name: "DrainTopic",
    isGrowing: false,
    decide: (transaction, stamp) =>
      decideDrainTopic(transaction, { address, etag, isForced }, stamp),
  });
  if (begun !== undefined) {
    const topic = `${begun.namespace}/${begun.name}`;
    parts.log.info({ topic }, "topic drains, and is deleted when everybody has what it has");
  }
  return { existed };
}
