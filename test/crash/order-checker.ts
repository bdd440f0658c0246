// Judges the order of a FIFO queue, group by group, beside what checker.ts judges of every queue:
//
//   out of order   two messages of a group stand otherwise than they were sent, by one client one after another, or by anybody
//                  once the first was acknowledged; or a message came for the first time after one behind it had come
//   group shared   somebody was handed a message of a group while another held one before it
//
// The server's word for the order is the sequence number. That one held a message is known from a lease that nobody touched
// until it ended; and, as a FIFO queue takes a delete only under the lease that it was received under, from a delete that
// succeeded: until it was asked for, nobody else can have been let past.

import { clockErrorMs, streamLagMs, type Violation, violation } from "./checker.js";
import type { Arrived, Deleted, Event, GivenBack, Sent } from "./history.js";

type Placed<Item extends Arrived | Sent> = Item & {
  readonly order: { readonly group: string; readonly sequence: number };
};

export function judgeOrder(events: readonly Event[]): Violation[] {
  const sends = events.filter((event) => event.kind === "sent");
  const arrivals = events.filter((event) => event.kind === "arrived");
  const deletes = events.filter((event) => event.kind === "deleted");
  const givenBack = events.filter((event) => event.kind === "given_back");
  const holds = new Holds(deletes, givenBack);
  const violations = [...byGroup(arrivals).values()].flatMap((ofGroup) => [
    ...judgeFirstTimes(ofGroup),
    ...judgeHolders(ofGroup, holds),
  ]);
  return [...[...byGroup(sends).values()].flatMap(judgeSendOrder), ...violations];
}

/** Of sends that were acknowledged the places are known. */
function judgeSendOrder(sends: readonly Placed<Sent>[]): Violation[] {
  const violations: Violation[] = [];
  const inOrder = sends.toSorted((left, right) => left.order.sequence - right.order.sequence);
  /** Of what stands further on: the send that was answered first, and each client's message that it sent first. */
  let answered: Placed<Sent> | undefined;
  const firstOf = new Map<string, Placed<Sent>>();
  for (const send of inOrder.toReversed()) {
    const { client, place } = send.order as NonNullable<Sent["order"]>;
    const behind = firstOf.get(client);
    const before = behind?.order as Sent["order"];
    if (behind !== undefined && (before?.place ?? 0) < place) {
      violations.push(
        violation("out of order", `${send.key} stands before ${behind.key}, sent before it`),
      );
    }
    if (answered !== undefined && answered.endedMs < send.startedMs) {
      violations.push(
        violation("out of order", `${send.key} stands before ${answered.key}, stored before it`),
      );
    }
    if (before === undefined || place < before.place) firstOf.set(client, send);
    if (answered === undefined || send.endedMs < answered.endedMs) answered = send;
  }
  return violations;
}

/** A message that comes for the first time comes before any behind it. */
function judgeFirstTimes(arrivals: readonly Placed<Arrived>[]): Violation[] {
  const violations: Violation[] = [];
  const lastFirst = arrivals.toSorted((left, right) => right.order.sequence - left.order.sequence);
  let behind: Placed<Arrived> | undefined;
  /** Those of one message, which are not behind each other. */
  let same: Placed<Arrived>[] = [];
  for (const arrival of lastFirst) {
    if (same[0] !== undefined && same[0].order.sequence !== arrival.order.sequence) {
      for (const one of same)
        if (behind === undefined || one.endedMs < behind.endedMs) behind = one;
      same = [];
    }
    same.push(arrival);
    // A stream may bring a message long after it was leased.
    const leasedMs = arrival.startedMs - (arrival.lease.kind === "stream" ? streamLagMs : 0);
    if (arrival.queueReceiveCount === 1 && behind !== undefined && behind.endedMs < leasedMs) {
      const earlyMs = Math.round(leasedMs - behind.endedMs);
      violations.push(
        violation("out of order", `${behind.key} came ${earlyMs} ms before ${arrival.key}`),
      );
    }
  }
  return violations;
}

/** From when until when somebody surely held a message. */
class Holds {
  readonly #deletes = new Map<string, Deleted>();
  readonly #changes = new Map<string, (Deleted | GivenBack)[]>();

  constructor(deletes: readonly Deleted[], givenBack: readonly GivenBack[]) {
    for (const one of deletes) {
      if (one.outcome === "ok" && one.hasRemoved) this.#deletes.set(one.handle, one);
    }
    for (const one of [...deletes, ...givenBack]) {
      const known = this.#changes.get(one.messageId);
      if (known === undefined) this.#changes.set(one.messageId, [one]);
      else known.push(one);
    }
  }

  /** Its end; undefined when nothing is sure. It begins once the message has come. */
  endOf({ handle, messageId, lease, startedMs }: Arrived): number | undefined {
    const deleted = this.#deletes.get(handle);
    if (deleted !== undefined) return deleted.startedMs;
    if (lease.kind !== "receive") return undefined;
    const leasedUntilMs = startedMs + lease.visibilityTimeoutMs - clockErrorMs;
    const changes = this.#changes.get(messageId) ?? [];
    return Math.min(leasedUntilMs, ...changes.map((change) => change.startedMs));
  }
}

/** While a message is held, none behind it is handed to another who asks after that. */
function judgeHolders(arrivals: readonly Placed<Arrived>[], holds: Holds): Violation[] {
  const violations: Violation[] = [];
  const received = arrivals.filter(({ lease }) => lease.kind === "receive");
  const inTime = received.toSorted((left, right) => left.startedMs - right.startedMs);
  for (const holder of arrivals) {
    const heldUntilMs = holds.endOf(holder);
    if (heldUntilMs === undefined) continue;
    const intruder = inTime.find(
      (other) =>
        other.startedMs > holder.endedMs &&
        other.endedMs < heldUntilMs &&
        other.order.sequence > holder.order.sequence,
    );
    if (intruder === undefined) continue;
    violations.push(
      violation("group shared", `${intruder.key} came to another while ${holder.key} was held`),
    );
  }
  return violations;
}

function byGroup<Item extends Arrived | Sent>(items: readonly Item[]): Map<string, Placed<Item>[]> {
  const groups = new Map<string, Placed<Item>[]>();
  for (const item of items) {
    if (item.order?.sequence === undefined) continue;
    const placed = item as Placed<Item>;
    const group = groups.get(item.order.group);
    if (group === undefined) groups.set(item.order.group, [placed]);
    else group.push(placed);
  }
  return groups;
}
