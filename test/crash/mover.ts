// A client of a crash test that moves dead letters back, one task after another: some as fast as the server likes, most slowly
// enough that the server is killed meanwhile, and some cancelled on the way. Each task is watched to its end.

import { setTimeout as sleep } from "node:timers/promises";
import type { MoveTaskDescription } from "@forebay/client";
import { type Client, pause } from "./client.js";
import { nowMs } from "./history.js";

/** How often a task is looked at. */
const lookMs = 150;
/** How long a task that is cancelled may go on; far longer than the server is ever away. */
const endsWithinMs = 30_000;

export async function move(client: Client): Promise<void> {
  const { name, queue, attempts, random, stopping } = client;
  for (let call = 1; !stopping.aborted; call += 1) {
    const maxPerSecond = random.chance(0.2) ? undefined : random.between(5, 60);
    const cancelAtMs = random.chance(0.3) ? nowMs() + random.between(200, 4_000) : never;
    const requestId = `${name}-${call}`;
    const started = await attempts.repeated(() => queue.startMove({ maxPerSecond, requestId }));
    if (started.outcome !== "ok") {
      attempts.surprise(`A move was not started: ${started.outcome}.`);
      return;
    }
    await new Watch(client, cancelAtMs).untilEnded();
    await pause(client);
  }
}

const never = Number.POSITIVE_INFINITY;

/** Follows the newest task of a queue, which is the one just started. */
class Watch {
  readonly #client: Client;
  readonly #cancelAtMs: number;
  #cancelledAtMs = never;
  #movedCount = 0;
  /** What had been moved when the server was last seen to be gone. */
  #movedBefore = never;
  #hasResumed = false;

  constructor(client: Client, cancelAtMs: number) {
    this.#client = client;
    this.#cancelAtMs = cancelAtMs;
  }

  async untilEnded(): Promise<void> {
    const { attempts, history } = this.#client;
    while (nowMs() < this.#cancelledAtMs + endsWithinMs) {
      const task = await this.#look();
      if (task !== undefined && task.status !== "RUNNING" && task.status !== "CANCELLING") {
        const { status, movedMessageCount: movedCount } = task;
        const hasResumed = this.#hasResumed;
        history.add({ kind: "task", atMs: nowMs(), status, movedCount, hasResumed });
        return;
      }
      if (task?.taskHandle !== undefined) await this.#cancelInTime(task.taskHandle);
      await sleep(lookMs);
    }
    attempts.surprise("A move task was cancelled and does not end.");
  }

  async #look(): Promise<MoveTaskDescription | undefined> {
    const { attempts, queue } = this.#client;
    const looked = await attempts.once(() => newest(queue.listMoves({ pageSize: 1 })));
    if (looked.outcome === "unknown") this.#movedBefore = this.#movedCount;
    if (looked.outcome !== "ok" || looked.value === undefined) return undefined;
    this.#movedCount = looked.value.movedMessageCount;
    if (this.#movedCount > this.#movedBefore) this.#hasResumed = true;
    return looked.value;
  }

  /** In its time, or when the process is to stop. */
  async #cancelInTime(taskHandle: string): Promise<void> {
    const { attempts, stopping, cancelMove } = this.#client;
    if (nowMs() < this.#cancelAtMs && !stopping.aborted) return;
    if (this.#cancelledAtMs !== never) return;
    const { outcome } = await attempts.once(() => cancelMove(taskHandle));
    if (outcome === "ok") this.#cancelledAtMs = nowMs();
  }
}

async function newest(
  tasks: AsyncIterable<MoveTaskDescription>,
): Promise<MoveTaskDescription | undefined> {
  for await (const task of tasks) return task;
  return undefined;
}
