// The families of queues that a soak works on: how they are set up, what the hands do, and what must hold in the end.

import { setTimeout as sleep } from "node:timers/promises";
import type {
  Queue,
  QueueAttributes,
  QueueCounters,
  ReceivedMessage,
  SendOptions,
} from "@forebay/client";
import type { FamilyName } from "./plan.js";
import { numberOf, type Worker } from "./worker.js";

/** Works until enough was done. */
type Work = () => Promise<void>;
/** Drains the queues and judges what is left to judge; the server is not killed any more. */
type End = () => Promise<void>;

export interface Family {
  readonly work: Work;
  readonly end: End;
}

const handCount = 8;
const groupCount = 40;

export const families: Readonly<Record<FamilyName, (worker: Worker) => Promise<Family>>> = {
  mixed,
  order,
  letters,
  scratch,
};

type Changes = { readonly [Name in keyof QueueAttributes]: QueueAttributes[Name] | null };

/** Changes one of the settings at random; a pause is short. */
async function change(worker: Worker, queue: Queue, choices: readonly Changes[]): Promise<void> {
  const changes = choices[worker.random.between(0, choices.length - 1)] ?? {};
  await worker.call("settings", () => queue.setAttributes(changes));
  if (changes.deliveryPaused === true) {
    await sleep(100);
    await worker.call("settings", () => queue.resume());
  }
}

/** As it was created, so that everything can be drained. */
async function reset(worker: Worker, queue: Queue): Promise<void> {
  await worker.call("settings", () =>
    queue.setAttributes({
      deliveryPaused: false,
      maxInFlightPerGroup: 0,
      retryPolicy: null,
      delayMs: 0,
      maxInFlight: null,
    }),
  );
}

/** The numbers of a queue that nothing is stored in any more. */
async function judgeNumbers(worker: Worker, queue: Queue): Promise<QueueCounters> {
  const { counters } = await queue.attributes();
  const { sentCount, arrivedCount, deletedCount, expiredCount, purgedCount } = counters;
  const left =
    sentCount +
    arrivedCount -
    (deletedCount + expiredCount + purgedCount + counters.deadLetteredCount + counters.movedCount);
  if (left !== 0) worker.ledger.violation(`The numbers of ${queue.name} leave ${left} messages.`);
  return counters;
}

function judgeBetween(worker: Worker, what: string, value: number, least: number, most: number) {
  if (value >= least && value <= most) return;
  worker.ledger.violation(`${what} is ${value}, and should be ${least} to ${most}.`);
}

/** What every queue's hands do with what they receive. */
async function settle(worker: Worker, queue: Queue, messages: readonly ReceivedMessage[]) {
  const { random } = worker;
  const choice = random.next();
  if (choice < 0.82) await worker.deleteAll(queue, messages);
  else if (choice < 0.9) await Promise.all(messages.map((message) => worker.delete(message)));
  else if (choice < 0.94) {
    for (const message of messages) {
      const timeoutMs = random.chance(0.5) ? 0 : random.between(1, 2_000);
      await worker.call("given back", () => message.changeVisibility(timeoutMs));
    }
  } else if (choice < 0.97) {
    for (const message of messages) {
      const delayMs = random.between(0, 500);
      await worker.call("rejected", () => message.reject({ reason: "SOAK", delayMs }));
    }
  }
  // The rest are forgotten, and come back when their leases end.
}

async function mixed(worker: Worker): Promise<Family> {
  const { client, random } = worker;
  const { queue } = await client.createQueue("orders", { attributes: { dedupWindowMs: 5_000 } });
  const producer = queue.producer({ maxInFlight: 200 });
  let idCount = 0;
  const newId = (): string => {
    idCount += 1;
    return `id-${idCount}`;
  };
  const optionsOf = (): SendOptions => ({
    ...(random.chance(0.1) && { dedupId: newId() }),
    ...(random.chance(0.1) && { delayMs: random.between(0, 1_000) }),
    ...(random.chance(0.2) && { priority: random.between(1, 9) }),
    ...(random.chance(0.4) && { groupId: `tenant-${random.between(1, groupCount)}` }),
    ...(random.chance(0.1) && { attributes: { colour: "blue", size: 17 } }),
  });
  const sending = (act: () => Promise<unknown>) => async (): Promise<void> => {
    if (worker.isFull) await sleep(20);
    else await act();
  };
  return {
    work: async () => {
      await Promise.all([
        worker.consume(queue),
        worker.run(handCount, [
          { weight: 20, act: sending(() => worker.send(queue, optionsOf())) },
          { weight: 12, act: sending(() => worker.sendBatch(queue, optionsOf)) },
          { weight: 3, act: sending(() => worker.produce(producer, optionsOf)) },
          {
            weight: 30,
            act: async () =>
              await settle(worker, queue, await worker.receive(queue, random.between(500, 4_000))),
          },
          {
            weight: 0.5,
            act: () =>
              change(worker, queue, [
                { visibilityTimeoutMs: random.between(500, 5_000) },
                { priorityAgeingMs: random.between(1_000, 60_000) },
                { retryPolicy: { minimumBackoffMs: 1_000 } },
                { retryPolicy: null },
                { maxInFlightPerGroup: random.chance(0.5) ? 0 : 20 },
                { maxInFlight: random.chance(0.5) ? 200 : 120_000 },
                { deliveryPaused: true },
              ]),
          },
          {
            weight: 0.5,
            act: async () => void (await worker.call("looks", () => queue.attributes())),
          },
        ]),
      ]);
      await worker.attempts.once(() => producer.close());
    },
    end: () => endKept(worker, queue),
  };
}

