// The layout of keys: binary, fixed width, ours.
//
// A key is a JavaScript string of characters U+0000 to U+00FF, one a byte (latin1): it can be a map key and is compared
// byte for byte, which is the order LMDB keeps. Numbers are big-endian u64, so key order is numeric order. Rows of a
// queue's messages start with its slot (u16, below 0x4000, the unit a later release moves between nodes) and its segment,
// so that everything of a segment is one range; rows about the whole store start with a byte from 0x80 up.
//
//   slot segment 'm' sequence            message
//   slot segment 's' sequence            delivery: where a received or delayed message stands
//   slot segment 'd' until sequence      due: leases and delays in the order they end
//   slot segment 'r' at order sequence   returned: visible messages that have a delivery, in the order a receive takes them
//   slot segment 'g' group 00 at order sequence
//                                        member: a message of a group, at its place (standard: the visible ones; FIFO:
//                                        those behind the ones that the group's own row names)
//   slot segment 'h' group               group
//   slot segment 'q' line n n group      line: groups waiting for their turn
//   slot segment 'e' until sequence      own expiry: messages with a time to live, in the order it ends
//   slot segment 'l' time sequence       late: messages that came later than the time in their ids, by that time
//   slot segment 'u' id                  remembered deduplication id; of one group: space group space id
//   slot segment 'a' id                  remembered receive attempt id
//   slot segment 'y' time id             scheduled: a message that waits for its time
//   slot segment 'c'                     counters of the queue
//   slot segment 'x' <rest of key> u16   further chunks of a value that does not fit a page
// In the segment of a topic (`topic-keys.ts`):
//   slot segment 'A'                     archive: from where on, and its bytes (`archive-keys.ts`)
//   slot segment 'C'                     numbers of the topic, and where its lane is
//   slot segment 'D' subscription        what became of a subscription's messages
//   slot segment 'E' hash                the subscription of a target
//   slot segment 'H' subscription        replay: the one that runs or ended last
//   slot segment 'I' subscription        which attempts to deliver are recorded (`attempt-keys.ts`)
//   slot segment 'J' subscription number attempt to deliver
//   slot segment 'K' sequence subscription
//                                        subscriptions with a place of their own, by that place
//   slot segment 'L' subscription message
//                                        the last attempt to deliver a message
//   slot segment 'M' sequence            message
//   slot segment 'N' subscription        confirmation: what an endpoint was asked (`push-keys.ts`)
//   slot segment 'O' hash                the subscription of a token
//   slot segment 'P' subscription        how far a pushed subscription is
//   slot segment 'Q' subscription sequence
//                                        pending push: a message in delivery, or one that waits for an attempt
//   slot segment 'R' subscription        of those with a place of their own the ones that catch up
//   slot segment 'S' subscription        subscription
//   slot segment 'T' subscription time sequence
//                                        pending pushes in the order they are due
//   slot segment 'U' id                  remembered deduplication id; of one group: space group space id
//   slot segment 'V' time id             remembered deduplication ids, oldest first
//   slot segment 'Y' subscription name   snapshot: a named place in the archive
//   slot segment 'B'                     how many undeliverable messages a topic has
//   slot segment 'F' subscription        how many of them a subscription has
//   slot segment 'G' subscription sequence
//                                        undeliverable message: what became of it
//   slot segment 'X'                     how many subscriptions of a topic have a filter
//   slot segment 'W' subscription sequence
//                                        undeliverable message that is to be tried again
//   slot segment 'Z' subscription sequence
//                                        undeliverable message: its content
// In the segment of a cache (`cache-keys.ts`):
//   slot segment 'a'                     how many tags and prefixes are fenced
//   slot segment 'b'                     numbers of the cache
//   slot segment 'f' hash                fence: a tag or a prefix, and up to which version it makes items invalid
//   slot segment 'i' node piece          item: a key, or the end of one that is longer than a node takes
//   slot segment 'i' node piece 01       the node in which the keys that begin so go on
//   slot segment 'j' time node piece     items in the order they are to be removed
//   slot segment 'l' kind hash           lease of who loads a key, or lock
//   slot segment 'm' kind until hash     leases and locks in the order they end
//   slot segment 'v' version node piece  value that is too long for the row of its item
//   slot segment 'w' root order node     node of a collection, in one of the orders it is kept in (`counted-tree.ts`)
//   slot segment 'z' root number         value that is too long for the node of its entry
// About the whole store:
//   0x80 namespace 00 name               queue
//   0x81 slot segment                    garbage: a segment to be removed
//   0x82 hash                            kept result of a request id
//   0x83 until hash                      kept results in the order they may go
//   0x84 name                            facts about the node, such as the last time handed out
//   0x85 namespace 00 name               when a queue was deleted, kept for a minute with sqs_timing=strict
//   0x86 namespace 00 name 00 source     a queue and one that sends its dead letters there
//   0x87 queue task                      move task: how far it is
//   0x88 's' namespace 00 queue 00 name  schedule, as it was put
//   0x88 't' namespace 00 queue 00 name  what a schedule has done and will do
//   0x89 time namespace 00 queue 00 name schedules in the order they run next
//   0x8a queue task                      move order: what a move task is to do
//   0x8b namespace 00 name               topic
//   0x8c namespace                       how many topics a namespace has
//   0x8d subscription                    where a subscription is
//   0x8e namespace 00 subscription       subscriptions of a namespace
//   0x8f slot segment                    ended topic: its subscriptions are still to be removed
//   0x90 time slot segment subscription  confirmations by the time something is to be done about them
//   0x91 time                            keys that messages are signed with
//   0x95 slot segment subscription       replays that run
//   0x97 time slot segment subscription  attempts to deliver, by the time their oldest ones may go
//   0x98 time slot segment subscription sequence
//                                        undeliverable messages in the order they were given up
//   0x99 slot segment subscription       order to try undeliverable messages again
//   0x9a slot segment                    topic that drains: how far the look at its subscriptions is
//   0x9b hash                            host that was asked for its consent
//   0xa0 namespace 00 name               cache
//   0xa1 namespace                       how many caches a namespace has
//   0xa2 time slot segment               caches by the time something in them is to be removed
//   0xa3 slot segment                    cache in which something was made invalid that is to be removed
//   0xa4 slot segment root               collection that no key has any more, and whose rows are to be removed
//   0xff <key> u16                       further chunks of a row above

