// Publishing to subscribers, whoever carries it: so many publishes at once, until every subscriber has heard every message.

import { type LoadResult, runLoad, type Until } from "./load-run.js";

export interface ChannelOrder {
  readonly channel: string;
  readonly subscriberCount: number;
  readonly inFlight: number;
  readonly until: Until;
}

export interface ChannelPeer {
  /** Resolves once nothing is missed any more. */
  subscribe(listener: Listener): Promise<void>;
  /** Resolves with how many subscribers it is for. */
  publish(text: string): Promise<number>;
}

export interface Listener {
  /** A message came. */
  heard(): void;
  failed(error: unknown): void;
}

/** Short, as most of what is said in channels is. */
const text = "x".repeat(128);

/** Counts messages that all have heard. */
export async function publishToAll(
  { subscriberCount, inFlight, until }: ChannelOrder,
  peer: ChannelPeer,
): Promise<Pick<LoadResult, "count" | "elapsedMs">> {
  let heardCount = 0;
  let awaitedCount = Number.POSITIVE_INFINITY;
  let hearsAll: () => void = () => undefined;
  const heardByAll = new Promise<void>((resolve) => {
    hearsAll = resolve;
  });
  let fails: (error: unknown) => void = () => undefined;
  const failure = new Promise<never>((_, reject) => {
    fails = reject;
  });
  const listener: Listener = {
    heard: () => {
      heardCount += 1;
      if (heardCount === awaitedCount) hearsAll();
    },
    failed: fails,
  };
  const subscribed = Array.from({ length: subscriberCount }, () => peer.subscribe(listener));
  await Promise.race([failure, Promise.all(subscribed)]);
  const startedMs = performance.now();
  const published = runLoad(
    (settle) => {
      peer.publish(text).then(
        (receivers) =>
          settle(receivers === subscriberCount ? 1 : new Error(`it was for ${receivers}`)),
        (error: unknown) => settle(error instanceof Error ? error : new Error(String(error))),
      );
    },
    inFlight,
    until,
  );
  const { count } = await Promise.race([failure, published]);
  awaitedCount = count * subscriberCount;
  if (heardCount === awaitedCount) hearsAll();
  await Promise.race([failure, heardByAll]);
  return { count, elapsedMs: performance.now() - startedMs };
}
