// Every error that the contract of channels documents is provoked once over the wire, with its typed details; and every error provoked
// is documented.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { channelLimits } from "../../src/cache/channels/channel-limits.js";
import { cacheScenario } from "../support/caches.js";
import type { CallError } from "../support/call-error.js";
import {
  type ChannelReader,
  openChannels,
  publishAll,
  publishTo,
  subscribeTo,
} from "../support/channel-streams.js";
import { checkDetails, failureOf } from "../support/error-details.js";
import type { Scenario } from "../support/scenario.js";

type Provocation = (t: Scenario) => Promise<unknown>;

/** Rejects with what ended it. */
async function ended(reader: ChannelReader): Promise<never> {
  const error: CallError | undefined = await reader.ended;
  throw error ?? new Error("It ended well.");
}

const numbered = (count: number, name: (index: number) => string): string[] =>
  Array.from({ length: count }, (_, index) => name(index));

const provocations: Readonly<Record<string, Provocation>> = {
  "NOT_FOUND / CACHE_NOT_FOUND": (t) => publishTo(t, "news", "1", { cache: "none" }),
  "INVALID_ARGUMENT / BAD_NAME": (t) => publishTo(t, "news", "1", { cache: "no name" }),
  "INVALID_ARGUMENT / INVALID_PARAMETER": (t) => publishTo(t, "", "1"),
  "INVALID_ARGUMENT / VALUE_TOO_LARGE": (t) =>
    publishTo(t, "news", "x".repeat(channelLimits.messageBytesMax + 1)),
  "FAILED_PRECONDITION / REQUEST_ID_REUSED": async (t) => {
    await publishTo(t, "news", "1", { requestId: "once" });
    await publishTo(t, "news", "2", { requestId: "once" });
  },
  "INVALID_ARGUMENT / MISSING_PARAMETER": (t) => ended(openChannels(t, {})),
  "INVALID_ARGUMENT / LIMIT_EXCEEDED": (t) =>
    ended(openChannels(t, { channels: numbered(101, (at) => `c${at}`) })),
  "RESOURCE_EXHAUSTED / PATTERN_LIMIT": async (t) => {
    const { patternsMax, patternsPerCallMax } = channelLimits;
    for (let from = 0; from < patternsMax; from += patternsPerCallMax) {
      await subscribeTo(t, { patterns: numbered(patternsPerCallMax, (at) => `p${from + at}`) });
    }
    await ended(openChannels(t, { patterns: ["one-more"] }));
  },
  "UNAVAILABLE / SHUTTING_DOWN": async (t) => {
    const reader = await subscribeTo(t, { channels: ["news"] });
    await t.stop();
    await ended(reader);
  },
};

/** As `CODE / REASON`. */
function documented(): readonly string[] {
  const path = "../../proto/forebay/cache/v1/channel_service.proto";
  const text = readFileSync(new URL(path, import.meta.url), "utf8");
  const found = text.matchAll(/^\s*\/\/\s*([A-Z_]+) \/ ([A-Z_]+(?:, [A-Z_]+)*): /gm);
  const all = [...found].flatMap(([, code = "", reasons = ""]) =>
    reasons.split(", ").map((reason) => `${code} / ${reason}`),
  );
  return [...new Set(all)];
}

/** In test/cluster-node, and what takes ten thousand streams or a hundred thousand channels in test/cache/channels. */
const elsewhere = [
  "UNAVAILABLE / LEADERSHIP_LOST",
  "RESOURCE_EXHAUSTED / SUBSCRIBER_LIMIT",
  "RESOURCE_EXHAUSTED / CHANNEL_LIMIT",
];

test("the errors that are documented are those provoked here, and those that take more", () => {
  const provoked = [...Object.keys(provocations), ...elsewhere];
  expect([...documented()].sort()).toEqual(provoked.sort());
});

test.each(Object.entries(provocations))("%s", async (name, provoke) => {
  const t = await cacheScenario();
  const error = await failureOf(provoke(t));
  expect(`${error.code} / ${error.reason}`).toBe(name);
  checkDetails(error);
});

test("messages have a limit that is named", async () => {
  const t = await cacheScenario();
  const message = ["news", "1"] as const;
  const publish = (count: number) =>
    publishAll(
      t,
      Array.from({ length: count }, () => message),
    );
  expect((await publish(1_000)).results).toHaveLength(1_000);
  await expect(publish(1_001)).rejects.toMatchObject({
    reason: "LIMIT_EXCEEDED",
    metadata: { field: "messages", limit: "1000", actual: "1001" },
  });
  await expect(publishAll(t, [message], { requestId: "x".repeat(65) })).rejects.toMatchObject({
    reason: "INVALID_PARAMETER",
    metadata: { field: "request_id" },
  });
  await expect(publishAll(t, [message], { cache: "none" })).rejects.toMatchObject({
    reason: "CACHE_NOT_FOUND",
  });
});

test.each(["channels", "patterns", "resume_at"])("%s have a limit that is named", async (field) => {
  const t = await cacheScenario();
  const many = {
    channels: numbered(101, (at) => `c${at}`),
    patterns: numbered(101, (at) => `p${at}`),
    resumeAt: numbered(1_001, (at) => `c${at}`).map((channel) => ({
      channel,
      sequence: 1n,
      stamp: "s",
    })),
  };
  const request = {
    channels: { channels: many.channels },
    patterns: { patterns: many.patterns },
    resume_at: { patterns: ["*"], resumeAt: many.resumeAt },
  }[field];
  const [actual, limit] = field === "resume_at" ? ["1001", "1000"] : ["101", "100"];
  expect(await openChannels(t, request ?? {}).ended).toMatchObject({
    reason: "LIMIT_EXCEEDED",
    metadata: { field, limit, actual },
  });
});
