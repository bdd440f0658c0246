// The single writer.
//
// Commands are decided one after another over view and overlay. What is decided while a commit is in flight forms the next
// record; each record is one batch, one in flight; replies go out when theirs is flushed (group commit). A command that
// changed nothing but may have seen uncommitted rows waits for the record it saw. Waiters are tried as part of the turn that
// woke them, so that nobody who came later overtakes them, and are answered, like everybody, after the commit.
//
// When the disk is full the failed record was not stored, and nothing derived from it has left the process: everything
// uncommitted is forgotten and decided anew, with the commands that would grow the store refused. So deletes and receives
// go on. Any other failure of a commit ends the process.

import { assert, InvariantViolation } from "../base/assert.js";
import type { EpochMs, QueueNumber } from "../base/brands.js";
import type { Clock, Timer } from "../base/clock.js";
import type { Ids } from "../base/ids.js";
import type { RecordCorrupt } from "../base/record-corrupt.js";
import type { Stamp } from "../queue/stamp.js";
import { StorageFull } from "../store/commit-fault.js";
import { nodeKey } from "../store/keys.js";
import { QueueState } from "../store/queue-state.js";
import type { Store, StoreSpace } from "../store/store.js";
import { tables } from "../store/tables.js";
import { type Command, type Decision, EngineRefusal, type WaitingCommand } from "./command.js";
import { StateView } from "./state-view.js";
import { Waiters } from "./waiters.js";
import { WaitingCall, type WaitingRoom } from "./waiting-call.js";

export interface EngineLimits {
  /** Commands decided and not yet answered. */
  readonly commandsPendingMax: number;
  readonly uncommittedBytesMax: number;
  /** Calls that may wait for a message at once, at some 2 KB each beside what their connections cost. */
  readonly waitersMax: number;
  /** A commit older than this refuses newcomers: the disk has stopped answering. */
  readonly commitAgeMsMax: number;
  /** Free space below which commands that grow the store are refused. */
  readonly storageReserveBytes: number;
}

/** What the engine tells about itself; all calls are cheap and synchronous. */
export interface EngineObserver {
  recordCommitted(changeCount: number, commandCount: number, elapsedMs: number): void;
  storageChanged(isFull: boolean, space: StoreSpace): void;
  /** A stored row could not be read and was passed over. May be called for the same row often. */
  corruptRowPassed(corrupt: RecordCorrupt): void;
  /** The store failed or an invariant broke: the process must end. */
  failed(error: Error): void;
}

export interface EngineParts {
  readonly store: Store;
  readonly clock: Clock;
  readonly ids: Ids;
  readonly limits: EngineLimits;
  readonly observer: EngineObserver;
}

/** A command that was taken on and not yet answered. */
interface Pending {
  readonly bytes: number;
  readonly isGrowing: boolean;
  /** Decides again after the record it was part of was dropped. */
  readonly decideAgain: () => void;
  /** Releases the reply; called once its record is flushed. */
  reply: () => void;
  readonly refuse: (error: Error) => void;
  hasFailedOnce: boolean;
}

interface Record {
  readonly pendings: Pending[];
  bytes: number;
  openedAtMs: number;
  /** True when there is something to commit, also without anyone waiting for it. */
  hasChanges: boolean;
}

const emptyRecord = (): Record => ({ pendings: [], bytes: 0, openedAtMs: 0, hasChanges: false });

/** A call that waits for something to receive. */
export interface Wait<Outcome, Rejection> {
  readonly decision: Promise<Decision<Outcome, Rejection>>;
  /** Ends the wait with nothing, if it still waits; says whether it did. A lease already decided is not undone here. */
  cancel(): boolean;
}

const spaceCheckMs = 1_000;
const backlogRetryMs = 200;
const storageRetryMs = 1_000;

