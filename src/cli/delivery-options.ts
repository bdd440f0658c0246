// How deliveries are tried again and throttled, as options: of a topic, and of one subscription.

import type { BackoffFunction, DeliveryPolicy } from "@forebay/client";
import { type Command, Option } from "commander";
import { duration, oneOf, wholeNumber } from "./context.js";

export interface DeliveryFlags {
  readonly retries?: number;
  readonly immediateRetries?: number;
  readonly minDelayRetries?: number;
  readonly maxDelayRetries?: number;
  readonly minDelay?: number;
  readonly maxDelay?: number;
  readonly backoff?: BackoffFunction;
  readonly maxPerSecond?: number;
  readonly requestContentType?: string;
}

const backoffs = ["LINEAR", "ARITHMETIC", "GEOMETRIC", "EXPONENTIAL"] as const;

/** Gives a command an option for each part of a delivery policy. */
export function withDeliveryOptions(command: Command): Command {
  const count = wholeNumber(0);
  const options = [
    new Option("--retries <count>", "how often to try again").argParser(count),
    new Option("--immediate-retries <count>", "of these, how many at once").argParser(count),
    new Option("--min-delay-retries <count>", "of these, how many after the least delay").argParser(
      count,
    ),
    new Option(
      "--max-delay-retries <count>",
      "of these, how many after the greatest delay; the rest grows from least to greatest",
    ).argParser(count),
    new Option("--min-delay <span>", "the least delay (at least 1s)").argParser(duration),
    new Option("--max-delay <span>", "the greatest delay (at most 1h)").argParser(duration),
    new Option(
      "--backoff <function>",
      "how delays grow: linear, arithmetic, geometric, exponential (default: linear)",
    ).argParser(oneOf(backoffs)),
    new Option("--max-per-second <count>", "deliveries a second at most").argParser(wholeNumber(1)),
    new Option("--request-content-type <type>", "the content type of requests to webhooks"),
  ];
  for (const option of options) command.addOption(option.helpGroup("Retries:"));
  return command;
}

/** The policy among a command's options, over what there is; undefined if none of them was given. */
export function deliveryPolicyOf(
  flags: DeliveryFlags,
  current: DeliveryPolicy = {},
): DeliveryPolicy | undefined {
  const policy: DeliveryPolicy = {
    retries: flags.retries,
    noDelayRetries: flags.immediateRetries,
    minDelayRetries: flags.minDelayRetries,
    maxDelayRetries: flags.maxDelayRetries,
    minDelayMs: flags.minDelay,
    maxDelayMs: flags.maxDelay,
    backoff: flags.backoff,
    maxReceivesPerSecond: flags.maxPerSecond,
    headerContentType: flags.requestContentType,
  };
  const given = Object.entries(policy).filter(([, value]) => value !== undefined);
  return given.length === 0 ? undefined : { ...current, ...Object.fromEntries(given) };
}

/** A policy as a line for people, defaults included. */
export function deliveryPolicyText(policy: DeliveryPolicy): string {
  const { retries = 0, minDelayMs = 0, maxDelayMs = 0, maxReceivesPerSecond } = policy;
  const delays =
    minDelayMs === maxDelayMs
      ? `${minDelayMs / 1_000} s apart`
      : `${minDelayMs / 1_000} to ${maxDelayMs / 1_000} s apart`;
  const throttle =
    maxReceivesPerSecond === undefined ? "" : `, at most ${maxReceivesPerSecond} a second`;
  return `${retries} retries, ${delays}${throttle}`;
}
