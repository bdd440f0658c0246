// What the rules of pushed subscriptions read and record, beside what they may of topics: see `view.ts`.

import type { EpochMs, Sequence } from "../base/brands.js";
import type { Topic } from "./model.js";
import type {
  AskedHost,
  Confirmation,
  ConfirmationDue,
  KeptSigningIdentity,
  PendingPush,
  PushDue,
  PushPlace,
} from "./push-model.js";

/** What the rows of a topic are found by; as in `view.ts`, which is made of this file. */
type Segment = Pick<Topic, "slot" | "segment">;

/** A subscription and how far it is. */
export interface PlacedPush {
  readonly id: Buffer;
  readonly place: PushPlace;
}

export interface PushView {
  /** Undefined: its messages are not pushed. */
  place(topic: Segment, id: Buffer): PushPlace | undefined;
  /** By id, strictly after the one given; an empty id: from the first. */
  placesAfter(topic: Segment, id: Buffer): Iterable<PlacedPush>;
  /** One that cannot be read is reported and counts as gone. */
  pending(topic: Segment, id: Buffer, sequence: Sequence): PendingPush | undefined;
  /** In the order they were published, from a place on. */
  pendingFrom(topic: Segment, id: Buffer, from: Sequence): Iterable<PendingPush>;
  /** Earliest first. */
  due(topic: Segment, id: Buffer): Iterable<PushDue>;
  confirmation(topic: Segment, id: Buffer): Confirmation | undefined;
  /** Whose token it is. */
  tokenOwner(topic: Segment, token: string): Buffer | undefined;
  /** Of all topics, earliest first. */
  confirmationsDue(): Iterable<ConfirmationDue>;
  signingIdentities(): Iterable<KeptSigningIdentity>;
  askedHost(host: string): AskedHost | undefined;
  /** Every other one, in an order of its own that begins behind this host. */
  askedHostsAfter(host: string): Iterable<{ readonly key: string; readonly row: AskedHost }>;
}

export interface PushChanges {
  /** `previous` is the place it replaces, undefined for the first. */
  putPlace(topic: Segment, id: Buffer, place: PushPlace, previous: PushPlace | undefined): void;
  putPending(
    topic: Segment,
    id: Buffer,
    pending: PendingPush,
    previous: PendingPush | undefined,
  ): void;
  removePending(topic: Segment, id: Buffer, pending: PendingPush): void;
  putConfirmation(
    topic: Segment & Pick<Topic, "namespace" | "name">,
    id: Buffer,
    confirmation: Confirmation,
    previous: Confirmation | undefined,
  ): void;
  removeConfirmation(topic: Segment, id: Buffer, confirmation: Confirmation): void;
  /** Of a confirmation that is gone with its topic. */
  removeConfirmationDue(due: ConfirmationDue): void;
  putSigningIdentity(identity: KeptSigningIdentity): void;
  removeSigningIdentity(madeAt: EpochMs): void;
  putAskedHost(host: string, asked: AskedHost): void;
  removeAskedHost(key: string): void;
}

export interface PushTransaction extends PushView, PushChanges {}
