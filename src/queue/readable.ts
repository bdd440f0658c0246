// What cannot be read, to a rule that can do without it: one broken row must not stop a queue that is whole.

import type { Namespace, QueueName } from "../base/brands.js";
import { RecordCorrupt } from "../base/record-corrupt.js";
import type { Queue } from "./model.js";
import type { QueueView } from "./view.js";

export function orUnreadable<Row>(read: () => Row): Row | "unreadable" {
  try {
    return read();
  } catch (error) {
    if (error instanceof RecordCorrupt) return "unreadable";
    throw error;
  }
}

/** Another queue of the same namespace and type that messages of this one can go to: it is there, and so are its numbers. */
export function findReceiver(
  view: QueueView,
  { namespace, isFifo }: { readonly namespace: Namespace; readonly isFifo: boolean },
  name: QueueName,
): Queue | undefined {
  const found = orUnreadable(() => view.findQueue(namespace, name));
  if (found === "unreadable" || found?.isFifo !== isFifo) return undefined;
  return view.readableCounters(found) === undefined ? undefined : found;
}
