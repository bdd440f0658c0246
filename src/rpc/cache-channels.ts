// The channels of this node and the clock they live by: publishing and subscribing at the time that it is, and looking now and then
// for what has been kept long enough, as long as there is anything.

import type { Clock, Timer } from "../base/clock.js";
import type {
  ChannelHub,
  ChannelListener,
  Joined,
  Published,
  PublishOrder,
  SubscribeOrder,
} from "../cache/channels/channel-hub.js";
import { channelLimits } from "../cache/channels/channel-limits.js";
import type { ChannelDecided } from "../cache/channels/channel-rejections.js";

export class NodeChannels {
  readonly hub: ChannelHub;
  readonly clock: Clock;
  #sweep: Timer | undefined;
  #isStopped = false;

  constructor(hub: ChannelHub, clock: Clock) {
    this.hub = hub;
    this.clock = clock;
  }

  publish(order: PublishOrder): ChannelDecided<Published> {
    this.#keepSweeping();
    return this.hub.publish(order, this.clock.now());
  }

  subscribe(order: SubscribeOrder, listener: ChannelListener): ChannelDecided<Joined> {
    this.#keepSweeping();
    return this.hub.subscribe(order, listener, this.clock.now());
  }

  stop(): void {
    this.#isStopped = true;
    this.#sweep?.cancel();
    this.hub.clear();
  }

  #keepSweeping(): void {
    if (this.#isStopped) return;
    this.#sweep ??= this.clock.setTimer(channelLimits.sweepEveryMs, () => {
      this.#sweep = undefined;
      this.hub.sweep(this.clock.now());
      if (this.hub.channelCount > 0) this.#keepSweeping();
    });
  }
}
