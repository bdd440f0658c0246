// The view of pushed subscriptions of the rows: which rows go together. Part of the topics' view (`topic-state.ts`).

import type { EpochMs, Sequence } from "../base/brands.js";
import type { Subscription, Topic } from "../topic/model.js";
import type {
  AskedHost,
  Confirmation,
  ConfirmationDue,
  KeptSigningIdentity,
  PendingPush,
  PushDue,
  PushPlace,
} from "../topic/push-model.js";
import type { PlacedPush, PushTransaction } from "../topic/push-view.js";
import { askedHostByte, askedHostKey } from "./asked-host-rows.js";
import { endOfPrefix, segmentPrefix, segmentPrefixLength, u64At } from "./keys.js";
import {
  confirmationDueKey,
  confirmationKey,
  endOfNumbers,
  pendingPushesPrefix,
  pendingPushKey,
  pushDueKey,
  pushDuesPrefix,
  pushPlaceKey,
  signingIdentityKey,
  tokenKey,
} from "./push-keys.js";
import type { KeyedRow, RowAccess } from "./row-access.js";
import { tables } from "./tables.js";
import { idBytes, ownPlaceKey } from "./topic-keys.js";

type Segment = Pick<Topic, "slot" | "segment">;

const prefixOf = ({ slot, segment }: Segment): string => segmentPrefix(slot, segment);
const idAt = (key: string): Buffer => Buffer.from(key.slice(-idBytes), "latin1");

export class PushRows implements PushTransaction {
  readonly #rows: RowAccess;

  constructor(rows: RowAccess) {
    this.#rows = rows;
  }

  place(topic: Segment, id: Buffer): PushPlace | undefined {
    return this.#rows.get(tables.pushPlace, pushPlaceKey(prefixOf(topic), id));
  }

  *placesAfter(topic: Segment, id: Buffer): Iterable<PlacedPush> {
    const prefix = prefixOf(topic);
    const last = pushPlaceKey(prefix, id);
    for (const { key, row } of this.#rows.range(tables.pushPlace, last, `${prefix}Q`)) {
      if (key !== last) yield { id: idAt(key), place: row };
    }
  }

  putPlace(topic: Segment, id: Buffer, place: PushPlace, previous: PushPlace | undefined): void {
    const prefix = prefixOf(topic);
    this.#rows.put(tables.pushPlace, pushPlaceKey(prefix, id), place);
    if (previous?.floor === place.floor) return;
    // Where everybody is whose messages the topic keeps.
    if (previous !== undefined) {
      this.#rows.remove(tables.ownPlace, ownPlaceKey(prefix, previous.floor, id), false);
    }
    this.#rows.put(tables.ownPlace, ownPlaceKey(prefix, place.floor, id), true);
  }

  pending(topic: Segment, id: Buffer, sequence: Sequence): PendingPush | undefined {
    const key = pendingPushKey(prefixOf(topic), id, sequence);
    return this.#rows.getReadable(tables.pendingPush, key);
  }

  *pendingFrom(topic: Segment, id: Buffer, from: Sequence): Iterable<PendingPush> {
    const prefix = prefixOf(topic);
    const end = endOfNumbers(pendingPushesPrefix(prefix, id));
    const first = pendingPushKey(prefix, id, from);
    for (const { row } of this.#rows.range(tables.pendingPush, first, end)) yield row;
  }

  *due(topic: Segment, id: Buffer): Iterable<PushDue> {
    const all = pushDuesPrefix(prefixOf(topic), id);
    for (const { key } of this.#rows.range(tables.pushDue, all, endOfNumbers(all))) {
      yield {
        at: u64At(key, all.length) as EpochMs,
        sequence: u64At(key, all.length + 8) as Sequence,
      };
    }
  }

  putPending(
    topic: Segment,
    id: Buffer,
    pending: PendingPush,
    previous: PendingPush | undefined,
  ): void {
    const prefix = prefixOf(topic);
    const { sequence, dueAt } = pending;
    this.#rows.put(tables.pendingPush, pendingPushKey(prefix, id, sequence), pending);
    if (previous?.dueAt === dueAt) return;
    if (previous !== undefined) {
      this.#rows.remove(tables.pushDue, pushDueKey(prefix, id, previous.dueAt, sequence), false);
    }
    this.#rows.put(tables.pushDue, pushDueKey(prefix, id, dueAt, sequence), true);
  }

  removePending(topic: Segment, id: Buffer, { sequence, dueAt, message }: PendingPush): void {
    const prefix = prefixOf(topic);
    const key = pendingPushKey(prefix, id, sequence);
    this.#rows.remove(tables.pendingPush, key, message !== undefined);
    this.#rows.remove(tables.pushDue, pushDueKey(prefix, id, dueAt, sequence), false);
  }

  /** What there is of one that ends. */
  removeSubscription(topic: Segment, { id, standing }: Subscription): void {
    if (standing.kind === "lane" || standing.kind === "own") return;
    this.#removePushes(topic, id);
    const confirmation = this.confirmation(topic, id);
    if (confirmation !== undefined) this.removeConfirmation(topic, id, confirmation);
  }

  #removePushes(topic: Segment, id: Buffer): void {
    const prefix = prefixOf(topic);
    const place = this.place(topic, id);
    if (place === undefined) return;
    for (const pending of [...this.pendingFrom(topic, id, 0 as Sequence)]) {
      this.removePending(topic, id, pending);
    }
    this.#rows.remove(tables.pushPlace, pushPlaceKey(prefix, id), false);
    this.#rows.remove(tables.ownPlace, ownPlaceKey(prefix, place.floor, id), false);
  }

