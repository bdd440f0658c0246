// The settings of a topic as options of `topic create` and `topic update`, and as `topic update --reset` names them. The archive has a
// command of its own, as shortening it deletes.

import type {
  DeliveryLogging,
  FifoThroughputScope,
  SignatureVersion,
  TopicDescription,
  TopicSettings,
} from "@forebay/client";
import { type Command, Option } from "commander";
import { type CliContext, oneOf, wholeNumber } from "./context.js";
import { type DeliveryFlags, deliveryPolicyOf, withDeliveryOptions } from "./delivery-options.js";
import { usageFailure } from "./failure.js";
import { readInput } from "./input.js";

export interface TopicFlags extends DeliveryFlags {
  readonly displayName?: string;
  readonly maxMessageSize?: number;
  readonly policyFile?: string;
  readonly signatureVersion?: SignatureVersion;
  readonly log?: readonly DeliveryLogging[];
  readonly contentDedup?: boolean;
  readonly dedupScope?: FifoThroughputScope;
  readonly ignoreSubscriptionPolicies?: boolean;
}

/** Gives a command an option for every setting. */
export function withTopicSettings(command: Command): Command {
  const options = [
    new Option("--display-name <text>", "what people read"),
    new Option("--max-message-size <bytes>", "the largest message (1024 to 1048576)").argParser(
      wholeNumber(1),
    ),
    new Option(
      "--policy-file <path>",
      "who may do what, a JSON document (-: stdin); kept, not enforced yet",
    ),
    new Option(
      "--signature-version <version>",
      "what envelopes are signed with: sha1 (version 1 of SNS) or sha256 (version 2)",
    ).argParser(oneOf(["SHA1", "SHA256"])),
    new Option(
      "--log <kind=percent>",
      "log so many of a hundred successes of a kind of target, as https=10; may be repeated",
    ).argParser(logging),
    new Option("--content-dedup", "FIFO: make deduplication ids of the messages"),
    new Option("--no-content-dedup", "FIFO: do not"),
    new Option(
      "--dedup-scope <scope>",
      "FIFO: where deduplication ids are looked up: topic, message-group (default: topic)",
    ).argParser(oneOf(["TOPIC", "MESSAGE_GROUP"])),
    new Option(
      "--ignore-subscription-policies",
      "go by these retries where a subscription of a webhook has others",
    ),
    new Option("--no-ignore-subscription-policies", "do not"),
  ];
  for (const option of options) command.addOption(option.helpGroup("Settings:"));
  return withDeliveryOptions(command);
}

const kinds = ["QUEUE", "HTTP", "HTTPS", "FUNCTION", "STREAM"] as const;

function logging(text: string, before: readonly DeliveryLogging[] = []): DeliveryLogging[] {
  const [, kind, percent] = /^([a-z]+)=(\d{1,3})$/i.exec(text) ?? [];
  if (kind === undefined || percent === undefined || Number(percent) > 100) {
    throw usageFailure(
      `"${text}" is no kind of target with a percentage.`,
      "Write it as in https=10.",
    );
  }
  return [...before, { kind: oneOf(kinds)(kind), successSamplePercent: Number(percent) }];
}

/** The settings among a command's options. Of a delivery policy the parts that are not given stay as they are. */
export async function topicSettingsOf(
  context: CliContext,
  flags: TopicFlags,
  current?: TopicDescription["settings"],
): Promise<TopicSettings> {
  const overrides = flags.ignoreSubscriptionPolicies;
  const parts = deliveryPolicyOf(flags, current?.deliveryPolicy);
  const deliveryPolicy =
    overrides === undefined
      ? parts
      : { ...(parts ?? current?.deliveryPolicy), disableSubscriptionOverrides: overrides };
  return {
    displayName: flags.displayName,
    maximumMessageBytes: flags.maxMessageSize,
    policy:
      flags.policyFile === undefined
        ? undefined
        : String(await readInput(context, flags.policyFile)),
    deliveryPolicy,
    signatureVersion: flags.signatureVersion,
    deliveryLogging: flags.log,
    contentBasedDeduplication: flags.contentDedup,
    fifoThroughputScope: flags.dedupScope,
  };
}

/** What `--reset` sets. */
const resets = {
  "display-name": { displayName: "" },
  "max-message-size": { maximumMessageBytes: 1_048_576 },
  policy: { policy: "" },
  retries: { deliveryPolicy: {} },
  "signature-version": { signatureVersion: "SHA256" },
  log: { deliveryLogging: [] },
} as const satisfies Readonly<Record<string, TopicSettings>>;

/** Reads `--reset`, which may be given many times. */
export function topicReset(text: string, before: TopicSettings = {}): TopicSettings {
  if (Object.hasOwn(resets, text)) return { ...before, ...resets[text as keyof typeof resets] };
  throw usageFailure(
    `"${text}" is no setting that can be reset.`,
    `Settings are ${Object.keys(resets).join(", ")}.`,
  );
}
