// What is known of a subscription whose messages are delivered outside of the store: to a webhook or a function. Its backlog is
// the topic itself from a place on; only what is being delivered, or waits for another attempt, has rows of its own.
//
// A message that failed is copied into its row, so that one that is tried for an hour does not keep an hour of the topic. One in
// delivery is not: its lease ends within minutes, and until then the topic keeps it.

import type { EpochMs, Sequence } from "../base/brands.js";
import type { Subscription, TopicMessage } from "./model.js";

/** How far a subscription is. */
export interface PushPlace {
  /** The first message that was never looked at. */
  readonly next: Sequence;
  /** Nothing before this place is read in the topic any more. */
  readonly floor: Sequence;
  /** Rows of messages in delivery, and of those that wait. */
  readonly leased: number;
  readonly waiting: number;
  /** Whether anybody may end it who knows its id, which the links in its messages hold. */
  readonly isEndOpen: boolean;
  /** The first attempt that failed since the last success, or since it was resumed; undefined: none. */
  readonly failingSince?: EpochMs | undefined;
}

/** A message in delivery, or one that waits for an attempt. */
export interface PendingPush {
  readonly sequence: Sequence;
  readonly isLeased: boolean;
  /** When its lease ends, or its next attempt may begin. */
  readonly dueAt: EpochMs;
  /** Attempts that failed. */
  readonly failures: number;
  /** Undefined: there was none. */
  readonly firstAttemptAt: EpochMs | undefined;
  /** Of the last attempt; empty: none failed. */
  readonly lastError: string;
  /** Undefined: the topic has it. */
  readonly message: TopicMessage | undefined;
}

/** When a pending message is due. */
export interface PushDue {
  readonly at: EpochMs;
  readonly sequence: Sequence;
}

/** What an endpoint is asked by a message of its own, with a token that answers it. */
export interface Confirmation {
  /** `settled`: it was answered; its token goes on being known, so that answering again is the same. */
  readonly purpose: "subscribe" | "restore" | "settled";
  readonly token: string;
  /** Of the message that asks. */
  readonly messageId: Buffer;
  readonly createdAt: EpochMs;
  /** Until when the token is good; what was not confirmed by then goes. */
  readonly expiresAt: EpochMs;
  /** When the message is to be sent; undefined: it was, or was given up. */
  readonly dueAt: EpochMs | undefined;
  readonly failures: number;
  readonly firstAttemptAt: EpochMs | undefined;
  /** Of `restore`: the subscription that ended. */
  readonly ended: Subscription | undefined;
}

/** A host that was asked whether it wants messages. */
export interface AskedHost {
  /** Oldest first. */
  readonly askedAt: readonly EpochMs[];
  /** What it was asked about; some may have been answered, or have ended, since. */
  readonly subscriptions: readonly Buffer[];
}

/** Where a confirmation is found that has something to be done about. */
export interface ConfirmationDue {
  readonly at: EpochMs;
  readonly slot: number;
  readonly segment: number;
  readonly id: Buffer;
  readonly namespace: string;
  readonly topic: string;
}

/** A key that messages are signed with, and its certificate, PEM. The key is a secret. */
export interface KeptSigningIdentity {
  readonly certificate: string;
  readonly key: string;
  readonly madeAt: EpochMs;
}
