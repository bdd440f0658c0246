// Messages that ask endpoints to confirm, sent with the retries of any delivery: which are due, and what came of them. Here
// subscriptions end that nobody confirmed in time.

import { after, type DurationMs, type EpochMs } from "../base/brands.js";
import { accept } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import type { Subscription, Topic } from "./model.js";
import { pushLimits } from "./push-limits.js";
import type { Confirmation, ConfirmationDue } from "./push-model.js";
import type { TopicDecided } from "./rejections.js";
import { countSubscription } from "./subscription-quota.js";
import type { StateTransaction } from "./view.js";

/** A confirmation to be sent. */
export interface LeasedConfirmation {
  readonly topic: Topic;
  readonly subscription: Subscription;
  readonly confirmation: Confirmation;
  /** The end of the lease, which names it. */
  readonly until: EpochMs;
}

export interface ConfirmationsStep {
  readonly leased: readonly LeasedConfirmation[];
  /** When there is something to do again; undefined: there is nothing. */
  readonly nextAt: EpochMs | undefined;
}

export function decideLeaseConfirmations(
  transaction: StateTransaction,
  stamp: Stamp,
): TopicDecided<ConfirmationsStep> {
  const { pushes } = transaction.topics;
  const due: ConfirmationDue[] = [];
  for (const each of pushes.confirmationsDue()) {
    if (each.at > stamp.now || due.length === pushLimits.confirmationsMax) break;
    due.push(each);
  }
  const leased = due.flatMap((each) => step(transaction, each, stamp) ?? []);
  const [next] = pushes.confirmationsDue();
  return accept({ leased, nextAt: next?.at });
}

function step(
  { topics }: StateTransaction,
  due: ConfirmationDue,
  { now }: Stamp,
): LeasedConfirmation | undefined {
  const { id, segment } = due;
  const topic = topics.findTopic(due.namespace as Topic["namespace"], due.topic as Topic["name"]);
  const known = topic?.segment === segment ? topics.pushes.confirmation(topic, id) : undefined;
  if (topic === undefined || known === undefined) {
    topics.pushes.removeConfirmationDue(due);
    return undefined;
  }
  const subscription = known.ended ?? topics.subscription(topic, id);
  if (known.expiresAt <= now || subscription === undefined) {
    topics.pushes.removeConfirmation(topic, id, known);
    if (subscription?.standing.kind === "pending" && known.ended === undefined) {
      endPending(topics, topic, subscription);
    }
    return undefined;
  }
  const until = after(now, pushLimits.confirmationLeaseMs);
  const confirmation = { ...known, dueAt: until, firstAttemptAt: known.firstAttemptAt ?? now };
  topics.pushes.putConfirmation(topic, id, confirmation, known);
  return { topic, subscription, confirmation: kept(confirmation), until };
}

/** A copy: the bytes of a row that was read are good for this command only. */
const kept = (confirmation: Confirmation): Confirmation => ({
  ...confirmation,
  messageId: Buffer.from(confirmation.messageId),
});

function endPending(
  topics: StateTransaction["topics"],
  topic: Topic,
  subscription: Subscription,
): void {
  topics.removeSubscription(topic, subscription);
  countSubscription(topics, topic, subscription, undefined);
  const counters = topics.counters(topic);
  const { pending, ended } = counters;
  topics.putCounters(topic, { ...counters, pending: pending - 1, ended: ended + 1 });
}

export interface SettleConfirmation {
  readonly topic: Pick<Topic, "namespace" | "name">;
  readonly id: Buffer;
  readonly until: EpochMs;
  readonly result:
    | { readonly kind: "sent" }
    /** It will not be sent; whoever subscribed may ask again. */
    | { readonly kind: "failed" }
    | { readonly kind: "retry"; readonly delayMs: DurationMs };
}

export function decideSettleConfirmation(
  { topics }: StateTransaction,
  { topic: names, id, until, result }: SettleConfirmation,
  { now }: Stamp,
): TopicDecided<{ readonly nextAt: EpochMs | undefined }> {
  const topic = topics.findTopic(names.namespace, names.name);
  const known = topic && topics.pushes.confirmation(topic, id);
  if (topic !== undefined && known?.dueAt === until) {
    const dueAt = result.kind === "retry" ? after(now, result.delayMs) : undefined;
    const failures = known.failures + (result.kind === "sent" ? 0 : 1);
    topics.pushes.putConfirmation(topic, id, { ...known, dueAt, failures }, known);
  }
  const [next] = topics.pushes.confirmationsDue();
  return accept({ nextAt: next?.at });
}
