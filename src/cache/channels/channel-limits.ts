// Every bound of channels. Ours: Redis bounds what each subscriber has waiting, and cuts off who has more.

import { hours, minutes, seconds } from "../../base/brands.js";

export const channelLimits = {
  nameBytesMax: 256,
  messageBytesMax: 1_048_576,
  publisherCharactersMax: 128,
  /** Of a cache's settings. */
  retainMessagesMin: 1,
  retainMessagesMax: 100_000,
  retainMsMin: seconds(1),
  retainMsMax: hours(1),
  /** What the ring of one channel keeps, */
  ringBytesMax: 8_388_608,
  /** and what all rings of a node keep together: beyond it the oldest messages of the node go, whichever channel they are of. */
  memoryBytesMax: 268_435_456,
  /** What a message counts for beside its channel's share, its text and its publisher. */
  messageOverheadBytes: 128,
  /** Channels of one node, and different patterns: a channel that is new is matched with each of them. */
  channelsMax: 100_000,
  patternsMax: 1_000,
  /** Subscriptions of one node. */
  subscribersMax: 10_000,
  /** Of one subscription. */
  channelsPerCallMax: 100,
  patternsPerCallMax: 100,
  placesPerCallMax: 1_000,
  messagesPerCallMax: 1_000,
  heartbeatMsMin: seconds(5),
  heartbeatMsMax: minutes(5),
  heartbeatMsDefault: seconds(30),
  /** How often rings are looked at for what has been kept long enough, and how many in one look. */
  sweepEveryMs: seconds(1),
  sweptMax: 2_000,
} as const;
