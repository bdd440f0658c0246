// Delivers to a function that nobody here wrote the gRPC of: a ReceiverService in Python, with the stock grpcio and the code that it
// generates from the contract. Every answer that a function may give is given, and what came of it looked up.
//
//   node scripts/python-receiver.mjs
//
// The packages are installed into a folder that goes away, in the versions of scripts/support/python-receiver/requirements.txt.
// Without python3, or where they cannot be installed, it says so and leaves; with CI=true that is a failure.

import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { setup } from "./setup.mjs";
import { root } from "./support/repository.mjs";
import { requireEqual, requirePart } from "./support/requirements.mjs";
import { startServer } from "./support/server.mjs";

const sources = join(root, "scripts/support/python-receiver");
const contract = ["message", "receiver_service"].map((name) => `forebay/topic/v1/${name}.proto`);
/** How long packages may take to be installed, and how long any step of the story. */
const installMs = 180_000;
const stepMs = 30_000;
/** What the receiver asks for before a message is tried again. */
const retrySeconds = 2;

/** Why there can be no receiver; undefined when it is installed. */
function install(folder) {
  const bin = join(folder, "venv/bin");
  const generated = join(folder, "generated");
  mkdirSync(generated);
  const steps = [
    ["python3", "--version"],
    ["python3", "-m", "venv", join(folder, "venv")],
    // Wheels alone: nothing is compiled, and nothing of a package runs while it is installed.
    [
      ...[join(bin, "python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"],
      ...[
        "--only-binary",
        ":all:",
        "--no-deps",
        "--requirement",
        join(sources, "requirements.txt"),
      ],
    ],
    [
      ...[join(bin, "python"), "-m", "grpc_tools.protoc", `--proto_path=${join(root, "proto")}`],
      ...[`--python_out=${generated}`, `--grpc_python_out=${generated}`, ...contract],
    ],
  ];
  for (const [command, ...args] of steps) {
    const { status, stderr, error } = spawnSync(command, args, {
      encoding: "utf8",
      timeout: installMs,
    });
    if (status === 0) continue;
    const why = error?.message ?? stderr.trim().split("\n").at(-1);
    return `${command} ${args.slice(0, 3).join(" ")}: ${why}`;
  }
  return undefined;
}

/** Starts the receiver. `calls` are those it was given so far. */
async function startReceiver(folder) {
  const python = join(folder, "venv/bin/python");
  const args = [join(sources, "receiver.py"), join(folder, "generated")];
  const child = spawn(python, args, { stdio: ["pipe", "pipe", "inherit"] });
  const exited = once(child, "exit");
  const lines = createInterface({ input: child.stdout });
  const [first] = await Promise.race([once(lines, "line"), once(lines, "close")]);
  if (first === undefined) throw new Error("The receiver did not start.");
  const calls = [];
  lines.on("line", (line) => calls.push(JSON.parse(line)));
  return {
    endpoint: `grpc://127.0.0.1:${JSON.parse(first).port}`,
    calls,
    stop: async () => {
      child.stdin.end();
      await exited;
    },
  };
}

async function until(what, isThere) {
  const giveUpMs = performance.now() + stepMs;
  while (!(await isThere())) {
    if (performance.now() > giveUpMs) throw new Error(`It did not come to this: ${what}.`);
    await sleep(20);
  }
}

const textsOf = (calls) =>
  calls.map(({ notifications }) => notifications.map(({ text, attempt }) => `${text} ${attempt}`));

async function tryReceiver(client, { endpoint, calls }) {
  await client.createTopic("news");
  const { queue: dead } = await client.createQueue("dead");
  const topic = client.topic("news");
  const { subscription } = await topic.subscribe(
    { function: endpoint },
    {
      settings: {
        deadLetterQueue: dead.name,
        function: {
          batchMax: 10,
          maxConcurrency: 1,
          bearerToken: "open sesame",
          lambdaEvent: true,
        },
      },
    },
  );
  const counters = async () =>
    (await client.subscription(subscription.subscription).describe()).counters;
  const isDone = async () => (await counters()).backlogCount === 0;

  // What a message carries arrives as it was published.
  const { messageId } = await topic.publish("Grüße ☕", {
    subject: "Hello",
    attributes: { kind: "greeting", size: 3 },
  });
  await until("a text is taken", isDone);
  requirePart(
    calls[0],
    {
      subscription: subscription.subscription,
      authorization: "Bearer open sesame",
      notifications: [
        {
          messageId,
          topic: "news",
          subject: "Hello",
          attempt: 1,
          body: "text",
          text: "Grüße ☕",
          attributes: { kind: "greeting", size: "3" },
        },
      ],
    },
    "a text",
  );
  const event = JSON.parse(calls[0].notifications[0].lambdaEvent);
  requireEqual(event.Records[0].Sns.MessageId, messageId, "the event of a Lambda function");
  await topic.publish(new Uint8Array([0, 255]));
  await until("bytes are taken", isDone);
  requirePart(calls[1].notifications[0], { body: "data", data: "AP8=" }, "bytes");

  // Of a batch each message has its own end: taken, tried again when asked, given up.
  const { subscription: id } = subscription;
  await client.subscription(id).set({ paused: true });
  await topic.publishBatch(["ack", "retry", "reject"]);
  await client.subscription(id).set({ paused: false });
  await until("a batch is done", isDone);
  requireEqual(
    JSON.stringify(textsOf(calls.slice(2))),
    JSON.stringify([["ack 1", "retry 1", "reject 1"], ["retry 2"]]),
    "calls of a batch",
  );
  const waited = calls[3].at - calls[2].at;
  if (waited < retrySeconds) throw new Error(`It was tried again after ${waited} s.`);

  // A status stands for all: one that may pass is tried again, another gives up.
  await topic.publish("away");
  await until("it is taken in the end", isDone);
  await topic.publish("denied");
  await until("it is given up", isDone);
  requireEqual(
    JSON.stringify(textsOf(calls.slice(4))),
    JSON.stringify([["away 1"], ["away 2"], ["denied 1"]]),
    "calls answered with a status",
  );
  requirePart(await counters(), { deliveredCount: 5, deadLetteredCount: 2 }, "counters");
  const letters = await dead.receive({ maxMessages: 10, waitTimeMs: 1_000 });
  const texts = letters.map((message) => message.json().Message);
  requireEqual(texts.sort().join(), "denied,reject", "dead letters");
}

setup();
const { ForebayClient } = await import("@forebay/client");
const folder = mkdtempSync(join(tmpdir(), "forebay-python-"));
try {
  const problem = install(folder);
  if (problem === undefined) {
    const server = await startServer(["--webhook-allowed-cidrs", "127.0.0.0/8"]);
    const receiver = await startReceiver(folder);
    const client = new ForebayClient({ endpoint: server.address });
    try {
      await tryReceiver(client, receiver);
      console.log(
        `A function in Python was called ${receiver.calls.length} times, as it should be.`,
      );
    } finally {
      await client.close();
      await receiver.stop();
      await server.stop();
    }
  } else {
    console.error(`SKIPPED: no function in Python can be made here. ${problem}`);
    if (process.env.CI === "true") process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
