// The queue as callers write it: its name, its attributes, its tags.

import { milliseconds, minutes, type Namespace, type QueueName } from "../base/brands.js";
import {
  DeduplicationScope,
  FifoThroughputLimit,
  type QueueAttributes,
  ReceiptPolicy,
  RedrivePermission,
} from "../gen/forebay/queue/v1/queue.js";
import { defaultsOf, limits, type QueueSettings } from "../queue/limits.js";
import type { QueueAddress } from "../queue/queue-name.js";
import type { WireFault } from "./status-details.js";
import {
  checkListLength,
  listedMax,
  parseCount,
  parseDuration,
  parseEnum,
  type Violations,
} from "./violations.js";
import { notYet } from "./wire-errors.js";

const nameCharacters = /^[A-Za-z0-9_-]+$/;
const namespacePattern = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** The address of an existing queue: `orders` or `billing/orders`. Always returns one; whether it is good, `violations` say. */
export function parseAddress(
  violations: Violations,
  given: string,
  callerNamespace: Namespace,
  field = "queue",
): QueueAddress {
  const slash = given.indexOf("/");
  const namespace = slash === -1 ? callerNamespace : given.slice(0, slash);
  const name = slash === -1 ? given : given.slice(slash + 1);
  if (given === "") {
    violations.add("MISSING_PARAMETER", field, "the name of the queue is needed");
  } else if (!isQueueName(name, true) || !namespacePattern.test(namespace)) {
    violations.add(
      "INVALID_PARAMETER",
      field,
      `${nameRule}, after the namespace and a slash if it is another's`,
    );
  }
  return { namespace: namespace as Namespace, name: name as QueueName, given };
}

const nameRule = `must be 1 to ${limits.queueNameCharactersMax} of A-Za-z0-9_-, with ${limits.fifoSuffix} at the end of a FIFO queue's name`;

function isQueueName(name: string, mayBeFifo: boolean): boolean {
  const isFifo = mayBeFifo && name.endsWith(limits.fifoSuffix);
  const stem = isFifo ? name.slice(0, -limits.fifoSuffix.length) : name;
  return name.length <= limits.queueNameCharactersMax && nameCharacters.test(stem);
}

/** The address of a queue to be created: in the caller's own namespace, and of the type its name says. */
export function parseNewAddress(
  violations: Violations,
  given: string,
  isFifo: boolean,
  callerNamespace: Namespace,
): QueueAddress {
  if (given === "") {
    violations.add("MISSING_PARAMETER", "queue", "the name of the queue is needed");
  } else if (given.endsWith(limits.fifoSuffix) !== isFifo) {
    violations.add(
      "INVALID_PARAMETER",
      "queue",
      isFifo
        ? `the name of a FIFO queue ends in ${limits.fifoSuffix}`
        : `a name that ends in ${limits.fifoSuffix} needs attributes.fifo_queue = true`,
    );
  } else if (!isQueueName(given, isFifo)) {
    violations.add("INVALID_PARAMETER", "queue", nameRule);
  }
  return { namespace: callerNamespace, name: given as QueueName, given };
}

/** Fields of QueueAttributes, in proto spelling, that this release answers with UNSUPPORTED_OPERATION. */
const laterAttributes = [
  ["managedEncryption", "managed_encryption", "Encryption at rest is"],
  ["encryptionKey", "encryption_key", "Encryption at rest is"],
  ["dataKeyReusePeriod", "data_key_reuse_period", "Encryption at rest is"],
] as const;

/** An attribute of a part that is still to come, if one is given. */
export function findLaterAttribute(attributes: QueueAttributes | undefined): WireFault | undefined {
  if (attributes === undefined) return undefined;
  for (const [field, name, what] of laterAttributes) {
    if (attributes[field] !== undefined)
      return notYet(`${what} (attributes.${name})`, `attributes.${name}`);
  }
  return undefined;
}

