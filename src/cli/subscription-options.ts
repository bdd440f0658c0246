// The settings of a subscription as options of `subscribe` and of `topic subscription-update`.
//
// What belongs to webhooks, functions or streams is one setting to the server, which keeps only what it is given of it, save the secret of
// webhooks. So an update fills in what the subscription has; secrets it cannot, as the server tells them to nobody, and it asks for
// them.

import type {
  FilterPolicyScope,
  FunctionSettings,
  SubscriptionSettings,
  TargetKind,
  TargetTls,
  WebhookSettings,
} from "@forebay/client";
import { type Command, Option } from "commander";
import { type CliContext, duration, oneOf, wholeNumber } from "./context.js";
import { type DeliveryFlags, deliveryPolicyOf, withDeliveryOptions } from "./delivery-options.js";
import { usageFailure } from "./failure.js";
import { readInput } from "./input.js";

export interface SubscriptionFlags extends DeliveryFlags {
  readonly raw?: boolean;
  readonly deadLetterQueue?: string;
  readonly ttlToDlq?: boolean;
  readonly autoDisableAfter?: number;
  readonly filter?: string;
  readonly filterScope?: FilterPolicyScope;
  readonly hmacSecret?: string;
  readonly hmacSecretFile?: string;
  readonly attributeHeaders?: boolean;
  readonly caFile?: string;
  readonly clientCertificateFile?: string;
  readonly clientKeyFile?: string;
  readonly batch?: number;
  readonly callTimeout?: number;
  readonly maxConcurrency?: number;
  readonly lambdaEvent?: boolean;
  /** False: none. */
  readonly bearerTokenFile?: string | false;
  readonly ackDeadline?: number;
  readonly maxInFlight?: number;
}

const options = [
  ["--raw", "deliver the message alone, without the envelope"],
  ["--no-raw", "deliver it in its envelope"],
  ["--dead-letter-queue <queue>", "where messages go that cannot be delivered ('': nowhere)"],
  ["--ttl-to-dlq", "there go messages whose time to live ended, too"],
  ["--no-ttl-to-dlq", "they do not"],
  [
    "--auto-disable-after <span>",
    "webhook, function: disable it after failures for so long (1h to 30d)",
    duration,
  ],
  ["--filter <json>", 'which messages are for it, as {"kind":["weather"]} ({}: all)'],
  [
    "--filter-scope <scope>",
    "what the filter looks at: message-attributes, message-body (default: message-attributes)",
    oneOf(["MESSAGE_ATTRIBUTES", "MESSAGE_BODY"]),
  ],
  ["--hmac-secret <text>", "webhook: the secret of its HMAC headers (24 to 64 bytes)"],
  ["--hmac-secret-file <path>", "webhook: a file with it, so that no list of processes shows it"],
  ["--attribute-headers", "webhook: raw deliveries carry attributes as headers"],
  ["--no-attribute-headers", "webhook: they do not"],
  ["--ca-file <path>", "webhook, function: the certificates to trust there (PEM)"],
  ["--client-certificate-file <path>", "webhook, function: the certificate to show there (PEM)"],
  ["--client-key-file <path>", "webhook, function: its key (PEM)"],
  ["--batch <count>", "function: messages a call carries at most", wholeNumber(1)],
  ["--call-timeout <span>", "function: how long a call may take (1s to 15m)", duration],
  ["--max-concurrency <count>", "function: calls that run at once", wholeNumber(1)],
  ["--lambda-event", "function: messages carry the JSON a Lambda function would be given"],
  ["--no-lambda-event", "function: they do not"],
  ["--bearer-token-file <path>", "function: a file with the token to send"],
  ["--no-bearer-token-file", "function: send none"],
  ["--ack-deadline <span>", "stream: how long a consumer has a message", duration],
  ["--max-in-flight <count>", "stream: messages with its consumers", wholeNumber(1)],
] as const satisfies readonly (readonly [string, string, ((text: string) => unknown)?])[];

/** Gives a command an option for every setting. */
export function withSubscriptionSettings(command: Command): Command {
  for (const [flags, help, parse] of options) {
    const option = new Option(flags, help).helpGroup("Settings:");
    command.addOption(parse === undefined ? option : option.argParser<unknown>(parse));
  }
  return withDeliveryOptions(command);
}

/**
 * The settings among a command's options, over what the subscription has.
 *
 * @throws CliFailure if an option is not for this kind of target, a secret would be lost, or a file cannot be read.
 */
export async function subscriptionSettingsOf(
  context: CliContext,
  kind: TargetKind | undefined,
  flags: SubscriptionFlags,
  current: SubscriptionSettings = {},
): Promise<SubscriptionSettings> {
  checkKind(kind, flags);
  const stream = given({ ackDeadlineMs: flags.ackDeadline, maxInFlight: flags.maxInFlight });
  const settings: SubscriptionSettings = {
    rawMessageDelivery: flags.raw,
    deadLetterQueue: flags.deadLetterQueue,
    ttlToDlq: flags.ttlToDlq,
    autoDisableAfterMs: flags.autoDisableAfter,
    filterPolicy: flags.filter,
    filterPolicyScope: flags.filterScope,
    deliveryPolicy: deliveryPolicyOf(flags, current.deliveryPolicy),
    webhook:
      kind === "HTTP" || kind === "HTTPS"
        ? await webhookOf(context, flags, current.webhook)
        : undefined,
    function: kind === "FUNCTION" ? await functionOf(context, flags, current.function) : undefined,
    stream: stream && { ...current.stream, ...stream },
  };
  return given(settings) ?? {};
}