import type { EpochMs, QueueNumber, Sequence } from "../base/brands.js";
import type { GroupStanding, Place } from "../queue/model.js";
import type { MoveTaskId } from "../queue/move-task.js";
import type { ScheduleAddress } from "../queue/schedule-model.js";

export const u64Text = (value: number): string => {
  const high = Math.floor(value / 4_294_967_296);
  const low = value >>> 0;
  return String.fromCharCode(
    (high >>> 24) & 0xff,
    (high >>> 16) & 0xff,
    (high >>> 8) & 0xff,
    high & 0xff,
    low >>> 24,
    (low >>> 16) & 0xff,
    (low >>> 8) & 0xff,
    low & 0xff,
  );
};

export const u64At = (key: string, at: number): number =>
  (key.charCodeAt(at) * 16_777_216 +
    key.charCodeAt(at + 1) * 65_536 +
    key.charCodeAt(at + 2) * 256 +
    key.charCodeAt(at + 3)) *
    4_294_967_296 +
  key.charCodeAt(at + 4) * 16_777_216 +
  key.charCodeAt(at + 5) * 65_536 +
  key.charCodeAt(at + 6) * 256 +
  key.charCodeAt(at + 7);

export const u16Text = (value: number): string =>
  String.fromCharCode((value >>> 8) & 0xff, value & 0xff);

/** Length of the part of a key that names its slot and segment. */
export const segmentPrefixLength = 10;

export const segmentPrefix = (slot: number, segment: number): string =>
  u16Text(slot) + u64Text(segment);

export const tableLetters = {
  message: "m",
  delivery: "s",
  due: "d",
  returned: "r",
  member: "g",
  group: "h",
  line: "q",
  ownExpiry: "e",
  late: "l",
  dedup: "u",
  attempt: "a",
  scheduled: "y",
  counters: "c",
  chunk: "x",
} as const;

export const messageKey = (prefix: string, sequence: Sequence): string =>
  `${prefix}m${u64Text(sequence)}`;
export const deliveryKey = (prefix: string, sequence: Sequence): string =>
  `${prefix}s${u64Text(sequence)}`;
export const dueKey = (prefix: string, until: EpochMs, sequence: Sequence): string =>
  `${prefix}d${u64Text(until)}${u64Text(sequence)}`;
const placeText = ({ at, order }: Place): string => u64Text(at) + u64Text(order);

