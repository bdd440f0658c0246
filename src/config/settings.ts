// The table of settings: name with unit, default, range and effect of each, once. The file format, the environment
// variables, the flags, the checks, the type of the configuration and the table in the README all come from here.

import { cacheSettings } from "./cache-settings.js";
import { clusterSettings } from "./cluster-settings.js";
import {
  address,
  baseUrl,
  choice,
  flag,
  integer,
  networks,
  path,
  type Setting,
} from "./setting.js";
import { topicSettings } from "./topic-settings.js";

export type { Setting } from "./setting.js";
export { notLoopback } from "./setting.js";

const mebibyte = 1_048_576;
const gibibyte = 1_024 * mebibyte;
const tebibyte = 1_024 * gibibyte;

export const settings = {
  data_dir: path({
    default: "./.forebay",
    effect: "Where everything is stored. One server per directory; it is created when missing.",
  }),
  listen: address({
    default: "127.0.0.1:7400",
    effect: "Where applications connect (gRPC).",
  }),
  management_listen: address({
    default: "127.0.0.1:7401",
    effect: "Health, metrics and readiness, over HTTP and gRPC.",
  }),
  public_base_url: baseUrl({
    effect:
      "Where webhooks reach `public_listen`, as by a proxy of yours; empty: nobody can subscribe one.",
    example: "https://messages.example.com",
  }),
  public_listen: address({
    default: "127.0.0.1:7403",
    effect:
      "Pages to confirm and to end subscriptions, and certificates (HTTP). Only with `public_base_url`.",
  }),
  webhook_allowed_cidrs: networks({
    effect:
      "Ranges beyond the public internet that messages may be sent to, also without TLS and to any port.",
    example: "10.0.0.0/8",
  }),
  webhook_plaintext: flag({
    default: false,
    effect: "Let messages travel without TLS to the public internet.",
  }),
  webhook_any_port: flag({
    default: false,
    effect: "Let messages go to other ports of the public internet than 443 and 8443.",
  }),
  retry_jitter: flag({
    default: true,
    effect: "Spread retries of deliveries by a tenth, so that they do not come back together.",
  }),
  log_level: choice({
    choices: ["trace", "debug", "info", "warn", "error", "fatal"],
    default: "info",
    effect: "The least severe lines that are written.",
  }),
  log_format: choice({
    choices: ["auto", "json", "pretty"],
    default: "auto",
    effect: "`auto`: readable on a terminal, JSON lines elsewhere.",
  }),
  map_size_bytes: integer({
    default: 64 * gibibyte,
    min: mebibyte,
    max: 16 * tebibyte,
    effect: "The size the store may grow to. Address space, not disk: the file is sparse.",
  }),
  storage_reserve_bytes: integer({
    default: 64 * mebibyte,
    min: mebibyte,
    max: tebibyte,
    effect: "With less free space than this, sends are refused and receives and deletes go on.",
  }),
  commands_pending_max: integer({
    default: 16_384,
    min: 16,
    max: mebibyte,
    effect: "Calls that may wait for the disk; one more is refused with COMMIT_BACKLOG.",
  }),
  uncommitted_bytes_max: integer({
    default: 64 * mebibyte,
    min: 8 * mebibyte,
    max: 4 * gibibyte,
    effect: "Bytes that may wait for the disk; beyond, calls are refused with COMMIT_BACKLOG.",
  }),
  waiting_receives_max: integer({
    default: 100_000,
    min: 1,
    max: 10_000_000,
    effect: "Receives that may wait for a message; one more is refused with THROTTLED.",
  }),
  commit_backlog_age_max_ms: integer({
    default: 2_000,
    min: 10,
    max: 60_000,
    effect: "When the disk takes longer than this, calls are refused with COMMIT_BACKLOG.",
  }),
  drain_grace_ms: integer({
    default: 0,
    min: 0,
    max: 60_000,
    effect: "At SIGTERM, serve on for this long as not ready, so that balancers look elsewhere.",
  }),
  drain_timeout_ms: integer({
    default: 25_000,
    min: 0,
    max: 600_000,
    effect: "At SIGTERM, calls have this long to end; then their connections are closed.",
  }),
  sqs_timing: choice({
    choices: ["relaxed", "strict"],
    default: "relaxed",
    effect: "`strict`: the 60 s waits of SQS after purging and before recreating a queue.",
  }),
  request_id_window_seconds: integer({
    default: 300,
    min: 60,
    max: 86_400,
    effect: "How long the result of a call with a request id is kept and repeated.",
  }),
  reflection: flag({
    default: true,
    effect: "Let tools such as grpcurl list and describe the services.",
  }),
  noop_service: flag({
    default: false,
    effect: "Answer `forebay.bench.NoopService`, which benchmarks compare with.",
  }),
  ...topicSettings,
  ...cacheSettings,
  ...clusterSettings,
} as const;

export type SettingName = keyof typeof settings;

type ValueOf<Row> = Row extends Setting<infer Value> ? Value : never;

type CamelCase<Name extends string> = Name extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelCase<Tail>>}`
  : Name;

/** The settings as the program reads them: `data_dir` is `dataDir`. */
export type Config = {
  readonly [Name in SettingName as CamelCase<Name>]: ValueOf<(typeof settings)[Name]>;
};

export const environmentName = (name: string): string => `FOREBAY_${name.toUpperCase()}`;
export const flagName = (name: string): string => `--${name.replaceAll("_", "-")}`;
export const propertyName = (name: string): string =>
  name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
