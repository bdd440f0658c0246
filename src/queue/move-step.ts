// One step of a move task: it looks at some messages from where the step before stopped, makes those that match new messages
// of their destinations, oldest first, and keeps where it stopped, all in one command. So a crash between two steps loses
// nothing and doubles nothing, and callers are served between any two.

import { type EpochMs, epochMs } from "../base/brands.js";
import { uuidText } from "../base/ids.js";
import { limits } from "./limits.js";
import type { Queue } from "./model.js";
import { type Looked, type MatchingMessage, MoveLook } from "./move-look.js";
import type {
  MoveFailure,
  MoveOrder,
  MovePace,
  MovePass,
  MoveState,
  MoveTask,
  MoveTaskId,
} from "./move-task.js";
import { OpenQueue } from "./open-queue.js";
import { accept, type Decided } from "./rejections.js";
import { catchUp } from "./settle.js";
import type { Stamp } from "./stamp.js";
import { admit, remove } from "./stored-messages.js";
import type { QueueTransaction } from "./view.js";

export interface MoveStepped {
  readonly movedCount: number;
  readonly next:
    | { readonly kind: "ended" }
    /** Not before `at`; undefined: whenever there is time. */
    | { readonly kind: "more"; readonly at: EpochMs | undefined };
}

export function decideMoveStep(
  transaction: QueueTransaction,
  id: MoveTaskId,
  stamp: Stamp,
): Decided<MoveStepped> {
  const task = transaction.moveTask(id);
  const order = transaction.moveOrder(id);
  // Cancelled meanwhile, or gone with its queue.
  if (task?.state.kind !== "running") return ended(0);
  if (order === undefined) return fail(transaction, task, "RECORD_CORRUPT", stamp.now);
  const source = findAsMeant(transaction, order.from);
  if (source === undefined) {
    transaction.removeMoveTask(id);
    return ended(0);
  }
  const target = order.to && findAsMeant(transaction, order.to);
  if (order.to !== undefined && target === undefined) {
    return fail(transaction, task, "DESTINATION_NOT_FOUND", stamp.now);
  }
  const open = new OpenQueue(transaction, source, stamp);
  catchUp(open);
  // What has become visible is somebody's message, if he waits for it.
  if (open.isChanged) transaction.wake(source.number);
  const collected = collect(open, { task, order, target });
  for (const moving of collected.moving) move(open, moving);
  open.close();
  const stepped = afterStep({ task, order, collected, now: stamp.now });
  transaction.putMoveTask(stepped);
  const movedCount = collected.moving.length;
  if (stepped.state.kind !== "running") return ended(movedCount);
  return accept({ movedCount, next: { kind: "more", at: collected.waitsUntil } });
}

const ended = (movedCount: number): Decided<MoveStepped> =>
  accept({ movedCount, next: { kind: "ended" } });

function fail(
  transaction: QueueTransaction,
  task: MoveTask,
  reason: MoveFailure,
  endedAt: EpochMs,
): Decided<MoveStepped> {
  transaction.putMoveTask({ ...task, state: { kind: "failed", endedAt, reason } });
  return ended(0);
}

/** A queue, unless it is another one under the name. */
function findAsMeant(
  transaction: QueueTransaction,
  { namespace, name, number }: MoveOrder["from"],
): Queue | undefined {
  const queue = transaction.findQueue(namespace, name);
  return queue?.number === number ? queue : undefined;
}

type Moving = MatchingMessage & { readonly fate: { readonly kind: "moves" } };

interface Collected {
  readonly moving: readonly Moving[];
  readonly pass: MovePass;
  /** True when the pass has reached the last message of the task. */
  readonly isPassOver: boolean;
  readonly hasSourceless: boolean;
  /** As it was before what is moved now is counted. */
  readonly pace: MovePace;
  /** When the message it stopped at is due, if that is why it stopped. */
  readonly waitsUntil: EpochMs | undefined;
}

interface StepParts {
  readonly task: MoveTask;
  readonly order: MoveOrder;
  readonly target: Queue | undefined;
}

