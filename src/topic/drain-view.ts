// What the rules of draining read and record, beside what they may of topics: see `view.ts`.

import type { DrainingTopic } from "./drain-model.js";
import type { Topic } from "./model.js";

/** What the rows of a topic are found by; as in `view.ts`, which is made of this file. */
type Segment = Pick<Topic, "slot" | "segment">;

export interface DrainTransaction {
  /** In one order, strictly after the one given; undefined: from the first. */
  after(last: Segment | undefined): Iterable<DrainingTopic>;
  put(draining: DrainingTopic): void;
  /** One that is not there is OK. */
  remove(topic: Segment): void;
}
