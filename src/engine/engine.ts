// The single writer.
//
// Commands are decided one after another over view and overlay. What is decided while a record is on its way forms the next
// one (`record-pipeline.ts`); replies go out when theirs is committed (group commit). A command that changed nothing but may
// have seen uncommitted rows waits for the record it saw. Waiters are tried as part of the turn that woke them, so that nobody
// who came later overtakes them, and are answered, like everybody, after the commit.
//
// When the disk is full the failed record was not stored, and nothing derived from it has left the process: everything
// uncommitted is forgotten and decided anew, with the commands that would grow the store refused. So deletes and receives
// go on. In a group, whoever stops leading forgets everything as well and says what it knows of it. Any other failure of a
// commit ends the process.

import { assert, InvariantViolation } from "../base/assert.js";
import type { EpochMs, WaitPlace } from "../base/brands.js";
import type { Clock, Timer } from "../base/clock.js";
import type { Ids } from "../base/ids.js";
import type { RecordCorrupt } from "../base/record-corrupt.js";
import type { Evictions } from "../cache/view.js";
import type { EnvelopeParts, Stamp, TopicQuotas } from "../queue/stamp.js";
import { nodeKey } from "../store/keys.js";
import { QueueState } from "../store/queue-state.js";
import type { Store, StoreSpace } from "../store/store.js";
import { tables } from "../store/tables.js";
import { type Command, type Decision, EngineRefusal, type WaitingCommand } from "./command.js";
import type { CommitLog, CommitPosition } from "./commit-log.js";
import { LoneLog } from "./lone-log.js";
import { type Pending, RecordPipeline } from "./record-pipeline.js";
import { StateView } from "./state-view.js";
import { Waiters } from "./waiters.js";
import { type Waiter, WaitingCall, type WaitingRoom } from "./waiting-call.js";

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
  /** For deliveries of topics. */
  readonly envelopes?: EnvelopeParts;
  /** How much of topics there may be; unset: the defaults. */
  readonly quotas?: TopicQuotas;
  readonly limits: EngineLimits;
  readonly observer: EngineObserver;
  /** What goes from full caches; unset: nothing. */
  readonly evictions?: Evictions;
  /** Where records go to be safe; unset: to the store, on a node alone. */
  readonly log?: CommitLog;
}

/** A call that waits for something to receive. */
export interface Wait<Outcome, Rejection> {
  readonly decision: Promise<Decision<Outcome, Rejection>>;
  /** Ends the wait with nothing, if it still waits; says whether it did. A lease already decided is not undone here. */
  cancel(): boolean;
}

const spaceCheckMs = 1_000;
const backlogRetryMs = 200;
const storageRetryMs = 1_000;
/** A planned change of leaders takes about so long; after a crash it is some seconds, and callers ask again. */
const leaderRetryMs = 250;

export class Engine {
  readonly #parts: EngineParts;
  readonly #view: StateView;
  readonly #transaction: QueueState;
  readonly #waiters = new Waiters();
  readonly #room: WaitingRoom;
  readonly #log: CommitLog;
  readonly #records: RecordPipeline;
  #arrivals = 0;
  /** Queues whose waiters are to be tried, in the order they were woken. */
  readonly #toServe = new Set<WaitPlace>();
  #isServing = false;
  #isFull = false;
  #availableBytes = Number.MAX_SAFE_INTEGER;
  #spaceTimer: Timer | undefined;
  /** The look at the disk that is under way, if one is; never fails. */
  #spaceCheck: Promise<void> = Promise.resolve();
  /** True while a dropped record waits to be decided anew. */
  #isDecidingAgain = false;
  #state: "running" | "stopping" | "stopped" | "lost" | "failed" = "running";
  #mayWait = true;
  #idle: (() => void) | undefined;

