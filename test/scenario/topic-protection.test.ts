// Data protection: what a policy finds in published messages is audited, hidden or denied before anybody gets it (topic.md 1.6).

import { expect, test } from "vitest";
import { MessageStructure } from "../../src/gen/forebay/topic/v1/message.js";
import { FilterPolicyScope, TargetKind } from "../../src/gen/forebay/topic/v1/topic.js";
import { deny, mask, protect, protectionPolicy, redact } from "../support/data-protection.js";
import { failureOf } from "../support/error-details.js";
import { type Scenario, scenario } from "../support/scenario.js";
import { consumer, tail } from "../support/topic-streams.js";
import { createTopic, publish, subscribe, topicCall } from "../support/topics.js";
import { countersOf, hook, subscribed, until, webhookScenario } from "../support/webhooks.js";

const card = "4111 1111 1111 1111";
const email = "ann@example.org";
const cards = ["CreditCardNumber"];

/** A topic with a queue that gets its messages alone. */
async function news(topic = "news", queue = "q"): Promise<Scenario> {
  const t = await scenario({ create: "none" });
  const isFifo = topic.endsWith(".fifo");
  await createTopic(t, topic, isFifo ? { contentBasedDeduplication: true } : {});
  await t.createQueue(queue, isFifo ? { type: "fifo" } : {});
  await subscribe(t, topic, queue, { isRaw: true });
  return t;
}

const bodyIn = async (t: Scenario, queue = "q"): Promise<string | undefined> =>
  (await t.receive({ queue }))[0]?.body;

test("what is masked keeps its length, wherever in the message it stands, and nobody gets it", async () => {
  const t = await news();
  await protect(t, "news", [{ identifiers: ["EmailAddress", ...cards], operation: mask() }]);
  const stream = await tail(t, "news");
  await publish(t, "news", `${card} of ${email}, ж`, {
    subject: `To ${email}`,
    attributes: {
      to: email,
      card: { dataType: "Number.id", value: { $case: "stringValue", value: "4111111111111111" } },
      raw: { dataType: "Binary", value: { $case: "binaryValue", value: Buffer.from(email) } },
      other: "as it was",
    },
  });
  const hidden = "#".repeat(email.length);
  const [message] = await t.receive({ queue: "q" });
  expect(message?.body).toBe(`${"#".repeat(card.length)} of ${hidden}, ж`);
  await stream.until(() => stream.responses.length === 2);
  expect(stream.responses[1]?.item?.value).toMatchObject({
    subject: `To ${hidden}`,
    body: { value: `${"#".repeat(card.length)} of ${hidden}, ж` },
    attributes: new Map([
      ["to", { dataType: "String", value: { $case: "stringValue", value: hidden } }],
      ["card", { dataType: "String.id", value: { value: "#".repeat(16) } }],
      ["raw", { dataType: "Binary", value: { value: Buffer.from(hidden) } }],
      ["other", { dataType: "String", value: { value: "as it was" } }],
    ]),
  });
});

test("what is redacted is gone; where nothing would be left, a dash stands for it", async () => {
  const t = await news();
  await protect(t, "news", [{ identifiers: ["EmailAddress"], operation: redact }]);
  await publish(t, "news", `from ${email} to you`);
  expect(await bodyIn(t)).toBe("from  to you");
  await publish(t, "news", email, { subject: email });
  expect(await bodyIn(t)).toBe("-");
});

test("bytes are looked through as well, also those that are no UTF-8", async () => {
  const t = await news();
  const stream = await tail(t, "news");
  await protect(t, "news", [{ identifiers: ["EmailAddress"], operation: mask("x") }]);
  await publish(t, "news", Buffer.concat([Buffer.from([0xff, 0x00]), Buffer.from(` ${email}`)]));
  await stream.until(() => stream.responses.length === 2);
  const value = Buffer.concat([
    Buffer.from([0xff, 0x00]),
    Buffer.from(` ${"x".repeat(email.length)}`),
  ]);
  expect(stream.responses[1]?.item?.value).toMatchObject({ body: { $case: "data", value } });
});

test("of a message with a text for each kind every text is looked through, as its target gets it", async () => {
  const t = await news();
  await protect(t, "news", [{ identifiers: ["EmailAddress"], operation: mask("x") }]);
  const structure = `{"default": "d", "queue": "\\u0061nn@example.org", "other": 4111111111111111}`;
  await publish(t, "news", structure, { messageStructure: MessageStructure.JSON });
  expect(await bodyIn(t)).toBe("x".repeat(email.length));
});

