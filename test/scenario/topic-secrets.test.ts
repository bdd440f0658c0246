// What subscriptions are given to show to their targets is shown to nobody else: planted secrets are looked for in all that the
// server says: to callers, in its log, in its metrics, and of a row that cannot be read; and in what `forebay check` prints.

import { inspect } from "node:util";
import { expect, test } from "vitest";
import { loadConfig } from "../../src/config.js";
import { TargetKind } from "../../src/gen/forebay/topic/v1/topic.js";
import { checkDirectory, renderCheckReport } from "../../src/server/check-directory.js";
import { localCertificate } from "../delivery/receivers.js";
import { createTopic, publish, type TopicRequest, topicCall } from "../support/topics.js";
import { callError, until, webhookScenario } from "../support/webhooks.js";

const password = "planted-password";
const bearerToken = "planted-bearer-token";
/** What is left of it where its last byte was changed. */
const bearer = bearerToken.slice(0, -1);
/** As bytes in answers, and in base64 as it is kept. */
const hmacSecret = Buffer.from("planted-hmac-secret-of-32-bytes!");

/** Whatever it is made of, as somebody reads it who looks for secrets. */
const shown = (value: unknown): string =>
  inspect(value, {
    depth: Number.POSITIVE_INFINITY,
    maxArrayLength: null,
    maxStringLength: null,
    breakLength: Number.POSITIVE_INFINITY,
    showHidden: true,
  });

/** Bytes also as `inspect` and JSON show them. */
const isIn = (text: string, secret: string | Buffer): boolean =>
  Buffer.isBuffer(secret)
    ? [
        secret.toString("latin1"),
        secret.toString("base64"),
        secret.toString("hex").replace(/..(?=.)/g, "$& "),
        [...secret].join(", "),
      ].some((form) => text.includes(form))
    : text.includes(secret);

test("passwords, tokens, keys and HMAC secrets of subscriptions are in no error, log or metric", async () => {
  const t = await webhookScenario();
  await createTopic(t, "news");
  const { certificate, key } = localCertificate("localhost");
  /** The middle of the key, which no other text has. */
  const clientKey = key.split("\n")[1] ?? "";
  expect(clientKey.length).toBeGreaterThan(40);
  const tls = { clientCertificate: certificate, clientKey: key };
  // Nobody listens there, so that attempts fail and are told of.
  const webhook: TopicRequest<"subscribe"> = {
    topic: "news",
    kind: TargetKind.HTTPS,
    endpoint: `https://user:${password}@127.0.0.1:9/hook`,
    settings: { webhook: { hmacSecret, ...tls } },
  };
  const receiver: TopicRequest<"subscribe"> = {
    topic: "news",
    kind: TargetKind.FUNCTION,
    endpoint: "grpcs://127.0.0.1:9",
    settings: { function: { bearerToken, ...tls } },
  };
  const answers: unknown[] = [];
  const errors: unknown[] = [];
  const subscribed = await topicCall(t, "subscribe", webhook);
  const id = subscribed.subscription?.subscription ?? "";
  const called = await topicCall(t, "subscribe", receiver);
  answers.push(called);
  const { token } = await topicCall(t, "getPendingToken", { subscription: id });
  await topicCall(t, "confirmSubscription", { topic: "news", token });
  for (const request of [webhook, receiver]) {
    const other = { ...request, settings: { ...request.settings, ttlToDlq: true } };
    errors.push(await callError(topicCall(t, "subscribe", other)));
  }
  const calls = [
    topicCall(t, "getPendingToken", { subscription: id }),
    topicCall(t, "updateSubscription", {
      subscription: id,
      settings: { paused: true },
      updateMask: ["paused"],
      etag: "another",
    }),
    topicCall(t, "subscribe", { ...webhook, endpoint: `https://user:${password}@127.0.0.1:0/` }),
    topicCall(t, "subscribe", { ...webhook, endpoint: `https://user:${password}@10.0.0.1/` }),
    topicCall(t, "subscribe", { ...webhook, kind: TargetKind.HTTP }),
    topicCall(t, "subscribe", {
      ...receiver,
      endpoint: "grpcs://127.0.0.1:10",
      settings: { function: { bearerToken: `${bearerToken}\n`, clientKey: key } },
    }),
  ];
  // Each is awaited from the start: one that is refused while another is awaited must not go unnoticed.
  errors.push(...(await Promise.all(calls.map(callError))));
  await publish(t, "news", "to be tried");
  const failures = () =>
    t.logged.filter(({ fields }) => JSON.stringify(fields).includes('"FAILURE"')).length;
  await until("both failed", () => failures() >= 2);
  answers.push(
    await topicCall(t, "getSubscription", {
      subscription: called.subscription?.subscription ?? "",
    }),
  );
  answers.push(await topicCall(t, "getTopic", { topic: "news" }));
  const { port } = t.server.managementAddress;
  const metrics = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  expect(metrics).toContain("forebay");
  // The owner reads the endpoint and the secret that signs, as the contract says, and never the key.
  const owned = shown(await topicCall(t, "getSubscription", { subscription: id }));
  expect(isIn(owned, clientKey)).toBe(false);
  expect(isIn(owned, hmacSecret)).toBe(true);

  // A row that is damaged is told of without what it holds.
  t.expectErrors();
  await t.corrupt(bearerToken);
  const damaged = { subscription: called.subscription?.subscription ?? "" };
  errors.push(await callError(topicCall(t, "getSubscription", damaged)));
  expect(shown(errors.at(-1))).toContain("RECORD_CORRUPT");

  expect(t.logged.length).toBeGreaterThan(2);
  const said = { answers, errors, log: t.logged, metrics };
  for (const [where, value] of Object.entries(said)) {
    const text = typeof value === "string" ? value : shown(value);
    for (const [what, secret] of Object.entries({ password, bearer, hmacSecret, clientKey })) {
      expect(isIn(text, secret), `${what} in ${where}`).toBe(false);
    }
  }
});

