// Where a subscription that comes back goes on.
//
// It says of channels which message of which numbering it saw last, and of all others how far it has come altogether. What is still in
// the rings it is shown; of what is not, it is told, as exactly as anybody knows: a channel's own numbers say what is missing there;
// of channels that were forgotten while it was away, only that they had something.

import { type EpochMs, type Sequence, sequence } from "../../base/brands.js";
import type { CacheChannels } from "./cache-channels.js";
import type { Channel } from "./channel.js";
import type { Glob } from "./glob.js";
import type { ChannelGap, GapCause, Subscription } from "./subscription.js";

/** What a subscriber says of where it was. */
export interface Resumption {
  /** Each channel once, all of them named or matched by a pattern. */
  readonly places: readonly ChannelPlace[];
  /** How far it has come in all others; undefined: it begins there with what is published from now on. */
  readonly after: HubPosition | undefined;
}

export interface ChannelPlace {
  readonly channel: string;
  readonly sequence: Sequence;
  readonly stamp: string;
}

export interface HubPosition {
  readonly position: number;
  readonly stamp: string;
}

export interface ResumeView {
  readonly hub: HubPosition;
  readonly space: CacheChannels;
  readonly named: readonly Channel[];
  readonly patterns: readonly { readonly glob: Glob }[];
  readonly resumption: Resumption;
  readonly now: EpochMs;
}

/** Gives a subscription that hears of nothing yet what it is to be shown first. */
export function resume(subscription: Subscription, view: ResumeView): void {
  const { hub, space, patterns, resumption } = view;
  const { places, after } = resumption;
  if (places.length === 0 && after === undefined) return;
  // A position of another hub is before everything of this one.
  const isOfThis = after?.stamp === hub.stamp && after.position <= hub.position;
  const from = after && { position: isOfThis ? after.position : 0, isOfThis };
  if (from !== undefined) subscription.startAt(from.position);
  const isPast = from?.isOfThis === true && space.forgottenTo <= from.position;
  const placed = new Set<string>();
  for (const place of places) {
    const channel = space.channels.get(place.channel);
    channel?.ring.expire(view.now);
    // What it knows was forgotten, and it had seen all of that.
    if (channel?.stamp !== place.stamp && isPast) continue;
    placed.add(place.channel);
    resumeAt(subscription, place, channel);
  }
  if (from === undefined) return;
  if (patterns.length > 0 && !isPast) {
    subscription.tell({ ...unknown, cause: from.isOfThis ? "not_retained" : "renumbered" });
  }
  const names = new Set(view.named);
  for (const channel of others(view, placed)) {
    channel.ring.expire(view.now);
    resumeAfter(subscription, { channel, isNamed: names.has(channel) }, { ...from, isPast });
  }
}

const unknown = { kind: "gap", channel: undefined, from: 0, to: 0, stamp: "" } as const;

function resumeAt(
  subscription: Subscription,
  { channel: name, sequence: seen, stamp }: ChannelPlace,
  channel: Channel | undefined,
): void {
  const from = seen + 1;
  const cause = "renumbered";
  if (channel === undefined) {
    subscription.tell({ kind: "gap", channel: name, from, to: 0, stamp: "", cause });
    return;
  }
  // A number that it has not given out yet is of no numbering that it knows.
  if (channel.stamp === stamp && seen < channel.ring.next) {
    subscription.beginAt(channel, sequence(from));
    return;
  }
  const { first } = channel.ring;
  subscription.tell(gapIn(channel, from, cause));
  subscription.beginAt(channel, first);
}

const gapIn = (channel: Channel, from: number, cause: GapCause): ChannelGap => ({
  kind: "gap",
  channel: channel.name,
  from,
  to: channel.ring.first - 1,
  stamp: channel.stamp,
  cause,
});

/** Those that are named or matched and of which it has not said where it was. */
function* others({ space, named, patterns }: ResumeView, placed: Set<string>): Generator<Channel> {
  const names = new Set(named.map(({ name }) => name));
  for (const channel of named) if (!placed.has(channel.name)) yield channel;
  if (patterns.length === 0) return;
  for (const channel of space.channels.values()) {
    if (names.has(channel.name) || placed.has(channel.name)) continue;
    if (patterns.some(({ glob }) => channel.isMatchedBy(glob))) yield channel;
  }
}

interface ResumeFrom {
  readonly position: number;
  readonly isOfThis: boolean;
  /** Whether it has seen all that channels had which are forgotten. */
  readonly isPast: boolean;
}

function resumeAfter(
  subscription: Subscription,
  { channel, isNamed }: { readonly channel: Channel; readonly isNamed: boolean },
  from: ResumeFrom,
): void {
  const { ring } = channel;
  if (channel.madeAfter >= from.position) {
    // Everything that it ever had came after that. Of one that is named there may have been another before it.
    if (isNamed && !from.isPast) {
      const cause = from.isOfThis ? "not_retained" : "renumbered";
      subscription.tell({ ...gapIn(channel, 0, cause), to: 0 });
    }
    subscription.beginAt(channel, sequence(1));
    return;
  }
  // It knows no number of this channel, so nobody knows which it has not seen.
  if (ring.droppedPosition > from.position) subscription.tell(gapIn(channel, 0, "not_retained"));
  subscription.beginAt(channel, ring.firstAfter(from.position));
}
