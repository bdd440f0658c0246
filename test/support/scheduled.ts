// Messages to come, in a test's words: sent for a time, listed, cancelled.

import type { MessageAttributeValue } from "../../src/gen/forebay/queue/v1/message.js";
import type { RequestPart, ResponseOf } from "./queue-client.js";
import { attributesOf, durationOf, msOf, type Scenario, type SendOptions } from "./scenario.js";
import { timestampOf } from "./schedules.js";

export interface LaterOptions extends SendOptions {
  readonly timeToLiveMs?: number;
  readonly priority?: number;
}

/** What a send and an entry of a batch have in common. */
export function laterEntry(
  body: string | Uint8Array,
  deliverAt: number,
  options: LaterOptions = {},
) {
  const { delayMs, timeToLiveMs } = options;
  return {
    body:
      typeof body === "string"
        ? ({ $case: "text", value: body } as const)
        : ({ $case: "data", value: body } as const),
    deliverTime: timestampOf(deliverAt),
    delay: delayMs === undefined ? undefined : durationOf(delayMs),
    attributes: attributesOf(options.attributes),
    groupId: options.groupId ?? "",
    dedupId: options.dedupId ?? "",
    timeToLive: timeToLiveMs === undefined ? undefined : durationOf(timeToLiveMs),
    priority: options.priority,
  };
}

/** Sends a message for a time. */
export const sendFor = (
  t: Scenario,
  body: string | Uint8Array,
  deliverAt: number,
  options: LaterOptions = {},
): Promise<ResponseOf<"sendMessage">> =>
  t.call("sendMessage", {
    queue: options.queue ?? t.queue,
    ...laterEntry(body, deliverAt, options),
    requestId: options.requestId ?? "",
  });

/** A message to come as the list shows it. */
export interface Listed {
  readonly id: string;
  readonly body: string;
  readonly deliverAt: number;
  readonly sentAt: number;
  readonly bodyBytes: number;
  readonly attributes: ReadonlyMap<string, MessageAttributeValue>;
  readonly groupId: string;
}

const textOf = (body: { readonly value: string | Uint8Array } | undefined): string =>
  typeof body?.value === "string" ? body.value : Buffer.from(body?.value ?? []).toString("latin1");

export interface Page {
  readonly messages: readonly Listed[];
  readonly token: string;
}

export async function scheduledPage(
  t: Scenario,
  request: Omit<RequestPart<"listScheduledMessages">, "queue"> & { readonly queue?: string } = {},
): Promise<Page> {
  const { messages, nextPageToken } = await t.call("listScheduledMessages", {
    queue: t.queue,
    ...request,
  });
  return {
    messages: messages.map(({ messageId, deliverTime, sendTime, body, ...rest }) => ({
      id: messageId,
      body: textOf(body),
      deliverAt: msOf(deliverTime),
      sentAt: msOf(sendTime),
      bodyBytes: rest.bodyBytes,
      attributes: rest.attributes,
      groupId: rest.groupId,
    })),
    token: nextPageToken,
  };
}

/** Bodies of the messages to come, page after page. */
export async function scheduledBodies(
  t: Scenario,
  request: Omit<RequestPart<"listScheduledMessages">, "queue" | "pageToken"> = {},
): Promise<string[][]> {
  const pages: string[][] = [];
  let pageToken = "";
  do {
    const page = await scheduledPage(t, { ...request, pageToken });
    pages.push(page.messages.map(({ body }) => body));
    pageToken = page.token;
  } while (pageToken !== "");
  return pages;
}

export const cancelScheduled = (
  t: Scenario,
  messageId: string,
  queue = t.queue,
): Promise<ResponseOf<"cancelScheduledMessage">> =>
  t.call("cancelScheduledMessage", { queue, messageId });

/** How many messages are to come. */
export async function scheduledCount(t: Scenario, queue = t.queue): Promise<number> {
  const { counters } = await t.call("getQueueAttributes", { queue });
  return Number(counters?.scheduledMessageCount);
}
