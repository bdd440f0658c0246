// One call that may wait, from its coming to its answer.
//
// It is tried when it comes, unless others came before it; then each time its queue is woken. Its answer is settled like any
// command's. If its record is dropped because the disk is full, it takes its old place in the line again, once.

import type { WaitPlace } from "../base/brands.js";
import type { Timer } from "../base/clock.js";
import type { Decision, NothingYet, Waited, WaitingCommand } from "./command.js";

/** After so many a call that waits leaves the rest to a timer, and one that does not is answered empty. */
const attemptsAtOnceMax = 10;

/** What the engine does for a waiting call. */
export interface WaitingRoom {
  readonly now: number;
  /** False while the server drains: what would wait is answered empty. */
  readonly mayWait: boolean;
  /** Runs the call's decision; undefined when it threw, and `fail` was called. */
  decide<Outcome, Rejection>(
    command: WaitingCommand<Outcome, Rejection>,
    waited: Waited,
    fail: (error: Error) => void,
  ): Decision<Outcome, Rejection> | NothingYet | undefined;
  /** Gives a decided call its place in a record; `decideAgain` runs if that record is dropped. */
  settle(
    command: WaitingCommand<unknown, unknown>,
    decided: { readonly isAccepted: boolean; readonly decideAgain: () => void },
    reply: () => void,
    fail: (error: Error) => void,
  ): void;
  hasWaiters(queue: WaitPlace): boolean;
  join(queue: WaitPlace, call: Waiter): void;
  leave(queue: WaitPlace, call: Waiter): boolean;
  serve(queue: WaitPlace): void;
  lookAgainAt(queue: WaitPlace, until: NothingYet["until"]): void;
  setTimer(delayMs: number, fire: () => void): Timer;
}

/** Somebody in line. */
export interface Waiter {
  /** Grows with every call that comes: who has the smaller one is served first. */
  readonly arrival: number;
  /** Tries once. Undefined: it is answered, or will be with its record. */
  attempt(): NothingYet | undefined;
  /** Ends the wait with nothing. */
  end(): void;
  /** Ends the wait with an error. */
  refuse(error: Error): void;
  /** It has left the line. */
  left(): void;
}

export interface WaitingCallParts<Outcome, Rejection> {
  readonly room: WaitingRoom;
  readonly arrival: number;
  readonly command: WaitingCommand<Outcome, Rejection>;
  readonly waited: Waited;
  readonly resolve: (decision: Decision<Outcome, Rejection>) => void;
  readonly fail: (error: Error) => void;
  /** Refuses it because the storage stays full even for what does not grow. */
  readonly refuseFull: () => void;
}

export class WaitingCall<Outcome, Rejection> implements Waiter {
  readonly arrival: number;
  readonly #parts: WaitingCallParts<Outcome, Rejection>;
  readonly #endsAt: number;
  #endTimer: Timer | undefined;
  #wasDropped = false;
  #isCancelled = false;

  constructor(parts: WaitingCallParts<Outcome, Rejection>) {
    this.#parts = parts;
    this.arrival = parts.arrival;
    this.#endsAt = parts.room.now + parts.waited.waitMs;
  }

  begin(): void {
    const { room, waited } = this.#parts;
    const { queue } = waited;
    const canWait = waited.waitMs > 0 && room.mayWait;
    if (room.hasWaiters(queue)) {
      // Others came first. A call that does not wait still looks, after they have.
      room.serve(queue);
      if (canWait && room.hasWaiters(queue)) {
        this.#join();
        return;
      }
    }
    const nothing = this.#attemptAtOnce();
    if (nothing === undefined) return;
    if (!canWait) {
      this.#answerEmpty();
      return;
    }
    this.#join();
    room.lookAgainAt(queue, nothing.until);
  }

  /** A decision that stopped half way, so as not to hold up others for long, asks to look again at once. */
  #attemptAtOnce(): NothingYet | undefined {
    let nothing = this.attempt();
    for (let count = 1; count < attemptsAtOnceMax; count += 1) {
      if (nothing?.until === undefined || nothing.until > this.#parts.room.now) break;
      nothing = this.attempt();
    }
    return nothing;
  }

  attempt(): NothingYet | undefined {
    const { room, command, waited, resolve, fail } = this.#parts;
    const found = room.decide(command, waited, fail);
    if (found === undefined) return undefined;
    if (found.kind === "nothing_yet") return found;
    room.settle(
      command,
      { isAccepted: found.kind === "accepted", decideAgain: () => this.#decideAgain() },
      () => resolve(found),
      fail,
    );
    return undefined;
  }

  end(): void {
    if (this.#parts.room.leave(this.#parts.waited.queue, this)) this.#answerEmpty();
  }

  refuse(error: Error): void {
    if (this.#parts.room.leave(this.#parts.waited.queue, this)) this.#parts.fail(error);
  }

  /** Ends the wait because nobody wants its answer any more; says whether it still waited. */
  cancel(): boolean {
    const { room, waited, command, resolve } = this.#parts;
    this.#isCancelled = true;
    if (!room.leave(waited.queue, this)) return false;
    resolve({ kind: "accepted", outcome: command.empty() });
    return true;
  }

  left(): void {
    this.#endTimer?.cancel();
    this.#endTimer = undefined;
  }

  #join(): void {
    const { room, waited } = this.#parts;
    this.#endTimer = room.setTimer(Math.max(0, this.#endsAt - room.now), () => this.end());
    room.join(waited.queue, this);
  }

  #decideAgain(): void {
    const { room, waited, refuseFull } = this.#parts;
    if (this.#wasDropped) {
      refuseFull();
      return;
    }
    this.#wasDropped = true;
    if (!room.mayWait || this.#isCancelled) {
      this.#answerEmpty();
      return;
    }
    this.#join();
    room.serve(waited.queue);
  }

  /** Nothing may be known of a change that is not durable, not even that there is nothing. */
  #answerEmpty(): void {
    const { room, command, resolve, fail } = this.#parts;
    const reply = (): void => resolve({ kind: "accepted", outcome: command.empty() });
    room.settle(command, { isAccepted: false, decideAgain: reply }, reply, fail);
  }
}
