// What a consumer tells its stream of settlements and of handles, in as few requests as the contract allows.

import type { ConsumeRequest } from "../gen/forebay/queue/v1/queue_service.js";
import type { Settlement } from "./consumed-message.js";
import { consumeHandlesMax } from "./limits.js";

export type Request = NonNullable<ConsumeRequest["request"]>;

/** The requests that tell of settlements: one for all acks, one for each way of giving back. */
export function requestsFor(settlements: ReadonlyMap<string, Settlement>): Request[] {
  const groups = new Map<string, { settlement: Settlement; handles: string[] }>();
  for (const [handle, settlement] of settlements) {
    const key = settlement.kind === "ack" ? "ack" : JSON.stringify(settlement, bigintAsText);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { settlement, handles: [handle] });
    else group.handles.push(handle);
  }
  return [...groups.values()].flatMap(({ settlement, handles }) => {
    return partsOf(handles).map((part) => requestFor(settlement, part));
  });
}

/** As many as a request takes, each. */
export function partsOf(handles: readonly string[]): string[][] {
  const parts: string[][] = [];
  for (let at = 0; at < handles.length; at += consumeHandlesMax) {
    parts.push(handles.slice(at, at + consumeHandlesMax));
  }
  return parts;
}

function bigintAsText(_: string, value: unknown): unknown {
  return typeof value === "bigint" ? String(value) : value;
}

function requestFor(settlement: Settlement, receiptHandles: string[]): Request {
  switch (settlement.kind) {
    case "ack":
      return { $case: "ack", value: { receiptHandles } };
    case "nack":
      return { $case: "nack", value: { receiptHandles, delay: settlement.delay } };
    case "reject":
      return { $case: "reject", value: { receiptHandles, ...settlement.rejection } };
  }
}
