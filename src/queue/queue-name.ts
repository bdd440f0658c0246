// How a queue is named: `orders` in the caller's namespace, `billing/orders` in another.

import type { Namespace, QueueName } from "../base/brands.js";
import type { Queue } from "./model.js";
import { type Decided, reject } from "./rejections.js";
import type { QueueView } from "./view.js";

/** How names of queues begin that nobody can name: those behind the streams of topics. It sorts behind all that names may hold. */
export const hiddenPrefix = "~";

export interface QueueAddress {
  readonly namespace: Namespace;
  readonly name: QueueName;
  /** The name as the caller gave it, for answers. */
  readonly given: string;
}

export const notFound = (address: QueueAddress): Decided<never> =>
  reject({ kind: "queue_not_found", queue: address.given });

export const findQueue = (view: QueueView, address: QueueAddress): Queue | undefined =>
  view.findQueue(address.namespace, address.name);

/** The etag of a queue's settings. */
export const etagOf = (queue: Queue): string =>
  `${queue.number.toString(36)}-${queue.revision.toString(36)}`;
