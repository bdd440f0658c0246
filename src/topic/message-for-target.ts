// What of a message is for one kind of target: its text, or with a structure the text that its publisher wrote for that kind.

import type { TargetKind, TopicMessage } from "./model.js";

/** Keys of a structured message, the first that is there wins; then `default`. SNS's names of the kinds are taken too. */
const structureKeys: Readonly<Record<TargetKind, readonly string[]>> = {
  queue: ["queue", "sqs"],
  http: ["http"],
  https: ["https"],
  function: ["function", "lambda"],
  stream: ["stream"],
};

/** All keys that mean something. */
export const structuredKeys: readonly string[] = [
  "default",
  ...Object.values(structureKeys).flat(),
];

type Content = Pick<TopicMessage, "body" | "isText" | "isStructured">;

/** The bytes for a kind of target. A structure was checked when it was published. */
export function bodyFor({ body, isStructured }: Content, kind: TargetKind): Buffer {
  if (!isStructured) return body;
  const texts = JSON.parse(body.toString("utf8")) as Readonly<Record<string, unknown>>;
  for (const key of [...structureKeys[kind], "default"]) {
    const text = Object.hasOwn(texts, key) ? texts[key] : undefined;
    if (typeof text === "string") return Buffer.from(text, "utf8");
  }
  return body;
}
