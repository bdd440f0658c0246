// Fairness toward the outside: so many attempts at once and a second to one destination, over all subscriptions, so that nobody can
// point a hundred of them at one machine. Asked before an attempt begins; what has to wait waits in its backlog and uses no retry.

import { type DurationMs, type EpochMs, milliseconds } from "../base/brands.js";
import { deliveryLimits } from "./limits.js";
import { fullBucket, type TokenBucket, takeToken } from "./throttle.js";

export type Entry =
  /** `leave` is called once, when the attempt is over. */
  | { readonly kind: "entered"; readonly leave: () => void }
  /** Until one of those in flight is over. */
  | { readonly kind: "full" }
  | { readonly kind: "too_fast"; readonly waitMs: DurationMs };

interface Destination {
  inFlight: number;
  bucket: TokenBucket;
}

const { inFlightPerDestinationMax, perDestinationPerSecondMax } = deliveryLimits;

export class DestinationLimits {
  readonly #destinations = new Map<string, Destination>();

  /** `destination` is the host of an endpoint, or better its address where that is known. */
  enter(destination: string, now: EpochMs): Entry {
    const known = this.#destinations.get(destination);
    const place = known ?? { inFlight: 0, bucket: fullBucket(perDestinationPerSecondMax, now) };
    if (place.inFlight >= inFlightPerDestinationMax) return { kind: "full" };
    const taken = takeToken(place.bucket, perDestinationPerSecondMax, now);
    place.bucket = taken.bucket;
    if (taken.kind === "empty") return { kind: "too_fast", waitMs: taken.waitMs };
    place.inFlight += 1;
    this.#destinations.set(destination, place);
    return { kind: "entered", leave: leaving(place) };
  }

  /** Forgets the destinations that nobody has gone to for a second: their buckets are full again. */
  forget(now: EpochMs): void {
    for (const [destination, { inFlight, bucket }] of this.#destinations) {
      if (inFlight === 0 && now - bucket.at >= milliseconds(1_000)) {
        this.#destinations.delete(destination);
      }
    }
  }
}

function leaving(place: Destination): () => void {
  let isOver = false;
  return () => {
    if (isOver) return;
    isOver = true;
    place.inFlight -= 1;
  };
}
