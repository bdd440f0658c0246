// What a decision is told besides the state: the instant and fresh ids. Taken once for each command by the engine.

import type { EpochMs } from "../base/brands.js";
import type { Ids } from "../base/ids.js";

export interface Stamp {
  readonly now: EpochMs;
  readonly ids: Ids;
}