/** Reads on, and takes what this step is to move. */
function collect(open: OpenQueue, { task, order, target }: StepParts): Collected {
  const { pace, count: dueCount, nextAt } = due(task.pace, order.perSecondMax, open.now);
  const moving: Moving[] = [];
  let { skipped, passedOver } = task.pass;
  let { hasSourceless } = task;
  let movingBytes = 0;
  let waitsUntil: EpochMs | undefined;
  const take = (looked: Looked, sequence: MovePass["cursor"]): boolean => {
    if (looked.kind === "unavailable" && looked.mayMatch) {
      passedOver ??= { sequence, skippedBefore: skipped };
    }
    if (looked.kind !== "matching") return true;
    if (!isMoving(looked)) {
      skipped += 1;
      hasSourceless ||= looked.fate.kind === "skipped" && looked.fate.why === "sourceless";
      return true;
    }
    if (moving.length === dueCount) {
      waitsUntil = nextAt;
      return false;
    }
    movingBytes += Math.max(looked.message.sizeBytes, looked.fate.edited.sizeBytes);
    const isEnough =
      moving.length === limits.moveCountMax ||
      (moving.length > 0 && movingBytes > limits.moveBytesMax);
    if (isEnough) return false;
    moving.push(looked);
    return true;
  };
  const cursor = new MoveLook(open, order, target).walk(task.pass.cursor, take);
  return {
    moving,
    pass: {
      cursor: cursor ?? order.upTo,
      hasMoved: task.pass.hasMoved || moving.length > 0,
      skipped,
      passedOver,
    },
    isPassOver: cursor === undefined,
    hasSourceless,
    pace,
    waitsUntil,
  };
}

const isMoving = (looked: MatchingMessage): looked is Moving => looked.fate.kind === "moves";

/**
 * How many messages are due. They are evenly spaced; a step that comes a little late makes up for it, one that comes later
 * than that, after a stop of the server or a leap of its clock, does not: the rate is what the destination can bear.
 */
function due(kept: MovePace, perSecondMax: number | undefined, now: EpochMs): Due {
  if (perSecondMax === undefined) {
    return { pace: kept, count: Number.POSITIVE_INFINITY, nextAt: undefined };
  }
  const dueAt = ({ since }: MovePace, count: number): EpochMs =>
    epochMs(since + Math.ceil((count * 1_000) / perSecondMax));
  const isLate = now - dueAt(kept, kept.count) > limits.moveCatchUpMsMax;
  const pace = isLate ? { since: now, count: 0 } : kept;
  const dueEver = Math.floor(((now - pace.since) * perSecondMax) / 1_000) + 1;
  const count = Math.max(0, dueEver - pace.count);
  return { pace, count, nextAt: dueAt(pace, pace.count + count) };
}

interface Due {
  readonly pace: MovePace;
  /** Messages that may be moved now. */
  readonly count: number;
  /** When the one after them may be. */
  readonly nextAt: EpochMs | undefined;
}

function move(open: OpenQueue, { message, delivery, fate }: Moving): void {
  const { transaction, stamp, now } = open;
  const { target, edited } = fate;
  remove(open, message, delivery);
  open.change({ moved: 1 });
  const into = open.other(target);
  const messageId = stamp.ids.messageId(now);
  const content = { ...edited.content, originalMessageId: message.messageId };
  admit(into, {
    messageId,
    sentAt: now,
    expiresAt: message.expiresAt,
    sizeBytes: edited.sizeBytes,
    priority: message.priority,
    // An id of its own: no window has seen it, and none needs to.
    content: target.isFifo ? { ...content, dedupId: uuidText(messageId) } : content,
    dueAt: undefined,
    hasOldId: false,
    past: {
      earlierReceives: (delivery?.earlierReceives ?? 0) + (delivery?.receiveCount ?? 0),
      firstReceivedAt: delivery?.firstReceivedAt,
      rejection: delivery?.rejection,
      undelivered: undefined,
      origin: { at: now, deadLetter: undefined },
      attempts: delivery?.attempts ?? [],
    },
  });
  into.change({ arrived: 1 });
  transaction.wake(target.number);
}

interface AfterStep {
  readonly task: MoveTask;
  readonly order: MoveOrder;
  readonly collected: Collected;
  readonly now: EpochMs;
}

function afterStep({ task, order, collected, now }: AfterStep): MoveTask {
  const { pass, hasSourceless } = collected;
  const moved = task.moved + collected.moving.length;
  const pace = { ...collected.pace, count: collected.pace.count + collected.moving.length };
  const stepped: MoveTask = { ...task, moved, hasSourceless, pass, pace };
  // Each id is moved at most once: what is moved gets another.
  const idCount = order.filter?.messageIds.length ?? 0;
  const hasMovedAll = idCount > 0 && moved === idCount;
  if (!collected.isPassOver && !hasMovedAll) return stepped;
  const { passedOver } = pass;
  if (pass.hasMoved && passedOver !== undefined) {
    return {
      ...stepped,
      skipped: pass.skipped,
      pass: {
        cursor: passedOver.sequence,
        hasMoved: false,
        skipped: passedOver.skippedBefore,
        passedOver: undefined,
      },
    };
  }
  return { ...stepped, skipped: pass.skipped, state: endOf(moved, pass, hasSourceless, now) };
}

const endOf = (
  moved: number,
  { skipped }: MovePass,
  hasSourceless: boolean,
  now: EpochMs,
): MoveState =>
  moved === 0 && skipped > 0 && hasSourceless
    ? { kind: "failed", endedAt: now, reason: "COULD_NOT_DETERMINE_SOURCE" }
    : { kind: "completed", endedAt: now };
