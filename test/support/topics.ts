// Topics in a test's words, over the connection of a scenario.

import type { MessageAttributeValue } from "../../src/gen/forebay/topic/v1/message.js";
import { TargetKind, type TopicSettings } from "../../src/gen/forebay/topic/v1/topic.js";
import { TopicServiceDefinition } from "../../src/gen/forebay/topic/v1/topic_service.js";
import type { CallOptions } from "./queue-client.js";
import { attributesOf, type Scenario } from "./scenario.js";

type Methods = (typeof TopicServiceDefinition)["methods"];
type UnaryMethod = Exclude<keyof Methods, "consume" | "tail">;

interface Codec<Message> {
  encode(message: Message): { finish(): Uint8Array };
  decode(bytes: Uint8Array): Message;
}

/** A request as a test writes it: what is left out has its default. */
export type TopicRequest<Method extends keyof Methods> = Parameters<
  Methods[Method]["requestType"]["fromPartial"]
>[0];
export type TopicResponse<Method extends keyof Methods> = ReturnType<
  Methods[Method]["responseType"]["decode"]
>;

/** Calls a method of the topic service. */
export async function topicCall<Method extends UnaryMethod>(
  { client }: Pick<Scenario, "client">,
  method: Method,
  request: TopicRequest<Method>,
  options: CallOptions = {},
): Promise<TopicResponse<Method>> {
  const { fullName, methods } = TopicServiceDefinition;
  const { name, requestType, responseType } = methods[method];
  const full = (requestType.fromPartial as (part: unknown) => unknown)(request);
  const bytes = (requestType as Codec<unknown>).encode(full).finish();
  const answer = await client.raw(`/${fullName}/${name}`, bytes, options);
  return (responseType as unknown as Codec<TopicResponse<Method>>).decode(answer);
}

export const createTopic = (
  t: Scenario,
  topic: string,
  settings: Partial<TopicSettings> = {},
): Promise<TopicResponse<"createTopic">> => topicCall(t, "createTopic", { topic, settings });

export interface SubscribeOptions {
  readonly isRaw?: boolean;
  readonly deadLetterQueue?: string;
  readonly isPaused?: boolean;
  readonly isExpiredToDeadLetters?: boolean;
}

/** Subscribes a queue; answers with the id. */
export async function subscribe(
  t: Scenario,
  topic: string,
  queue: string,
  options: SubscribeOptions = {},
): Promise<string> {
  const { subscription } = await topicCall(t, "subscribe", {
    topic,
    kind: TargetKind.QUEUE,
    endpoint: queue,
    settings: {
      rawMessageDelivery: options.isRaw,
      deadLetterQueue: options.deadLetterQueue,
      paused: options.isPaused,
      ttlToDlq: options.isExpiredToDeadLetters,
    },
  });
  return subscription?.subscription ?? "";
}

export interface PublishOptions
  extends Omit<TopicRequest<"publish">, "topic" | "body" | "attributes"> {
  readonly attributes?: Readonly<Record<string, string | MessageAttributeValue>>;
}

/** Publishes a text, or bytes. */
export const publish = (
  t: Scenario,
  topic: string,
  body: string | Uint8Array,
  { attributes, ...options }: PublishOptions = {},
): Promise<TopicResponse<"publish">> =>
  topicCall(t, "publish", {
    ...options,
    topic,
    body:
      typeof body === "string" ? { $case: "text", value: body } : { $case: "data", value: body },
    attributes: attributesOf(attributes),
  });

/** The envelope in the body of a queue's message. */
export const envelopeIn = ({ body }: { readonly body: string }): Record<string, unknown> =>
  JSON.parse(body) as Record<string, unknown>;
