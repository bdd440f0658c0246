// Which messages a move task takes, and what it changes in them. What a filter says of a message without reading its body is
// asked first: most of a queue may be left out.

import { after } from "../base/brands.js";
import { limits } from "./limits.js";
import { attributesSize } from "./message-size.js";
import type { Delivery, MessageAttribute, MessageContent, MessageHead } from "./model.js";
import type { MoveEdit, MoveOrder } from "./move-task.js";

/** Decides for many messages: what would be looked up for each is made once. */
export class MoveSelection {
  readonly #order: Pick<MoveOrder, "filter" | "startedAt">;
  readonly #messageIds: ReadonlySet<string> | undefined;

  constructor(order: Pick<MoveOrder, "filter" | "startedAt">) {
    this.#order = order;
    const ids = order.filter?.messageIds ?? [];
    this.#messageIds =
      ids.length === 0 ? undefined : new Set(ids.map((id) => id.toString("latin1")));
  }

  takesHead({ messageId, groupId, arrivedAt }: MessageHead): boolean {
    const { filter, startedAt } = this.#order;
    if (filter === undefined) return true;
    if (this.#messageIds?.has(messageId.toString("latin1")) === false) return false;
    if (filter.groupId !== undefined && filter.groupId !== groupId) return false;
    const { ageMsMin, ageMsMax } = filter;
    if (ageMsMin !== undefined && after(arrivedAt, ageMsMin) > startedAt) return false;
    return ageMsMax === undefined || after(arrivedAt, ageMsMax) >= startedAt;
  }

  takesDelivery(delivery: Delivery | undefined): boolean {
    const { rejectionReason, deadLetterSource } = this.#order.filter ?? {};
    if (rejectionReason !== undefined && delivery?.rejection?.reason !== rejectionReason) {
      return false;
    }
    return (
      deadLetterSource === undefined || delivery?.origin?.deadLetter?.source === deadLetterSource
    );
  }

  takesContent(content: MessageContent): boolean {
    const { filter } = this.#order;
    if (filter === undefined) return true;
    for (const [name, value] of filter.attributes) {
      const attribute = content.attributes.find((candidate) => candidate.name === name);
      if (attribute?.isText !== true || attribute.value.toString("utf8") !== value) return false;
    }
    return filter.bodyContains.length === 0 || content.body.includes(filter.bodyContains);
  }
}

export interface EditedContent {
  readonly content: MessageContent;
  readonly sizeBytes: number;
}

/** Undefined: edited, it would be more than a message may be. The limits of its queue play no part. */
export function editContent(
  content: MessageContent,
  sizeBytes: number,
  edit: MoveEdit | undefined,
): EditedContent | undefined {
  if (edit === undefined) return { content, sizeBytes };
  const attributes = editAttributes(content.attributes, edit);
  const body = edit.body?.bytes ?? content.body;
  const editedBytes = body.length + attributesSize(attributes);
  if (attributes.length > limits.attributesMax || editedBytes > limits.messageBytesMax) {
    return undefined;
  }
  return {
    content: {
      ...content,
      isText: edit.body?.isText ?? content.isText,
      body,
      bodyMd5: edit.body?.md5 ?? content.bodyMd5,
      attributes,
      groupId: edit.groupId ?? content.groupId,
    },
    sizeBytes: editedBytes,
  };
}

/** In their order, those set last. */
function editAttributes(
  attributes: readonly MessageAttribute[],
  { setAttributes, removeAttributes }: MoveEdit,
): readonly MessageAttribute[] {
  if (setAttributes.length === 0 && removeAttributes.length === 0) return attributes;
  const dropped = new Set([...removeAttributes, ...setAttributes.map(({ name }) => name)]);
  return [...attributes.filter(({ name }) => !dropped.has(name)), ...setAttributes];
}
