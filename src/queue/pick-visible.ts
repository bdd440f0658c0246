// Standard queues: which messages a receive takes, oldest first.
//
// Visible messages stand in three orders: those never received, from the queue's `freshFrom` on, which need no index; those that
// have a delivery, indexed by place; and, for fair queues, groups by the place of their oldest visible message. They are merged
// by place. Noisy groups come after all of these, those with the fewest in flight first.

import { type Sequence, sequence } from "../base/brands.js";
import { limits } from "./limits.js";
import type { Group, GroupStanding, Member, Place } from "./model.js";
import { comparePlaces, type OpenQueue } from "./open-queue.js";
import { type Candidate, type Picked, Picking, type PickWanted } from "./pick.js";
import { headAt } from "./settle.js";

interface PlacedCandidate extends Candidate {
  readonly place: Place;
  /** True for one that only `freshFrom` finds. */
  readonly isFresh: boolean;
  /** Tells where it comes from that it was taken, or not. */
  readonly met?: (wasTaken: boolean) => void;
}

export function pickVisible(open: OpenQueue, wanted: PickWanted): Picked {
  open.writeGroups();
  const picking = new Picking(open, wanted);
  const lines = new GroupLines(open);
  let { freshFrom } = open.counters;
  let isStopped = false;
  for (const candidate of candidates(open, lines)) {
    const met = picking.consider(candidate);
    isStopped = met === "refused";
    if (isStopped) break;
    candidate.met?.(met === "taken");
    if (candidate.isFresh) freshFrom = sequence(candidate.place.order + 1);
    isStopped = picking.isDone;
    if (isStopped) break;
  }
  // All were met, so nothing fresh is left.
  if (!isStopped) freshFrom = open.counters.nextSequence;
  const { messages, expired, overLimit, targetMissingCount } = picking;
  return {
    messages,
    expired,
    overLimit,
    targetMissingCount,
    freshFrom,
    turnFrom: open.counters.turnFrom,
    staleGroups: lines.stale,
    isCutShort: picking.isCutShort || lines.isCutShort,
  };
}

/** How many messages of quiet groups, or of none, stand before one in line; no more than `max` are counted. */
export function countAhead(open: OpenQueue, place: Sequence, max: number): number {
  let count = 0;
  let examined = 0;
  for (const { head, met } of candidates(open, new GroupLines(open))) {
    // Behind many delayed messages, which are places to pass, those that were met must do.
    const isEnough = count === max || examined === limits.peekExaminedMax;
    if (isEnough || head?.sequence === place) break;
    examined += 1;
    if (head !== undefined) count += 1;
    met?.(false);
  }
  return count;
}

/** All orders merged by place. Nothing is read before it is asked for. */
function* candidates(open: OpenQueue, lines: GroupLines): Iterable<PlacedCandidate> {
  const { freshFrom, nextSequence, returned, groups } = open.counters;
  const lists: Iterable<PlacedCandidate>[] = [];
  if (freshFrom < nextSequence) lists.push(freshMessages(open));
  if (returned > 0) lists.push(returnedMessages(open));
  if (groups > 0) lists.push(lines.ready());
  const [only] = lists;
  if (only !== undefined && lists.length === 1) yield* only;
  else yield* merged(lists);
  yield* lines.noisy();
}

function* merged(lists: readonly Iterable<PlacedCandidate>[]): Iterable<PlacedCandidate> {
  const sources = lists.map((list) => list[Symbol.iterator]());
  try {
    const next = sources.map((source) => source.next());
    for (;;) {
      const first = firstOf(next);
      if (first === -1) return;
      yield next[first]?.value;
      next[first] = (sources[first] as Iterator<PlacedCandidate>).next();
    }
  } finally {
    // Read by hand, so closed by hand: an open range holds a reader of the store, and with it every page freed since.
    for (const source of sources) source.return?.();
  }
}

function firstOf(next: readonly IteratorResult<PlacedCandidate>[]): number {
  let first = -1;
  let place: Place | undefined;
  for (const [index, result] of next.entries()) {
    if (result.done === true) continue;
    if (place === undefined || comparePlaces(result.value.place, place) < 0) {
      first = index;
      place = result.value.place;
    }
  }
  return first;
}

/** Messages not received since they were sent; an indexed one is only a place to pass, once. */
function* freshMessages({ transaction, queue, counters }: OpenQueue): Iterable<PlacedCandidate> {
  for (const { head, message } of transaction.messageHeadsFrom(queue, counters.freshFrom)) {
    yield {
      place: { at: head.arrivedAt, order: head.sequence },
      head: head.isIndexed ? undefined : head,
      read: () => message ?? transaction.readableMessage(queue, head.sequence),
      delivery: undefined,
      isFresh: true,
    };
  }
}

