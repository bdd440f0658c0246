// Every bound of delivery to the outside. Numbers without a source are Amazon SNS's (developer guide, "Message delivery retries",
// 2026); those of sockets are ours: a target is somebody else's machine, and may be hostile.

import { days, hours, minutes, seconds } from "../base/brands.js";

export const deliveryLimits = {
  // Delivery policies.
  delayTargetMsMin: seconds(1),
  delayTargetMsMax: hours(1),
  webhookRetriesMax: 100,
  /** Of the other kinds: as many as their default has. */
  retriesMax: 100_015,
  /** All delays of a webhook's policy together. */
  retryWindowMsMax: hours(1),
  /** What a receiver of functions may ask for, of one message. */
  askedDelayMsMax: hours(12),
  /** A part of each delay, added or taken away, so that what failed together does not come back together. */
  jitterShare: 0.1,

  // One request to a webhook.
  connectMsMax: seconds(3),
  tlsMsMax: seconds(5),
  /** From the start, connecting included, to the end of the response's head. */
  headMsMax: seconds(15),
  /** The response's body tells nothing that is used; a short one is read to its end so that the connection can stay. */
  bodyMsMax: seconds(5),
  bodyBytesMax: 65_536,
  headBytesMax: 16_384,
  /** A connection that nobody used for so long is closed. */
  idleMsMax: seconds(30),
  /** Connections that wait for their next request, to one target and to all. No more than were in use at once. */
  idlePerTargetMax: 64,
  idleMax: 256,
  /** What a target is quoted with in a log of deliveries. */
  responseCharactersMax: 1_024,
  attributeHeaderBytesMax: 8_192,
  urlCharactersMax: 2_048,
  hostCharactersMax: 253,

  // Names and addresses.
  /** One question to a name server, and how often it is asked. */
  nameServerMsMax: seconds(2),
  nameServerTries: 2,
  /** Look-ups by the system's resolver at once: each takes one of the four threads that the store's commits need too. */
  systemLookupsMax: 1,
  systemLookupsWaitingMax: 64,
  /** Of one name; the others are not tried, but all are checked. */
  addressesMax: 32,

  // Fairness toward one destination, over all subscriptions.
  inFlightPerDestinationMax: 10,
  /** Of one subscription to an address that the operator opened, which asks for no fairness. */
  inFlightToOpenedMax: 64,
  perDestinationPerSecondMax: 50,

  // Functions.
  functionTimeoutMsMin: seconds(1),
  functionTimeoutMsMax: minutes(15),
  functionBatchMax: 100,
  /** A response has a result for each of at most 100 messages. */
  functionResponseBytesMax: 1_048_576,
  /** After so long the name is looked up anew. */
  functionAddressesMs: seconds(30),
  functionChannelsMax: 1_000,
  rejectionReasonBytesMax: 1_024,

  // Signatures.
  signingKeyBits: 2_048,
  signingCertificateDays: 400,
  /** A newer key signs from then on. */
  signingKeyMs: days(365),
  /** An older certificate is served as long, for messages that are verified late. */
  retiredCertificateMs: days(30),
  /** Of messages whose envelopes go to queues: some 600 bytes each, many times what a step of fan-out needs. */
  signaturesKeptMax: 4_096,
  /** Made at once: each takes one of the four threads that the store's commits need too. */
  signaturesAtOnceMax: 2,
  hmacSecretBytesMin: 24,
  hmacSecretBytesMax: 64,

  // The pages for whoever got a confirmation.
  pageUrlCharactersMax: 4_096,
} as const;