/** Checks that no attribute is one of the other type of queue. Such a one is unknown, whatever its value. */
export function checkType(
  violations: Violations,
  attributes: QueueAttributes,
  isFifo: boolean,
): void {
  const refuse = (name: string): void =>
    violations.add(
      "UNKNOWN_ATTRIBUTE",
      `attributes.${name}`,
      isFifo
        ? "is an attribute of standard queues; leave it out for a FIFO queue"
        : "is an attribute of FIFO queues; leave it out for a standard queue",
      { attribute: name },
    );
  if (isFifo) {
    if (attributes.priorityAgeing !== undefined) refuse("priority_ageing");
    return;
  }
  if (attributes.fifoQueue !== undefined) refuse("fifo_queue");
  if (attributes.contentBasedDeduplication !== undefined) refuse("content_based_deduplication");
  if (attributes.deduplicationScope !== DeduplicationScope.UNSPECIFIED)
    refuse("deduplication_scope");
  if (attributes.fifoThroughputLimit !== FifoThroughputLimit.UNSPECIFIED)
    refuse("fifo_throughput_limit");
}

/** Whether an existing queue is a FIFO queue: its name says so. */
export const isFifoName = (name: string): boolean => name.endsWith(limits.fifoSuffix);

/** A FIFO queue cannot be made a standard one. */
export function checkTypeChange(violations: Violations, attributes: QueueAttributes): void {
  if (attributes.fifoQueue !== false) return;
  violations.add(
    "INVALID_ATTRIBUTE_VALUE",
    "attributes.fifo_queue",
    "the type of a queue is fixed; create another queue",
    { attribute: "fifo_queue" },
  );
}

type Mutable<Fields> = { -readonly [Name in keyof Fields]: Fields[Name] };

