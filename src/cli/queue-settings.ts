// The settings of a queue as options of `queue create` and `queue set`, and as `queue set --reset` names them.
//
// Most settings are one option each. Two have parts that the server takes only together (where dead letters go and after how
// many receives; the waits between retries): each part is an option, and `queue set` fills in those left out from what the
// queue has. A policy is a document, so its option names a file.

import type { QueueAttributes, RedriveAllowPolicy } from "@forebay/client";
import { type Command, Option } from "commander";
import { type CliContext, decimal, duration, oneOf, wholeNumber } from "./context.js";
import { usageFailure } from "./failure.js";
import { readInput } from "./input.js";

/** Options by their names in camel case, as Commander read them. */
export type SettingFlags = Readonly<Record<string, unknown>>;

type SettingName = keyof QueueAttributes;

interface SettingOption {
  readonly flags: string;
  readonly help: string;
  readonly setting: SettingName;
  /** How the text is read. Default: as it is; without an argument, true. */
  readonly parse?: (text: string) => unknown;
  /** The setting has parts, and this is one; without a `required` one it is refused. */
  readonly part?: { readonly name: string; readonly isRequired: boolean };
  /** The text is the path of a file that holds the setting. */
  readonly isFile?: boolean;
  /** What `--reset` calls the setting. Default: the option's name, save that of a part. */
  readonly reset?: string;
}

const settingOptions: readonly SettingOption[] = [
  {
    flags: "--visibility <span>",
    help: "how long received messages stay invisible (0s to 12h)",
    parse: duration,
    setting: "visibilityTimeoutMs",
  },
  {
    flags: "--retention <span>",
    help: "how long messages are kept (60s to 14d)",
    parse: duration,
    setting: "messageRetentionPeriodMs",
  },
  {
    flags: "--delay <span>",
    help: "how long new messages stay invisible (0s to 15m)",
    parse: duration,
    setting: "delayMs",
  },
  {
    flags: "--max-bytes <bytes>",
    help: "the largest message (1024 to 1048576)",
    parse: wholeNumber(0),
    setting: "maximumMessageBytes",
  },
  {
    flags: "--wait <span>",
    help: "how long receives wait for a message (0s to 20s)",
    parse: duration,
    setting: "receiveMessageWaitTimeMs",
  },
  {
    flags: "--max-in-flight <count>",
    help: "messages in flight at once (1 to 10000000)",
    parse: wholeNumber(0),
    setting: "maxInFlight",
  },
  {
    flags: "--max-in-flight-per-group <count>",
    help: "messages of one group in flight at once (to 10000000; 0: no limit)",
    parse: wholeNumber(0),
    setting: "maxInFlightPerGroup",
  },
  {
    flags: "--receipt-policy <policy>",
    help: "what older receipt handles may do: lenient or strict",
    parse: oneOf(["LENIENT", "STRICT"]),
    setting: "receiptPolicy",
  },
  {
    flags: "--priority-ageing <span>",
    help: "how much sooner each step of priority is served (1s to 24h)",
    parse: duration,
    setting: "priorityAgeingMs",
  },
  {
    flags: "--dead-letter-queue <queue>",
    help: "where messages go that were received too often",
    setting: "redrivePolicy",
    part: { name: "deadLetterQueue", isRequired: true },
    reset: "dead-letter-queue",
  },
  {
    flags: "--max-receive-count <count>",
    help: "how often a message is delivered before it goes there (1 to 1000)",
    parse: wholeNumber(0),
    setting: "redrivePolicy",
    part: { name: "maxReceiveCount", isRequired: true },
  },
  {
    flags: "--redrive-allow <queues>",
    help: "whose dead-letter queue this may be: all, none, or names as in a,b",
    parse: redriveAllow,
    setting: "redriveAllowPolicy",
  },
  {
    flags: "--retry-minimum <span>",
    help: "how long a message waits after its first failed delivery (1s to 12h)",
    parse: duration,
    setting: "retryPolicy",
    part: { name: "minimumBackoffMs", isRequired: true },
    reset: "retry",
  },
  {
    flags: "--retry-maximum <span>",
    help: "the longest such wait (to 12h; default: 10m)",
    parse: duration,
    setting: "retryPolicy",
    part: { name: "maximumBackoffMs", isRequired: false },
  },
  {
    flags: "--retry-factor <number>",
    help: "what each such wait is multiplied with (1 to 10; default: 2)",
    parse: decimal,
    setting: "retryPolicy",
    part: { name: "factor", isRequired: false },
  },
  {
    flags: "--dedup-window <span>",
    help: "how long deduplication ids are remembered (0s to 7d)",
    parse: duration,
    setting: "dedupWindowMs",
  },
  {
    flags: "--content-based-deduplication",
    help: "FIFO: make deduplication ids of bodies where none is given",
    setting: "contentBasedDeduplication",
  },
  {
    flags: "--deduplication-scope <scope>",
    help: "FIFO: where deduplication ids are looked up: queue or message-group",
    parse: oneOf(["QUEUE", "MESSAGE_GROUP"]),
    setting: "deduplicationScope",
  },
  {
    flags: "--fifo-throughput-limit <limit>",
    help: "FIFO: per-queue or per-message-group-id; kept, and nothing is throttled",
    parse: oneOf(["PER_QUEUE", "PER_MESSAGE_GROUP_ID"]),
    setting: "fifoThroughputLimit",
  },
  {
    flags: "--policy-file <path>",
    help: "the resource policy, a JSON document (-: stdin); kept, not enforced yet",
    setting: "policy",
    isFile: true,
    reset: "policy",
  },
];