test("a publish that is denied fails with what was found, and nothing of it is stored", async () => {
  const t = await news();
  await protect(t, "news", [{ identifiers: [...cards, "EmailAddress"], operation: deny }]);
  const failure = await failureOf(publish(t, "news", "hello", { subject: card }));
  expect(failure).toMatchObject({
    code: "PERMISSION_DENIED",
    reason: "DATA_PROTECTION_DENIED",
    metadata: { action: "topic:Publish", resource: "topic/news", identifiers: "CreditCardNumber" },
  });
  expect(failure.message).not.toContain("4111");
  await publish(t, "news", "harmless");
  expect(await bodyIn(t)).toBe("harmless");
  expect(await bodyIn(t)).toBeUndefined();
  const { topic } = await topicCall(t, "getTopic", { topic: "news" });
  expect(topic?.counters?.published).toBe(1n);
});

test("in a batch the entry that is denied fails alone, and with all_or_nothing it keeps the others back", async () => {
  const t = await news();
  await protect(t, "news", [{ identifiers: cards, operation: deny }]);
  const entries = ["fine", card].map((value, at) => ({
    id: String(at),
    body: { $case: "text" as const, value },
  }));
  const { successful, failed } = await topicCall(t, "publishBatch", { topic: "news", entries });
  expect(successful.map(({ id }) => id)).toEqual(["0"]);
  expect(failed).toMatchObject([{ id: "1", reason: "DATA_PROTECTION_DENIED" }]);
  expect(await bodyIn(t)).toBe("fine");
  const whole = topicCall(t, "publishBatch", { topic: "news", entries, allOrNothing: true });
  expect(await failureOf(whole)).toMatchObject({
    reason: "BATCH_REJECTED",
    metadata: { entry: "1", entry_reason: "DATA_PROTECTION_DENIED" },
  });
  expect(await bodyIn(t)).toBeUndefined();
});

test("what is masked is not there any more when it comes to what is denied", async () => {
  const t = await news();
  await protect(t, "news", [
    { identifiers: cards, operation: deny },
    { identifiers: cards, operation: mask() },
  ]);
  await publish(t, "news", card);
  expect(await bodyIn(t)).toBe("#".repeat(card.length));
});

test("filters look at what is left of a message", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news");
  await t.createQueue("q");
  await protect(t, "news", [{ identifiers: cards, operation: mask() }]);
  const subscribeWith = (endpoint: string, filterPolicy: string) =>
    topicCall(t, "subscribe", {
      topic: "news",
      kind: TargetKind.QUEUE,
      endpoint,
      settings: {
        rawMessageDelivery: true,
        filterPolicy,
        filterPolicyScope: FilterPolicyScope.MESSAGE_BODY,
      },
    });
  await t.createQueue("hidden");
  await subscribeWith("q", JSON.stringify({ card: [card] }));
  await subscribeWith("hidden", JSON.stringify({ card: ["#".repeat(card.length)] }));
  await publish(t, "news", JSON.stringify({ card }));
  expect(await bodyIn(t, "hidden")).toContain("####");
  expect(await bodyIn(t, "q")).toBeUndefined();
});

test("a statement is for the principals that it names", async () => {
  const t = await news();
  const of = (principals: readonly string[]) =>
    protect(t, "news", [{ identifiers: cards, operation: deny, principals }]);
  for (const principals of [["billing"], ["key:default:other", "billing:*"]]) {
    await of(principals);
    await publish(t, "news", card);
  }
  for (const principals of [["*"], ["default"], ["default:*"], ["billing", "key:default:dev"]]) {
    await of(principals);
    expect((await failureOf(publish(t, "news", card))).reason).toBe("DATA_PROTECTION_DENIED");
  }
});

test("identifiers of the user's own are found like the built-in ones", async () => {
  const t = await news();
  await protect(t, "news", [{ identifiers: ["Badge"], operation: mask("*") }], {
    Badge: "\\bEMP-\\d{6}\\b",
  });
  await publish(t, "news", "EMP-123456 and EMP-1234567");
  expect(await bodyIn(t)).toBe("********** and EMP-1234567");
});

test("two FIFO messages that differ only in what is hidden are two, and a repeat of one is one", async () => {
  const t = await news("news.fifo", "q.fifo");
  await protect(t, "news.fifo", [{ identifiers: cards, operation: mask() }]);
  const publishCard = (text: string) => publish(t, "news.fifo", text, { groupId: "g" });
  const [first, second, again] = [
    await publishCard(card),
    await publishCard("5500 0000 0000 0004"),
    await publishCard(card),
  ];
  expect([first, second, again].map(({ duplicate }) => duplicate)).toEqual([false, false, true]);
  expect(again?.messageId).toBe(first?.messageId);
});

