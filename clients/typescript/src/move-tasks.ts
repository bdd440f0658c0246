// Move tasks: taking messages out of a dead-letter queue, all or chosen ones, as they are or changed on the way. The server
// does the moving; this side starts it, looks at it and cancels it.

import {
  MoveTaskStatus as Statuses,
  type MoveEdit as WireEdit,
  type MoveFilter as WireFilter,
  type MessageMoveTask as WireTask,
} from "../gen/forebay/queue/v1/queue.js";
import {
  type PreviewMessageMoveTaskResponse,
  QueueServiceDefinition,
} from "../gen/forebay/queue/v1/queue_service.js";
import {
  type Attributes,
  type AttributesInput,
  attributesFromWire,
  attributesToWire,
} from "./attributes.js";
import { type Choice, choiceOf } from "./choices.js";
import type { CallOptions, Connection } from "./connection.js";
import { dateOf, durationOf, millisecondsOf } from "./durations.js";
import { PeekedMessage } from "./messages.js";
import { type Body, bodyToWire } from "./outgoing.js";
import { pages } from "./pages.js";
import type { RequestIdOption } from "./queue-calls.js";
import { newRequestId } from "./random.js";

const { methods } = QueueServiceDefinition;

/** Which messages a move takes: those that everything given agrees with. */
export interface MoveFilter {
  /** Only these messages; at most 1000 ids. */
  readonly messageIds?: readonly string[] | undefined;
  /** Only messages with every one of these attributes, of exactly this text (String and Number); at most 10. */
  readonly attributes?: Readonly<Record<string, string>> | undefined;
  /** Only messages whose last rejection has this reason. */
  readonly rejectionReason?: string | undefined;
  /** Only messages that were dead-lettered from this queue. */
  readonly deadLetterSourceQueue?: string | undefined;
  /** Only messages of this group. */
  readonly groupId?: string | undefined;
  /** Only messages whose body contains this text; at most 1024 bytes. */
  readonly bodyContains?: string | undefined;
  /** Only messages that have been in the source for at least this long, in milliseconds. */
  readonly minimumAgeMs?: number | undefined;
  /** Only messages that have been in the source for at most this long, in milliseconds. */
  readonly maximumAgeMs?: number | undefined;
}

/** What a move changes in the messages it takes; one that would pass 10 attributes or 1048576 bytes is skipped. */
export interface MoveEdit {
  /** Attributes to set, replacing those of the same name. */
  readonly setAttributes?: AttributesInput | undefined;
  /** Attributes to remove, at most 10; an absent one is fine. */
  readonly removeAttributes?: readonly string[] | undefined;
  /** A body for all of them. Default: each keeps its own. */
  readonly body?: Body | undefined;
  /** A group for all of them. Default: each keeps its own. */
  readonly groupId?: string | undefined;
}

/** What to move, where to, and what to change on the way. */
export interface MoveOptions {
  /**
   * The queue to move to, of the same type. Default: the queue that each message was dead-lettered from; one that was sent here,
   * or came by a move task, has none and is skipped.
   */
  readonly destination?: string | undefined;
  /** Default: all messages. */
  readonly filter?: MoveFilter | undefined;
  /** Default: nothing is changed. */
  readonly edit?: MoveEdit | undefined;
}

export interface StartMoveOptions extends MoveOptions, CallOptions, RequestIdOption {
  /** Messages a second at most. Range: 1 to 500. Default: as fast as the server likes. */
  readonly maxPerSecond?: number | undefined;
}

export interface PreviewMoveOptions extends MoveOptions, CallOptions {
  /** Samples to return at most. Range: 0 to 10. Default: 3. */
  readonly sampleCount?: number | undefined;
  /** Bytes of each sample's body at most. Range: 0 to 1048576, the default. */
  readonly bodyBytesMax?: number | undefined;
}

export interface ListMovesOptions extends CallOptions {
  /** Tasks asked for at a time. Range: 1 to 10, the default. */
  readonly pageSize?: number | undefined;
}

/** What a move would do now. */
export interface MovePreview {
  /** Messages that would be moved. */
  readonly matchingMessageCount: number;
  /** Visible messages that the filter leaves out. */
  readonly otherMessageCount: number;
  /** Matching messages that would be left in place: no source to go to, or the edit cannot be applied to them. */
  readonly skippedMessageCount: number;
  /** Messages in flight or delayed, which would stay unless they become visible before the move ends. */
  readonly unavailableMessageCount: number;
  /** Matching messages by the queue they would go to, at most 100 queues. */
  readonly destinationMessageCounts: Readonly<Record<string, number>>;
  /** Matching messages by the reason of their last rejection, at most 100 reasons; those without one under the empty text. */
  readonly rejectionReasonCounts: Readonly<Record<string, number>>;
  /** The first matching messages, as they would arrive. */
  readonly samples: readonly PeekedMessage[];
}