/** The settings given, each in its range. */
export function parseSettings(
  violations: Violations,
  attributes: QueueAttributes | undefined,
): Partial<QueueSettings> {
  const settings: Partial<Mutable<QueueSettings>> = {};
  if (attributes === undefined) return settings;
  const duration = (
    setting:
      | "visibilityTimeoutMs"
      | "retentionMs"
      | "delayMs"
      | "receiveWaitMs"
      | "dedupWindowMs"
      | "priorityAgeingMs",
    name: string,
    value: QueueAttributes["delay"],
    minMs: number,
    maxMs: number,
  ): void => {
    const parsed = parseDuration(
      violations,
      `attributes.${name}`,
      value,
      { minMs, maxMs },
      "INVALID_ATTRIBUTE_VALUE",
    );
    if (parsed !== undefined) settings[setting] = parsed;
  };
  const count = (
    setting: "messageBytesMax" | "inFlightMax" | "groupInFlightMax",
    name: string,
    value: number | undefined,
    range: { readonly min: number; readonly max: number },
  ): void => {
    const parsed = parseCount(
      violations,
      `attributes.${name}`,
      value,
      range,
      "INVALID_ATTRIBUTE_VALUE",
    );
    if (parsed !== undefined) settings[setting] = parsed;
  };
  duration(
    "visibilityTimeoutMs",
    "visibility_timeout",
    attributes.visibilityTimeout,
    0,
    limits.visibilityTimeoutMsMax,
  );
  duration(
    "retentionMs",
    "message_retention_period",
    attributes.messageRetentionPeriod,
    limits.retentionMsMin,
    limits.retentionMsMax,
  );
  duration("delayMs", "delay", attributes.delay, 0, limits.delayMsMax);
  duration(
    "receiveWaitMs",
    "receive_message_wait_time",
    attributes.receiveMessageWaitTime,
    0,
    limits.waitMsMax,
  );
  count("messageBytesMax", "maximum_message_bytes", attributes.maximumMessageBytes, {
    min: limits.messageBytesMin,
    max: limits.messageBytesMax,
  });
  count("inFlightMax", "max_in_flight", attributes.maxInFlight, {
    min: 1,
    max: limits.inFlightMax,
  });
  duration("dedupWindowMs", "dedup_window", attributes.dedupWindow, 0, limits.dedupWindowMsMax);
  duration(
    "priorityAgeingMs",
    "priority_ageing",
    attributes.priorityAgeing,
    limits.priorityAgeingMsMin,
    limits.priorityAgeingMsMax,
  );
  count("groupInFlightMax", "max_in_flight_per_group", attributes.maxInFlightPerGroup, {
    min: 0,
    max: limits.inFlightMax,
  });
  const choice = <Name extends string>(
    name: string,
    value: number,
    names: Readonly<Record<string, number>>,
  ): Name | undefined =>
    parseEnum(violations, `attributes.${name}`, value, names, "INVALID_ATTRIBUTE_VALUE") as
      | Name
      | undefined;
  const receipts = choice("receipt_policy", attributes.receiptPolicy, ReceiptPolicy);
  if (receipts !== undefined) settings.receiptPolicy = receipts === "STRICT" ? "strict" : "lenient";
  const scope = choice("deduplication_scope", attributes.deduplicationScope, DeduplicationScope);
  if (scope !== undefined) settings.dedupScope = scope === "MESSAGE_GROUP" ? "group" : "queue";
  const throughput = choice(
    "fifo_throughput_limit",
    attributes.fifoThroughputLimit,
    FifoThroughputLimit,
  );
  if (throughput !== undefined) {
    settings.fifoThroughput = throughput === "PER_MESSAGE_GROUP_ID" ? "group" : "queue";
  }
  if (attributes.contentBasedDeduplication !== undefined) {
    settings.isContentDeduplicated = attributes.contentBasedDeduplication;
  }
  if (attributes.deliveryPaused !== undefined) settings.isPaused = attributes.deliveryPaused;
  if (attributes.policy !== undefined) settings.policy = parsePolicyText(attributes.policy);
  if (attributes.redrivePolicy !== undefined) {
    settings.redrive = parseRedrive(violations, attributes.redrivePolicy);
  }
  if (attributes.redriveAllowPolicy !== undefined) {
    settings.redriveAllow = parseRedriveAllow(violations, attributes.redriveAllowPolicy);
  }
  if (attributes.retryPolicy !== undefined) {
    settings.retry = parseRetry(violations, attributes.retryPolicy);
  }
  return settings;
}

/** Empty text removes the policy. */
const parsePolicyText = (text: string): string | undefined => (text === "" ? undefined : text);

/** Without a queue's name it removes the policy. */
function parseRedrive(
  violations: Violations,
  { deadLetterQueue, maxReceiveCount }: NonNullable<QueueAttributes["redrivePolicy"]>,
): QueueSettings["redrive"] {
  if (deadLetterQueue === "" && maxReceiveCount === 0) return undefined;
  const field = "attributes.redrive_policy";
  if (!isQueueName(deadLetterQueue, true)) {
    violations.add(
      "INVALID_ATTRIBUTE_VALUE",
      `${field}.dead_letter_queue`,
      `${nameRule}, of a queue in the same namespace; empty, with max_receive_count 0, removes the policy`,
      { attribute: "redrive_policy" },
    );
  }
  const receiveCountMax = parseCount(
    violations,
    `${field}.max_receive_count`,
    maxReceiveCount,
    { min: 1, max: limits.receiveCountMax },
    "INVALID_ATTRIBUTE_VALUE",
  );
  return {
    deadLetterQueue: deadLetterQueue as QueueName,
    receiveCountMax: receiveCountMax ?? 1,
  };
}

