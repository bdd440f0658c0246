// The data protection of a topic, as publishing and delivering ask for it.

import type { Stamp } from "../../queue/stamp.js";
import type { Topic, TopicMessage } from "../model.js";
import { deniedOutbound, type Findings, type ProtectedContent, protectInbound } from "./protect.js";
import { type ProtectionPolicy, readProtectionPolicy } from "./protection-policy.js";

/** What an audit has to tell: never the text that was found. */
export interface ProtectionAudit {
  /** How often each identifier was found; empty: a message in which nothing was, which is told if it is wanted. */
  readonly findings: Findings;
  readonly isDenied: boolean;
}

export interface Admission<Content> {
  readonly content: Content;
  readonly denied: readonly string[];
  /** Undefined: none is wanted, or the message is not in the sample. */
  readonly audit: ProtectionAudit | undefined;
}

/** A message on its way into a topic. */
export function admitInbound<Content extends ProtectedContent & { readonly senderId: string }>(
  { settings }: Pick<Topic, "settings">,
  content: Content,
  stamp: Stamp,
): Admission<Content> {
  const { dataProtectionPolicy: text } = settings;
  if (text === undefined) return { content, denied: [], audit: undefined };
  const policy = policyOf(text);
  const { content: left, audited, denied } = protectInbound(policy, content, content.senderId);
  const isDenied = denied.length > 0;
  if (audited === undefined) return { content: left, denied, audit: undefined };
  const { audit, findings } = audited;
  const isWanted = findings.size > 0 ? audit.logsFindings : audit.logsNoFindings;
  const isSampled = isWanted && isInSample(audit.samplePercent, stamp);
  return { content: left, denied, audit: isSampled ? { findings, isDenied } : undefined };
}

/** By the random part of an id, the only randomness that a decision has. */
function isInSample(percent: number, { ids, now }: Stamp): boolean {
  return percent > 0 && ids.messageId(now).readUInt32BE(12) % 100 < percent;
}

/** As a dead letter and the log of attempts tell it. */
export interface OutboundRefusal {
  readonly reason: "DATA_PROTECTION_DENIED";
  readonly error: string;
  /** As of HTTP, for targets of every kind. */
  readonly statusCode: 403;
}

/** Why a message may not go to the one who subscribed, or looks on; undefined: it may. By the policy as it is now. */
export function outboundRefusal(
  { settings }: Pick<Topic, "settings">,
  message: TopicMessage,
  principal: string,
): OutboundRefusal | undefined {
  const { dataProtectionPolicy: text } = settings;
  const denied = text === undefined ? [] : deniedOutbound(policyOf(text), message, principal);
  if (denied.length === 0) return undefined;
  const error = `The data protection policy denies ${denied.join(", ")} to ${principal}.`;
  return { reason: "DATA_PROTECTION_DENIED", error, statusCode: 403 };
}

/** Policies kept ready; the one that was used first goes first. */
const knownMax = 100;
const known = new Map<string, ProtectionPolicy>();

function policyOf(text: string): ProtectionPolicy {
  const before = known.get(text);
  if (before !== undefined) return before;
  const read = readProtectionPolicy(text);
  const policy = read.kind === "invalid" ? denyingAll : read;
  const [oldest] = known.keys();
  if (oldest !== undefined && known.size >= knownMax) known.delete(oldest);
  known.set(text, policy);
  return policy;
}

/** For a policy that cannot be read, though it could when it was set, by another release: nobody knows what it would let pass. */
const denyingAll: ProtectionPolicy = {
  kind: "policy",
  statements: (["inbound", "outbound"] as const).map((direction) => ({
    direction,
    principals: [{ kind: "everyone" }],
    identifiers: ["UnreadablePolicy"],
    operation: { kind: "deny" },
  })),
  finders: new Map([["UnreadablePolicy", (text: string) => [0, text.length]]]),
};