/** Of a queue that nothing expires from and nobody purges: every message is known. */
async function endKept(worker: Worker, queue: Queue): Promise<void> {
  await reset(worker, queue);
  await worker.drain(queue);
  worker.ledger.judgeAll();
  const { sentCount } = await judgeNumbers(worker, queue);
  const acknowledged = worker.ledger.count("ok");
  const most = acknowledged + worker.ledger.count("unknown");
  judgeBetween(worker, "The number of messages sent", sentCount, acknowledged, most);
}

async function order(worker: Worker): Promise<Family> {
  const { client, random } = worker;
  const { queue } = await client.createQueue("orders.fifo", { attributes: { fifoQueue: true } });
  let idCount = 0;
  const optionsOf = (): SendOptions => {
    idCount += 1;
    return { groupId: `group-${random.between(1, groupCount)}`, dedupId: `id-${idCount}` };
  };
  return {
    work: () =>
      worker.run(handCount, [
        {
          weight: 20,
          act: async () => {
            if (worker.isFull) return await sleep(20);
            const options = optionsOf();
            const messageId = await worker.send(queue, options);
            if (messageId !== undefined && random.chance(0.1)) {
              await sendAgain(worker, queue, options, messageId);
            }
          },
        },
        {
          weight: 10,
          act: async () => {
            if (worker.isFull) await sleep(20);
            else await worker.sendBatch(queue, optionsOf);
          },
        },
        {
          weight: 30,
          act: async () =>
            await settle(worker, queue, await worker.receive(queue, random.between(300, 2_000))),
        },
        {
          weight: 0.3,
          act: () =>
            change(worker, queue, [
              { delayMs: random.chance(0.5) ? 0 : random.between(1, 300) },
              { deduplicationScope: random.chance(0.5) ? "QUEUE" : "MESSAGE_GROUP" },
              { maxInFlightPerGroup: random.chance(0.5) ? 0 : 5 },
              { deliveryPaused: true },
            ]),
        },
      ]),
    end: () => endKept(worker, queue),
  };
}

/** The same id within its window is the same message. */
async function sendAgain(
  worker: Worker,
  queue: Queue,
  options: SendOptions,
  messageId: string,
): Promise<void> {
  const again = await worker.call("sent again", () => queue.send("-1 again", options));
  if (again.outcome !== "ok") return;
  if (again.value.duplicate && again.value.messageId === messageId) return;
  worker.ledger.violation(`A message sent again with ${options.dedupId} was stored again.`);
}