/** Without a permission it removes the policy. */
function parseRedriveAllow(
  violations: Violations,
  { permission, sourceQueues }: NonNullable<QueueAttributes["redriveAllowPolicy"]>,
): QueueSettings["redriveAllow"] {
  const field = "attributes.redrive_allow_policy";
  const refuse = (name: string, description: string): undefined =>
    void violations.add("INVALID_ATTRIBUTE_VALUE", `${field}.${name}`, description, {
      attribute: "redrive_allow_policy",
    });
  if (permission !== RedrivePermission.BY_QUEUE && sourceQueues.length > 0) {
    return refuse("source_queues", "are named with permission BY_QUEUE only");
  }
  switch (permission) {
    case RedrivePermission.UNSPECIFIED:
      return undefined;
    case RedrivePermission.ALLOW_ALL:
      return { kind: "all" };
    case RedrivePermission.DENY_ALL:
      return { kind: "none" };
    case RedrivePermission.BY_QUEUE: {
      const { length } = sourceQueues;
      if (length < 1 || length > limits.allowedSourcesMax) {
        return refuse("source_queues", `must be 1 to ${limits.allowedSourcesMax}, not ${length}`);
      }
      const bad = sourceQueues.findIndex((name) => !isQueueName(name, true));
      if (bad !== -1) return refuse(`source_queues[${bad}]`, nameRule);
      return { kind: "by_queue", sources: sourceQueues as QueueName[] };
    }
    default:
      return refuse("permission", `${permission} is no value of RedrivePermission`);
  }
}

const backoffDefaults = { maximumMs: minutes(10), factor: 2 } as const;

/** With nothing set it removes the policy. */
function parseRetry(
  violations: Violations,
  { minimumBackoff, maximumBackoff, factor }: NonNullable<QueueAttributes["retryPolicy"]>,
): QueueSettings["retry"] {
  if (minimumBackoff === undefined && maximumBackoff === undefined && factor === undefined) {
    return undefined;
  }
  const field = "attributes.retry_policy";
  const reason = "INVALID_ATTRIBUTE_VALUE";
  const { backoffMsMin, backoffMsMax, backoffFactorMax } = limits;
  if (minimumBackoff === undefined) {
    violations.add(reason, `${field}.minimum_backoff`, "is needed, from 1s to 43200s", {
      attribute: "retry_policy",
    });
  }
  const range = { minMs: backoffMsMin, maxMs: backoffMsMax };
  const minimumMs =
    parseDuration(violations, `${field}.minimum_backoff`, minimumBackoff, range, reason) ??
    backoffMsMin;
  const maximumMs =
    parseDuration(
      violations,
      `${field}.maximum_backoff`,
      maximumBackoff,
      { ...range, minMs: minimumMs },
      reason,
    ) ?? milliseconds(Math.max(minimumMs, backoffDefaults.maximumMs));
  if (factor !== undefined && !(factor >= 1 && factor <= backoffFactorMax)) {
    violations.add(reason, `${field}.factor`, `must be from 1 to ${backoffFactorMax}`, {
      attribute: "retry_policy",
    });
  }
  return { minimumMs, maximumMs, factor: factor ?? backoffDefaults.factor };
}

/** The setting behind each attribute. */
const settingOfAttribute = {
  visibility_timeout: "visibilityTimeoutMs",
  message_retention_period: "retentionMs",
  delay: "delayMs",
  maximum_message_bytes: "messageBytesMax",
  receive_message_wait_time: "receiveWaitMs",
  receipt_policy: "receiptPolicy",
  max_in_flight: "inFlightMax",
  redrive_policy: "redrive",
  redrive_allow_policy: "redriveAllow",
  policy: "policy",
  content_based_deduplication: "isContentDeduplicated",
  deduplication_scope: "dedupScope",
  fifo_throughput_limit: "fifoThroughput",
  dedup_window: "dedupWindowMs",
  delivery_paused: "isPaused",
  retry_policy: "retry",
  max_in_flight_per_group: "groupInFlightMax",
  priority_ageing: "priorityAgeingMs",
} as const satisfies Record<string, keyof QueueSettings>;

export type AttributeName = keyof typeof settingOfAttribute;
const attributeNames = Object.keys(settingOfAttribute) as readonly AttributeName[];

