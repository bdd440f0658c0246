// Move tasks at the wire: start, preview, cancel, list.

import type { Mover } from "../engine/mover.js";
import { StartMessageMoveTaskRequest } from "../gen/forebay/queue/v1/queue_service.js";
import { limits } from "../queue/limits.js";
import { decidePreviewMove, type PreviewPosition } from "../queue/move-preview.js";
import type { MoveTaskId } from "../queue/move-task.js";
import {
  decideCancelMove,
  decideListMoves,
  decideSettleSource,
  decideStartMove,
  orderBytes,
} from "../queue/move-tasks.js";
import { decideOnce } from "../queue/once.js";
import type { QueueAddress } from "../queue/queue-name.js";
import type { CallContext } from "./call.js";
import type { CommandRunner } from "./command-runner.js";
import {
  commandBytes,
  createTools,
  localCaller,
  outcomeOf,
  parsePageToken,
  type QueueHandlerParts,
  type QueueHandlers,
  run,
} from "./handler-context.js";
import type { MoveHandles } from "./move-handle.js";
import { inOneOrder, parseMoveRequest } from "./parse-move.js";
import { parseAddress } from "./parse-queue.js";
import { PreviewTally } from "./preview-tally.js";
import { renderMove } from "./render-move.js";
import { jsonCodec } from "./request-ids.js";
import { parseCount, Violations } from "./violations.js";
import { faultOf } from "./wire-errors.js";

export interface MoveHandlerParts extends QueueHandlerParts {
  readonly moveHandles: MoveHandles;
  /** Runs the tasks that are started. */
  readonly mover: Pick<Mover, "begin">;
}

type MoveMethods =
  | "startMessageMoveTask"
  | "previewMessageMoveTask"
  | "cancelMessageMoveTask"
  | "listMessageMoveTasks";

export function createMoveHandlers(parts: MoveHandlerParts): Pick<QueueHandlers, MoveMethods> {
  const { engine, pageTokens, moveHandles, mover } = parts;
  const { namespace } = localCaller;
  const { identify } = createTools(parts);
  return {
    startMessageMoveTask: async (request, context) => {
      const violations = new Violations();
      const move = parseMoveRequest(violations, request, namespace);
      const perSecondMax = parseCount(violations, "max_per_second", request.maxPerSecond, {
        min: 1,
        max: limits.moveRateMax,
      });
      const identity = identify(violations, request.requestId, "StartMessageMoveTask", () =>
        StartMessageMoveTaskRequest.encode({ ...inOneOrder(request), requestId: "" }).finish(),
      );
      violations.throwIfAny();
      await settled(engine, move.source, context);
      const { outcome, isReplayed } = outcomeOf(
        await engine.execute({
          name: "StartMessageMoveTask",
          bytes: commandBytes + orderBytes(move),
          isGrowing: true,
          decide: (transaction, stamp) =>
            decideOnce(transaction, stamp, identity, jsonCodec<MoveTaskId>(), () =>
              decideStartMove(transaction, { ...move, perSecondMax }, stamp),
            ),
        }),
      );
      mover.begin(outcome);
      return { taskHandle: moveHandles.encode(outcome), replayed: isReplayed };
    },

    previewMessageMoveTask: async (request, context) => {
      const violations = new Violations();
      const move = parseMoveRequest(violations, request, namespace);
      const sampleMax =
        parseCount(violations, "sample_count", request.sampleCount, {
          min: 0,
          max: limits.previewSamplesMax,
        }) ?? limits.previewSamplesDefault;
      const bodyBytesMax =
        parseCount(violations, "body_bytes_max", request.bodyBytesMax, {
          min: 0,
          max: limits.messageBytesMax,
        }) ?? limits.messageBytesMax;
      violations.throwIfAny();
      await settled(engine, move.source, context);
      const tally = new PreviewTally({ callerNamespace: namespace, sampleMax, bodyBytesMax });
      let from: PreviewPosition | undefined;
      // As many commands as the source has thousands of messages; nobody waits beyond his deadline.
      do {
        const previewed = await run(engine, "PreviewMessageMoveTask", (transaction, stamp) =>
          decidePreviewMove(transaction, { ...move, from, sampleMax: tally.samplesLeft }, stamp),
        );
        tally.add(previewed);
        from = previewed.next;
        if (from !== undefined) await others();
      } while (from !== undefined && !context.isCancelled);
      return tally.answer();
    },

    cancelMessageMoveTask: async (request) => {
      const given = request.taskHandle;
      const violations = new Violations();
      if (given === "") {
        violations.add("MISSING_PARAMETER", "task_handle", "the handle of the task is needed");
      }
      violations.throwIfAny();
      const id = moveHandles.decode(given);
      if (id === undefined) throw faultOf({ kind: "move_task_handle_invalid" });
      const { movedCount } = await run(engine, "CancelMessageMoveTask", (transaction, stamp) =>
        decideCancelMove(transaction, { id, given }, stamp),
      );
      return { movedMessageCount: BigInt(movedCount) };
    },

    listMessageMoveTasks: async (request) => {
      const violations = new Violations();
      const source = parseAddress(violations, request.source, namespace, "source");
      const countMax =
        parseCount(violations, "page_size", request.pageSize, {
          min: 1,
          max: limits.moveTaskPageMax,
        }) ?? 1;
      const scope = `moves ${source.namespace} ${source.name}`;
      const position = parsePageToken(violations, pageTokens, scope, request.pageToken);
      violations.throwIfAny();
      const { moves, hasMore } = await run(engine, "ListMessageMoveTasks", (transaction) =>
        decideListMoves(transaction, {
          source,
          before: position === "" ? undefined : Number(position),
          countMax,
          bytesMax: limits.replyBytesMax,
        }),
      );
      const last = moves.at(-1)?.task.number;
      return {
        tasks: moves.map((move) => renderMove(move, source, namespace, moveHandles)),
        nextPageToken: hasMore && last !== undefined ? pageTokens.encode(scope, String(last)) : "",
      };
    },
  };
}

/** Leases and delays that have ended count as visible, however many they are. */
async function settled(
  engine: CommandRunner,
  source: QueueAddress,
  context: CallContext,
): Promise<void> {
  for (;;) {
    const { hasMore } = await run(engine, "SettleSource", (transaction, stamp) =>
      decideSettleSource(transaction, source, stamp),
    );
    // Each turn settles up to limits.settleMax rows, so this ends.
    if (!hasMore || context.isCancelled) return;
  }
}

/** A command that changes nothing is answered at once, so a long row of them would keep everybody else waiting. */
const others = (): Promise<void> =>
  new Promise((resolve) => {
    setImmediate(resolve);
  });
