// Data protection policies at the wire: setting and reading them, and what an audit tells the log.

import { uuidText } from "../base/ids.js";
import type { Log } from "../base/log.js";
import { decideReportTopic } from "../topic/administer-topic.js";
import type { ProtectionAudit } from "../topic/protection/data-protection.js";
import { readProtectionPolicy } from "../topic/protection/protection-policy.js";
import { decidePutProtection } from "../topic/protection/put-protection.js";
import type { PublishResult } from "../topic/publish.js";
import type { TopicRejection } from "../topic/rejections.js";
import {
  createTopicTools,
  type TopicHandlerParts,
  type TopicHandlers,
} from "./topic-handler-context.js";
import { Violations } from "./violations.js";

export function createProtectionHandlers(
  parts: TopicHandlerParts,
): Pick<TopicHandlers, "putDataProtectionPolicy" | "getDataProtectionPolicy"> {
  const { execute, address, addressOnly } = createTopicTools(parts);
  return {
    putDataProtectionPolicy: async (request) => {
      const violations = new Violations();
      const target = address(violations, request.topic);
      const policy = parseProtection(violations, request.dataProtectionPolicy);
      violations.throwIfAny();
      await execute({
        name: "PutDataProtectionPolicy",
        bytes: Buffer.byteLength(policy ?? ""),
        // Removing one must be possible on a full disk.
        isGrowing: policy !== undefined,
        decide: (transaction, stamp) =>
          decidePutProtection(transaction, { address: target, policy }, stamp),
      });
      return {};
    },

    getDataProtectionPolicy: async (request) => {
      const target = addressOnly(request.topic);
      const { topic } = await execute({
        name: "GetDataProtectionPolicy",
        isGrowing: false,
        decide: (transaction, stamp) => decideReportTopic(transaction, target, stamp),
      });
      return { dataProtectionPolicy: topic.settings.dataProtectionPolicy ?? "" };
    },
  };
}

/** Empty text is no policy; everything that is wrong with one goes to `violations`, with its place. */
export function parseProtection(violations: Violations, text: string): string | undefined {
  if (text === "") return undefined;
  const read = readProtectionPolicy(text);
  if (read.kind === "policy") return text;
  for (const { code, path, line, column, description } of read.problems) {
    const field = path === "" ? "data_protection_policy" : `data_protection_policy.${path}`;
    violations.add("INVALID_POLICY", field, `line ${line}, column ${column}: ${description}`, {
      problem: code,
      line: String(line),
      column: String(column),
    });
  }
  return text;
}

/** What an entry was and what became of it: a message id, unless it was denied. */
interface AuditedEntry {
  readonly audit: ProtectionAudit;
  readonly messageId: Buffer | undefined;
}

/** What audits found in the entries of one publish. */
export function auditsOf(
  decided:
    | { readonly kind: "accepted"; readonly outcome: readonly PublishResult[] }
    | { readonly kind: "rejected"; readonly rejection: TopicRejection },
): readonly AuditedEntry[] {
  if (decided.kind === "rejected") return auditOfRefused(decided.rejection);
  return decided.outcome.flatMap((result) => {
    if (result.kind === "refused") return auditOfRefused(result.rejection);
    const { audit, messageId } = result;
    return audit === undefined || result.isDuplicate ? [] : [{ audit, messageId }];
  });
}

function auditOfRefused(rejection: TopicRejection): readonly AuditedEntry[] {
  if (rejection.kind === "batch_rejected") return auditOfRefused(rejection.rejection);
  const audit = rejection.kind === "data_protection_denied" ? rejection.audit : undefined;
  return audit === undefined ? [] : [{ audit, messageId: undefined }];
}

/** A line for each: which identifiers were found how often, and never what they were. */
export function logAudits(
  log: Pick<Log, "info">,
  topic: string,
  audited: readonly AuditedEntry[],
): void {
  for (const { audit, messageId } of audited) {
    log.info(
      {
        topic,
        messageId: messageId === undefined ? undefined : uuidText(messageId),
        findings: Object.fromEntries(audit.findings),
        denied: audit.isDenied,
      },
      audit.findings.size > 0
        ? "sensitive data found in a published message"
        : "no sensitive data found in a published message",
    );
  }
}