/** Every field of QueueAttributes, known to the contract though perhaps not to this type of queue. */
const contractAttributes = new Set<string>([
  ...attributeNames,
  ...laterAttributes.map(([, name]) => name),
  "fifo_queue",
]);

/** Attributes that only one type of queue has. */
const fifoAttributes: readonly string[] = [
  "content_based_deduplication",
  "deduplication_scope",
  "fifo_throughput_limit",
];
const standardAttributes: readonly string[] = ["priority_ageing"];

/** Which attributes to return: those named, or all when none or `All` is. Names without a value are silently left out. */
export function parseAttributeNames(
  violations: Violations,
  names: readonly string[],
): ReadonlySet<string> {
  if (names.length === 0) return contractAttributes;
  const wanted = new Set<string>();
  if (!checkListLength(violations, "names", names.length, listedMax)) return wanted;
  names.forEach((name, index) => {
    if (name === "All") for (const each of contractAttributes) wanted.add(each);
    else if (contractAttributes.has(name)) wanted.add(name);
    else refuseUnknown(violations, `names[${index}]`, name);
  });
  return wanted;
}

function refuseUnknown(violations: Violations, field: string, name: string): void {
  violations.add(
    "UNKNOWN_ATTRIBUTE",
    field,
    `"${name.slice(0, 64)}" is no attribute; attributes are ${attributeNames.join(", ")}, or All`,
    { attribute: name.slice(0, 64) },
  );
}

/** Applies an update mask: exactly the fields named change, and those without a value go back to their defaults. */
export function applyMask(
  violations: Violations,
  mask: readonly string[] | undefined,
  given: Partial<QueueSettings>,
  isFifo: boolean,
): Partial<QueueSettings> {
  if (mask === undefined || mask.length === 0) return given;
  const settings: Partial<Mutable<QueueSettings>> = {};
  if (!checkListLength(violations, "update_mask.paths", mask.length, listedMax)) return settings;
  mask.forEach((path, index) => {
    const isOfOtherType = (isFifo ? standardAttributes : fifoAttributes).includes(path);
    if (!Object.hasOwn(settingOfAttribute, path) || isOfOtherType) {
      refuseUnknown(violations, `update_mask.paths[${index}]`, path);
      return;
    }
    const setting = settingOfAttribute[path as AttributeName];
    Object.assign(settings, { [setting]: given[setting] ?? defaultsOf(isFifo)[setting] });
  });
  return settings;
}

/** More than a queue may have, so that the quota is what refuses the 51st, and few enough to look at each. */
const tagsListedMax = 2 * limits.tagsMax;

const tagCharacters = /^[\p{L}\p{Nd} _.:/=+@-]*$/u;
const characterCount = (text: string): number => [...text].length;

export function checkTags(
  violations: Violations,
  field: string,
  tags: ReadonlyMap<string, string>,
): void {
  if (!checkListLength(violations, field, tags.size, tagsListedMax)) return;
  for (const [key, value] of tags) {
    const at = `${field}[${JSON.stringify(key.slice(0, 64))}]`;
    checkTagKey(violations, at, key);
    if (characterCount(value) > limits.tagValueCharactersMax || !tagCharacters.test(value)) {
      violations.add(
        "INVALID_PARAMETER",
        at,
        `the value must have at most ${limits.tagValueCharactersMax} letters, digits, spaces or "_.:/=+-@"`,
      );
    }
  }
}

export function checkTagKey(violations: Violations, field: string, key: string): void {
  const count = characterCount(key);
  if (
    count < 1 ||
    count > limits.tagKeyCharactersMax ||
    !tagCharacters.test(key) ||
    /^(aws|forebay):/i.test(key)
  ) {
    violations.add(
      "INVALID_PARAMETER",
      field,
      `a tag's key must have 1 to ${limits.tagKeyCharactersMax} letters, digits, spaces or "_.:/=+-@" and not start with aws: or forebay:`,
    );
  }
}