/**
 * What a move task is doing: RUNNING; COMPLETED; CANCELLING, while its last step ends; CANCELLED, what was moved stays moved;
 * FAILED, see `failureReason`, the rest stays in the source.
 */
export type MoveTaskStatus = Choice<typeof Statuses>;

/** A move task as the server describes it. */
export interface MoveTaskDescription {
  /** The handle to cancel it with; undefined unless it is RUNNING. */
  readonly taskHandle: string | undefined;
  readonly status: MoveTaskStatus;
  /** The queue it moves from. */
  readonly source: string;
  /** The queue it moves to; undefined: each message's recorded source. */
  readonly destination: string | undefined;
  /** Messages a second at most; undefined: as fast as the server likes. */
  readonly maxPerSecond: number | undefined;
  /** Messages moved so far. */
  readonly movedMessageCount: number;
  /** Visible messages in the source when it started. */
  readonly toMoveMessageCount: number;
  /** Messages left in place: no source to go to, or the edit cannot be applied to them. */
  readonly skippedMessageCount: number;
  /** FAILED: why. COULD_NOT_DETERMINE_SOURCE, DESTINATION_NOT_FOUND, RECORD_CORRUPT, or what only a newer server says. */
  readonly failureReason: string | undefined;
  readonly startTime: Date | undefined;
  /** Undefined while it runs. */
  readonly endTime: Date | undefined;
  /** Which messages it takes; undefined: all. */
  readonly filter: MoveFilter | undefined;
  /** What it changes in them; undefined: nothing. */
  readonly edit: (MoveEdit & { readonly setAttributes?: Attributes | undefined }) | undefined;
}

/** A move task that was started. */
export class MoveTask {
  /** The handle to cancel it with, also from elsewhere: `ForebayClient.cancelMove`. */
  readonly taskHandle: string;
  /** The queue it moves from. */
  readonly source: string;
  readonly #connection: Connection;
  #startMs: number | undefined;

  /** Use `Queue.startMove`. */
  constructor(taskHandle: string, source: string, connection: Connection) {
    this.taskHandle = taskHandle;
    this.source = source;
    this.#connection = connection;
  }

