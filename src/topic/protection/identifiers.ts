// What a data protection policy can look for by name. The names are those of Amazon SNS's managed data identifiers, of which this is
// a part: those that a form and check digits tell from other text. Names of people and street addresses are not among them.

import { findCards, findIbans, findPhones, findSocialSecurity } from "./number-identifiers.js";
import type { Finder } from "./pattern-automaton.js";
import {
  findAwsSecrets,
  findEmails,
  findIpAddresses,
  findPrivateKeys,
} from "./text-identifiers.js";

export const builtInIdentifiers: ReadonlyMap<string, Finder> = new Map([
  ["EmailAddress", findEmails],
  ["PhoneNumber", findPhones],
  ["CreditCardNumber", findCards],
  ["Iban", findIbans],
  ["IpAddress", findIpAddresses],
  ["Ssn-US", findSocialSecurity],
  ["PrivateKey", findPrivateKeys],
  ["AwsSecretKey", findAwsSecrets],
]);

/** Amazon SNS has more names for the same; where ours is wider, more is found. */
const otherNames: Readonly<Record<string, string>> = {
  "PhoneNumber-US": "PhoneNumber",
  "BankAccountNumber-DE": "Iban",
  "BankAccountNumber-ES": "Iban",
  "BankAccountNumber-FR": "Iban",
  "BankAccountNumber-GB": "Iban",
  "BankAccountNumber-IT": "Iban",
  OpenSshPrivateKey: "PrivateKey",
  PgpPrivateKey: "PrivateKey",
  PkcsPrivateKey: "PrivateKey",
  PuttyPrivateKey: "PrivateKey",
};

const arnForm = /^arn:[a-z-]+:dataprotection::aws:data-identifier\/(.+)$/;

/** The name of a built-in identifier, from its name or its ARN; undefined when it is none. */
export function builtInName(given: string): string | undefined {
  const name = arnForm.exec(given)?.[1] ?? given;
  if (builtInIdentifiers.has(name)) return name;
  return Object.hasOwn(otherNames, name) ? otherNames[name] : undefined;
}
