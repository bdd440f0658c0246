// A stream whose responses wait for something before each leaves, in order: for more zones than are configured, where its
// caller asked for that.

import type { MessageStream, ResponseStream } from "../rpc/call.js";
import type { AnswerHold } from "./call-router.js";

/** Responses that wait, beyond which the writer is told to wait too. */
const heldCountMax = 64;

export class HeldResponseStream implements ResponseStream<unknown> {
  readonly #stream: ResponseStream<unknown>;
  readonly #hold: AnswerHold;
  #heldCount = 0;
  /** Everything written so far has left; never fails. */
  #last: Promise<void> = Promise.resolve();

  constructor(stream: ResponseStream<unknown>, hold: AnswerHold) {
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

  #then(act: () => Promise<void>): void {
    this.#last = this.#last.then(act).catch((error: unknown) => this.#stream.fail(error));
  }
}

export class HeldStream extends HeldResponseStream implements MessageStream<unknown, unknown> {
  readonly #requests: MessageStream<unknown, unknown>;

  constructor(stream: MessageStream<unknown, unknown>, hold: AnswerHold) {
    super(stream, hold);
    this.#requests = stream;
  }

  onRequest(receive: (request: unknown) => void): void {
    this.#requests.onRequest(receive);
  }

  onRequestsEnd(react: () => void): void {
    this.#requests.onRequestsEnd(react);
  }

  pauseRequests(): void {
    this.#requests.pauseRequests();
  }

  resumeRequests(): void {
    this.#requests.resumeRequests();
  }
}
