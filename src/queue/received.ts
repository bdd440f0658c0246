// What a receive hands out.

import type { Delivery, Message, Queue } from "./model.js";

export interface ReceivedMessage {
  readonly message: Message;
  readonly delivery: Delivery;
  /** What undoing the receive restores. */
  readonly previous: Delivery | undefined;
}

export interface MessagesReceived {
  readonly queue: Queue;
  readonly messages: readonly ReceivedMessage[];
  /** True when an attempt id was repeated: nothing new was leased, and nothing is to be undone. */
  readonly isRepeat?: boolean;
}
