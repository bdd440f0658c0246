// What a consumer of a durable stream tells the server of handles, in as few requests as the contract allows.

import type { ConsumeRequest } from "../gen/forebay/topic/v1/topic_service.js";
import { partsOf } from "./consume-requests.js";
import { durationOf } from "./durations.js";

/** What is told of a message. */
export type ConsumeCommand =
  | { readonly kind: "ack" }
  | { readonly kind: "nack"; readonly delayMs: number }
  | { readonly kind: "reject"; readonly reason: string }
  | { readonly kind: "extend"; readonly deadlineMs: number };

export type StreamRequest = NonNullable<ConsumeRequest["command"]>;

/** Requests for commands in their order; neighbours that say the same of different messages go together. */
export function streamRequestsFor(
  told: readonly { readonly handle: string; readonly command: ConsumeCommand }[],
): StreamRequest[] {
  const groups: { key: string; command: ConsumeCommand; handles: string[] }[] = [];
  for (const { handle, command } of told) {
    const key = JSON.stringify(command);
    const last = groups.at(-1);
    if (last?.key === key && !last.handles.includes(handle)) last.handles.push(handle);
    else groups.push({ key, command, handles: [handle] });
  }
  return groups.flatMap(({ command, handles }) =>
    partsOf(handles).map((part) => requestFor(command, part)),
  );
}

function requestFor(command: ConsumeCommand, handles: string[]): StreamRequest {
  switch (command.kind) {
    case "ack":
      return { $case: "ack", value: { handles } };
    case "nack":
      return { $case: "nack", value: { handles, delay: durationOf(command.delayMs) } };
    case "reject":
      return { $case: "reject", value: { handles, reason: command.reason } };
    case "extend":
      return { $case: "extend", value: { handles, ackDeadline: durationOf(command.deadlineMs) } };
  }
}
