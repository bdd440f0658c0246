// The queue a stream speaks of: found by its name once, known by its number from then on. A stream never carries over to a
// queue recreated under the same name (queue.md 3.4.6): to it, that queue is as little there as none.

import type { QueueNumber } from "../base/brands.js";
import type { Command, WaitingCommand } from "../engine/command.js";
import { findQueue, notFound, type QueueAddress } from "../queue/queue-name.js";
import { accept, type Decided, type QueueRejection } from "../queue/rejections.js";
import type { Stamp } from "../queue/stamp.js";
import type { QueueTransaction } from "../queue/view.js";
import type { CommandRunner } from "./command-runner.js";
import { commandBytes, outcomeOf } from "./handler-context.js";
import { type ReceiveOrder, type ReceiveOutcome, receiveCommand } from "./receive.js";

/** A command about the queue, with the rule that decides it. */
interface BoundCommand<Outcome> extends Omit<Command<Outcome, QueueRejection>, "decide"> {
  decide(transaction: QueueTransaction, stamp: Stamp): Decided<Outcome>;
}

export class BoundQueue {
  readonly address: QueueAddress;
  readonly #engine: CommandRunner;
  readonly #number: QueueNumber;

  private constructor(engine: CommandRunner, address: QueueAddress, number: QueueNumber) {
    this.#engine = engine;
    this.address = address;
    this.#number = number;
  }

  /** Throws QUEUE_NOT_FOUND, or what the engine refuses with. */
  static async find(engine: CommandRunner, address: QueueAddress): Promise<BoundQueue> {
    const number = outcomeOf(
      await engine.execute<QueueNumber, QueueRejection>({
        name: "FindQueue",
        bytes: commandBytes,
        isGrowing: false,
        decide: (transaction) => {
          const queue = findQueue(transaction, address);
          return queue === undefined ? notFound(address) : accept(queue.number);
        },
      }),
    );
    return new BoundQueue(engine, address, number);
  }

  /** The command, rejected with QUEUE_NOT_FOUND when the queue is gone by then. */
  command<Outcome>(command: BoundCommand<Outcome>): Command<Outcome, QueueRejection> {
    return {
      ...command,
      decide: (transaction, stamp) =>
        this.#isThere(transaction) ? command.decide(transaction, stamp) : notFound(this.address),
    };
  }

  /** Runs a command; throws what it is rejected with. */
  async run<Outcome>(command: BoundCommand<Outcome>): Promise<Outcome> {
    return outcomeOf(await this.#engine.execute(this.command(command)));
  }

  /** A receive from this queue. While it waits, the engine keeps to the number by itself. */
  receiveCommand(
    order: Omit<ReceiveOrder, "address">,
  ): WaitingCommand<ReceiveOutcome, QueueRejection> {
    const command = receiveCommand({ ...order, address: this.address });
    return {
      ...command,
      locate: (transaction, stamp) =>
        this.#isThere(transaction) ? command.locate(transaction, stamp) : notFound(this.address),
    };
  }

  #isThere(transaction: QueueTransaction): boolean {
    return findQueue(transaction, this.address)?.number === this.#number;
  }
}
