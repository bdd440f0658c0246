// Webhooks in a test's words: a scenario whose server may send to this machine, receivers that answer what a test says, and waiting
// for what real sockets do while the clock stands.

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import type { Config } from "../../src/config.js";
import type { SubscriptionSettings } from "../../src/gen/forebay/topic/v1/topic.js";
import { TargetKind } from "../../src/gen/forebay/topic/v1/topic.js";
import { CallError } from "./call-error.js";
import { type Scenario, type ScenarioOptions, scenario } from "./scenario.js";
import { type TopicRequest, topicCall } from "./topics.js";

export const webhookConfig: Partial<Config> = {
  publicBaseUrl: "http://messages.example",
  publicListen: { host: "127.0.0.1", port: 0 },
  webhookAllowedCidrs: ["127.0.0.0/8"],
  retryJitter: false,
};

export const webhookScenario = (options: ScenarioOptions = {}): Promise<Scenario> =>
  scenario({ ...options, config: { ...webhookConfig, ...options.config } });

/** A request as a receiver got it. */
export interface Posted {
  readonly type: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
  /** The body, where it is an envelope. */
  readonly envelope: Readonly<Record<string, string>>;
  /** By the clock of the test, if it has one. */
  readonly at: number;
}

/** A status; a status with headers; or nothing, and the request stays open. */
export type Answer =
  | number
  | { readonly status: number; readonly headers: Readonly<Record<string, string>> }
  | "silence";

export interface Hook {
  readonly url: string;
  /** All of them, confirmations too. */
  readonly posted: readonly Posted[];
  readonly notifications: readonly Posted[];
  readonly confirmations: readonly Posted[];
  /** Notifications that wait for their answer. */
  unanswered(): number;
}

export interface HookOptions {
  /** What posts are dated with. */
  readonly now?: () => number;
  /** In real time, before a notification is answered. */
  readonly delayMs?: number;
}

/** A receiver that answers each notification with what comes next, the last answer again and again; confirmations with 200. */
export async function hook(
  answers: readonly Answer[] = [200],
  { now = () => 0, delayMs = 0 }: HookOptions = {},
): Promise<Hook> {
  const posted: Posted[] = [];
  let count = 0;
  let unanswered = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const post = postedOf(request, Buffer.concat(chunks).toString("utf8"), now());
      posted.push(post);
      if (post.type !== "Notification") return answer(response, 200);
      const next = answers[Math.min(count, answers.length - 1)] ?? 200;
      count += 1;
      unanswered += 1;
      setTimeout(() => {
        unanswered -= 1;
        answer(response, next);
      }, delayMs);
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const { port } = server.address() as AddressInfo;
  const ofType = (type: string): Posted[] => posted.filter((each) => each.type === type);
  return {
    url: `http://127.0.0.1:${port}/hook`,
    posted,
    get notifications() {
      return ofType("Notification");
    },
    get confirmations() {
      return ofType("SubscriptionConfirmation");
    },
    unanswered: () => unanswered,
  };
}

function postedOf({ headers }: IncomingMessage, body: string, at: number): Posted {
  const type = String(headers["x-amz-sns-message-type"]);
  const isRaw = headers["x-amz-sns-rawdelivery"] === "true";
  const envelope = isRaw ? {} : (JSON.parse(body) as Record<string, string>);
  return { type, headers, body, envelope, at };
}

function answer(response: ServerResponse, given: Answer): void {
  if (given === "silence") return;
  const { status, headers } = typeof given === "number" ? { status: given, headers: {} } : given;
  response.writeHead(status, headers).end();
}

/** Of real time. */
export const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

const untilMsMax = 10_000;

/** Waits in real time: sockets do not know the clock of the test. */
export async function until(
  what: string,
  isThere: () => boolean | Promise<boolean>,
): Promise<void> {
  const end = Date.now() + untilMsMax;
  while (!(await isThere())) {
    if (Date.now() > end) throw new Error(`It did not come to this: ${what}`);
    await pause(5);
  }
}

export async function subscribeHook(
  t: Pick<Scenario, "client">,
  topic: string,
  url: string,
  settings: Partial<SubscriptionSettings> = {},
): Promise<string> {
  const kind = url.startsWith("https") ? TargetKind.HTTPS : TargetKind.HTTP;
  const request: TopicRequest<"subscribe"> = { topic, kind, endpoint: url, settings };
  const { subscription } = await topicCall(t, "subscribe", request);
  return subscription?.subscription ?? "";
}

/** Subscribes a receiver, and confirms with the token it got. */
export async function subscribed(
  t: Pick<Scenario, "client">,
  topic: string,
  { url }: Hook,
  settings: Partial<SubscriptionSettings> = {},
): Promise<string> {
  const id = await subscribeHook(t, topic, url, settings);
  const { token } = await topicCall(t, "getPendingToken", { subscription: id });
  await topicCall(t, "confirmSubscription", { topic, token });
  return id;
}

/** What GetSubscription counts. */
export async function countersOf(
  t: Pick<Scenario, "client">,
  subscription: string,
): Promise<Readonly<Record<string, number>>> {
  const { subscription: found } = await topicCall(t, "getSubscription", { subscription });
  const counters = found?.counters;
  if (counters === undefined) throw new Error("The subscription has no counters.");
  const { backlog, inFlight, delivered, failedAttempts, filtered, deadLettered } = counters;
  const { undeliverable } = counters;
  return Object.fromEntries(
    Object.entries({
      backlog,
      inFlight,
      delivered,
      failedAttempts,
      filtered,
      deadLettered,
      undeliverable,
    }).map(([name, count]) => [name, Number(count)]),
  );
}

/** GET on the listener for endpoints, whatever host the URL has. */
export async function visit(
  t: Scenario,
  url: string,
): Promise<{ readonly status: number; readonly body: string }> {
  const { pageAddress } = t.server;
  if (pageAddress === undefined) throw new Error("The server has no pages.");
  const { pathname, search } = new URL(url);
  const response = await fetch(`http://127.0.0.1:${pageAddress.port}${pathname}${search}`);
  return { status: response.status, body: await response.text() };
}

/** Why a call was refused; it must be. */
export async function callError(call: Promise<unknown>): Promise<CallError> {
  const error: unknown = await call.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error instanceof CallError) return error;
  throw new Error("The call was not refused.");
}