export class Engine {
  readonly #parts: EngineParts;
  readonly #view: StateView;
  readonly #transaction: QueueState;
  readonly #waiters = new Waiters();
  readonly #room: WaitingRoom;
  #arrivals = 0;
  #open: Record = emptyRecord();
  #inFlight: Record | undefined;
  #isFlushScheduled = false;
  /** Queues whose waiters are to be tried, in the order they were woken. */
  readonly #toServe = new Set<QueueNumber>();
  #isServing = false;
  #pendingCount = 0;
  #pendingBytes = 0;
  #isFull = false;
  #availableBytes = Number.MAX_SAFE_INTEGER;
  #spaceTimer: Timer | undefined;
  /** The look at the disk that is under way, if one is; never fails. */
  #spaceCheck: Promise<void> = Promise.resolve();
  /** True while a dropped record waits to be decided anew. */
  #isDecidingAgain = false;
  #state: "running" | "stopping" | "stopped" | "failed" = "running";
  #mayWait = true;
  #idle: (() => void) | undefined;

  private constructor(parts: EngineParts) {
    this.#parts = parts;
    this.#view = new StateView(parts.store, (corrupt) => parts.observer.corruptRowPassed(corrupt));
    this.#transaction = new QueueState(this.#view);
    this.#room = this.#makeRoom();
  }

  /** An engine over an open store, once it knows how much room there is. */
  static async start(parts: EngineParts): Promise<Engine> {
    const engine = new Engine(parts);
    await engine.#checkSpace();
    return engine;
  }

  /** The last instant a store's engine handed out, for the clock's start. */
  static lastInstant(store: Store): EpochMs {
    const key = nodeKey("time");
    const bytes = store.get(key);
    return (bytes === undefined ? 0 : tables.node.decode(key, bytes)) as EpochMs;
  }

  get waiterCount(): number {
    return this.#waiters.count;
  }
  get pendingCount(): number {
    return this.#pendingCount;
  }
  get pendingBytes(): number {
    return this.#pendingBytes;
  }
  get isStorageFull(): boolean {
    return this.#isFull;
  }
  get now(): EpochMs {
    return this.#parts.clock.now();
  }

