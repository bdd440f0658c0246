// What a move task would do now, told without doing it. A preview goes over the source as the task would, some messages a
// command, so that callers are served in between; what comes or goes meanwhile is counted or not, as for the task.

import type { EpochMs, Sequence } from "../base/brands.js";
import type { Delivery, Message, Queue } from "./model.js";
import { type MatchingMessage, MoveLook } from "./move-look.js";
import { findMoveEnds, type MoveRequest } from "./move-tasks.js";
import { OpenQueue } from "./open-queue.js";
import type { PeekedMessage } from "./peek-messages.js";
import { accept, type Decided } from "./rejections.js";
import type { Stamp } from "./stamp.js";
import { expiryOf } from "./stored-messages.js";
import type { QueueTransaction } from "./view.js";

/** Where a preview stands; the same end and the same instant hold for all its commands. */
export interface PreviewPosition {
  readonly cursor: Sequence;
  readonly upTo: Sequence;
  readonly startedAt: EpochMs;
}

export interface PreviewMove extends MoveRequest {
  /** Undefined: it begins. */
  readonly from: PreviewPosition | undefined;
  readonly sampleMax: number;
}

export interface MovePreviewed {
  readonly source: Queue;
  readonly matching: readonly PreviewedMessage[];
  /** The first of them, at most as many as were asked for. */
  readonly samples: readonly PeekedMessage[];
  readonly leftOutCount: number;
  readonly unavailableCount: number;
  /** Where to go on; undefined: that was all. */
  readonly next: PreviewPosition | undefined;
}

export interface PreviewedMessage {
  /** Undefined: it would be skipped. */
  readonly target: Queue | undefined;
  readonly rejectionReason: string | undefined;
}

export function decidePreviewMove(
  transaction: QueueTransaction,
  command: PreviewMove,
  stamp: Stamp,
): Decided<MovePreviewed> {
  const found = findMoveEnds(transaction, command);
  if (found.kind === "rejected") return found;
  const { source, destination } = found.outcome;
  const open = new OpenQueue(transaction, source, stamp);
  const from: PreviewPosition = command.from ?? {
    cursor: 0 as Sequence,
    upTo: open.counters.nextSequence,
    startedAt: stamp.now,
  };
  const matching: PreviewedMessage[] = [];
  const samples: PeekedMessage[] = [];
  let leftOutCount = 0;
  let unavailableCount = 0;
  const look = new MoveLook(open, { ...command, ...from }, destination);
  const cursor = look.walk(from.cursor, (looked) => {
    if (looked.kind === "left_out") leftOutCount += 1;
    if (looked.kind === "unavailable") unavailableCount += 1;
    if (looked.kind !== "matching") return true;
    const { delivery, fate } = looked;
    matching.push({
      target: fate.kind === "moves" ? fate.target : undefined,
      rejectionReason: delivery?.rejection?.reason,
    });
    if (samples.length < command.sampleMax) samples.push(sampleOf(source, looked, stamp.now));
    return true;
  });
  const next = cursor === undefined ? undefined : { ...from, cursor };
  return accept({ source, matching, samples, leftOutCount, unavailableCount, next });
}

/** A message as it would arrive, but for its id, its place and its deduplication id, which are not known before. */
function sampleOf(
  source: Queue,
  { message, delivery, fate }: MatchingMessage,
  now: EpochMs,
): PeekedMessage {
  const sample = { state: "visible", visibleAt: undefined } as const;
  if (fate.kind === "skipped") {
    return { ...sample, message, delivery, expiresAt: expiryOf(source, message) };
  }
  const { target, edited } = fate;
  const arriving: Message = {
    ...message,
    sentAt: now,
    arrivedAt: now,
    sizeBytes: edited.sizeBytes,
    groupId: edited.content.groupId,
    content: {
      ...edited.content,
      dedupId: target.isFifo ? undefined : edited.content.dedupId,
      originalMessageId: message.messageId,
    },
  };
  const arrived: Delivery | undefined = delivery && {
    ...delivery,
    receiveCount: 0,
    earlierReceives: delivery.earlierReceives + delivery.receiveCount,
    undelivered: undefined,
    origin: { at: now, deadLetter: undefined },
  };
  return {
    ...sample,
    message: arriving,
    delivery: arrived,
    expiresAt: expiryOf(target, arriving),
  };
}