async function letters(worker: Worker): Promise<Family> {
  const { client, random } = worker;
  const { queue: dead } = await client.createQueue("dead-letters");
  const { queue } = await client.createQueue("letters", {
    attributes: { redrivePolicy: { deadLetterQueue: dead.name, maxReceiveCount: 2 } },
  });
  const isPoison = (message: ReceivedMessage): boolean => numberOf(message) % 10 === 0;
  const receiveLetters = async (): Promise<void> => {
    const messages = await worker.receive(queue, random.between(300, 2_000));
    const poison = messages.filter(isPoison);
    await settle(
      worker,
      queue,
      messages.filter((message) => !poison.includes(message)),
    );
    for (const message of poison) {
      const deadLetter = random.chance(0.5);
      await worker.call("rejected", () => message.reject({ reason: "POISON", deadLetter }));
    }
  };
  return {
    work: async () => {
      await Promise.all([
        moveOverAndOver(worker, dead),
        worker.run(handCount, [
          {
            weight: 14,
            act: async () => {
              if (worker.isFull) await sleep(20);
              else await worker.sendBatch(queue, () => ({}));
            },
          },
          { weight: 20, act: receiveLetters },
          {
            weight: 2,
            act: async () => await settle(worker, dead, await worker.receive(dead, 1_000)),
          },
        ]),
      ]);
    },
    end: async () => {
      await worker.drain(queue);
      await worker.drain(dead);
      worker.ledger.judgeAll();
      const counters = await judgeNumbers(worker, queue);
      const ofDead = await judgeNumbers(worker, dead);
      const acknowledged = worker.ledger.count("ok");
      const most = acknowledged + worker.ledger.count("unknown");
      const { sentCount, deletedCount, deadLetteredCount, arrivedCount } = counters;
      judgeBetween(worker, "The number of letters sent", sentCount, acknowledged, most);
      // A move makes a new message of an old one: over both queues each is deleted once.
      const deletedInAll = deletedCount + ofDead.deletedCount;
      judgeBetween(worker, "The number of letters deleted", deletedInAll, sentCount, sentCount);
      const { arrivedCount: died, movedCount } = ofDead;
      judgeBetween(
        worker,
        "The number of dead letters",
        died,
        deadLetteredCount,
        deadLetteredCount,
      );
      judgeBetween(worker, "The number of moves", movedCount, arrivedCount, arrivedCount);
    },
  };
}

/** One task after another; none may fail. */
async function moveOverAndOver(worker: Worker, dead: Queue): Promise<void> {
  const { random, ledger, attempts } = worker;
  while (!worker.ending.aborted) {
    const maxPerSecond = random.chance(0.5) ? undefined : random.between(20, 500);
    await worker.call("moves", () => dead.startMove({ maxPerSecond }));
    for (let isRunning = true; isRunning; ) {
      await sleep(200);
      const looked = await attempts.once(async () => {
        for await (const task of dead.listMoves({ pageSize: 1 })) return task;
        return undefined;
      });
      const task = looked.outcome === "ok" ? looked.value : undefined;
      if (task?.status === "FAILED") ledger.violation(`A move failed: ${task.failureReason}.`);
      const { taskHandle } = task ?? {};
      if (taskHandle !== undefined && (worker.ending.aborted || random.chance(0.02))) {
        await worker.call("moves", () => worker.client.cancelMove(taskHandle));
      }
      isRunning =
        looked.outcome !== "ok" || taskHandle !== undefined || task?.status === "CANCELLING";
    }
  }
}

async function scratch(worker: Worker): Promise<Family> {
  const { client, random, ledger } = worker;
  const { queue } = await client.createQueue("scratch");
  let purgedCount = 0;
  const optionsOf = (): SendOptions => ({
    ...(random.chance(0.3) && { timeToLiveMs: random.between(1_000, 4_000) }),
    ...(random.chance(0.2) && { deliverTime: new Date(Date.now() + random.between(0, 3_000)) }),
    ...(random.chance(0.3) && { groupId: `tenant-${random.between(1, groupCount)}` }),
  });
  return {
    work: () =>
      worker.run(handCount, [
        {
          weight: 20,
          act: async () => {
            const messageId = await worker.send(queue, optionsOf());
            if (messageId === undefined || !random.chance(0.1)) return;
            await worker.call("cancelled", () => queue.cancelScheduledMessage(messageId));
          },
        },
        { weight: 10, act: () => worker.sendBatch(queue, optionsOf) },
        {
          weight: 25,
          act: async () =>
            await settle(worker, queue, await worker.receive(queue, random.between(300, 2_000))),
        },
        {
          weight: 0.1,
          act: async () => {
            const purged = await worker.call("purges", () => queue.purge());
            if (purged.outcome === "ok") purgedCount += purged.value;
          },
        },
        {
          weight: 0.1,
          act: () =>
            change(worker, queue, [
              { messageRetentionPeriodMs: random.chance(0.5) ? 60_000 : null },
              { delayMs: random.chance(0.5) ? 0 : random.between(1, 500) },
            ]),
        },
      ]),
    end: async () => {
      await reset(worker, queue);
      await worker.drain(queue);
      const counters = await judgeNumbers(worker, queue);
      const most = ledger.count("ok") + ledger.count("unknown");
      judgeBetween(worker, "The number of messages sent to be purged", counters.sentCount, 0, most);
      const everPurged = counters.purgedCount;
      judgeBetween(
        worker,
        "The number of messages purged",
        everPurged,
        purgedCount,
        counters.sentCount,
      );
    },
  };
}
