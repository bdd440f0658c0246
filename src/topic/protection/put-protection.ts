// Setting and reading a topic's data protection policy. Its text is one of the topic's settings, since it changes with them.

import { accept } from "../../queue/rejections.js";
import type { Stamp } from "../../queue/stamp.js";
import type { TopicDecided } from "../rejections.js";
import { findTopic, type TopicAddress, topicNotFound } from "../topic-name.js";
import type { StateTransaction } from "../view.js";

export interface PutProtection {
  readonly address: TopicAddress;
  /** Undefined: removed. */
  readonly policy: string | undefined;
}

/** One that is there already is no change. */
export function decidePutProtection(
  { topics }: StateTransaction,
  { address, policy }: PutProtection,
  { now }: Stamp,
): TopicDecided<{ readonly isChanged: boolean }> {
  const topic = findTopic(topics, address);
  if (topic === undefined) return topicNotFound(address);
  if (topic.settings.dataProtectionPolicy === policy) return accept({ isChanged: false });
  const settings = { ...topic.settings, dataProtectionPolicy: policy };
  topics.putTopic({ ...topic, settings, updatedAt: now, revision: topic.revision + 1 });
  return accept({ isChanged: true });
}