  /**
   * Cancels it; what was moved stays moved. Returns how many messages that is.
   *
   * @throws ForebayError MOVE_TASK_NOT_RUNNING.
   */
  cancel(options?: CallOptions): Promise<number> {
    return cancelMove(this.#connection, this.taskHandle, options);
  }

  /**
   * What it is doing, as the source's list of tasks says. There a task has a handle only while it runs; one that has ended is
   * found by its start, known from an earlier look, and without one is the newest of the list.
   *
   * @throws ForebayError MOVE_RESOURCE_NOT_FOUND if the source is gone, and its tasks with it.
   */
  async status(options: CallOptions = {}): Promise<MoveTaskDescription> {
    for await (const task of listMoves(this.#connection, this.source, options)) {
      if (task.taskHandle === this.taskHandle) this.#startMs = task.startTime?.getTime();
      if (this.#startMs === undefined || this.#startMs === task.startTime?.getTime()) return task;
    }
    throw new Error(`The server does not list this move from ${this.source} any more.`);
  }
}

export async function startMove(
  connection: Connection,
  source: string,
  options: StartMoveOptions,
): Promise<MoveTask> {
  const { requestId = newRequestId(), maxPerSecond } = options;
  const request = { source, ...moveToWire(options), maxPerSecond, requestId };
  const { taskHandle } = await connection.unary(methods.startMessageMoveTask, request, options);
  return new MoveTask(taskHandle, source, connection);
}

export async function previewMove(
  connection: Connection,
  source: string,
  options: PreviewMoveOptions,
): Promise<MovePreview> {
  const { sampleCount, bodyBytesMax } = options;
  const request = { source, ...moveToWire(options), sampleCount, bodyBytesMax };
  return previewOf(await connection.unary(methods.previewMessageMoveTask, request, options));
}

export async function cancelMove(
  connection: Connection,
  taskHandle: string,
  options?: CallOptions,
): Promise<number> {
  const request = { taskHandle };
  const response = await connection.unary(methods.cancelMessageMoveTask, request, options);
  return Number(response.movedMessageCount);
}

export function listMoves(
  connection: Connection,
  source: string,
  options: ListMovesOptions,
): AsyncGenerator<MoveTaskDescription, void, undefined> {
  return pages(async (pageToken) => {
    // A source keeps at least its last 10 tasks; the contract's own default is one a page.
    const request = { source, pageSize: options.pageSize ?? 10, pageToken };
    const response = await connection.unary(methods.listMessageMoveTasks, request, options);
    return { items: response.tasks.map(taskOf), nextPageToken: response.nextPageToken };
  });
}

function moveToWire({ destination = "", filter, edit }: MoveOptions) {
  return {
    destination,
    filter: filter && filterToWire(filter),
    edit: edit && editToWire(edit),
  };
}

function filterToWire(filter: MoveFilter): WireFilter {
  return {
    messageIds: [...(filter.messageIds ?? [])],
    attributes: new Map(Object.entries(filter.attributes ?? {})),
    rejectionReason: filter.rejectionReason ?? "",
    deadLetterSourceQueue: filter.deadLetterSourceQueue ?? "",
    groupId: filter.groupId ?? "",
    bodyContains: filter.bodyContains ?? "",
    minimumAge: durationOf(filter.minimumAgeMs),
    maximumAge: durationOf(filter.maximumAgeMs),
  };
}

function editToWire(edit: MoveEdit): WireEdit {
  return {
    setAttributes: attributesToWire(edit.setAttributes),
    removeAttributes: [...(edit.removeAttributes ?? [])],
    body: edit.body === undefined ? undefined : bodyToWire(edit.body),
    groupId: edit.groupId ?? "",
  };
}

function taskOf(wire: WireTask): MoveTaskDescription {
  return {
    taskHandle: wire.taskHandle || undefined,
    // A state that only a newer server knows is one of a task under way: all ends are known.
    status: choiceOf(Statuses, wire.status) ?? "RUNNING",
    source: wire.source,
    destination: wire.destination || undefined,
    maxPerSecond: wire.maxPerSecond || undefined,
    movedMessageCount: Number(wire.movedMessageCount),
    toMoveMessageCount: Number(wire.toMoveMessageCount),
    skippedMessageCount: Number(wire.skippedMessageCount),
    failureReason: wire.failureReason || undefined,
    startTime: dateOf(wire.startTime),
    endTime: dateOf(wire.endTime),
    filter: wire.filter && filterOf(wire.filter),
    edit: wire.edit && editOf(wire.edit),
  };
}

function filterOf(wire: WireFilter): MoveFilter {
  return {
    messageIds: wire.messageIds.length > 0 ? wire.messageIds : undefined,
    attributes: wire.attributes.size > 0 ? Object.fromEntries(wire.attributes) : undefined,
    rejectionReason: wire.rejectionReason || undefined,
    deadLetterSourceQueue: wire.deadLetterSourceQueue || undefined,
    groupId: wire.groupId || undefined,
    bodyContains: wire.bodyContains || undefined,
    minimumAgeMs: millisecondsOf(wire.minimumAge),
    maximumAgeMs: millisecondsOf(wire.maximumAge),
  };
}

function editOf(wire: WireEdit): NonNullable<MoveTaskDescription["edit"]> {
  return {
    setAttributes: wire.setAttributes.size > 0 ? attributesFromWire(wire.setAttributes) : undefined,
    removeAttributes: wire.removeAttributes.length > 0 ? wire.removeAttributes : undefined,
    body: wire.body?.value,
    groupId: wire.groupId || undefined,
  };
}

function previewOf(wire: PreviewMessageMoveTaskResponse): MovePreview {
  return {
    matchingMessageCount: Number(wire.matchingMessageCount),
    otherMessageCount: Number(wire.otherMessageCount),
    skippedMessageCount: Number(wire.skippedMessageCount),
    unavailableMessageCount: Number(wire.unavailableMessageCount),
    destinationMessageCounts: countsOf(wire.destinationMessageCounts),
    rejectionReasonCounts: countsOf(wire.rejectionReasonCounts),
    samples: wire.samples.map((sample) => new PeekedMessage(sample)),
  };
}

function countsOf(wire: ReadonlyMap<string, bigint>): Readonly<Record<string, number>> {
  return Object.fromEntries([...wire].map(([name, count]) => [name, Number(count)]));
}
