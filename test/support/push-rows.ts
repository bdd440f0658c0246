// Any row of pushed subscriptions that the store may hold, for properties.

import fc from "fast-check";
import type {
  AskedHost,
  Confirmation,
  KeptSigningIdentity,
  PendingPush,
  PushPlace,
} from "../../src/topic/push-model.js";
import { id16, instant, maybe, place, text, u32, u64 } from "./stored-rows.js";
import { subscription, topicMessage } from "./topic-rows.js";

export const pushPlace: fc.Arbitrary<PushPlace> = fc.record({
  next: place,
  floor: place,
  leased: u64,
  waiting: u64,
  isEndOpen: fc.boolean(),
  failingSince: maybe(instant),
});

export const askedHost: fc.Arbitrary<AskedHost> = fc.record({
  askedAt: fc.array(instant, { maxLength: 100 }),
  subscriptions: fc.array(id16, { maxLength: 100 }),
});

/** A copy is of the message whose row it is. */
export const pendingPush: fc.Arbitrary<PendingPush> = fc
  .record({
    sequence: place,
    isLeased: fc.boolean(),
    dueAt: instant,
    failures: u32,
    firstAttemptAt: maybe(instant),
    lastError: text(200),
    message: maybe(topicMessage),
    replayId: maybe(text(36)),
  })
  .map(({ replayId, ...row }) => ({
    ...row,
    message: row.message && { ...row.message, sequence: row.sequence, replayId },
  }));

/** An ended subscription is the one whose row it is. */
export const confirmationOf = (id: Buffer): fc.Arbitrary<Confirmation> =>
  fc.record({
    purpose: fc.constantFrom("subscribe", "restore", "settled"),
    token: text(64),
    messageId: id16,
    createdAt: instant,
    expiresAt: instant,
    dueAt: maybe(instant),
    failures: u32,
    firstAttemptAt: maybe(instant),
    ended: maybe(subscription.map((row) => ({ ...row, id }))),
  });

export const confirmationDue = fc.record({ namespace: text(20), topic: text(50) });

export const signingIdentity: fc.Arbitrary<KeptSigningIdentity> = fc.record({
  madeAt: instant,
  certificate: text(300),
  key: text(300),
});
