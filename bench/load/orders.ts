// How the benchmark talks to the processes that make load: one order at a time, one answer each, over the channel that Node
// opens to a forked child. A load process does nothing on its own and ends with the process that started it.

import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";

/** What a load process can do: the orders it takes, by name. */
// `never` stands for "some argument of its own": each name's own type is taken from the handlers.
export type OrderHandlers = Readonly<Record<string, (order: never) => Promise<unknown>>>;

interface OrderMessage {
  readonly name: string;
  readonly order: unknown;
}

type Answer =
  | { readonly kind: "done"; readonly result: unknown }
  | { readonly kind: "failed"; readonly message: string };

/** In a load process: answers orders until the benchmark goes away. */
export function answerOrders(handlers: OrderHandlers): void {
  process.on("message", ({ name, order }: OrderMessage) => {
    const answer = (message: Answer): void => {
      process.send?.(message);
    };
    const handler = handlers[name] as ((order: unknown) => Promise<unknown>) | undefined;
    if (handler === undefined) {
      answer({ kind: "failed", message: `no order is called ${name}` });
      return;
    }
    handler(order).then(
      (result) => answer({ kind: "done", result }),
      (error: unknown) => {
        const message = error instanceof Error ? (error.stack ?? error.message) : String(error);
        answer({ kind: "failed", message });
      },
    );
  });
  process.on("disconnect", () => process.exit(0));
}

/** A running load process. */
export interface LoadProcess<Handlers extends OrderHandlers> extends AsyncDisposable {
  order<Name extends keyof Handlers & string>(
    name: Name,
    order: Parameters<Handlers[Name]>[0],
  ): Promise<Awaited<ReturnType<Handlers[Name]>>>;
}

/** Starts `<name>.worker.js` of this folder. */
export function startLoad<Handlers extends OrderHandlers>(name: string): LoadProcess<Handlers> {
  const path = fileURLToPath(new URL(`./${name}.worker.js`, import.meta.url));
  const child = fork(path, {
    serialization: "advanced",
    stdio: ["ignore", "inherit", "inherit", "ipc"],
  });
  return {
    order: async (orderName, order) => {
      const answer = await ask(child, { name: orderName, order });
      if (answer.kind === "failed") throw new Error(`The load failed: ${answer.message}`);
      // The worker was started by its own name, so its answers are those of its handlers.
      return answer.result as never;
    },
    [Symbol.asyncDispose]: async () => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
      child.kill("SIGKILL");
      await gone;
    },
  };
}

function ask(child: ChildProcess, message: OrderMessage): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const onMessage = (answer: Answer): void => {
      child.off("exit", onExit);
      resolve(answer);
    };
    const onExit = (code: number | null, signal: string | null): void => {
      child.off("message", onMessage);
      reject(new Error(`The load process ended early (${signal ?? `exit code ${code}`}).`));
    };
    child.once("message", onMessage);
    child.once("exit", onExit);
    child.send({ ...message });
  });
}
