// Messages of FIFO groups that must not be handed out yet, because an earlier message of their group is being given back.
//
// The server takes them back with it and says so before it confirms, or at the same time; but they have arrived here already,
// and may be next. From the moment a give-back is asked for until it is answered, what waits of its group, and what still
// arrives, is withheld. What the server does not name as lost until then is handed out after all: the give-back was refused,
// or these are the messages' next deliveries.

import type { ConsumedMessage } from "./consumed-message.js";

interface Group {
  /** Handles whose give-back is not answered yet. */
  readonly asked: Set<string>;
  readonly withheld: ConsumedMessage[];
}

export class GroupHold {
  readonly #groups = new Map<string, Group>();

  /** A message of this group is being given back; `waiting` are the messages behind it that nobody has seen. */
  begin(groupId: string, handle: string, waiting: readonly ConsumedMessage[]): void {
    const group = this.#groups.get(groupId) ?? { asked: new Set(), withheld: [] };
    group.asked.add(handle);
    group.withheld.push(...waiting);
    this.#groups.set(groupId, group);
  }

  /** Withholds a message that has arrived, if something of its group is being given back. */
  withhold(message: ConsumedMessage): boolean {
    const group = message.groupId === undefined ? undefined : this.#groups.get(message.groupId);
    group?.withheld.push(message);
    return group !== undefined;
  }

  /** Forgets a message that is lost; false if it was not withheld. */
  forget(message: ConsumedMessage): boolean {
    const group = message.groupId === undefined ? undefined : this.#groups.get(message.groupId);
    const at = group?.withheld.indexOf(message) ?? -1;
    if (at < 0) return false;
    group?.withheld.splice(at, 1);
    return true;
  }

  /** A give-back was answered. Returns what may be handed out now, in order. */
  answered(groupId: string, handle: string): readonly ConsumedMessage[] {
    const group = this.#groups.get(groupId);
    if (!group?.asked.delete(handle) || group.asked.size > 0) return [];
    this.#groups.delete(groupId);
    return group.withheld;
  }

  clear(): void {
    this.#groups.clear();
  }
}
