// How a queue stands, read from its rows without touching them: every message as a peek shows it, and the counters, which
// must add up after every call.

import { expect } from "vitest";
import { uuidText } from "../../src/base/ids.js";
import type { Counters } from "../../src/queue/model.js";
import { decidePeekMessages, type PeekMessages } from "../../src/queue/peek-messages.js";
import type { Stamp } from "../../src/queue/stamp.js";
import type { QueueTransaction } from "../../src/queue/view.js";
import { addressOf } from "../support/engine-entries.js";

export interface PeekedStanding {
  readonly messageId: string;
  readonly group: string | undefined;
  readonly receiveCount: number;
  /** `body delayed until 17 after 1+2 receives`: in queues before this one, and in this one. */
  readonly text: string;
}

/** Every message in send order, page by page; undefined: there is no such queue. */
export function peekAll(
  transaction: QueueTransaction,
  queue: string,
  stamp: Stamp,
): readonly PeekedStanding[] | undefined {
  const standings: PeekedStanding[] = [];
  let from: PeekMessages["from"];
  do {
    const page = decidePeekMessages(
      transaction,
      {
        address: addressOf(queue),
        states: new Set(),
        groupId: "",
        attributes: new Map(),
        bodyContains: Buffer.alloc(0),
        countMax: 10_000,
        bytesMax: Number.MAX_SAFE_INTEGER,
        bodyBytesMax: 0,
        from,
      },
      stamp,
    );
    if (page.kind === "rejected") return undefined;
    for (const { message, state, visibleAt, delivery } of page.outcome.messages) {
      const standing = visibleAt === undefined ? state : `${state} until ${visibleAt}`;
      const { receiveCount = 0, earlierReceives = 0 } = delivery ?? {};
      const body = message.content.body.toString();
      standings.push({
        messageId: uuidText(message.messageId),
        group: message.groupId,
        receiveCount,
        text: `${body} ${standing} after ${earlierReceives}+${receiveCount} receives`,
      });
    }
    from = page.outcome.next;
  } while (from !== undefined);
  return standings;
}

export function countersOf(transaction: QueueTransaction, queue: string): Counters | undefined {
  const { namespace, name } = addressOf(queue);
  const found = transaction.findQueue(namespace, name);
  return found && transaction.counters(found);
}

/** Nothing comes from nowhere, and nothing goes without being counted. */
export function expectConserved(counters: Counters): void {
  const { stored, inFlight, delayed, sent, arrived } = counters;
  const { deleted, expired, purged, deadLettered, moved } = counters;
  expect(stored).toBe(sent + arrived - deleted - expired - purged - deadLettered - moved);
  expect(inFlight + delayed).toBeLessThanOrEqual(stored);
  expect(Math.min(stored, inFlight, delayed, counters.scheduled)).toBeGreaterThanOrEqual(0);
}
