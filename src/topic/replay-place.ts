// Where a subscription is when a replay begins and when one has ended. In between it stands still, so that what is published meanwhile
// neither overtakes the replay nor is lost: it comes after it.

import { type Sequence, sequence } from "../base/brands.js";
import type { Stamp } from "../queue/stamp.js";
import type { Replay } from "./archive-model.js";
import { placeOf } from "./counters.js";
import type { Subscription } from "./model.js";
import { OpenPushes } from "./open-pushes.js";
import { adjustStreamQueue } from "./stream-queue.js";
import type { FoundSubscription } from "./topic-name.js";
import type { StateTransaction } from "./view.js";

export interface ReplayEnding {
  readonly state: "completed" | "failed" | "stopped";
  readonly failure: string;
  /** Where the subscription goes on. */
  readonly place: Sequence;
  readonly isPaused: boolean;
}

/** Makes the subscription stand still from the place where it is, or where the replay that goes on before has brought it. */
export function beginReplay(
  transaction: StateTransaction,
  found: FoundSubscription,
  replay: Replay,
  passed: Sequence,
  stamp: Stamp,
): void {
  const { topics } = transaction;
  const { topic, subscription } = found;
  const live = placeOf(topics, topic, topics.counters(topic), subscription);
  const place = sequence(Math.max(live, passed));
  const isPushed = movePush(transaction, found, place, stamp);
  const { settings } = subscription;
  const begun: Subscription = {
    ...subscription,
    standing: { kind: "replaying", live: isPushed ? undefined : place },
    since: sequence(subscription.since + (place - live)),
    ...(settings.isPaused && changed(subscription, false, stamp)),
  };
  topics.putSubscription(topic, begun, subscription);
  // Who asks for a replay wants to have it.
  if (settings.isPaused) adjustStreamQueue(transaction, begun, stamp);
  topics.archives.putReplay(topic, subscription.id, replay);
}

/** Lets the subscription go on with what is published, from a place of its own until it is where the others are. */
export function endReplay(
  transaction: StateTransaction,
  found: FoundSubscription,
  replay: Replay,
  { state, failure, place, isPaused }: ReplayEnding,
  stamp: Stamp,
): void {
  const { topics } = transaction;
  const { topic, subscription } = found;
  const live = placeOf(topics, topic, topics.counters(topic), subscription);
  const isPushed = movePush(transaction, found, place, stamp);
  const moved = place - live;
  const ended: Subscription = {
    ...subscription,
    standing: isPushed ? { kind: "apart" } : { kind: "own", cursor: place },
    // What it is taken past was delivered by the replay, or is not wanted: its filter has kept nothing of it back.
    since: sequence(subscription.since + Math.max(0, moved)),
    ...(isPaused && changed(subscription, true, stamp)),
  };
  // The queue of a stream is not paused with it: what was replayed waits there to be consumed.
  topics.putSubscription(topic, ended, subscription);
  topics.archives.putReplay(topic, subscription.id, {
    ...replay,
    state,
    failure,
    // What is before it and comes once more was delivered before the replay: see `markedAgain`.
    end: state === "stopped" ? live : replay.end,
    endedAt: stamp.now,
    extra: replay.extra + Math.max(0, -moved),
  });
}

/** Says whether its messages are pushed. */
function movePush(
  transaction: StateTransaction,
  found: FoundSubscription,
  place: Sequence,
  stamp: Stamp,
): boolean {
  const push = transaction.topics.pushes.place(found.topic, found.subscription.id);
  if (push === undefined) return false;
  const open = new OpenPushes(transaction, found, push, stamp);
  open.moveTo(place);
  open.close();
  return true;
}

const changed = (
  { settings, revision }: Subscription,
  isPaused: boolean,
  { now }: Stamp,
): Pick<Subscription, "settings" | "updatedAt" | "revision" | "disabled"> => ({
  settings: { ...settings, isPaused },
  disabled: undefined,
  updatedAt: now,
  revision: revision + 1,
});