const kindOf = {
  autoDisableAfter: ["HTTP", "HTTPS", "FUNCTION"],
  hmacSecret: ["HTTP", "HTTPS"],
  hmacSecretFile: ["HTTP", "HTTPS"],
  attributeHeaders: ["HTTP", "HTTPS"],
  caFile: ["HTTP", "HTTPS", "FUNCTION"],
  clientCertificateFile: ["HTTP", "HTTPS", "FUNCTION"],
  clientKeyFile: ["HTTP", "HTTPS", "FUNCTION"],
  batch: ["FUNCTION"],
  callTimeout: ["FUNCTION"],
  maxConcurrency: ["FUNCTION"],
  lambdaEvent: ["FUNCTION"],
  bearerTokenFile: ["FUNCTION"],
  ackDeadline: ["STREAM"],
  maxInFlight: ["STREAM"],
} as const satisfies Partial<Record<keyof SubscriptionFlags, readonly TargetKind[]>>;

function checkKind(kind: TargetKind | undefined, flags: SubscriptionFlags): void {
  for (const [name, kinds] of Object.entries(kindOf)) {
    if (flags[name as keyof typeof kindOf] === undefined) continue;
    if (kind === undefined || kinds.some((each) => each === kind)) continue;
    const option = name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw usageFailure(`--${option} is not for a target of kind ${kind.toLowerCase()}.`);
  }
}

async function webhookOf(
  context: CliContext,
  flags: SubscriptionFlags,
  current: WebhookSettings | undefined,
): Promise<WebhookSettings | undefined> {
  const { hmacSecret: text, hmacSecretFile: path } = flags;
  if (text !== undefined && path !== undefined) {
    throw usageFailure("Give the secret once: --hmac-secret, or --hmac-secret-file.");
  }
  const secret = path === undefined ? text : await read(context, path);
  const settings = given({
    ...(await tlsOf(context, flags)),
    hmacSecret: secret === undefined ? undefined : Buffer.from(secret.trim(), "utf8"),
    attributeHeaders: flags.attributeHeaders,
  });
  return settings && { ...keptOf(current, flags), ...settings };
}

async function functionOf(
  context: CliContext,
  flags: SubscriptionFlags,
  current: FunctionSettings | undefined,
): Promise<FunctionSettings | undefined> {
  const { bearerTokenFile: path } = flags;
  const token = path === false ? "" : path && (await read(context, path)).trim();
  const settings = given({
    ...(await tlsOf(context, flags)),
    batchMax: flags.batch,
    timeoutMs: flags.callTimeout,
    maxConcurrency: flags.maxConcurrency,
    lambdaEvent: flags.lambdaEvent,
    bearerToken: token,
  });
  if (settings === undefined) return undefined;
  if (current !== undefined && token === undefined) {
    throw usageFailure(
      "The server tells its token to nobody, so a change of a function's settings would lose it.",
      "Give --bearer-token-file again, or --no-bearer-token-file if it has none.",
    );
  }
  return { ...keptOf(current, flags), ...settings };
}

async function tlsOf(
  context: CliContext,
  { caFile, clientCertificateFile, clientKeyFile }: SubscriptionFlags,
): Promise<TargetTls> {
  if ((clientCertificateFile === undefined) !== (clientKeyFile === undefined)) {
    throw usageFailure("--client-certificate-file and --client-key-file go together.");
  }
  const readIfGiven = async (path: string | undefined): Promise<string | undefined> =>
    path === undefined ? undefined : await read(context, path);
  return {
    caCertificates: await readIfGiven(caFile),
    clientCertificate: await readIfGiven(clientCertificateFile),
    clientKey: await readIfGiven(clientKeyFile),
  };
}

/** What stays. A client certificate does only with its key, which nobody is told. */
function keptOf<Settings extends TargetTls>(
  current: Settings | undefined,
  { clientKeyFile }: SubscriptionFlags,
): Settings | undefined {
  const isKeyLost = (current?.clientCertificate ?? "") !== "" && clientKeyFile === undefined;
  if (!isKeyLost) return current;
  throw usageFailure(
    "The server tells the client key to nobody, so a change of these settings would lose it.",
    "Give --client-certificate-file and --client-key-file again.",
  );
}

const read = async (context: CliContext, path: string): Promise<string> =>
  String(await readInput(context, path));

/** What is not undefined; undefined if all is. */
function given<Settings extends object>(settings: Settings): Settings | undefined {
  const entries = Object.entries(settings).filter(([, value]) => value !== undefined);
  return entries.length === 0 ? undefined : (Object.fromEntries(entries) as Settings);
}