export const returnedKey = (prefix: string, place: Place, sequence: Sequence): string =>
  `${prefix}r${placeText(place)}${u64Text(sequence)}`;

/** Group ids are printable ASCII, so the zero ends them. */
export const membersPrefix = (prefix: string, group: string): string => `${prefix}g${group}\x00`;
export const memberKey = (
  prefix: string,
  group: string,
  place: Place,
  sequence: Sequence,
): string => `${membersPrefix(prefix, group)}${placeText(place)}${u64Text(sequence)}`;
export const groupKey = (prefix: string, group: string): string => `${prefix}h${group}`;

export const lines = { ready: "0", noisy: "1", limited: "2" } as const;
/** Length of a line key up to the group's id. */
export const linePrefixLength = segmentPrefixLength + 2 + 16;
/** Undefined: a group that is idle stands in no line. */
export function lineKey(
  prefix: string,
  group: string,
  standing: GroupStanding,
): string | undefined {
  switch (standing.kind) {
    case "idle":
      return undefined;
    case "ready":
      return `${prefix}q${lines.ready}${placeText(standing.place)}${group}`;
    case "noisy":
      return `${prefix}q${lines.noisy}${u64Text(standing.inFlight)}${u64Text(standing.at)}${group}`;
    case "limited":
      return `${prefix}q${lines.limited}${u64Text(0)}${u64Text(0)}${group}`;
  }
}

export const ownExpiryKey = (prefix: string, until: EpochMs, sequence: Sequence): string =>
  `${prefix}e${u64Text(until)}${u64Text(sequence)}`;
export const lateKey = (prefix: string, time: EpochMs, sequence: Sequence): string =>
  `${prefix}l${u64Text(time)}${u64Text(sequence)}`;
/** Ids are printable ASCII. */
export const dedupKey = (prefix: string, id: string): string => `${prefix}u${id}`;
export const attemptKey = (prefix: string, id: string): string => `${prefix}a${id}`;
export const scheduledKey = (prefix: string, time: EpochMs, messageId: Buffer): string =>
  `${prefix}y${u64Text(time)}${messageId.toString("latin1")}`;
export const countersKey = (prefix: string): string => `${prefix}c`;

export const queueKey = (namespace: string, name: string): string => `\x80${namespace}\x00${name}`;
export const garbageKey = (slot: number, segment: number): string =>
  `\x81${segmentPrefix(slot, segment)}`;
export const requestKey = (hash: string): string => `\x82${hash}`;
export const requestDueKey = (until: EpochMs, hash: string): string =>
  `\x83${u64Text(until)}${hash}`;
export const deletedQueueKey = (namespace: string, name: string): string =>
  `\x85${namespace}\x00${name}`;
export const deadLetterSourceKey = (namespace: string, name: string, source: string): string =>
  `\x86${namespace}\x00${name}\x00${source}`;
export const moveTaskKey = ({ source, number }: MoveTaskId): string =>
  `\x87${u64Text(source)}${u64Text(number)}`;
/** The first key of the tasks of all queues from this number on. A number may end in 0xff, so no end of a prefix will do. */
export const moveTasksFrom = (source: QueueNumber): string => `\x87${u64Text(source)}`;
export const moveOrderKey = ({ source, number }: MoveTaskId): string =>
  `\x8a${u64Text(source)}${u64Text(number)}`;
/** The part of a schedule's keys that names it. */
export const scheduleNames = ({ namespace, queue, name }: ScheduleAddress): string =>
  `${namespace}\x00${queue}\x00${name}`;
export const scheduleKey = (names: string): string => `\x88s${names}`;
export const scheduleStateKey = (names: string): string => `\x88t${names}`;
export const scheduleDueKey = (time: EpochMs, names: string): string =>
  `\x89${u64Text(time)}${names}`;
/** Where the names stand in a key of the order. */
export const scheduleDueNamesAt = 9;
export const nodeKey = (name: string): string => `\x84${name}`;

/** The key of chunk `index` (from 1) of the value at `key`. */
export const chunkKey = (key: string, index: number): string =>
  key.charCodeAt(0) < 0x80
    ? `${key.slice(0, segmentPrefixLength)}x${key.slice(segmentPrefixLength)}${u16Text(index)}`
    : `\xff${key}${u16Text(index)}`;

/** The first key after every key that starts with `prefix`; prefixes never end in U+00FF. */
export const endOfPrefix = (prefix: string): string =>
  prefix.slice(0, -1) + String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1);
