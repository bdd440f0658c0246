// What a move task is asked to take and to change: filters and edits, in both directions.

import { hash } from "node:crypto";
import { days, type Namespace } from "../base/brands.js";
import { uuidBytes, uuidText } from "../base/ids.js";
import type {
  MoveEdit as WireEdit,
  MoveFilter as WireFilter,
} from "../gen/forebay/queue/v1/queue.js";
import { limits } from "../queue/limits.js";
import { attributesSize } from "../queue/message-size.js";
import type { MoveEdit, MoveFilter } from "../queue/move-task.js";
import type { MoveRequest } from "../queue/move-tasks.js";
import { checkAttributeName, parseAttributes, parseBody } from "./parse-message.js";
import { parseAddress } from "./parse-queue.js";
import { inKeyOrder } from "./request-ids.js";
import { checkId, checkListLength, parseDuration, type Violations } from "./violations.js";

/** The fields that a start and a preview share. */
export interface MoveFields {
  readonly source: string;
  readonly destination: string;
  readonly filter?: WireFilter | undefined;
  readonly edit?: WireEdit | undefined;
}

export function parseMoveRequest(
  violations: Violations,
  fields: MoveFields,
  namespace: Namespace,
): MoveRequest {
  const source = parseAddress(violations, fields.source, namespace, "source");
  const destination =
    fields.destination === ""
      ? undefined
      : parseAddress(violations, fields.destination, namespace, "destination");
  if (destination?.namespace === source.namespace && destination.name === source.name) {
    violations.add("INVALID_PARAMETER", "destination", "must be another queue than the source");
  }
  return {
    source,
    destination,
    filter: parseFilter(violations, fields.filter, source.namespace),
    edit: parseEdit(violations, fields.edit),
  };
}

/** A filter or edit of a request whose id is to be recognized: maps have no order on the wire. */
export const inOneOrder = <Fields extends MoveFields>(fields: Fields): Fields => ({
  ...fields,
  filter: fields.filter && {
    ...fields.filter,
    attributes: inKeyOrder(fields.filter.attributes),
  },
  edit: fields.edit && {
    ...fields.edit,
    setAttributes: inKeyOrder(fields.edit.setAttributes),
  },
});

const orUndefined = (text: string): string | undefined => (text === "" ? undefined : text);

/** Ours: longer than anything is kept; a span beyond it is a mistake. */
const ageMsMax = days(3_650);

function parseFilter(
  violations: Violations,
  filter: WireFilter | undefined,
  namespace: Namespace,
): MoveFilter | undefined {
  if (filter === undefined) return undefined;
  const messageIds = parseMessageIds(violations, filter.messageIds);
  checkFilterAttributes(violations, filter.attributes);
  const { rejectionReason, deadLetterSourceQueue } = filter;
  if (rejectionReason.length > limits.rejectReasonCharactersMax) {
    violations.add(
      "INVALID_PARAMETER",
      "filter.rejection_reason",
      `a reason has at most ${limits.rejectReasonCharactersMax} characters`,
    );
  }
  checkId(violations, "filter.group_id", filter.groupId, limits.idCharactersMax);
  const bodyContains = Buffer.from(filter.bodyContains, "utf8");
  if (bodyContains.length > limits.moveBodyContainsBytesMax) {
    violations.add(
      "INVALID_PARAMETER",
      "filter.body_contains",
      `at most ${limits.moveBodyContainsBytesMax} bytes, not ${bodyContains.length}`,
    );
  }
  const ages = { minMs: 0, maxMs: ageMsMax };
  const parsed: MoveFilter = {
    messageIds,
    attributes: filter.attributes,
    rejectionReason: orUndefined(rejectionReason),
    deadLetterSource: parseSourceName(violations, deadLetterSourceQueue, namespace),
    groupId: orUndefined(filter.groupId),
    bodyContains,
    ageMsMin: parseDuration(violations, "filter.minimum_age", filter.minimumAge, ages),
    ageMsMax: parseDuration(violations, "filter.maximum_age", filter.maximumAge, ages),
  };
  return isEmptyFilter(parsed) ? undefined : parsed;
}