  // ---- confirmations -----------------------------------------------------------------------------------------------------

  confirmation(topic: Segment, id: Buffer): Confirmation | undefined {
    return this.#rows.get(tables.confirmation, confirmationKey(prefixOf(topic), id));
  }

  tokenOwner(topic: Segment, token: string): Buffer | undefined {
    return this.#rows.get(tables.token, tokenKey(prefixOf(topic), token));
  }

  putConfirmation(
    topic: Segment & Pick<Topic, "namespace" | "name">,
    id: Buffer,
    confirmation: Confirmation,
    previous: Confirmation | undefined,
  ): void {
    if (previous !== undefined) this.removeConfirmation(topic, id, previous);
    const prefix = prefixOf(topic);
    const { namespace, name, slot, segment } = topic;
    this.#rows.put(tables.confirmation, confirmationKey(prefix, id), confirmation);
    this.#rows.put(tables.token, tokenKey(prefix, confirmation.token), id);
    const key = confirmationDueKey(instantOf(confirmation), slot, segment, id);
    this.#rows.put(tables.confirmationDue, key, { namespace, topic: name });
  }

  removeConfirmation(topic: Segment, id: Buffer, confirmation: Confirmation): void {
    const prefix = prefixOf(topic);
    const { slot, segment } = topic;
    this.#rows.remove(tables.confirmation, confirmationKey(prefix, id), true);
    this.#rows.remove(tables.token, tokenKey(prefix, confirmation.token), false);
    const key = confirmationDueKey(instantOf(confirmation), slot, segment, id);
    this.#rows.remove(tables.confirmationDue, key, false);
  }

  removeConfirmationDue({ at, slot, segment, id }: ConfirmationDue): void {
    const key = confirmationDueKey(at, slot, segment, id);
    this.#rows.remove(tables.confirmationDue, key, false);
  }

  *confirmationsDue(): Iterable<ConfirmationDue> {
    for (const { key, row } of this.#rows.range(tables.confirmationDue, "\x90", "\x91")) {
      yield {
        ...row,
        at: u64At(key, 1) as EpochMs,
        slot: key.charCodeAt(9) * 256 + key.charCodeAt(10),
        segment: u64At(key, 11),
        id: Buffer.from(key.slice(9 + segmentPrefixLength), "latin1"),
      };
    }
  }

  // ---- keys that sign ----------------------------------------------------------------------------------------------------

  *signingIdentities(): Iterable<KeptSigningIdentity> {
    for (const { row } of this.#rows.range(tables.signingIdentity, "\x91", "\x92")) yield row;
  }

  putSigningIdentity(identity: KeptSigningIdentity): void {
    this.#rows.put(tables.signingIdentity, signingIdentityKey(identity.madeAt), identity);
  }

  removeSigningIdentity(madeAt: EpochMs): void {
    this.#rows.remove(tables.signingIdentity, signingIdentityKey(madeAt), true);
  }

  // ---- hosts that were asked ---------------------------------------------------------------------------------------------

  askedHost(host: string): AskedHost | undefined {
    return this.#rows.getReadable(tables.askedHost, askedHostKey(host));
  }

  *askedHostsAfter(host: string): Iterable<KeyedRow<AskedHost>> {
    const own = askedHostKey(host);
    const end = endOfPrefix(askedHostByte);
    for (const each of this.#rows.range(tables.askedHost, own, end)) {
      if (each.key !== own) yield each;
    }
    yield* this.#rows.range(tables.askedHost, askedHostByte, own);
  }

  putAskedHost(host: string, asked: AskedHost): void {
    this.#rows.put(tables.askedHost, askedHostKey(host), asked);
  }

  removeAskedHost(key: string): void {
    this.#rows.remove(tables.askedHost, key, false);
  }
}

/** When something is to be done about a confirmation: it is sent, or its time is over. */
const instantOf = ({ dueAt, expiresAt }: Confirmation): EpochMs => dueAt ?? expiresAt;
