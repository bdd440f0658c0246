// PeekMessages at the wire.

import { segmentNumber, sequence } from "../base/brands.js";
import { MessageState } from "../gen/forebay/queue/v1/message.js";
import { limits } from "../queue/limits.js";
import { decidePeekMessages, type PeekedState, type PeekPosition } from "../queue/peek-messages.js";
import {
  createTools,
  parsePageToken,
  type QueueHandlerParts,
  type QueueHandlers,
  run,
} from "./handler-context.js";
import { renderPeeked } from "./render.js";
import { checkListLength, listedMax, parseCount, Violations } from "./violations.js";

export function createPeekHandlers(parts: QueueHandlerParts): Pick<QueueHandlers, "peekMessages"> {
  const { engine, pageTokens } = parts;
  const { address } = createTools(parts);
  return {
    peekMessages: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.queue);
      const countMax =
        parseCount(violations, "page_size", request.pageSize, {
          min: 1,
          max: limits.peekPageMax,
        }) ?? limits.peekPageDefault;
      const bodyBytesMax =
        parseCount(violations, "body_bytes_max", request.bodyBytesMax, {
          min: 0,
          max: limits.messageBytesMax,
        }) ?? limits.messageBytesMax;
      checkListLength(violations, "attributes", request.attributes.size, limits.attributesMax);
      const states = parseStates(violations, request.states);
      const scope = `peek ${target.namespace}/${target.name} ${JSON.stringify([
        [...states].sort(),
        request.groupId,
        [...request.attributes].sort(),
        request.bodyContains,
      ])}`;
      const position = parsePageToken(violations, pageTokens, scope, request.pageToken);
      violations.throwIfAny();
      const { queue, messages, next } = await run(engine, "PeekMessages", (transaction, stamp) =>
        decidePeekMessages(
          transaction,
          {
            address: target,
            states,
            groupId: request.groupId,
            attributes: request.attributes,
            bodyContains: Buffer.from(request.bodyContains, "utf8"),
            countMax,
            bytesMax: limits.replyBytesMax - countMax * peekOverheadBytes,
            bodyBytesMax,
            from: parsePosition(position),
          },
          stamp,
        ),
      );
      return {
        messages: messages.map((message) => renderPeeked(message, queue, bodyBytesMax)),
        nextPageToken: next === undefined ? "" : pageTokens.encode(scope, positionText(next)),
      };
    },
  };
}

/** What a peeked message may take beside body and attributes: ids, times, trace header, a rejection's text. */
const peekOverheadBytes = 6_144;

const positionText = (position: PeekPosition): string => `${position.segment} ${position.sequence}`;

/** What `positionText` wrote, out of a token that was checked. */
function parsePosition(text: string): PeekPosition | undefined {
  const [segment, place] = text.split(" ");
  return segment === undefined || place === undefined
    ? undefined
    : { segment: segmentNumber(Number(segment)), sequence: sequence(Number(place)) };
}

const peekableStates = new Map<MessageState, PeekedState>([
  [MessageState.VISIBLE, "visible"],
  [MessageState.IN_FLIGHT, "in_flight"],
  [MessageState.DELAYED, "delayed"],
]);

function parseStates(
  violations: Violations,
  states: readonly MessageState[],
): ReadonlySet<PeekedState> {
  const parsed = new Set<PeekedState>();
  if (!checkListLength(violations, "states", states.length, listedMax)) return parsed;
  states.forEach((state, index) => {
    const known = peekableStates.get(state);
    if (known !== undefined) parsed.add(known);
    else
      violations.add(
        "INVALID_PARAMETER",
        `states[${index}]`,
        `must be VISIBLE, IN_FLIGHT or DELAYED, not ${state}`,
      );
  });
  return parsed;
}
