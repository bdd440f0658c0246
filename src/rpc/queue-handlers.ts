// The queue service at the wire: request to command, outcome to response. No rule of the business lives here.
//
// Every handler reads the same way: parse what was given, refuse it if anything is wrong, run one command, render its
// outcome. Shape errors end here; what depends on the state is decided by the rules under the engine.

import { createAdminHandlers } from "./admin-handlers.js";
import { createConsumeHandler } from "./consume-stream.js";
import { createRejectHandler } from "./give-back.js";
import { localCaller, type QueueHandlers } from "./handler-context.js";
import { createInspectHandlers } from "./inspect-handlers.js";
import { createMoveHandlers, type MoveHandlerParts } from "./move-handlers.js";
import { createPeekHandlers } from "./peek-handlers.js";
import { createPermissionHandlers } from "./permission-handlers.js";
import { createProduceHandler } from "./produce-stream.js";
import { createReceiveHandlers } from "./receive-handlers.js";
import { createScheduledHandlers } from "./scheduled-handlers.js";
import { createSendHandlers } from "./send-handlers.js";

export function createQueueHandlers(parts: MoveHandlerParts): QueueHandlers {
  const { engine, clock, receipts, draining } = parts;
  const { namespace, senderId } = localCaller;
  return {
    ...createAdminHandlers(parts),
    ...createSendHandlers(parts),
    ...createReceiveHandlers(parts),
    ...createRejectHandler(parts),
    ...createPeekHandlers(parts),
    ...createInspectHandlers(parts),
    ...createMoveHandlers(parts),
    ...createPermissionHandlers(parts),
    ...createScheduledHandlers(parts),
    produce: createProduceHandler({ engine, namespace, senderId, draining }),
    consume: createConsumeHandler({ engine, clock, namespace, receipts, draining }),
  };
}
