// Data protection policies in a test's words.

import type { Scenario } from "./scenario.js";
import { topicCall } from "./topics.js";

export interface StatementWords {
  readonly direction?: "Inbound" | "Outbound";
  readonly principals?: readonly string[];
  readonly identifiers: readonly string[];
  readonly operation: Readonly<Record<string, unknown>>;
}

export const deny = { Deny: {} };
export const redact = { Deidentify: { RedactConfig: {} } };
export const mask = (character = "#") => ({
  Deidentify: { MaskConfig: { MaskWithCharacter: character } },
});

/** The text of a policy; `custom` are identifiers of the user's own, by name. */
export const protectionPolicy = (
  statements: readonly StatementWords[],
  custom: Readonly<Record<string, string>> = {},
): string =>
  JSON.stringify({
    Name: "protection",
    Version: "2021-06-01",
    ...(Object.keys(custom).length > 0 && {
      Configuration: {
        CustomDataIdentifier: Object.entries(custom).map(([Name, Regex]) => ({ Name, Regex })),
      },
    }),
    Statement: statements.map(({ direction, principals, identifiers, operation }) => ({
      DataDirection: direction ?? "Inbound",
      Principal: principals ?? ["*"],
      DataIdentifier: identifiers,
      Operation: operation,
    })),
  });

export const protect = (
  t: Scenario,
  topic: string,
  statements: readonly StatementWords[],
  custom: Readonly<Record<string, string>> = {},
): Promise<unknown> =>
  topicCall(t, "putDataProtectionPolicy", {
    topic,
    dataProtectionPolicy: protectionPolicy(statements, custom),
  });
