// How often a host is asked to confirm (security.md 5): few messages an hour and few that wait for an answer, whoever subscribes and to
// whatever topic, so that a server is no means to flood somebody. What the operator opened is spared. Sockets are real for what is
// spared; hosts of the internet have names that nobody can have.

import { expect, onTestFinished, test } from "vitest";
import type { Namespace, TopicName } from "../../src/base/brands.js";
import type { Decision } from "../../src/engine/command.js";
import { TargetKind } from "../../src/gen/forebay/topic/v1/topic.js";
import { accept } from "../../src/queue/rejections.js";
import type { Stamp } from "../../src/queue/stamp.js";
import { decideUnsubscribe } from "../../src/topic/administer-subscription.js";
import { decideCreateTopic } from "../../src/topic/create-topic.js";
import { decideConfirmSubscription } from "../../src/topic/push-confirm.js";
import { decideSubscribePush } from "../../src/topic/push-subscribe.js";
import type { StateTransaction } from "../../src/topic/view.js";
import { EngineHarness } from "../support/engine-harness.js";
import { createTopic, topicCall } from "../support/topics.js";
import { callError, hook, subscribeHook, webhookScenario } from "../support/webhooks.js";

const hourMs = 3_600_000;
const namespace = "default" as Namespace;
const address = { namespace, name: "news" as TopicName, given: "news" };

/** The rules over a store, with nobody who sends anything. */
class Rules {
  readonly #harness: EngineHarness;

  private constructor(harness: EngineHarness) {
    this.#harness = harness;
  }

  static async start(): Promise<Rules> {
    const harness = await EngineHarness.start();
    onTestFinished(() => harness.stop());
    const rules = new Rules(harness);
    const command = { address, isFifo: false, settings: {}, tags: new Map(), owner: "test" };
    await rules.decide((transaction, stamp) => decideCreateTopic(transaction, command, stamp));
    return rules;
  }

  decide<Outcome, Rejection>(
    decide: (transaction: StateTransaction, stamp: Stamp) => Decision<Outcome, Rejection>,
  ): Promise<Decision<Outcome, Rejection>> {
    return this.#harness.engine.execute({ name: "Test", bytes: 0, isGrowing: false, decide });
  }

  async ask(path: string, host: string | "spared" = "a.example"): Promise<string> {
    const decided = await this.decide((transaction, stamp) =>
      decideSubscribePush(
        transaction,
        {
          address,
          kind: "https",
          endpoint: `https://a.example/${path}`,
          settings: {},
          owner: "test",
          token: `token of ${path}`,
          hmacSecret: "",
          askedHost: host === "spared" ? undefined : host,
        },
        stamp,
      ),
    );
    return decided.kind === "accepted" ? "asked" : decided.rejection.kind;
  }

  confirm(path: string) {
    const command = { address, token: `token of ${path}`, isEndClosed: false };
    return this.decide((transaction, stamp) =>
      decideConfirmSubscription(transaction, command, stamp),
    );
  }

  async askedHosts(): Promise<number> {
    const read = await this.decide(({ topics }) =>
      accept([...topics.pushes.askedHostsAfter("none.example")].length),
    );
    return read.kind === "accepted" ? read.outcome : Number.NaN;
  }

  async end(path: string): Promise<void> {
    await this.decide((transaction) => {
      const topic = transaction.topics.findTopic(address.namespace, address.name);
      const endpoint = `https://a.example/${path}`;
      const id = topic && transaction.topics.subscriptionTo(topic, "https", endpoint);
      return id === undefined ? accept(undefined) : decideUnsubscribe(transaction, id);
    });
  }

  get clock() {
    return this.#harness.clock;
  }
}

test("a host is asked three times an hour, of whatever subscriptions, and once more when the first is an hour ago", async () => {
  const rules = await Rules.start();
  expect(await rules.ask("1")).toBe("asked");
  await rules.clock.skip(1_000);
  expect(await rules.ask("1")).toBe("asked");
  expect(await rules.ask("2")).toBe("asked");
  expect(await rules.ask("1")).toBe("host_asked_limit");
  expect(await rules.ask("3")).toBe("host_asked_limit");
  // Neither another host nor one that is spared is kept from anything by it.
  expect(await rules.ask("4", "b.example")).toBe("asked");
  expect(await rules.ask("5", "spared")).toBe("asked");
  await rules.clock.skip(hourMs - 1_001);
  expect(await rules.ask("3")).toBe("host_asked_limit");
  await rules.clock.skip(1);
  expect(await rules.ask("3")).toBe("asked");
  expect(await rules.ask("3")).toBe("host_asked_limit");
});

test("ten subscriptions of a host wait to be confirmed, and there is room again when one was confirmed or has ended", async () => {
  const rules = await Rules.start();
  for (let index = 0; index < 10; index += 1) {
    expect(await rules.ask(String(index))).toBe("asked");
    await rules.clock.skip(hourMs);
  }
  expect(await rules.ask("more")).toBe("host_pending_limit");
  // Asking again about one of them is no new one.
  expect(await rules.ask("3")).toBe("asked");
  await rules.clock.skip(hourMs);
  expect(await rules.confirm("4")).toMatchObject({ kind: "accepted" });
  expect(await rules.ask("more")).toBe("asked");
  expect(await rules.ask("most")).toBe("host_pending_limit");
  await rules.end("5");
  expect(await rules.ask("most")).toBe("asked");
});

test("hosts that were asked long ago leave no rows behind", async () => {
  const rules = await Rules.start();
  for (let index = 0; index < 50; index += 1) await rules.ask(`old ${index}`, `h${index}.example`);
  expect(await rules.askedHosts()).toBe(50);
  await rules.clock.skip(48 * hourMs);
  for (let index = 0; index < 30; index += 1) await rules.ask(`new ${index}`, `n${index}.example`);
  expect(await rules.askedHosts()).toBeLessThan(60);
});

test("over the wire a host is refused with what may be done, and what the operator opened is spared", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news");
  const receivers = await Promise.all(Array.from({ length: 5 }, () => hook()));
  for (const { url } of receivers) await subscribeHook(t, "news", url);
  // A name that nobody can have: what is sent there arrives nowhere, and the limit is judged before.
  const https = (path: string) =>
    topicCall(t, "subscribe", {
      topic: "news",
      kind: TargetKind.HTTPS,
      endpoint: `https://hooks.invalid/${path}`,
    });
  for (const path of ["1", "2", "3"]) expect(await https(path)).toMatchObject({ created: true });
  const refused = await callError(https("4"));
  expect(refused.reason).toBe("CONFIRMATION_LIMIT");
  expect(refused.metadata).toMatchObject({ host: "hooks.invalid", limit: "3" });
  expect(refused.quota).toEqual(["host:hooks.invalid"]);
  const { subscriptions } = await topicCall(t, "listSubscriptions", { topic: "news" });
  expect(subscriptions).toHaveLength(8);
  await t.restart({ webhookAsksPerHourMax: 4 });
  expect(await https("4")).toMatchObject({ created: true });
  expect((await callError(https("5"))).metadata["limit"]).toBe("4");
});
