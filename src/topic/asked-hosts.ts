// How often a host is asked whether it wants messages. Whoever may subscribe can name a host that is none of theirs, and each time it
// is sent a message: few an hour, and few that wait for an answer, so that this server is no means to flood somebody (security.md 5).
//
// A row of the host says when it was asked within the last hour, and which subscriptions it was asked about. Whether these still
// wait is looked up, so nothing else has to keep the row in step. A row is of no use when no token that it tells of is good any
// more; each ask looks at a few rows behind its own, more than it adds, so that they do not pile up.

import { after, between, type DurationMs, type EpochMs, hours } from "../base/brands.js";
import { orUnreadable } from "../queue/readable.js";
import type { Stamp } from "../queue/stamp.js";
import { pushLimits } from "./push-limits.js";
import type { AskedHost } from "./push-model.js";
import { quotasOf } from "./quotas.js";
import type { TopicRejection } from "./rejections.js";
import { findSubscription } from "./topic-name.js";
import type { TopicTransaction } from "./view.js";

const windowMs = hours(1);
const noHost: AskedHost = { askedAt: [], subscriptions: [] };

/** Why a host may not be asked now; undefined: it may. `subscription` is the one it was asked about before. */
export function askRefusal(
  topics: TopicTransaction,
  host: string | undefined,
  subscription: Buffer | undefined,
  stamp: Stamp,
): TopicRejection | undefined {
  if (host === undefined) return undefined;
  const { asksPerHostMax, pendingPerHostMax } = quotasOf(stamp);
  const { askedAt, subscriptions } = currentOf(topics, host, stamp);
  const [first] = askedAt.slice(-asksPerHostMax);
  if (first !== undefined && askedAt.length >= asksPerHostMax) {
    const retryAfterMs = between(stamp.now, after(first, windowMs));
    return { kind: "host_asked_limit", host, limit: asksPerHostMax, retryAfterMs };
  }
  const isNew = subscription === undefined || !subscriptions.some((id) => id.equals(subscription));
  return isNew && subscriptions.length >= pendingPerHostMax
    ? { kind: "host_pending_limit", host, count: subscriptions.length, limit: pendingPerHostMax }
    : undefined;
}

/** To be told of every ask of a host that is not spared, after `askRefusal`. */
export function countAsk(
  topics: TopicTransaction,
  host: string | undefined,
  subscription: Buffer,
  stamp: Stamp,
): void {
  if (host === undefined) return;
  const { askedAt, subscriptions } = currentOf(topics, host, stamp);
  const others = subscriptions.filter((id) => !id.equals(subscription));
  topics.pushes.putAskedHost(host, {
    askedAt: [...askedAt, stamp.now],
    subscriptions: [...others, subscription].map((id) => Buffer.from(id)),
  });
  const old = [...oldBehind(topics, host, stamp)];
  for (const key of old) topics.pushes.removeAskedHost(key);
}

/** What still counts. */
function currentOf(topics: TopicTransaction, host: string, { now }: Stamp): AskedHost {
  const { askedAt, subscriptions } = topics.pushes.askedHost(host) ?? noHost;
  return {
    askedAt: askedAt.filter((at) => after(at, windowMs) > now),
    subscriptions: subscriptions.filter((id) => isPending(topics, id)),
  };
}

function isPending(topics: TopicTransaction, id: Buffer): boolean {
  const found = orUnreadable(() => findSubscription(topics, id));
  return found === "unreadable" || found?.subscription.standing.kind === "pending";
}

/** Rows behind that of a host, round and round, all of whose tokens are over. */
function* oldBehind({ pushes }: TopicTransaction, host: string, { now }: Stamp): Iterable<string> {
  let left: number = pushLimits.askedHostsExamined;
  for (const { key, row } of pushes.askedHostsAfter(host)) {
    if (left === 0) return;
    left -= 1;
    const last = row.askedAt.at(-1);
    if (last === undefined || isOver(last, pushLimits.tokenMs, now)) yield key;
  }
}

const isOver = (at: EpochMs, spanMs: DurationMs, now: EpochMs): boolean => after(at, spanMs) <= now;