const isEmptyFilter = (filter: MoveFilter): boolean =>
  filter.messageIds.length === 0 &&
  filter.attributes.size === 0 &&
  filter.bodyContains.length === 0 &&
  filter.rejectionReason === undefined &&
  filter.deadLetterSource === undefined &&
  filter.groupId === undefined &&
  filter.ageMsMin === undefined &&
  filter.ageMsMax === undefined;

function parseMessageIds(violations: Violations, given: readonly string[]): readonly Buffer[] {
  const field = "filter.message_ids";
  if (!checkListLength(violations, field, given.length, limits.moveMessageIdsMax)) return [];
  const distinct = new Map<string, Buffer>();
  given.forEach((text, index) => {
    const messageId = uuidBytes(text);
    if (messageId !== undefined) distinct.set(text.toLowerCase(), messageId);
    else violations.add("INVALID_PARAMETER", `${field}[${index}]`, "must be a UUID");
  });
  return [...distinct.values()];
}

function checkFilterAttributes(
  violations: Violations,
  attributes: ReadonlyMap<string, string>,
): void {
  const field = "filter.attributes";
  if (!checkListLength(violations, field, attributes.size, limits.attributesMax)) return;
  let bytes = 0;
  for (const [name, value] of attributes) {
    bytes += Buffer.byteLength(name) + Buffer.byteLength(value);
  }
  if (bytes > limits.messageBytesMax) {
    violations.add(
      "INVALID_PARAMETER",
      field,
      `no message has attributes of more than ${limits.messageBytesMax} bytes`,
    );
  }
}

/** Dead letters stay in their namespace, so a source in another one would match nothing. */
function parseSourceName(
  violations: Violations,
  given: string,
  namespace: Namespace,
): MoveFilter["deadLetterSource"] {
  if (given === "") return undefined;
  const field = "filter.dead_letter_source_queue";
  const address = parseAddress(violations, given, namespace, field);
  if (address.namespace !== namespace) {
    violations.add("INVALID_PARAMETER", field, "must be in the namespace of the source");
  }
  return address.name;
}

function parseEdit(violations: Violations, edit: WireEdit | undefined): MoveEdit | undefined {
  if (edit === undefined) return undefined;
  const setAttributes = parseAttributes(violations, "edit.set_", edit.setAttributes);
  const field = "edit.remove_attributes";
  const { removeAttributes } = edit;
  if (checkListLength(violations, field, removeAttributes.length, limits.attributesMax)) {
    removeAttributes.forEach((name, index) => {
      checkAttributeName(violations, `${field}[${index}]`, name);
    });
  }
  checkId(violations, "edit.group_id", edit.groupId, limits.idCharactersMax);
  const bytes = edit.body && parseBody(violations, "edit.", edit.body);
  const sizeBytes = (bytes?.length ?? 0) + attributesSize(setAttributes);
  if (sizeBytes > limits.messageBytesMax) {
    violations.add(
      "INVALID_PARAMETER",
      "edit",
      `body and attributes are ${sizeBytes} bytes, and a message has at most ${limits.messageBytesMax}`,
    );
  }
  const isEmpty =
    setAttributes.length === 0 &&
    removeAttributes.length === 0 &&
    bytes === undefined &&
    edit.groupId === "";
  if (isEmpty) return undefined;
  return {
    setAttributes,
    removeAttributes,
    body: bytes && {
      isText: edit.body?.$case === "text",
      bytes,
      md5: Buffer.from(hash("md5", bytes, "hex"), "hex"),
    },
    groupId: orUndefined(edit.groupId),
  };
}

export const messageIdTexts = (filter: MoveFilter): string[] => filter.messageIds.map(uuidText);
