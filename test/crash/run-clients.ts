// The clients of one process, of every kind that its plan names. Each gets its own choices and its own way to the server.

import type { Client } from "./client.js";
import { move } from "./mover.js";
import type { ClientKind, ClientPlan } from "./plan.js";
import { Random } from "./random.js";
import { consume, receive } from "./receivers.js";
import { produce, send, sendBatches, sendHastily } from "./senders.js";

/** How a client reaches the server, and what it makes of the answers. */
export type Way = Pick<Client, "attempts" | "queue" | "repeatingQueue" | "cancelMove">;

const kinds: Readonly<Record<ClientKind, (client: Client) => Promise<void>>> = {
  sender: send,
  hasty_sender: sendHastily,
  batch_sender: sendBatches,
  producer: produce,
  receiver: receive,
  consumer: consume,
  mover: move,
};

/** Resolves once all have stopped. */
export async function runClients(
  plan: ClientPlan,
  { history, stopping }: Pick<Client, "history" | "stopping">,
  wayOf: (number: number) => Way,
): Promise<void> {
  const each = Object.entries(plan.clients).flatMap(([kind, count], place) =>
    Array.from({ length: count }, (_, index) => ({ kind: kind as ClientKind, place, index })),
  );
  const running = each.map(({ kind, place, index }, number) =>
    kinds[kind]({
      name: `${plan.name}-${kind}-${index}`,
      plan,
      random: new Random(plan.seed + place * 1_000 + index),
      history,
      stopping,
      ...wayOf(number),
    }),
  );
  await Promise.all(running);
}
