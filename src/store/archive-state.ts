// The view of archives, replays and snapshots of the rows: which rows go together. Part of the topics' view (`topic-state.ts`).

import type { Archive, Replay, Snapshot } from "../topic/archive-model.js";
import type {
  ArchiveTransaction,
  RunningReplay,
  SubscriptionReplay,
} from "../topic/archive-view.js";
import type { Topic } from "../topic/model.js";
import {
  archiveKey,
  replayKey,
  runningReplayByte,
  runningReplayKey,
  snapshotKey,
} from "./archive-keys.js";
import { endOfPrefix, segmentPrefix, segmentPrefixLength, u64At } from "./keys.js";
import type { RowAccess } from "./row-access.js";
import { tables } from "./tables.js";
import { idBytes } from "./topic-keys.js";

type Segment = Pick<Topic, "slot" | "segment">;

const prefixOf = ({ slot, segment }: Segment): string => segmentPrefix(slot, segment);
const idAt = (key: string): Buffer => Buffer.from(key.slice(-idBytes), "latin1");
const noId = Buffer.alloc(0);

export class ArchiveRows implements ArchiveTransaction {
  readonly #rows: RowAccess;

  constructor(rows: RowAccess) {
    this.#rows = rows;
  }

  archive(topic: Segment): Archive | undefined {
    return this.#rows.getReadable(tables.archive, archiveKey(prefixOf(topic)));
  }

  putArchive(topic: Segment, archive: Archive): void {
    this.#rows.put(tables.archive, archiveKey(prefixOf(topic)), archive);
  }

  removeArchive(topic: Segment): void {
    this.#rows.remove(tables.archive, archiveKey(prefixOf(topic)), false);
  }

  replay(topic: Segment, id: Buffer): Replay | undefined {
    return this.#rows.getReadable(tables.replay, replayKey(prefixOf(topic), id));
  }

  *replaysAfter(topic: Segment, id: Buffer): Iterable<SubscriptionReplay> {
    const prefix = prefixOf(topic);
    const last = replayKey(prefix, id);
    const end = endOfPrefix(replayKey(prefix, noId));
    for (const { key, row } of this.#rows.range(tables.replay, last, end)) {
      if (key !== last) yield { subscription: idAt(key), replay: row };
    }
  }

  *runningOf({ slot, segment }: Segment): Iterable<Buffer> {
    // Ids begin with their time, so none begins with 0xff.
    const first = runningReplayKey(slot, segment, noId);
    for (const { key } of this.#rows.range(tables.runningReplay, first, `${first}\xff`)) {
      yield idAt(key);
    }
  }

  *runningAfter(last: RunningReplay | undefined): Iterable<RunningReplay> {
    const from =
      last === undefined
        ? runningReplayByte
        : runningReplayKey(last.slot, last.segment, last.subscription);
    const end = endOfPrefix(runningReplayByte);
    for (const { key } of this.#rows.range(tables.runningReplay, from, end)) {
      if (key === from) continue;
      yield {
        slot: key.charCodeAt(1) * 256 + key.charCodeAt(2),
        segment: u64At(key, 3) as Topic["segment"],
        subscription: Buffer.from(key.slice(1 + segmentPrefixLength), "latin1"),
      };
    }
  }

  putReplay(topic: Segment, id: Buffer, replay: Replay): void {
    this.#rows.put(tables.replay, replayKey(prefixOf(topic), id), replay);
    const key = runningReplayKey(topic.slot, topic.segment, id);
    if (replay.endedAt === undefined) this.#rows.put(tables.runningReplay, key, true);
    else this.#rows.remove(tables.runningReplay, key, false);
  }

  snapshot(topic: Segment, id: Buffer, name: string): Snapshot | undefined {
    return this.#rows.getReadable(tables.snapshot, snapshotKey(prefixOf(topic), id, name));
  }

  *snapshotsAfter(topic: Segment, id: Buffer, name: string): Iterable<Snapshot> {
    const prefix = prefixOf(topic);
    const last = snapshotKey(prefix, id, name);
    // No name begins with that.
    const end = snapshotKey(prefix, id, "\xff");
    for (const { key, row } of this.#rows.range(tables.snapshot, last, end)) {
      if (key !== last) yield row;
    }
  }

  putSnapshot(topic: Segment, id: Buffer, snapshot: Snapshot): void {
    this.#rows.put(tables.snapshot, snapshotKey(prefixOf(topic), id, snapshot.name), snapshot);
  }

  removeSnapshot(topic: Segment, id: Buffer, name: string): void {
    this.#rows.remove(tables.snapshot, snapshotKey(prefixOf(topic), id, name), false);
  }

  /** What there is of one that ends. */
  removeSubscription(topic: Segment, id: Buffer): void {
    const replay = this.replay(topic, id);
    if (replay !== undefined) {
      this.#rows.remove(tables.replay, replayKey(prefixOf(topic), id), false);
      const key = runningReplayKey(topic.slot, topic.segment, id);
      this.#rows.remove(tables.runningReplay, key, false);
    }
    for (const { name } of [...this.snapshotsAfter(topic, id, "")]) {
      this.removeSnapshot(topic, id, name);
    }
  }
}
