// The settings of subscriptions that are delivered to from outside of the store, as callers write and read them: delivery policies,
// and how webhooks and functions are called. What is secret is never read back, save to the owner the secret that signs.

import { X509Certificate } from "node:crypto";
import type { DurationMs } from "../base/brands.js";
import type { PolicyPlace } from "../delivery/delivery-policy.js";
import type {
  FunctionSettings,
  SubscriptionSettings,
  WebhookSettings,
} from "../gen/forebay/topic/v1/topic.js";
import type { Duration } from "../gen/google/protobuf/duration.js";
import type {
  ClientTls,
  FunctionSettings as KeptFunction,
  SubscriptionSettings as KeptSubscription,
  WebhookSettings as KeptWebhook,
} from "../topic/limits.js";
import { functionDefaults } from "../topic/limits.js";
import type { TargetKind } from "../topic/model.js";
import { pushLimits } from "../topic/push-limits.js";
import { duration } from "./render.js";
import { parseDeliveryPolicy } from "./topic-delivery-policy.js";
import { parseCount, parseDuration, type Violations } from "./violations.js";

type Mutable<Fields> = { -readonly [Name in keyof Fields]: Fields[Name] };

type PushSettings = Pick<
  KeptSubscription,
  "deliveryPolicy" | "function" | "webhook" | "autoDisableAfterMs"
>;

export function parsePushSettings(
  violations: Violations,
  settings: SubscriptionSettings,
  /** Undefined: the subscription is there already, of whatever kind. */
  kind: TargetKind | undefined,
): Partial<PushSettings> {
  const parsed: Partial<Mutable<PushSettings>> = {};
  const { deliveryPolicy, function: ofFunction, webhook, rawMessageDelivery } = settings;
  if (deliveryPolicy !== undefined) {
    const isRaw = rawMessageDelivery ?? false;
    const place: PolicyPlace = { of: "subscription", kind: kind ?? "https", isRaw };
    parsed.deliveryPolicy = parseDeliveryPolicy(violations, deliveryPolicy, place);
  }
  if (kind === "function" && rawMessageDelivery === true) {
    const description = "functions always get the message with what belongs to it";
    violations.add("INVALID_PARAMETER", "settings.raw_message_delivery", description);
  }
  const autoDisableAfterMs = parseAutoDisable(violations, settings.autoDisableAfter, kind);
  if (autoDisableAfterMs !== undefined) parsed.autoDisableAfterMs = autoDisableAfterMs;
  if (ofFunction !== undefined) {
    refuseOther(violations, "function", kind === undefined || kind === "function");
    parsed.function = parseFunction(violations, ofFunction);
  }
  if (webhook !== undefined) {
    refuseOther(violations, "webhook", kind === undefined || kind === "http" || kind === "https");
    parsed.webhook = parseWebhook(violations, webhook);
  }
  return parsed;
}

function parseAutoDisable(
  violations: Violations,
  given: Duration | undefined,
  kind: TargetKind | undefined,
): DurationMs | undefined {
  // Never is below the range.
  if (given?.seconds === 0n && given.nanos === 0) return 0 as DurationMs;
  const field = "settings.auto_disable_after";
  if (given !== undefined && (kind === "queue" || kind === "stream")) {
    violations.add("INVALID_PARAMETER", field, "is for kinds HTTP, HTTPS and FUNCTION alone");
  }
  return parseDuration(violations, field, given, {
    minMs: pushLimits.autoDisableMsMin,
    maxMs: pushLimits.autoDisableMsMax,
  });
}

function refuseOther(violations: Violations, name: string, isRight: boolean): void {
  if (isRight) return;
  const description = `is for subscriptions of a ${name}`;
  violations.add("INVALID_PARAMETER", `settings.${name}`, description);
}

const timeoutRange = { minMs: 1_000, maxMs: 900_000 };