function* returnedMessages({ transaction, queue }: OpenQueue): Iterable<PlacedCandidate> {
  for (const { place, sequence: at } of transaction.returnedEntries(queue)) {
    // Its delivery knows what a head would say. One that cannot be read has lost its count: the message is not served.
    const delivery = transaction.readableDelivery(queue, at);
    const read = () => transaction.readableMessage(queue, at);
    yield { place, head: delivery, read, delivery, isFresh: false };
  }
}

/** A group some of whose messages this receive has looked at. */
interface OpenGroup {
  readonly group: Group;
  readonly members: Iterator<Member>;
  next: Member | undefined;
  takenCount: number;
}

/** The groups of a queue in line, as this receive takes from them. */
class GroupLines {
  /** Groups that wait in a line they do not belong to, as all do that have more in flight than a limit lowered since. */
  readonly stale: string[] = [];
  readonly #open: OpenQueue;
  /** Of every group that was looked at, also one whose turn did not come, or that may give no more. */
  readonly #ranges: Iterator<Member>[] = [];

  constructor(open: OpenQueue) {
    this.#open = open;
  }

  /** True when it met as many of those as one receive may put right. */
  get isCutShort(): boolean {
    return this.stale.length === limits.settleMax;
  }

  /** Messages of quiet groups by place. */
  *ready(): Iterable<PlacedCandidate> {
    yield* this.#inTurn("ready", (left, right) =>
      comparePlaces((left.next as Member).place, (right.next as Member).place),
    );
  }

  /** Messages of noisy groups, of the one that holds the fewest first. */
  *noisy(): Iterable<PlacedCandidate> {
    if (this.#open.counters.noisyGroups === 0) return;
    const held = ({ group, takenCount }: OpenGroup): number => group.inFlight + takenCount;
    yield* this.#inTurn(
      "noisy",
      (left, right) =>
        held(left) - held(right) ||
        comparePlaces((left.next as Member).place, (right.next as Member).place),
    );
  }

  /**
   * Groups in line come in the order of their first messages; those already looked at come in again with their next ones. So
   * only as many groups are open as gave something.
   */
  *#inTurn(
    kind: Exclude<GroupStanding["kind"], "idle" | "limited">,
    compare: (left: OpenGroup, right: OpenGroup) => number,
  ): Iterable<PlacedCandidate> {
    const groups = this.#open.transaction.groupsStanding(this.#open.queue, kind)[Symbol.iterator]();
    const opened: OpenGroup[] = [];
    try {
      let newcomer = this.#nextGroup(groups);
      for (;;) {
        const best = opened.reduce<OpenGroup | undefined>(
          (first, group) => (first === undefined || compare(group, first) < 0 ? group : first),
          undefined,
        );
        const isNew = newcomer !== undefined && (best === undefined || compare(newcomer, best) < 0);
        const turn = isNew ? newcomer : best;
        if (turn === undefined) return;
        if (isNew) {
          opened.push(turn);
          newcomer = this.#nextGroup(groups);
        }
        yield this.#candidate(turn);
        if (turn.next === undefined) opened.splice(opened.indexOf(turn), 1);
      }
    } finally {
      groups.return?.();
      for (const members of this.#ranges) members.return?.();
    }
  }

  #nextGroup(groups: Iterator<Group>): OpenGroup | undefined {
    const { transaction, queue } = this.#open;
    while (!this.isCutShort) {
      const next = groups.next();
      if (next.done === true) break;
      const group = next.value;
      if (this.#left(group) > 0) {
        const members = transaction.members(queue, group.id)[Symbol.iterator]();
        this.#ranges.push(members);
        const first = members.next();
        if (first.done !== true) return { group, members, next: first.value, takenCount: 0 };
      }
      this.stale.push(group.id);
    }
    return undefined;
  }

  /** How many more its limit allows. */
  #left({ inFlight }: Group): number {
    const { groupInFlightMax } = this.#open.queue.settings;
    return groupInFlightMax === 0 ? Number.POSITIVE_INFINITY : groupInFlightMax - inFlight;
  }

  #candidate(turn: OpenGroup): PlacedCandidate {
    const { transaction, queue } = this.#open;
    const member = turn.next as Member;
    const delivery = transaction.readableDelivery(queue, member.sequence);
    return {
      place: member.place,
      head: delivery ?? headAt(this.#open, member.sequence),
      read: () => transaction.readableMessage(queue, member.sequence),
      delivery,
      isFresh: false,
      met: (wasTaken) => {
        if (wasTaken) turn.takenCount += 1;
        const next = this.#left(turn.group) > turn.takenCount ? turn.members.next() : undefined;
        turn.next = next === undefined || next.done === true ? undefined : next.value;
      },
    };
  }
}