test("an outbound denial gives a delivery up: the dead-letter queue has it, with the reason", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news");
  for (const queue of ["q", "dead"]) await t.createQueue(queue);
  const id = await subscribe(t, "news", "q", { isRaw: true, deadLetterQueue: "dead" });
  await protect(t, "news", [{ direction: "Outbound", identifiers: cards, operation: deny }]);
  await publish(t, "news", card);
  await publish(t, "news", "harmless");
  expect(await bodyIn(t)).toBe("harmless");
  expect(await bodyIn(t)).toBeUndefined();
  expect(await countersOf(t, id)).toMatchObject({
    delivered: 1,
    failedAttempts: 1,
    deadLettered: 1,
  });
  const { attempts } = await topicCall(t, "listDeliveryAttempts", { subscription: id });
  expect(attempts).toMatchObject([{ statusCode: 403, error: expect.stringContaining("denies") }]);
  const { messages } = await t.call("peekMessages", { queue: "dead" });
  expect(messages).toMatchObject([{ body: { value: card } }]);
  expect(
    JSON.stringify(messages, (_key, value) => (typeof value === "bigint" ? 0 : value)),
  ).toContain("DATA_PROTECTION_DENIED");
});

test("a webhook gets nothing that is denied to whoever subscribed it, and the log says 403", async () => {
  const t = await webhookScenario({ create: "none" });
  await createTopic(t, "news");
  const target = await hook();
  const id = await subscribed(t, "news", target);
  await protect(t, "news", [{ direction: "Outbound", identifiers: cards, operation: deny }]);
  await publish(t, "news", card);
  await publish(t, "news", "harmless");
  await until("both are settled", async () => {
    const { delivered, failedAttempts } = await countersOf(t, id);
    return delivered === 1 && failedAttempts === 1;
  });
  expect(target.notifications.map(({ envelope }) => envelope["Message"])).toEqual(["harmless"]);
  const records = t.logged.filter(({ message }) => message === "delivery");
  expect(records.map(({ fields }) => fields)).toMatchObject([
    { delivery: { subscription: id, statusCode: 403 }, status: "FAILURE" },
  ]);
  expect(JSON.stringify(t.logged)).not.toContain(card);
});

test("a tail and a consumer are not shown what is denied to them, and go on with what follows", async () => {
  const t = await scenario({ create: "none" });
  await createTopic(t, "news");
  const { subscription } = await topicCall(t, "subscribe", {
    topic: "news",
    kind: TargetKind.STREAM,
    endpoint: "workers",
  });
  const stream = await tail(t, "news");
  await publish(t, "news", card);
  await protect(t, "news", [{ direction: "Outbound", identifiers: cards, operation: deny }]);
  await publish(t, "news", card);
  await publish(t, "news", "harmless");
  await stream.until(() => stream.bodies.includes("harmless"));
  expect(stream.bodies).toEqual([card, "harmless"]);
  const late = await tail(t, "news", { resumeAfterSequence: "00000000000000000001" });
  await late.until(() => late.bodies.includes("harmless"));
  expect(late.bodies).toEqual(["harmless"]);
  expect(await countersOf(t, subscription?.subscription ?? "")).toMatchObject({
    failedAttempts: 1,
  });
  const worker = await consumer(t, subscription?.subscription ?? "", 10);
  await worker.until(() => worker.bodies.length === 2);
  expect(worker.bodies).toEqual([card, "harmless"]);
});

test("an audit logs what was found and how often, of denied messages as well, and never the text", async () => {
  const t = await news();
  const audit = { Audit: { SampleRate: 99, FindingsDestination: { Log: {} } } };
  await protect(t, "news", [
    { identifiers: ["EmailAddress", ...cards], operation: audit },
    { identifiers: cards, operation: deny },
  ]);
  // 99 of a hundred, so of twenty some are; that none is happens once in 10^40 times.
  for (let round = 0; round < 20; round += 1) {
    await publish(t, "news", `${email} ${email}`);
    await failureOf(publish(t, "news", `${email} ${card}`));
    await publish(t, "news", "nothing");
  }
  const found = t.logged.filter(({ message }) => message.startsWith("sensitive data found"));
  const fields = found.map((line) => line.fields as Record<string, unknown>);
  expect(fields).toContainEqual({
    topic: "news",
    messageId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    findings: { EmailAddress: 2 },
    denied: false,
  });
  expect(fields.filter(({ denied }) => denied === true)[0]).toMatchObject({
    findings: { EmailAddress: 1, CreditCardNumber: 1 },
  });
  expect(found.length).toBeGreaterThan(20);
  expect(found.length).toBeLessThanOrEqual(40);
  expect(t.logged.some(({ message }) => message.startsWith("no sensitive data"))).toBe(false);
  expect(JSON.stringify(t.logged)).not.toContain(email);
});

