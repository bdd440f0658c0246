// A stream whose responses wait for something before each leaves, in order: for more zones than are configured, where its
// caller asked for that.

import type { MessageStream } from "../rpc/call.js";
import type { AnswerHold } from "./call-router.js";

/** Responses that wait, beyond which the writer is told to wait too. */
const heldCountMax = 64;

export class HeldStream implements MessageStream<unknown, unknown> {
  readonly #stream: MessageStream<unknown, unknown>;
  readonly #hold: AnswerHold;
  #heldCount = 0;
  /** Everything written so far has left; never fails. */
  #last: Promise<void> = Promise.resolve();

  constructor(stream: MessageStream<unknown, unknown>, hold: AnswerHold) {
    this.#stream = stream;
    this.#hold = hold;
  }

  write(response: unknown): boolean {
    this.#heldCount += 1;
    // Asked for now: it waits for what this response tells of.
    const held = this.#hold();
    this.#then(async () => {
      this.#heldCount -= 1;
      await held;
      this.#stream.write(response);
    });
    // Its failure is met when its turn comes.
    held.catch(() => undefined);
    return this.#heldCount < heldCountMax;
  }

  async drained(): Promise<void> {
    await this.#last;
    await this.#stream.drained();
  }

  end(): void {
    this.#then(async () => this.#stream.end());
  }

  fail(error: unknown): void {
    this.#then(async () => this.#stream.fail(error));
  }

  onRequest(receive: (request: unknown) => void): void {
    this.#stream.onRequest(receive);
  }

  onRequestsEnd(react: () => void): void {
    this.#stream.onRequestsEnd(react);
  }

  pauseRequests(): void {
    this.#stream.pauseRequests();
  }

  resumeRequests(): void {
    this.#stream.resumeRequests();
  }

  #then(act: () => Promise<void>): void {
    this.#last = this.#last.then(act).catch((error: unknown) => this.#stream.fail(error));
  }
}
