// Receives with an attempt id that wait for a message. A repeat that comes meanwhile joins the first: it gets what that gets,
// though others stand in line between them (SQS API reference, ReceiveMessage).

import type { Clock } from "../base/clock.js";
import type { QueueAddress } from "../queue/queue-name.js";
import type { CallContext } from "./call.js";

export class AttemptsUnderWay {
  readonly #clock: Clock;
  readonly #underWay = new Map<string, Promise<unknown>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Waits for the call with this id that is under way, if there is one, at most so long; says for how long it did. */
  async join(
    { namespace, name }: QueueAddress,
    attemptId: string,
    waitMsMax: number,
    context: CallContext,
  ): Promise<number> {
    const first = this.#underWay.get(keyOf(namespace, name, attemptId));
    if (first === undefined) return 0;
    const startedAt = this.#clock.now();
    await new Promise<void>((resolve) => {
      const timer = this.#clock.setTimer(waitMsMax, resolve);
      const end = (): void => {
        timer.cancel();
        resolve();
      };
      context.onCancelled(end);
      first.then(end, end);
    });
    return this.#clock.now() - startedAt;
  }

  /** A call with this id waits for `decision`. */
  begin({ namespace, name }: QueueAddress, attemptId: string, decision: Promise<unknown>): void {
    const key = keyOf(namespace, name, attemptId);
    this.#underWay.set(key, decision);
    const end = (): void => {
      if (this.#underWay.get(key) === decision) this.#underWay.delete(key);
    };
    decision.then(end, end);
  }
}

const keyOf = (...parts: readonly string[]): string => parts.join(" ");
