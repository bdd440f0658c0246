// Move tasks as things: started, cancelled, listed, found again after a restart. What they do is in `move-step.ts`.
//
// A source has one task that runs at most. A step is a single command, so none is ever half done when a cancel is decided: a
// task that is cancelled has ended at once.

import { limits } from "./limits.js";
import type { Queue } from "./model.js";
import type { MoveEdit, MoveFilter, MoveOrder, MoveTask, MoveTaskId } from "./move-task.js";
import { findQueue, type QueueAddress } from "./queue-name.js";
import { isDeadLetterQueue } from "./redrive.js";
import { accept, type Decided, reject } from "./rejections.js";
import { settleQueue } from "./settle.js";
import type { Stamp } from "./stamp.js";
import type { QueueTransaction, QueueView } from "./view.js";

/** What a task and its preview have in common. */
export interface MoveRequest {
  readonly source: QueueAddress;
  /** Undefined: each message goes to the queue it was dead-lettered from. */
  readonly destination: QueueAddress | undefined;
  readonly filter: MoveFilter | undefined;
  readonly edit: MoveEdit | undefined;
}

export interface MoveEnds {
  readonly source: Queue;
  readonly destination: Queue | undefined;
}

/** The queues of a move, or why there cannot be one. */
export function findMoveEnds(
  view: QueueView,
  { source: from, destination: to }: MoveRequest,
): Decided<MoveEnds> {
  const source = findQueue(view, from);
  if (source === undefined) return missing(from);
  const destination = to && findQueue(view, to);
  if (to !== undefined && destination === undefined) return missing(to);
  if (!isDeadLetterQueue(view, from.namespace, from.name)) {
    return reject({ kind: "move_source_not_dead_letter_queue", queue: from.given });
  }
  if (to !== undefined && destination?.isFifo !== source.isFifo) {
    const names = { queue: from.given, deadLetterQueue: to.given };
    return reject({ kind: "dead_letter_queue_type_mismatch", ...names });
  }
  return accept({ source, destination });
}

const missing = ({ given }: QueueAddress): Decided<never> =>
  reject({ kind: "move_resource_not_found", resource: "queue", name: given });

export interface StartMove extends MoveRequest {
  readonly perSecondMax: number | undefined;
}

export function decideStartMove(
  transaction: QueueTransaction,
  command: StartMove,
  stamp: Stamp,
): Decided<MoveTaskId> {
  const found = findMoveEnds(transaction, command);
  if (found.kind === "rejected") return found;
  const { source, destination } = found.outcome;
  const earlier = [...transaction.moveTasks(source.number)];
  if (earlier.some(({ state }) => state.kind === "running")) {
    return reject({ kind: "move_task_already_running", queue: command.source.given });
  }
  for (const task of earlier.slice(0, -limits.moveTasksKept)) transaction.removeMoveTask(task);
  const { open } = settleQueue(transaction, source, stamp);
  const { nextSequence: upTo, stored, inFlight, delayed } = open.counters;
  const id: MoveTaskId = { source: source.number, number: stamp.ids.queueNumber(stamp.now) };
  const order: MoveOrder = {
    ...id,
    from: meant(source),
    to: destination && meant(destination),
    perSecondMax: command.perSecondMax,
    filter: command.filter,
    edit: command.edit,
    startedAt: stamp.now,
    upTo,
    toMove: stored - inFlight - delayed,
  };
  transaction.insertMoveTask(
    {
      ...id,
      state: { kind: "running" },
      moved: 0,
      skipped: 0,
      hasSourceless: false,
      pass: { cursor: firstPlace, hasMoved: false, skipped: 0, passedOver: undefined },
      pace: { since: stamp.now, count: 0 },
    },
    order,
  );
  return accept(id);
}

const firstPlace = 0 as MoveTask["pass"]["cursor"];

const meant = ({ number, namespace, name }: Queue): MoveOrder["from"] => ({
  number,
  namespace,
  name,
});

