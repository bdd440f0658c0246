// The queue as callers write it: its name, its attributes, its tags.

import type { Namespace, QueueName } from "../base/brands.js";
import {
  DeduplicationScope,
  FifoThroughputLimit,
  type QueueAttributes,
  ReceiptPolicy,
} from "../gen/forebay/queue/v1/queue.js";
import { defaultSettings, limits, type QueueSettings } from "../queue/limits.js";
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
  ["redrivePolicy", "redrive_policy", "Dead-letter queues are"],
  ["redriveAllowPolicy", "redrive_allow_policy", "Dead-letter queues are"],
  ["policy", "policy", "Permissions are"],
  ["managedEncryption", "managed_encryption", "Encryption at rest is"],
  ["encryptionKey", "encryption_key", "Encryption at rest is"],
  ["dataKeyReusePeriod", "data_key_reuse_period", "Encryption at rest is"],
  ["dedupWindow", "dedup_window", "Deduplication is"],
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

/** Checks the attributes that belong to FIFO queues. On a standard queue they are unknown, whatever their value. */
export function checkStandard(violations: Violations, attributes: QueueAttributes): void {
  const refuse = (name: string): void =>
    violations.add(
      "UNKNOWN_ATTRIBUTE",
      `attributes.${name}`,
      "is an attribute of FIFO queues; leave it out for a standard queue",
      { attribute: name },
    );
  if (attributes.fifoQueue !== undefined) refuse("fifo_queue");
  if (attributes.contentBasedDeduplication !== undefined) refuse("content_based_deduplication");
  if (attributes.deduplicationScope !== DeduplicationScope.UNSPECIFIED)
    refuse("deduplication_scope");
  if (attributes.fifoThroughputLimit !== FifoThroughputLimit.UNSPECIFIED)
    refuse("fifo_throughput_limit");
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
    setting: "visibilityTimeoutMs" | "retentionMs" | "delayMs" | "receiveWaitMs",
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
    setting: "messageBytesMax" | "inFlightMax",
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
  const policy = parseEnum(
    violations,
    "attributes.receipt_policy",
    attributes.receiptPolicy,
    ReceiptPolicy,
    "INVALID_ATTRIBUTE_VALUE",
  );
  if (policy !== undefined) settings.receiptPolicy = policy === "STRICT" ? "strict" : "lenient";
  return settings;
}

/** The setting behind each attribute of a standard queue. */
const settingOfAttribute = {
  visibility_timeout: "visibilityTimeoutMs",
  message_retention_period: "retentionMs",
  delay: "delayMs",
  maximum_message_bytes: "messageBytesMax",
  receive_message_wait_time: "receiveWaitMs",
  receipt_policy: "receiptPolicy",
  max_in_flight: "inFlightMax",
} as const satisfies Record<string, keyof QueueSettings>;

export type AttributeName = keyof typeof settingOfAttribute;
const attributeNames = Object.keys(settingOfAttribute) as readonly AttributeName[];

/** Every field of QueueAttributes, known to the contract though perhaps not to this type of queue. */
const contractAttributes = new Set<string>([
  ...attributeNames,
  ...laterAttributes.map(([, name]) => name),
  "fifo_queue",
  "content_based_deduplication",
  "deduplication_scope",
  "fifo_throughput_limit",
]);

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
): Partial<QueueSettings> {
  if (mask === undefined || mask.length === 0) return given;
  const settings: Partial<Mutable<QueueSettings>> = {};
  if (!checkListLength(violations, "update_mask.paths", mask.length, listedMax)) return settings;
  mask.forEach((path, index) => {
    if (!Object.hasOwn(settingOfAttribute, path)) {
      refuseUnknown(violations, `update_mask.paths[${index}]`, path);
      return;
    }
    const setting = settingOfAttribute[path as AttributeName];
    Object.assign(settings, { [setting]: given[setting] ?? defaultSettings[setting] });
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
