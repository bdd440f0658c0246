// The check of archives: replays of subscriptions that are there, those that run with the row that finds them, and snapshots.

import { uuidText } from "../base/ids.js";
import type { Subscription, Topic } from "../topic/model.js";
import {
  archiveKey,
  archiveLetters,
  replayKey,
  runningReplayByte,
  runningReplayKey,
} from "./archive-keys.js";
import type { CheckWalk } from "./check-walk.js";
import { segmentPrefixLength } from "./keys.js";
import type { ScannedRow } from "./store.js";
import { tables } from "./tables.js";
import { idBytes, ownPlaceKey, subscriptionKey, topicCountersKey } from "./topic-keys.js";

/** Whose segment is checked; see `check-topics.ts`. */
interface Context {
  readonly walk: CheckWalk;
  readonly prefix: string;
  readonly topic: Topic;
  readonly name: string;
}

/** Where the id of a subscription begins in a key. */
const idStart = segmentPrefixLength + 1;
const idEnd = idStart + idBytes;

const idIn = (key: string): Buffer => Buffer.from(key.slice(idStart, idEnd), "latin1");

const nameOf = ({ name }: Context, id: Buffer): string => `${name}, subscription ${uuidText(id)}`;

/** Says whether the row is of one of these tables. */
export function checkArchiveRow(context: Context, scanned: ScannedRow): boolean {
  switch (scanned.key[segmentPrefixLength]) {
    case archiveLetters.archive:
      checkArchive(context, scanned);
      return true;
    case archiveLetters.replay:
      checkReplay(context, scanned);
      return true;
    case archiveLetters.snapshot:
      checkSnapshot(context, scanned);
      return true;
    default:
      return false;
  }
}

function checkArchive({ walk, prefix, topic, name }: Context, scanned: ScannedRow): void {
  if (scanned.key !== archiveKey(prefix)) {
    walk.layout(scanned.key);
    return;
  }
  const { row } = walk.read(scanned, tables.archive, () => name);
  const counters = walk.find(tables.topicCounters, topicCountersKey(prefix));
  if (row === undefined || counters === undefined || counters === "unreadable") return;
  if (topic.settings.archiveRetentionMs === 0)
    walk.report(name, "It has an archive and keeps none.");
  if (row.from < counters.firstSequence || row.from > counters.nextSequence) {
    walk.report(
      name,
      `Its archive begins at ${row.from}, with messages from ${counters.firstSequence} to ${counters.nextSequence}.`,
    );
  }
}

function checkReplay(context: Context, scanned: ScannedRow): void {
  const { walk, prefix, topic } = context;
  const { key } = scanned;
  if (key.length !== idEnd) {
    walk.layout(key);
    return;
  }
  const id = idIn(key);
  const name = nameOf(context, id);
  const { row } = walk.read(scanned, tables.replay, () => name);
  const subscription = walk.find(tables.subscription, subscriptionKey(prefix, id));
  if (subscription === undefined) walk.report(name, "It has a replay and is not there.");
  if (row === undefined || subscription === undefined || subscription === "unreadable") return;
  const runs = row.endedAt === undefined;
  if (runs !== (subscription.standing.kind === "replaying")) {
    walk.report(name, `Its replay ${runs ? "runs" : "has ended"}, and it does not stand so.`);
  }
  const running = walk.find(tables.runningReplay, runningReplayKey(topic.slot, topic.segment, id));
  if (runs && running === undefined) walk.report(name, "Nothing finds its replay, which runs.");
}

/** One that stands still has what it stands still for. */
export function checkReplaying(context: Context, { id, kind, standing }: Subscription): void {
  const { walk, prefix } = context;
  const name = nameOf(context, id);
  if (walk.find(tables.replay, replayKey(prefix, id)) === undefined) {
    walk.report(name, "It waits for a replay that is not there.");
  }
  if (standing.kind !== "replaying" || (kind !== "queue" && kind !== "stream")) return;
  const { live } = standing;
  if (
    live === undefined ||
    walk.find(tables.ownPlace, ownPlaceKey(prefix, live, id)) === undefined
  ) {
    walk.report(name, `Nothing keeps the messages from place ${live} on for it.`);
  }
}

function checkSnapshot(context: Context, scanned: ScannedRow): void {
  const { walk, prefix } = context;
  const { key } = scanned;
  if (key.length <= idEnd) {
    walk.layout(key);
    return;
  }
  const id = idIn(key);
  const name = `${nameOf(context, id)}, snapshot "${key.slice(idEnd)}"`;
  walk.read(scanned, tables.snapshot, () => name);
  if (walk.find(tables.subscription, subscriptionKey(prefix, id)) === undefined) {
    walk.report(name, "Its subscription is not there.");
  }
}

/** One of a topic that was deleted may be left until its subscriptions are removed. */
export function checkRunningReplay(
  { walk }: { readonly walk: CheckWalk },
  scanned: ScannedRow,
): void {
  const at = runningReplayByte.length;
  const segment = scanned.key.slice(at, at + segmentPrefixLength);
  const id = Buffer.from(scanned.key.slice(at + segmentPrefixLength), "latin1");
  const name = `replay of subscription ${uuidText(id)}`;
  walk.read(scanned, tables.runningReplay, () => name);
  const replay = walk.find(tables.replay, replayKey(segment, id));
  if (replay === "unreadable") return;
  if (replay?.endedAt !== undefined || replay === undefined) {
    walk.report(name, "It is said to run, and it does not.");
  }
}
