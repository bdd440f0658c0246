// The key of receipt handles and page tokens: one for the whole group, so that what one leader gave out another can read. It is
// a row of the replicated state, written by the first leader from the secret of its own store.

import type { EpochMs } from "../base/brands.js";
import type { Leadership } from "../replication/ports.js";
import { nodeKey } from "../store/keys.js";
import type { Store } from "../store/store.js";
import { tables } from "../store/tables.js";
import { stateChangeOf } from "./leader-log.js";

const key = nodeKey("secret");

/** Undefined where no leader has written it yet. */
export function groupSecret(store: Store): Buffer | undefined {
  const bytes = store.get(key);
  // A copy: what the store gives out is good for this turn only.
  return bytes && Buffer.from(tables.secret.decode(key, bytes));
}

/** The group's secret, once this node has it for sure; rejects when it leads no more. */
export function settleGroupSecret(
  store: Store,
  leadership: Leadership,
  now: EpochMs,
): Promise<Buffer> {
  const known = groupSecret(store);
  if (known !== undefined) return Promise.resolve(known);
  const row = { key, framed: tables.secret.encode(store.secret), mayReplaceChunks: false };
  return new Promise((resolve, reject) => {
    leadership.append([stateChangeOf(row)], now, {
      stored: () => undefined,
      committed: () => undefined,
      applied: () => resolve(store.secret),
      failed: reject,
    });
  });
}