  /** Runs a command; resolves when what it saw and changed is durable. Rejects with EngineRefusal before any effect. */
  execute<Outcome, Rejection>(
    command: Command<Outcome, Rejection>,
  ): Promise<Decision<Outcome, Rejection>> {
    return new Promise((resolve, reject) => {
      const refusal =
        command.isOwed === true && (this.#state === "running" || this.#state === "stopping")
          ? undefined
          : this.#refusal(command.isGrowing, command.bytes);
      if (refusal !== undefined) {
        reject(refusal);
        return;
      }
      const attempt = (): void => {
        const decision = this.#decide((stamp) => command.decide(this.#transaction, stamp), reject);
        if (decision === undefined) return;
        pending.reply = () => resolve(decision);
        this.#settle(pending, decision.kind === "accepted");
      };
      const pending: Pending = {
        bytes: command.bytes,
        isGrowing: command.isGrowing,
        decideAgain: attempt,
        reply: ignore,
        refuse: reject,
        hasFailedOnce: false,
      };
      attempt();
    });
  }

  /** As `execute`, for work that can wait for another day; undefined when the engine is at its bound or stopping. */
  async executeIfIdle<Outcome, Rejection>(
    command: Command<Outcome, Rejection>,
  ): Promise<Decision<Outcome, Rejection> | undefined> {
    try {
      return await this.execute(command);
    } catch (error) {
      if (error instanceof EngineRefusal) return undefined;
      throw error;
    }
  }

  /** As `execute`, for a command that may wait for something to be there. */
  executeOrWait<Outcome, Rejection>(
    command: WaitingCommand<Outcome, Rejection>,
  ): Wait<Outcome, Rejection> {
    let call: WaitingCall<Outcome, Rejection> | undefined;
    const decision = new Promise<Decision<Outcome, Rejection>>((resolve, reject) => {
      const refusal =
        this.#waiters.count >= this.#parts.limits.waitersMax
          ? tooManyWaiting(this.#parts.limits.waitersMax)
          : this.#refusal(command.isGrowing, command.bytes);
      if (refusal !== undefined) {
        reject(refusal);
        return;
      }
      const located = this.#decide((stamp) => command.locate(this.#transaction, stamp), reject);
      if (located === undefined) return;
      if (located.kind === "rejected") {
        this.#room.settle(
          command,
          { isAccepted: false, decideAgain: () => resolve(located) },
          () => resolve(located),
          reject,
        );
        return;
      }
      this.#arrivals += 1;
      call = new WaitingCall({
        room: this.#room,
        arrival: this.#arrivals,
        command,
        waited: located.outcome,
        resolve,
        fail: reject,
        refuseFull: () => reject(storageFull()),
      });
      call.begin();
    });
    return { decision, cancel: () => call?.cancel() ?? false };
  }

  /** What waiting calls may ask of the engine. */
  #makeRoom(): WaitingRoom {
    const engine = this;
    const { clock } = this.#parts;
    return {
      get now() {
        return clock.now();
      },
      get mayWait() {
        return engine.#mayWait;
      },
      decide: (command, waited, fail) => {
        const found = this.#decide(
          (stamp) => command.decide(this.#transaction, stamp, waited),
          fail,
        );
        // What it found in its way may have gone where others wait for it.
        if (found?.kind === "nothing_yet" && this.#keepChanges()) this.#serveWoken();
        return found;
      },
      settle: ({ bytes, isGrowing }, { isAccepted, decideAgain }, reply, refuse) => {
        const pending = { bytes, isGrowing, decideAgain, reply, refuse, hasFailedOnce: false };
        this.#settle(pending, isAccepted);
      },
      hasWaiters: (queue) => this.#waiters.list(queue) !== undefined,
      join: (queue, call) => this.#waiters.add(queue, call),
      leave: (queue, call) => this.#waiters.remove(queue, call),
      serve: (queue) => this.#serve(queue),
      lookAgainAt: (queue, until) => this.#lookAgainAt(queue, until),
      setTimer: (delayMs, fire) => clock.setTimer(delayMs, fire),
    };
  }

  #refusal(isGrowing: boolean, bytes: number): EngineRefusal | undefined {
    if (this.#state !== "running") {
      return new EngineRefusal(
        "shutting_down",
        "The server is stopping; call another node or retry when it is back.",
        1_000,
      );
    }
    if (isGrowing && this.#isFull) {
      return storageFull();
    }
    const { limits, clock } = this.#parts;
    const isBehind =
      this.#pendingCount >= limits.commandsPendingMax ||
      (this.#pendingBytes + bytes > limits.uncommittedBytesMax && this.#pendingCount > 0) ||
      (this.#inFlight !== undefined &&
        clock.monotonicMs() - this.#inFlight.openedAtMs > limits.commitAgeMsMax);
    return isBehind
      ? new EngineRefusal(
          "commit_backlog",
          "More is waiting for the disk than the server's bound; retry after the hint.",
          backlogRetryMs,
        )
      : undefined;
  }

  /** Runs one decision; undefined when it threw and was answered. */
  #decide<Result extends { readonly kind: string }>(
    decide: (stamp: Stamp) => Result,
    fail: (error: Error) => void,
  ): Result | undefined {
    const { overlay } = this.#view;
    try {
      const result = decide({ now: this.#parts.clock.now(), ids: this.#parts.ids });
      if (result.kind === "rejected") overlay.rollBack();
      return result;
    } catch (error) {
      overlay.rollBack();
      this.#view.woken.clear();
      const fault = asError(error);
      fail(fault);
      if (fault instanceof InvariantViolation) this.#fail(fault);
      return undefined;
    }
  }

  /** Gives a decided command its place: in the open record if it changed something, else behind what it saw. */
  #settle(pending: Pending, isAccepted: boolean): void {
    if (isAccepted && this.#keepChanges()) {
      this.#addTo(this.#open, pending);
      this.#serveWoken();
      return;
    }
    this.#view.woken.clear();
    if (this.#open.hasChanges) this.#addTo(this.#open, pending);
    else if (this.#inFlight !== undefined) this.#addTo(this.#inFlight, pending);
    else pending.reply();
  }

  /** Makes what the decision recorded part of the open record; says whether there was anything. */
  #keepChanges(): boolean {
    if (!this.#view.overlay.keep()) return false;
    this.#open.hasChanges = true;
    this.#scheduleFlush();
    return true;
  }

  #addTo(record: Record, pending: Pending): void {
    if (record.pendings.length === 0) record.openedAtMs = this.#parts.clock.monotonicMs();
    record.pendings.push(pending);
    record.bytes += pending.bytes;
    this.#pendingCount += 1;
    this.#pendingBytes += pending.bytes;
  }

  #serveWoken(): void {
    const { woken } = this.#view;
    if (woken.size === 0) return;
    const queues = [...woken];
    woken.clear();
    for (const queue of queues) this.#serve(queue);
  }

  /**
   * Tries the waiters of a queue. One of them may wake those of another queue, which are tried after it: a dead letter may go
   * to where somebody waits, and on from there.
   */
  #serve(queue: QueueNumber): void {
    this.#toServe.add(queue);
    if (this.#isServing) return;
    this.#isServing = true;
    try {
      for (const next of this.#toServe) {
        this.#toServe.delete(next);
        this.#serveOne(next);
      }
    } finally {
      this.#isServing = false;
    }
  }

  /** Tries the waiters of a queue in the order they came, until one finds nothing. */
  #serveOne(queue: QueueNumber): void {
    let list = this.#waiters.list(queue);
    while (list !== undefined) {
      const waiter = list.waiters[0];
      if (waiter === undefined) return;
      const nothing = waiter.attempt();
      if (nothing !== undefined) {
        this.#lookAgainAt(queue, nothing.until);
        return;
      }
      this.#waiters.remove(queue, waiter);
      list = this.#waiters.list(queue);
    }
  }

  #lookAgainAt(queue: QueueNumber, until: EpochMs | undefined): void {
    const list = this.#waiters.list(queue);
    if (list === undefined) return;
    if (until === undefined) {
      list.dueTimer?.cancel();
      list.dueTimer = undefined;
      return;
    }
    if (list.dueTimer !== undefined && list.dueAt === until) return;
    list.dueTimer?.cancel();
    list.dueAt = until;
    list.dueTimer = this.#parts.clock.setTimer(Math.max(0, until - this.#parts.clock.now()), () => {
      list.dueTimer = undefined;
      if (this.#state === "running") this.#serve(queue);
    });
  }

  #scheduleFlush(): void {
    if (this.#isFlushScheduled || this.#inFlight !== undefined) return;
    this.#isFlushScheduled = true;
    // After the event loop has handed over every request that arrived with this one.
    setImmediate(() => {
      this.#isFlushScheduled = false;
      this.#startFlush();
    });
  }

  #startFlush(): void {
    this.#flush().catch((error: unknown) => this.#fail(asError(error)));
  }

  async #flush(): Promise<void> {
    if (this.#inFlight !== undefined || !this.#open.hasChanges) return;
    const { store, clock, observer } = this.#parts;
    const record = this.#open;
    this.#open = emptyRecord();
    this.#inFlight = record;
    this.#view.put(tables.node, nodeKey("time"), clock.now());
    this.#view.overlay.keep();
    const number = this.#view.closeRecord();
    const startedAtMs = clock.monotonicMs();
    record.openedAtMs = startedAtMs;
    try {
      const changes = this.#view.overlay.changesOf(number);
      await store.commit(changes);
      this.#inFlight = undefined;
      this.#view.committed(number);
      observer.recordCommitted(
        changes.length,
        record.pendings.length,
        clock.monotonicMs() - startedAtMs,
      );
    } catch (error) {
      this.#inFlight = undefined;
      if (error instanceof StorageFull) await this.#decideAgain(record);
      else this.#fail(asError(error));
      return;
    }
    this.#availableBytes -= record.bytes * 2;
    // The next batch goes to its thread before the replies are written, so that disk and wire work side by side.
    this.#startFlush();
    this.#release(record.pendings);
    for (const pending of record.pendings) pending.reply();
    if (this.#availableBytes < this.#parts.limits.storageReserveBytes) this.#scheduleSpaceCheck(0);
    this.#reportIdle();
  }

  #release(pendings: readonly Pending[]): void {
    this.#pendingCount -= pendings.length;
    for (const pending of pendings) this.#pendingBytes -= pending.bytes;
  }

  /** A record found no room: everything uncommitted is forgotten and decided anew, growing commands refused. */
  async #decideAgain(record: Record): Promise<void> {
    const again = [...record.pendings, ...this.#open.pendings];
    this.#open = emptyRecord();
    this.#release(again);
    this.#view.discard();
    // From here on newcomers that would grow the store are refused; the rest is told once the room is known.
    this.#isFull = true;
    this.#isDecidingAgain = true;
    this.#parts.observer.storageChanged(true, await this.#parts.store.space());
    this.#isDecidingAgain = false;
    this.#scheduleSpaceCheck(spaceCheckMs);
    for (const pending of again) {
      if (pending.isGrowing || pending.hasFailedOnce) pending.refuse(storageFull());
      else {
        pending.hasFailedOnce = true;
        pending.decideAgain();
      }
    }
    this.#reportIdle();
  }

  #reportIdle(): void {
    if (this.#isIdle) this.#idle?.();
  }

  get #isIdle(): boolean {
    return this.#inFlight === undefined && !this.#open.hasChanges && !this.#isDecidingAgain;
  }

  #scheduleSpaceCheck(delayMs: number): void {
    if (delayMs === 0) this.#spaceTimer?.cancel();
    else if (this.#spaceTimer !== undefined) return;
    this.#spaceTimer = this.#parts.clock.setTimer(delayMs, () => {
      this.#spaceTimer = undefined;
      this.#spaceCheck = this.#checkSpace().catch((error: unknown) => this.#fail(asError(error)));
    });
  }

  async #checkSpace(): Promise<void> {
    if (this.#state === "failed" || this.#state === "stopped") return;
    const space = await this.#parts.store.space();
    this.#availableBytes = space.availableBytes;
    this.#setFull(space.availableBytes < this.#parts.limits.storageReserveBytes, space);
    if (this.#state === "running") this.#scheduleSpaceCheck(spaceCheckMs);
  }

  #setFull(isFull: boolean, space: StoreSpace): void {
    if (isFull === this.#isFull) return;
    this.#isFull = isFull;
    this.#parts.observer.storageChanged(isFull, space);
  }

  #fail(error: Error): void {
    if (this.#state === "failed") return;
    this.#state = "failed";
    this.#parts.observer.failed(error);
  }

  /** From now on nothing waits: what would have to is answered empty. For draining. */
  refuseWaits(): void {
    this.#mayWait = false;
    this.endWaits();
  }

  /** Ends every wait with nothing; what is decided still commits and answers. */
  endWaits(): void {
    for (const queue of [...this.#waiters.queues()]) {
      for (const waiter of [...(this.#waiters.list(queue)?.waiters ?? [])]) waiter.end();
    }
  }

  /** Refuses newcomers, ends waits, and resolves when the last record is flushed. */
  async stop(): Promise<void> {
    if (this.#state === "running") this.#state = "stopping";
    this.refuseWaits();
    // Again and again: what a reply set off, as giving back a lease, is decided before this goes on.
    while (!this.#isIdle && this.#state !== "failed") {
      await new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
    }
    assert(
      this.#view.overlay.size === 0 || this.#state === "failed",
      "nothing is uncommitted when the engine is idle",
    );
    if (this.#state === "stopping") this.#state = "stopped";
    // Whoever stops the engine closes the store next.
    this.#spaceTimer?.cancel();
    await this.#spaceCheck;
  }
}

/** Stands in until a decision says what to reply. */
const ignore = (): void => undefined;

const asError = (error: unknown): Error =>
  error instanceof Error ? error : new Error(String(error));

const storageFull = (): EngineRefusal =>
  new EngineRefusal(
    "storage_full",
    "The storage is full and nothing of this call was stored. Receive and delete messages, which go on working, or free disk space.",
    storageRetryMs,
  );

const tooManyWaiting = (waitersMax: number): EngineRefusal =>
  new EngineRefusal(
    "too_many_waiting",
    `${waitersMax} receives are waiting, which is the server's bound. Wait less, or receive through one Consume stream instead of many polls.`,
    1_000,
  );