const resetNames = new Map(
  settingOptions.flatMap(({ flags, part, reset, setting }) => {
    const name = reset ?? (part === undefined ? new Option(flags).name() : undefined);
    return name === undefined ? [] : [[name, setting] as const];
  }),
);

/** Gives a command an option for every setting. */
export function withSettingOptions(command: Command): Command {
  for (const { flags, help, parse } of settingOptions) {
    const option = new Option(flags, help).helpGroup("Settings:");
    command.addOption(parse === undefined ? option : option.argParser<unknown>(parse));
  }
  return command;
}

/** Whether a setting is only given in part, so that what the queue has must be known. */
export function needsCurrentSettings(flags: SettingFlags): boolean {
  return givenIn(flags).some(({ option }) => option.part !== undefined);
}

/**
 * The settings among a command's options.
 *
 * @throws CliFailure if a part is missing, here as in `current`, or a file cannot be read.
 */
export async function settingsOf(
  context: CliContext,
  flags: SettingFlags,
  current: QueueAttributes = {},
): Promise<QueueAttributes> {
  const settings: Partial<Record<SettingName, unknown>> = {};
  for (const { option, value } of givenIn(flags)) {
    const { setting, part, isFile } = option;
    if (isFile === true) settings[setting] = String(await readInput(context, String(value)));
    else if (part === undefined) settings[setting] = value;
    else
      settings[setting] = { ...partsOf(settings[setting] ?? current[setting]), [part.name]: value };
  }
  for (const { setting, part, flags } of settingOptions) {
    if (part?.isRequired !== true || settings[setting] === undefined) continue;
    if (partsOf(settings[setting])[part.name] === undefined) {
      throw usageFailure(
        "A part of what belongs together is missing.",
        `Give ${new Option(flags).long}, too.`,
      );
    }
  }
  return settings as QueueAttributes;
}

/** Reads `--reset`, which may be given many times. */
export function resetName(text: string, before: readonly SettingName[] = []): SettingName[] {
  const setting = resetNames.get(text);
  if (setting !== undefined) return [...before, setting];
  throw usageFailure(
    `"${text}" is no setting.`,
    `Settings are ${[...resetNames.keys()].join(", ")}.`,
  );
}

function givenIn(flags: SettingFlags) {
  return settingOptions.flatMap((option) => {
    const value = flags[new Option(option.flags).attributeName()];
    return value === undefined ? [] : [{ option, value }];
  });
}

function partsOf(setting: unknown): Readonly<Record<string, unknown>> {
  return typeof setting === "object" ? { ...setting } : {};
}

function redriveAllow(text: string): RedriveAllowPolicy {
  if (text === "all") return { permission: "ALLOW_ALL" };
  if (text === "none") return { permission: "DENY_ALL" };
  return { permission: "BY_QUEUE", sourceQueues: text.split(",") };
}
