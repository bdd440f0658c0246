// Every bound of tails. Ours: SNS has nothing like them.

import { minutes, seconds } from "../base/brands.js";

export const tailLimits = {
  bufferMessagesMin: 1,
  bufferMessagesMax: 100_000,
  bufferMessagesDefault: 1_000,
  bufferBytesMin: 65_536,
  bufferBytesMax: 67_108_864,
  bufferBytesDefault: 8_388_608,
  heartbeatMsMin: seconds(5),
  heartbeatMsMax: minutes(5),
  heartbeatMsDefault: seconds(30),
  /** A reader that takes nothing for so long is cut off, whatever its policy. */
  stalledMsMax: seconds(30),
  /** Tails of one node. */
  tailsMax: 1_000,
  /** What all tails of a node keep together, buffers and windows. */
  memoryBytesMax: 268_435_456,
  /** What is kept of a topic for tails that come back, */
  windowMessagesMax: 1_000,
  windowBytesMax: 8_388_608,
  /** and for how long after the last one has gone. */
  windowKeptMs: minutes(1),
  /** Topics whose windows are kept although nobody tails them. */
  windowsLeftMax: 1_000,
  /** Topics of which is known where they were when this node began to decide. */
  topicsNotedMax: 100_000,
  /** What a tail that comes back reads at a time. */
  readMessagesMax: 64,
  readBytesMax: 1_048_576,
} as const;