test("`forebay check` tells rows that are damaged and none of the secrets in them", async () => {
  const t = await webhookScenario();
  await createTopic(t, "news", { policy: topicPolicy });
  await topicCall(t, "subscribe", {
    topic: "news",
    kind: TargetKind.HTTPS,
    endpoint: `https://user:${password}@127.0.0.1:9/hook`,
    settings: { webhook: { hmacSecret } },
  });
  await topicCall(t, "subscribe", {
    topic: "news",
    kind: TargetKind.FUNCTION,
    endpoint: "grpcs://127.0.0.1:9",
    settings: { function: { bearerToken } },
  });
  t.expectErrors();
  const { config } = loadConfig({ args: [], env: {}, workingDirectory: t.directory });
  let printed = "";
  // The subscriptions first: what belongs to a topic that cannot be read is not looked for.
  for (const damaged of [[password, bearerToken], ["planted-principal"]]) {
    for (const text of damaged) await t.corrupt(text);
    await t.stop();
    const report = await checkDirectory({ ...config, dataDir: t.directory });
    await t.start();
    expect(report.contradictionCount).toBeGreaterThanOrEqual(damaged.length);
    printed += `${renderCheckReport(report)}${JSON.stringify(report)}`;
  }
  expect(printed).toContain("subscription");
  expect(printed).toContain("topic default/news");
  const secrets = { password: password.slice(0, -1), bearer, hmacSecret, policy: "planted" };
  for (const [what, secret] of Object.entries(secrets)) {
    expect(isIn(printed, secret), what).toBe(false);
  }
});

const topicPolicy = JSON.stringify({
  Version: "2012-10-17",
  Statement: [
    {
      Effect: "Allow",
      Principal: { Forebay: ["planted-principal"] },
      Action: "topic:Publish",
      Resource: "topic/news",
    },
  ],
});
