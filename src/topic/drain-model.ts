// What is known of a topic that drains: deleted, but for what it had accepted.

import type { TopicName } from "../base/brands.js";
import type { EndedTopic } from "./model.js";

/** A topic that goes as soon as everybody has what it has. */
export interface DrainingTopic extends EndedTopic {
  readonly name: TopicName;
  /** Subscriptions up to this one, in the order they were made, have everything; empty: none was found so yet. */
  readonly after: Buffer;
}
