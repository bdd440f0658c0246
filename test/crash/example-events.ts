// Events for the tests of the checkers: a message sent, received by a client for a second, and deleted, unless said otherwise.

import type { FinalCounters } from "./checker.js";
import type { Arrived, Deleted, GivenBack, Sent } from "./history.js";

export const sent = (event: Partial<Sent> = {}): Sent => ({
  kind: "sent",
  key: "a-1",
  bodyHash: "hash",
  outcome: "ok",
  messageId: "m1",
  attemptCount: 1,
  startedMs: 0,
  endedMs: 10,
  ...event,
});
export const arrived = (event: Partial<Arrived> = {}): Arrived => ({
  kind: "arrived",
  queue: "q",
  messageId: "m1",
  handle: "h1",
  key: "a-1",
  bodyHash: "hash",
  receiveCount: 1,
  queueReceiveCount: 1,
  lease: { kind: "receive", visibilityTimeoutMs: 1_000 },
  startedMs: 20,
  endedMs: 30,
  ...event,
});
export const deleted = (event: Partial<Deleted> = {}): Deleted => ({
  kind: "deleted",
  messageId: "m1",
  key: "a-1",
  handle: "h1",
  outcome: "ok",
  hasRemoved: true,
  startedMs: 40,
  endedMs: 50,
  ...event,
});
export const givenBack = (event: Partial<GivenBack> = {}): GivenBack => ({
  kind: "given_back",
  messageId: "m1",
  outcome: "ok",
  startedMs: 32,
  endedMs: 35,
  ...event,
});
export const overStream = { lease: { kind: "stream" } } as const;

export function countersWith(change: Partial<FinalCounters> = {}): FinalCounters {
  return {
    storedMessageCount: 0,
    visibleMessageCount: 0,
    inFlightMessageCount: 0,
    delayedMessageCount: 0,
    sentCount: 1,
    receivedCount: 9,
    deletedCount: 1,
    expiredCount: 0,
    purgedCount: 0,
    deadLetteredCount: 0,
    movedCount: 0,
    arrivedCount: 0,
    ...change,
  };
}
