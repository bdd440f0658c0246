// The view of topics that drain of the rows. Part of the topics' view (`topic-state.ts`).

import type { DrainingTopic } from "../topic/drain-model.js";
import type { DrainTransaction } from "../topic/drain-view.js";
import type { Topic } from "../topic/model.js";
import { drainingTopicByte, drainingTopicKey } from "./drain-rows.js";
import { endOfPrefix } from "./keys.js";
import type { RowAccess } from "./row-access.js";
import { tables } from "./tables.js";

type Segment = Pick<Topic, "slot" | "segment">;

export class DrainRows implements DrainTransaction {
  readonly #rows: RowAccess;

  constructor(rows: RowAccess) {
    this.#rows = rows;
  }

  *after(last: Segment | undefined): Iterable<DrainingTopic> {
    const from = last === undefined ? drainingTopicByte : drainingTopicKey(last.slot, last.segment);
    const end = endOfPrefix(drainingTopicByte);
    for (const { key, row } of this.#rows.range(tables.drainingTopic, from, end)) {
      if (key !== from) yield row;
    }
  }

  put(draining: DrainingTopic): void {
    const { slot, segment } = draining;
    this.#rows.put(tables.drainingTopic, drainingTopicKey(slot, segment), draining);
  }

  remove({ slot, segment }: Segment): void {
    this.#rows.remove(tables.drainingTopic, drainingTopicKey(slot, segment), false);
  }
}
