// The groups under one command, as they change. A command may change a group many times, as a receive that takes ten messages
// of it does; its rows, and what the queue counts of its groups, are written once, when somebody is to read them or at the end.

import type { CountersChange } from "./counters.js";
import type { Group, Queue } from "./model.js";
import type { QueueTransaction } from "./view.js";

/** A group while one command changes it. */
export type GroupDraft = { -readonly [Name in keyof Group]: Group[Name] };

interface OpenGroup {
  /** As the view has it. */
  readonly previous: Group | undefined;
  /** Undefined: the command has removed it. */
  draft: GroupDraft | undefined;
}

export class OpenGroups {
  readonly #transaction: QueueTransaction;
  readonly #queue: Queue;
  #opened = new Map<string, OpenGroup>();

  constructor(transaction: QueueTransaction, queue: Queue) {
    this.#transaction = transaction;
    this.#queue = queue;
  }

  get isChanged(): boolean {
    return this.#opened.size > 0;
  }

  /** The group to be changed; undefined: there is none, and `add` may make it. */
  edit(id: string): GroupDraft | "unreadable" | undefined {
    const opened = this.#opened.get(id);
    if (opened !== undefined) return opened.draft;
    const previous = this.#transaction.findGroup(this.#queue, id);
    if (previous === undefined || previous === "unreadable") return previous;
    const draft = { ...previous };
    this.#opened.set(id, { previous, draft });
    return draft;
  }

  /** A new group, or one begun anew whose row cannot be read. */
  add(draft: GroupDraft): void {
    const opened = this.#opened.get(draft.id);
    if (opened === undefined) this.#opened.set(draft.id, { previous: undefined, draft });
    else opened.draft = draft;
  }

  /** Of a group that is being edited. */
  remove(id: string): void {
    const opened = this.#opened.get(id);
    if (opened !== undefined) opened.draft = undefined;
  }

  /** Writes what was changed; `count` is told what that means for the queue's counters. */
  write(count: (change: CountersChange) => void): void {
    if (this.#opened.size === 0) return;
    for (const { previous, draft } of this.#opened.values()) {
      countGroup(previous, draft, count);
      if (draft !== undefined) this.#transaction.putGroup(this.#queue, draft, previous);
      else if (previous !== undefined) this.#transaction.removeGroup(this.#queue, previous);
    }
    // From here on the drafts are rows like others, which nobody changes.
    this.#opened = new Map();
  }
}

/** What the queue counts of its groups. */
function countGroup(
  before: Group | undefined,
  now: Group | undefined,
  count: (change: CountersChange) => void,
): void {
  const groups = Number(now !== undefined) - Number(before !== undefined);
  const groupsInFlight = Number((now?.inFlight ?? 0) > 0) - Number((before?.inFlight ?? 0) > 0);
  const limitedGroups =
    Number(now?.standing.kind === "limited") - Number(before?.standing.kind === "limited");
  if (limitedGroups !== 0) count({ limitedGroups });
  if (groups !== 0 || groupsInFlight !== 0) count({ groups, groupsInFlight });
  const noisyBefore = before?.isNoisy === true ? before : undefined;
  const noisyNow = now?.isNoisy === true ? now : undefined;
  if (noisyBefore === undefined && noisyNow === undefined) return;
  const difference = (name: "stored" | "inFlight" | "delayed"): number =>
    (noisyNow?.[name] ?? 0) - (noisyBefore?.[name] ?? 0);
  count({
    noisyGroups: Number(noisyNow !== undefined) - Number(noisyBefore !== undefined),
    noisyStored: difference("stored"),
    noisyInFlight: difference("inFlight"),
    noisyDelayed: difference("delayed"),
  });
}
