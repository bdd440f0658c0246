// The check of topics that drain: the row and the topic say the same.

import type { Topic } from "../topic/model.js";
import type { CheckWalk } from "./check-walk.js";
import { drainingTopicKey } from "./drain-rows.js";
import { segmentPrefixLength } from "./keys.js";
import type { ScannedRow } from "./store.js";
import { tables } from "./tables.js";
import { topicKey } from "./topic-keys.js";

interface Context {
  readonly walk: CheckWalk;
}

export function checkDrainingTopic({ walk }: Context, scanned: ScannedRow): void {
  const { key } = scanned;
  if (key.length !== 1 + segmentPrefixLength) {
    walk.layout(key);
    return;
  }
  const { row } = walk.read(scanned, tables.drainingTopic, () => "topic that drains");
  if (row === undefined) return;
  const topic = walk.find(tables.topic, topicKey(row.namespace, row.name));
  if (topic === "unreadable") return;
  if (topic?.segment !== row.segment || topic.drainingSince === undefined) {
    walk.report(
      `topic ${row.namespace}/${row.name}`,
      "A row says that it drains, and it does not.",
    );
  }
}

/** The reverse, of a topic that was read. */
export function checkDrains(walk: CheckWalk, topic: Topic, name: string): void {
  if (topic.drainingSince === undefined) return;
  const key = drainingTopicKey(topic.slot, topic.segment);
  if (walk.find(tables.drainingTopic, key) === undefined) {
    walk.report(name, "It drains, and no row says so.");
  }
}
