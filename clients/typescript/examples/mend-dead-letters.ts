// Dead letters from end to end: a worker that finds invoices without a currency and rejects them, a look at what lies in the
// dead-letter queue and why, and a move that mends and returns the ones that can be mended.
//
//   forebay serve &
//   node mend-dead-letters.js          (FOREBAY_ENDPOINT says where the server is, if not at 127.0.0.1:7400)

import { randomUUID } from "node:crypto";
import { ForebayClient, type MoveTask, type ReceivedMessage, Reject } from "@forebay/client";

await using client = new ForebayClient();

// Names of their own, so that two runs do not meet.
const name = `invoices-${randomUUID().slice(0, 8)}`;
const { queue: dead } = await client.createQueue(`${name}-dead`);
const { queue } = await client.createQueue(name, {
  attributes: { redrivePolicy: { deadLetterQueue: dead.name, maxReceiveCount: 5 } },
});

await queue.send("12.50", { attributes: { currency: "EUR" } });
await queue.send("7.00"); // nobody said in which currency
await queue.send("a lot", { attributes: { currency: "EUR" } });

const worker = queue.work(book, { concurrency: 10 });
await settled(3);

for await (const { text, rejection } of dead.peek()) {
  console.log(`dead: ${text} (${rejection?.reason})`);
}

// What can be mended is chosen by its reason. A preview says what would happen; the move is the same call.
const mend = {
  filter: { rejectionReason: "no_currency" },
  edit: { setAttributes: { currency: "EUR" } },
};
const { matchingMessageCount, otherMessageCount } = await dead.previewMove(mend);
console.log(`a move would mend ${matchingMessageCount} and leave ${otherMessageCount}`);
const task = await ended(await dead.startMove(mend));
console.log(`${task.status}: ${task.movedMessageCount} moved`);
await settled(4);
await worker.stop();

await queue.remove();
await dead.remove();

/** Books an invoice; what can never be booked is a dead letter at once, with the reason. */
function book({ text, attributes }: ReceivedMessage): void {
  const { currency } = attributes;
  if (currency === undefined) throw new Reject("no_currency");
  if (Number.isNaN(Number(text)))
    throw new Reject("no_amount", { cause: `"${text}" is no number` });
  console.log(`booked: ${text} ${currency.value}`);
}

/** Waits until so many messages were processed, one way or the other. */
async function settled(count: number): Promise<void> {
  for (;;) {
    const { counters } = await queue.attributes();
    if (counters.deletedCount + counters.deadLetteredCount >= count) return;
    await pause();
  }
}

async function ended(move: MoveTask) {
  for (;;) {
    const status = await move.status();
    if (status.endTime !== undefined) return status;
    await pause();
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, 50));
}