function parseFunction(violations: Violations, given: FunctionSettings): KeptFunction {
  const field = "settings.function";
  const kept: Mutable<KeptFunction> = { ...parseTls(violations, field, given) };
  const batch = parseCount(violations, `${field}.batch_max`, given.batchMax, { min: 1, max: 100 });
  if (batch !== undefined) kept.batchMax = batch;
  const timeout = parseDuration(violations, `${field}.timeout`, given.timeout, timeoutRange);
  if (timeout !== undefined) kept.timeoutMs = timeout;
  const range = { min: 1, max: 1_000 };
  const many = parseCount(violations, `${field}.max_concurrency`, given.maxConcurrency, range);
  if (many !== undefined) kept.concurrencyMax = many;
  if (given.lambdaEvent !== undefined) kept.isLambdaEvent = given.lambdaEvent;
  const { bearerToken = "" } = given;
  if (!/^[\x20-\x7e]{0,8192}$/.test(bearerToken)) {
    const description = "is at most 8192 characters of visible ASCII";
    violations.add("INVALID_PARAMETER", `${field}.bearer_token`, description);
  } else if (bearerToken !== "") kept.bearerToken = bearerToken;
  return kept;
}

/** As in the contract of WebhookSettings. */
const secretBytes = { min: 24, max: 64 } as const;

function parseWebhook(violations: Violations, given: WebhookSettings): KeptWebhook {
  const field = "settings.webhook";
  const kept: Mutable<KeptWebhook> = { ...parseTls(violations, field, given) };
  const { hmacSecret, attributeHeaders } = given;
  if (hmacSecret !== undefined) {
    const { length } = hmacSecret;
    if (length < secretBytes.min || length > secretBytes.max) {
      const description = `is ${length} bytes long, and it is from ${secretBytes.min} to ${secretBytes.max}`;
      violations.add("INVALID_PARAMETER", `${field}.hmac_secret`, description);
    }
    kept.hmacSecret = Buffer.from(hmacSecret).toString("base64");
  }
  if (attributeHeaders !== undefined) kept.hasAttributeHeaders = attributeHeaders;
  return kept;
}

const pemCharactersMax = 65_536;

function parseTls(
  violations: Violations,
  field: string,
  given: Pick<FunctionSettings, "caCertificates" | "clientCertificate" | "clientKey">,
): ClientTls {
  const kept: Mutable<ClientTls> = {};
  const { caCertificates = "", clientCertificate = "", clientKey = "" } = given;
  for (const [name, text] of [
    ["ca_certificates", caCertificates],
    ["client_certificate", clientCertificate],
  ] as const) {
    if (text === "" || (text.length <= pemCharactersMax && isCertificate(text))) continue;
    violations.add("INVALID_PARAMETER", `${field}.${name}`, "holds no certificate in PEM");
  }
  if (clientKey.length > pemCharactersMax) {
    const description = `has at most ${pemCharactersMax} characters`;
    violations.add("INVALID_PARAMETER", `${field}.client_key`, description);
  }
  if ((clientKey === "") !== (clientCertificate === "")) {
    const description = "a client certificate and its key go together";
    violations.add("INVALID_PARAMETER", `${field}.client_key`, description);
  }
  if (caCertificates !== "") kept.caCertificates = caCertificates;
  if (clientCertificate !== "") kept.clientCertificate = clientCertificate;
  if (clientKey !== "") kept.clientKey = clientKey;
  return kept;
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== undefined;
  } catch {
    // Whatever is wrong with it, it is none.
    return false;
  }
}

export const renderPushSettings = ({
  function: ofFunction,
  webhook,
}: KeptSubscription): Pick<SubscriptionSettings, "function" | "webhook"> => ({
  function: ofFunction && {
    batchMax: ofFunction.batchMax ?? functionDefaults.batchMax,
    timeout: duration(ofFunction.timeoutMs ?? functionDefaults.timeoutMs),
    maxConcurrency: ofFunction.concurrencyMax ?? functionDefaults.concurrencyMax,
    lambdaEvent: ofFunction.isLambdaEvent ?? false,
    bearerToken: undefined,
    caCertificates: ofFunction.caCertificates ?? "",
    clientCertificate: ofFunction.clientCertificate ?? "",
    clientKey: undefined,
  },
  webhook: webhook && {
    hmacSecret:
      webhook.hmacSecret === undefined ? undefined : Buffer.from(webhook.hmacSecret, "base64"),
    attributeHeaders: webhook.hasAttributeHeaders ?? false,
    caCertificates: webhook.caCertificates ?? "",
    clientCertificate: webhook.clientCertificate ?? "",
    clientKey: undefined,
  },
});
