// Changes of the state as they come out of records: what the store needs to write them.

import { frameHeaderBytes } from "./bytes.js";
import type { StateChange } from "./replica-disk.js";

/** Behind the free bytes that the store seals. */
export function framedValue(value: Buffer | undefined): Buffer | undefined {
  if (value === undefined) return undefined;
  const framed = Buffer.allocUnsafe(frameHeaderBytes + value.length);
  value.copy(framed, frameHeaderBytes);
  return framed;
}

/**
 * Of several changes of a row the last one. What an earlier one said of chunks holds for it too, since those that stand there
 * are the ones before all of them.
 */
export function lastOfEach(changes: readonly StateChange[]): Iterable<StateChange> {
  if (changes.length < 2) return changes;
  const last = new Map<string, StateChange>();
  for (const change of changes) {
    const key = change.key.toString("latin1");
    const earlier = last.get(key);
    const mayReplaceChunks = change.mayReplaceChunks || earlier?.mayReplaceChunks === true;
    last.set(
      key,
      mayReplaceChunks === change.mayReplaceChunks ? change : { ...change, mayReplaceChunks },
    );
  }
  return last.values();
}