test("an audit of a sample of 0 logs nothing, and one that wants it logs messages without findings", async () => {
  const t = await news();
  const log = { Log: {} };
  await protect(t, "news", [
    { identifiers: cards, operation: { Audit: { SampleRate: 0, FindingsDestination: log } } },
  ]);
  for (let round = 0; round < 20; round += 1) await publish(t, "news", card);
  expect(t.logged.filter(({ message }) => message.includes("sensitive data"))).toEqual([]);
  await protect(t, "news", [
    { identifiers: cards, operation: { Audit: { SampleRate: 99, NoFindingsDestination: log } } },
  ]);
  for (let round = 0; round < 20; round += 1) await publish(t, "news", "nothing");
  await publish(t, "news", card);
  const lines = t.logged.filter(({ message }) => message.includes("sensitive data"));
  expect(lines.length).toBeGreaterThan(0);
  expect(new Set(lines.map(({ message }) => message))).toEqual(
    new Set(["no sensitive data found in a published message"]),
  );
});

test("a policy is read as it was set, by a restarted server too, and empty text removes it", async () => {
  const t = await news();
  const policyOf = async () =>
    (await topicCall(t, "getDataProtectionPolicy", { topic: "news" })).dataProtectionPolicy;
  expect(await policyOf()).toBe("");
  const text = ` ${protectionPolicy([{ identifiers: cards, operation: deny }])}`;
  const before = await topicCall(t, "getTopic", { topic: "news" });
  await topicCall(t, "putDataProtectionPolicy", { topic: "news", dataProtectionPolicy: text });
  const after = await topicCall(t, "getTopic", { topic: "news" });
  expect(after.topic?.etag).not.toBe(before.topic?.etag);
  await t.restart();
  expect(await policyOf()).toBe(text);
  expect((await failureOf(publish(t, "news", card))).reason).toBe("DATA_PROTECTION_DENIED");
  await topicCall(t, "putDataProtectionPolicy", { topic: "news", dataProtectionPolicy: "" });
  expect(await policyOf()).toBe("");
  await publish(t, "news", card);
  expect(await bodyIn(t)).toBe(card);
});

test("a topic is created with a policy, and creating it again with another one says so", async () => {
  const t = await scenario({ create: "none" });
  const create = (operation: typeof deny | ReturnType<typeof mask>) =>
    topicCall(t, "createTopic", {
      topic: "news",
      dataProtectionPolicy: protectionPolicy([{ identifiers: cards, operation }]),
    });
  await create(deny);
  expect((await failureOf(publish(t, "news", card))).reason).toBe("DATA_PROTECTION_DENIED");
  expect((await create(deny)).created).toBe(false);
  expect(await failureOf(create(mask()))).toMatchObject({
    reason: "TOPIC_EXISTS_DIFFERENT_ATTRIBUTES",
    metadata: { differing: "data_protection_policy" },
  });
});

test("a policy that cannot be used is refused with everything that is wrong, and changes nothing", async () => {
  const t = await news();
  const bad = protectionPolicy([
    { identifiers: ["Names"], operation: deny },
    { identifiers: cards, operation: mask("##") },
  ]);
  const put = topicCall(t, "putDataProtectionPolicy", { topic: "news", dataProtectionPolicy: bad });
  const failure = await failureOf(put);
  expect(failure).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_POLICY" });
  expect(failure.violations).toEqual([
    "data_protection_policy.Statement[0].DataIdentifier[0]",
    "data_protection_policy.Statement[1].Operation.Deidentify.MaskConfig.MaskWithCharacter",
  ]);
  const created = topicCall(t, "createTopic", { topic: "other", dataProtectionPolicy: bad });
  expect((await failureOf(created)).reason).toBe("INVALID_POLICY");
  await publish(t, "news", card);
  expect(await bodyIn(t)).toBe(card);
  const nowhere = topicCall(t, "getDataProtectionPolicy", { topic: "nowhere" });
  expect((await failureOf(nowhere)).reason).toBe("TOPIC_NOT_FOUND");
});

test("a mebibyte against every identifier and ten patterns of the user's is published in bounded time", async () => {
  const t = await news();
  const custom = Object.fromEntries(
    Array.from({ length: 10 }, (_, at) => [`own-${at}`, `(a|a)*(.?){${at + 20}}b${at}`]),
  );
  const identifiers = ["EmailAddress", "PhoneNumber", "Iban", "IpAddress", ...cards, "Ssn-US"];
  await protect(
    t,
    "news",
    [{ identifiers: [...identifiers, ...Object.keys(custom)], operation: mask() }],
    custom,
  );
  const start = performance.now();
  await publish(t, "news", "a@".repeat(524_288));
  expect(performance.now() - start).toBeLessThan(10_000);
});