  private constructor(parts: EngineParts) {
    this.#parts = parts;
    this.#view = new StateView(parts.store, (corrupt) => parts.observer.corruptRowPassed(corrupt));
    this.#transaction = new QueueState(this.#view, parts.evictions);
    this.#log = parts.log ?? new LoneLog(parts.store);
    this.#records = this.#makePipeline();
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
    return this.#records.pendingCount;
  }
  get pendingBytes(): number {
    return this.#records.pendingBytes;
  }
  /**
   * The last committed record of the group: no answer that was given tells of a later one, so it is what a caller shows to
   * another node to read no older state than it has seen. Undefined on a node alone.
   */
  get position(): CommitPosition | undefined {
    return this.#records.position;
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
        this.#records.makeRoomFor(command.bytes);
        const decision = this.#decide((stamp) => command.decide(this.#transaction, stamp), reject);
        if (decision === undefined) return;
        pending.reply = () => {
          if (decision.kind === "accepted") command.committed?.(decision.outcome);
          resolve(decision);
        };
        if (this.#isAnsweredWhenDecided(command, decision)) resolve(decision);
        this.#settle(pending, decision.kind === "accepted", command.isLookup);
      };
      const pending: Pending = {
        bytes: command.bytes,
        isGrowing: command.isGrowing,
        decideAgain: attempt,
        reply: ignore,
        refuse: reject,
        hasFailedOnce: false,
        hasChanges: false,
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
        this.#records.makeRoomFor(command.bytes);
        const found = this.#decide(
          (stamp) => command.decide(this.#transaction, stamp, waited),
          fail,
        );
        // What it found in its way may have gone where others wait for it.
        if (found?.kind === "nothing_yet" && this.#records.keepChanges()) this.#serveWoken();
        return found;
      },
      settle: ({ bytes, isGrowing }, { isAccepted, decideAgain }, reply, refuse) => {
        const known = { hasFailedOnce: false, hasChanges: false };
        this.#settle({ bytes, isGrowing, decideAgain, reply, refuse, ...known }, isAccepted);
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
    if (this.#state === "lost") return notLeader();
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
    const { limits } = this.#parts;
    const { pendingCount, pendingBytes, commitAgeMs } = this.#records;
    const isBehind =
      pendingCount >= limits.commandsPendingMax ||
      (pendingBytes + bytes > limits.uncommittedBytesMax && pendingCount > 0) ||
      commitAgeMs > limits.commitAgeMsMax;
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
      const { clock, ids, envelopes, quotas } = this.#parts;
      const told = { ...(envelopes && { envelopes }), ...(quotas && { quotas }) };
      this.#view.lookAfresh();
      const result = decide({ now: clock.now(), ids, ...told });
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

  #isAnsweredWhenDecided<Outcome, Rejection>(
    command: Command<Outcome, Rejection>,
    decision: Decision<Outcome, Rejection>,
  ): boolean {
    if (decision.kind === "rejected" || command.answersWhenDecided === undefined) return false;
    return command.answersWhenDecided(decision.outcome) && this.#log.mayAnswer();
  }

  /** Gives a decided command its place: in the open record if it changed something, else behind what it saw. */
  #settle(pending: Pending, isAccepted: boolean, isLookup = false): void {
    if (isAccepted && this.#records.keepChanges()) {
      this.#records.addChanging(pending);
      this.#serveWoken();
      return;
    }
    this.#view.woken.clear();
    const hasSeenAll = isLookup && this.#records.isCommitted(this.#view.seenRecord);
    if (!hasSeenAll && this.#records.addSeeing(pending)) return;
    // It waits for nobody's disk, so only the lease says that what it saw is the truth of now.
    if (this.#log.mayAnswer()) pending.reply();
    else pending.refuse(notLeader());
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
  #serve(queue: WaitPlace): void {
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
  #serveOne(queue: WaitPlace): void {
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

  #lookAgainAt(queue: WaitPlace, until: EpochMs | undefined): void {
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

  #makePipeline(): RecordPipeline {
    const { clock, observer } = this.#parts;
    return new RecordPipeline({
      view: this.#view,
      log: this.#log,
      clock,
      events: {
        recordStored: (bytes) => this.#roomWasTaken(bytes * 2),
        recordCommitted: (changeCount, commandCount, elapsedMs) =>
          observer.recordCommitted(changeCount, commandCount, elapsedMs),
        dropped: (pendings) => {
          this.#decideAgain(pendings).catch((error: unknown) => this.#fail(asError(error)));
        },
        leadershipLost: () => this.abandon(),
        failed: (error) => this.#fail(error),
        idle: () => this.#reportIdle(),
      },
    });
  }

  #roomWasTaken(bytes: number): void {
    this.#availableBytes -= bytes;
    if (this.#availableBytes < this.#parts.limits.storageReserveBytes) this.#scheduleSpaceCheck(0);
  }

  /** A record found no room: what was uncommitted is decided anew, growing commands refused. */
  async #decideAgain(again: readonly Pending[]): Promise<void> {
    // From here on newcomers that would grow the store are refused; the rest is told once the room is known.
    this.#isFull = true;
    this.#isDecidingAgain = true;
    this.#parts.observer.storageChanged(true, await this.#parts.store.space());
    this.#isDecidingAgain = false;
    this.#scheduleSpaceCheck(spaceCheckMs);
    for (const pending of again) {
      if (this.#state === "lost") pending.refuse(notLeader());
      else if (pending.isGrowing || pending.hasFailedOnce) pending.refuse(storageFull());
      else {
        pending.hasFailedOnce = true;
        pending.hasChanges = false;
        pending.decideAgain();
      }
    }
    this.#reportIdle();
  }

  /**
   * This node leads no more, or cannot prove that it does: nothing of its state is told any more, and of what was not committed
   * everybody hears what can be known. Newcomers and those who wait are refused; another node serves them.
   */
  abandon(): void {
    if (this.#state !== "running" && this.#state !== "stopping") return;
    this.#state = "lost";
    const { unknown, without } = this.#records.abandon();
    for (const pending of unknown) pending.refuse(outcomeUnknown());
    for (const pending of without) pending.refuse(notLeader());
    this.#forEachWaiter((waiter) => waiter.refuse(notLeader()));
    this.#spaceTimer?.cancel();
    this.#reportIdle();
  }

  #reportIdle(): void {
    if (this.#isIdle) this.#idle?.();
  }

  get #isIdle(): boolean {
    return this.#records.isIdle && !this.#isDecidingAgain;
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
    if (this.#state !== "running" && this.#state !== "stopping") return;
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
    this.#forEachWaiter((waiter) => waiter.end());
  }

  #forEachWaiter(visit: (waiter: Waiter) => void): void {
    for (const queue of [...this.#waiters.queues()]) {
      for (const waiter of [...(this.#waiters.list(queue)?.waiters ?? [])]) visit(waiter);
    }
  }

  /** Refuses newcomers, ends waits, and resolves when the last record is applied. */
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

const notLeader = (): EngineRefusal =>
  new EngineRefusal(
    "not_leader",
    "This node does not lead its group any more, and nothing of this call was done. Ask the node that leads, or any other one.",
    leaderRetryMs,
  );

const outcomeUnknown = (): EngineRefusal =>
  new EngineRefusal(
    "outcome_unknown",
    "This node stopped leading its group before enough of the others had this on disk: it may have taken effect, or may yet. Ask the node that leads.",
    leaderRetryMs,
  );

const tooManyWaiting = (waitersMax: number): EngineRefusal =>
  new EngineRefusal(
    "too_many_waiting",
    `${waitersMax} receives are waiting, which is the server's bound. Wait less, or receive through one Consume stream instead of many polls.`,
    1_000,
  );
