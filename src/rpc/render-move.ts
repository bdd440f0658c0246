// Move tasks as messages of the contract.

import type { DurationMs, Namespace } from "../base/brands.js";
import {
  type MessageMoveTask,
  MoveTaskStatus,
  type MoveEdit as WireEdit,
  type MoveFilter as WireFilter,
} from "../gen/forebay/queue/v1/queue.js";
import { type MoveEdit, type MoveFilter, skippedCount } from "../queue/move-task.js";
import type { ListedMove } from "../queue/move-tasks.js";
import type { QueueAddress } from "../queue/queue-name.js";
import type { MoveHandles } from "./move-handle.js";
import { messageIdTexts } from "./parse-move.js";
import { duration, renderBody, renderMessageAttributes, timestamp } from "./render.js";

const statuses = {
  running: MoveTaskStatus.RUNNING,
  completed: MoveTaskStatus.COMPLETED,
  cancelled: MoveTaskStatus.CANCELLED,
  failed: MoveTaskStatus.FAILED,
} as const;

export function renderMove(
  { task, order }: ListedMove,
  source: QueueAddress,
  callerNamespace: Namespace,
  handles: MoveHandles,
): MessageMoveTask {
  const { state } = task;
  return {
    taskHandle: state.kind === "running" ? handles.encode(task) : "",
    status: statuses[state.kind],
    source: source.given,
    destination: order.to === undefined ? "" : nameFor(callerNamespace, order.to),
    maxPerSecond: order.perSecondMax ?? 0,
    movedMessageCount: BigInt(task.moved),
    toMoveMessageCount: BigInt(order.toMove),
    skippedMessageCount: BigInt(skippedCount(task)),
    failureReason: state.kind === "failed" ? state.reason : "",
    startTime: timestamp(order.startedAt),
    endTime: state.kind === "running" ? undefined : timestamp(state.endedAt),
    filter: order.filter && renderFilter(order.filter),
    edit: order.edit && renderEdit(order.edit),
  };
}

/** How a caller names a queue. */
export const nameFor = (
  callerNamespace: Namespace,
  { namespace, name }: { readonly namespace: Namespace; readonly name: string },
): string => (namespace === callerNamespace ? name : `${namespace}/${name}`);

const renderFilter = (filter: MoveFilter): WireFilter => ({
  messageIds: messageIdTexts(filter),
  attributes: new Map(filter.attributes),
  rejectionReason: filter.rejectionReason ?? "",
  deadLetterSourceQueue: filter.deadLetterSource ?? "",
  groupId: filter.groupId ?? "",
  bodyContains: filter.bodyContains.toString("utf8"),
  minimumAge: renderAge(filter.ageMsMin),
  maximumAge: renderAge(filter.ageMsMax),
});

const renderAge = (ageMs: DurationMs | undefined): WireFilter["minimumAge"] =>
  ageMs === undefined ? undefined : duration(ageMs);

const renderEdit = ({ setAttributes, removeAttributes, body, groupId }: MoveEdit): WireEdit => ({
  setAttributes: renderMessageAttributes(setAttributes),
  removeAttributes: [...removeAttributes],
  body: body && renderBody(body.isText, body.bytes),
  groupId: groupId ?? "",
});
