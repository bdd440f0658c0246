// What the rules of archives and replays read and record, beside what they may of topics: see `view.ts`.

import type { Archive, Replay, Snapshot } from "./archive-model.js";
import type { Topic } from "./model.js";

/** What the rows of a topic are found by; as in `view.ts`, which is made of this file. */
type Segment = Pick<Topic, "slot" | "segment">;

/** A replay and the subscription it goes to. */
export interface SubscriptionReplay {
  readonly subscription: Buffer;
  readonly replay: Replay;
}

/** Where a running replay is found. */
export interface RunningReplay extends Segment {
  readonly subscription: Buffer;
}

export interface ArchiveView {
  /** Rows that cannot be read are reported and count as gone. */
  archive(topic: Segment): Archive | undefined;
  replay(topic: Segment, id: Buffer): Replay | undefined;
  /** By subscription, strictly after the one given; an empty id: from the first. */
  replaysAfter(topic: Segment, id: Buffer): Iterable<SubscriptionReplay>;
  /** Subscriptions of a topic with a replay that runs. */
  runningOf(topic: Segment): Iterable<Buffer>;
  /** Of all topics, strictly after the one given. */
  runningAfter(last: RunningReplay | undefined): Iterable<RunningReplay>;
  snapshot(topic: Segment, id: Buffer, name: string): Snapshot | undefined;
  /** In name order, strictly after the one given; an empty name: from the first. */
  snapshotsAfter(topic: Segment, id: Buffer, name: string): Iterable<Snapshot>;
}

export interface ArchiveChanges {
  putArchive(topic: Segment, archive: Archive): void;
  removeArchive(topic: Segment): void;
  /** With the row that says whether it runs. */
  putReplay(topic: Segment, id: Buffer, replay: Replay): void;
  putSnapshot(topic: Segment, id: Buffer, snapshot: Snapshot): void;
  removeSnapshot(topic: Segment, id: Buffer, name: string): void;
}

export interface ArchiveTransaction extends ArchiveView, ArchiveChanges {}
