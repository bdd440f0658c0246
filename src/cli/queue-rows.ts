// Queues as results of commands: their settings and counters in people's words, and as JSON in the client's.

import type { QueueDescription, RedriveAllowPolicy } from "@forebay/client";
import { formatDuration } from "./durations.js";
import type { Row } from "./output.js";

export const countsHeadings = ["queue", "visible", "in flight", "delayed", "bytes"];

/** A queue in a list with counters. */
export function countsRow({ queue, counters }: QueueDescription): Row {
  return {
    cells: {
      queue,
      visible: String(counters.visibleMessageCount),
      "in flight": String(counters.inFlightMessageCount),
      delayed: String(counters.delayedMessageCount),
      bytes: String(counters.storedBytes),
    },
    json: { queue, counters },
    raw: queue,
  };
}

/** A queue in full. */
export function descriptionRow(description: QueueDescription): Row {
  const { queue, attributes, counters, etag, createTime, updateTime } = description;
  const { redrivePolicy, redriveAllowPolicy, retryPolicy, policy, ...settings } = attributes;
  const { fairness, ...counts } = counters;
  return {
    cells: {
      queue,
      ...cellsOf(settings),
      ...cellsOf(redrivePolicy),
      ...(redriveAllowPolicy && { "redrive allowed": allowedText(redriveAllowPolicy) }),
      ...cellsOf(retryPolicy, "retry "),
      ...(policy !== undefined && { policy: onOneLine(policy) }),
      ...cellsOf(counts),
      ...cellsOf(fairness),
      created: createTime?.toISOString() ?? "",
      updated: updateTime?.toISOString() ?? "",
      etag,
    },
    json: {
      queue,
      attributes,
      counters,
      etag,
      createTime: createTime?.toISOString(),
      updateTime: updateTime?.toISOString(),
    },
    raw: queue,
  };
}

/** A heading and a text for every value there is. */
function cellsOf(values: object | undefined, prefix = ""): Record<string, string> {
  const present = Object.entries(values ?? {}).filter(([, value]) => value !== undefined);
  return Object.fromEntries(
    present.map(([name, value]) => [`${prefix}${words(name)}`, textOf(name, value)]),
  );
}

/** Settings that are one of some words; other texts are names, whose case counts. */
const choices = new Set(["receiptPolicy", "deduplicationScope", "fifoThroughputLimit"]);

function textOf(name: string, value: unknown): string {
  if (typeof value === "number" && name.endsWith("Ms")) return formatDuration(value);
  const text = String(value);
  return choices.has(name) ? text.toLowerCase().replaceAll("_", "-") : text;
}

/** `visibilityTimeoutMs` as people write it: `visibility timeout`. */
function words(name: string): string {
  return name.replace(/Ms$/, "").replaceAll(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
}

/** A document that the server has found to be JSON. */
function onOneLine(document: string): string {
  return JSON.stringify(JSON.parse(document));
}

function allowedText({ permission, sourceQueues = [] }: RedriveAllowPolicy): string {
  if (permission === "BY_QUEUE") return sourceQueues.join(", ");
  return permission === "ALLOW_ALL" ? "all" : "none";
}