/** Does what time has changed in a source, so that what is visible now counts as visible. Again, if there is more. */
export function decideSettleSource(
  transaction: QueueTransaction,
  address: QueueAddress,
  stamp: Stamp,
): Decided<{ readonly hasMore: boolean }> {
  const queue = findQueue(transaction, address);
  if (queue === undefined) return accept({ hasMore: false });
  const { hasMore } = settleQueue(transaction, queue, stamp);
  return accept({ hasMore });
}

export interface CancelMove {
  readonly id: MoveTaskId;
  /** The handle as it was given. */
  readonly given: string;
}

export function decideCancelMove(
  transaction: QueueTransaction,
  { id, given }: CancelMove,
  stamp: Stamp,
): Decided<{ readonly movedCount: number }> {
  const task = transaction.moveTask(id);
  if (task === undefined) {
    return reject({ kind: "move_resource_not_found", resource: "move_task", name: given });
  }
  if (task.state.kind !== "running") return reject({ kind: "move_task_not_running" });
  transaction.putMoveTask({ ...task, state: { kind: "cancelled", endedAt: stamp.now } });
  return accept({ movedCount: task.moved });
}

export interface ListMoves {
  readonly source: QueueAddress;
  /** The last task of the page before; undefined: from the newest. */
  readonly before: MoveTask["number"] | undefined;
  readonly countMax: number;
  /** Of orders; one is always listed. */
  readonly bytesMax: number;
}

export interface ListedMove {
  readonly task: MoveTask;
  readonly order: MoveOrder;
}

export function decideListMoves(
  transaction: QueueTransaction,
  { source, before, countMax, bytesMax }: ListMoves,
): Decided<{ readonly moves: readonly ListedMove[]; readonly hasMore: boolean }> {
  const queue = findQueue(transaction, source);
  if (queue === undefined) return missing(source);
  const moves: ListedMove[] = [];
  let bytes = 0;
  const tasks = [...transaction.moveTasks(queue.number)].reverse();
  for (const task of tasks) {
    if (before !== undefined && task.number >= before) continue;
    const order = transaction.moveOrder(task);
    if (order === undefined) continue;
    bytes += orderBytes(order);
    const isFull = moves.length === countMax || (moves.length > 0 && bytes > bytesMax);
    if (isFull) return accept({ moves, hasMore: true });
    moves.push({ task, order });
  }
  return accept({ moves, hasMore: false });
}

/** About what filter and edit take. */
export function orderBytes({ filter, edit }: Pick<MoveOrder, "filter" | "edit">): number {
  let bytes = 1_024;
  if (filter !== undefined) {
    bytes += filter.messageIds.length * 40 + filter.bodyContains.length;
    for (const [name, value] of filter.attributes) {
      bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
    }
  }
  if (edit !== undefined) {
    bytes += edit.body?.bytes.length ?? 0;
    for (const { name, dataType, value } of edit.setAttributes) {
      bytes += Buffer.byteLength(name) + Buffer.byteLength(dataType) + value.length;
    }
    for (const name of edit.removeAttributes) bytes += Buffer.byteLength(name);
  }
  return bytes;
}

export interface FindMoves {
  /** The last task looked at; undefined: from the start. */
  readonly after: MoveTaskId | undefined;
  readonly countMax: number;
}

/** Tasks that run, for going on with them after a restart; `last` is undefined at the end. */
export function decideFindMoves(
  transaction: QueueTransaction,
  { after, countMax }: FindMoves,
): Decided<{ readonly running: readonly MoveTaskId[]; readonly last: MoveTaskId | undefined }> {
  const running: MoveTaskId[] = [];
  let count = 0;
  for (const { source, number, state } of transaction.moveTasksAfter(after)) {
    if (state.kind === "running") running.push({ source, number });
    count += 1;
    if (count === countMax) return accept({ running, last: { source, number } });
  }
  return accept({ running, last: undefined });
}

/** The queue is gone, and with it the tasks that moved its messages. */
export function removeMoves(transaction: QueueTransaction, source: Queue): void {
  for (const task of [...transaction.moveTasks(source.number)]) transaction.removeMoveTask(task);
}
