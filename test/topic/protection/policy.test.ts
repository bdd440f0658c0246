// Reading a data protection policy: everything that is wrong with it is said at once, each with its path.

import { expect, test } from "vitest";
import { readProtectionPolicy } from "../../../src/topic/protection/protection-policy.js";
import { deny, mask, protectionPolicy, redact } from "../../support/data-protection.js";

/** What is wrong, by path. */
function problemsOf(text: string): readonly (readonly [string, string])[] {
  const read = readProtectionPolicy(text);
  return read.kind === "policy"
    ? []
    : read.problems.map(({ path, description }): [string, string] => [path, description]);
}

const email = ["EmailAddress"];
const audit = (fields: object) => ({
  Audit: { SampleRate: "99", FindingsDestination: { Log: {} }, ...fields },
});
const withOperation = (operation: Readonly<Record<string, unknown>>): string =>
  protectionPolicy([{ identifiers: email, operation }]);

test("a policy with every operation is read", () => {
  const text = protectionPolicy(
    [
      { identifiers: email, operation: audit({ NoFindingsDestination: { Log: {} } }) },
      { identifiers: ["Iban", "Badge"], operation: mask("*") },
      { identifiers: ["Ssn-US"], operation: redact },
      { identifiers: ["PrivateKey"], operation: deny, principals: ["billing", "key:default:dev"] },
      { identifiers: ["AwsSecretKey"], operation: deny, direction: "Outbound" },
    ],
    { Badge: "\\bEMP-\\d{6}\\b" },
  );
  expect(readProtectionPolicy(text)).toMatchObject({
    kind: "policy",
    statements: [
      {
        direction: "inbound",
        operation: { kind: "audit", samplePercent: 99, logsFindings: true, logsNoFindings: true },
      },
      { operation: { kind: "deidentify", style: { kind: "mask", character: "*" } } },
      { operation: { kind: "deidentify", style: { kind: "redact" } } },
      { principals: [{ kind: "namespace" }, { kind: "caller" }], operation: { kind: "deny" } },
      { direction: "outbound", identifiers: ["AwsSecretKey"] },
    ],
  });
});

test("a policy of 30,720 bytes is read, and one of a byte more is refused before it is looked at", () => {
  const text = withOperation(deny);
  expect(problemsOf(text.padEnd(30_720, " "))).toEqual([]);
  expect(problemsOf(text.padEnd(30_721, " "))).toEqual([["", "it has 30721 bytes; at most 30720"]]);
});

test("the sample of an audit is 0 to 99 of a hundred, as a number or its text", () => {
  for (const rate of [0, 99, "0", "99"]) {
    expect(problemsOf(withOperation(audit({ SampleRate: rate })))).toEqual([]);
  }
  for (const rate of [-1, 100, 1.5, "100", "ten", "", true, null]) {
    expect(problemsOf(withOperation(audit({ SampleRate: rate }))), String(rate)).toMatchObject([
      ["Statement[0].Operation.Audit.SampleRate", expect.stringMatching(/from 0 to 99/)],
    ]);
  }
});

test("a mask is one printable character of ASCII that breaks no JSON", () => {
  for (const character of ["#", "*", "X", " ", "!", "[", "]", "~", "-"]) {
    expect(problemsOf(withOperation(mask(character)))).toEqual([]);
  }
  for (const character of ["", "##", '"', "\\", "\n", "é", "•", "😀", "\u007f"]) {
    expect(problemsOf(withOperation(mask(character))), character).toMatchObject([
      ["Statement[0].Operation.Deidentify.MaskConfig.MaskWithCharacter", expect.anything()],
    ]);
  }
});

test("ten identifiers of the user's own are read, and eleven are not", () => {
  const some = (count: number) =>
    Object.fromEntries(Array.from({ length: count }, (_, at) => [`own-${at}`, `x${at}`]));
  const of = (count: number) =>
    protectionPolicy([{ identifiers: email, operation: deny }], some(count));
  expect(problemsOf(of(10))).toEqual([]);
  expect(problemsOf(of(11))).toEqual([
    ["Configuration.CustomDataIdentifier", "there are 11; at most 10"],
  ]);
});

const rows: readonly (readonly [string, unknown, readonly string[]])[] = [
  ["no object", [], [""]],
  ["nothing in it", {}, ["", "", ""]],
  [
    "an element that there is not",
    { Name: "a", Version: "2021-06-01", Statements: [] },
    ["Statements", ""],
  ],
  [
    "another version",
    { Name: "a", Version: "2012-10-17", Statement: [] },
    ["Version", "Statement"],
  ],
];

test("what the document lacks or has too much is named", () => {
  for (const [what, document, paths] of rows) {
    expect(
      problemsOf(JSON.stringify(document)).map(([path]) => path),
      what,
    ).toEqual(paths);
  }
  expect(problemsOf("{").map(([path]) => path)).toEqual([""]);
});

test("all that is wrong in the statements is said at once, each with its path", () => {
  const text = JSON.stringify({
    Name: 7,
    Version: "2021-06-01",
    Configuration: {
      CustomDataIdentifier: [
        { Name: "Good", Regex: "(a+)+b" },
        { Name: "Good", Regex: "b" },
        { Name: "Iban", Regex: "b" },
        { Name: "b d", Regex: "(?=a)" },
        { Regex: "b" },
      ],
    },
    Statement: [
      {
        Sid: "a",
        DataDirection: "Sideways",
        Principal: ["no one"],
        DataIdentifier: [],
        Operation: {},
      },
      {
        Sid: "a",
        DataDirection: "Outbound",
        Principal: "*",
        DataIdentifier: "Good",
        Operation: redact,
      },
      {
        DataDirection: "outbound",
        Principal: "*",
        DataIdentifier: ["Name", 7],
        Operation: audit({ FindingsDestination: { S3: { Bucket: "b" } } }),
      },
      {
        DataDirection: "Inbound",
        Principal: "*",
        DataIdentifier: "Iban",
        Operation: { Audit: { SampleRate: 1 } },
      },
      {
        DataDirection: "Inbound",
        Principal: "*",
        DataIdentifier: "Iban",
        Operation: { Deny: {}, Audit: {} },
      },
      {
        DataDirection: "Inbound",
        Principal: "*",
        DataIdentifier: "Iban",
        Operation: { Deidentify: {} },
      },
      "deny",
      {},
    ],
  });
  expect(problemsOf(text).map(([path]) => path)).toEqual([
    "Name",
    "Configuration.CustomDataIdentifier[1].Name",
    "Configuration.CustomDataIdentifier[2].Name",
    "Configuration.CustomDataIdentifier[3].Regex",
    "Configuration.CustomDataIdentifier[3].Name",
    "Configuration.CustomDataIdentifier[4]",
    "Statement[0].DataDirection",
    "Statement[0].Principal[0]",
    "Statement[0].DataIdentifier",
    "Statement[0].Operation",
    "Statement[1].Sid",
    "Statement[1].Operation",
    "Statement[2].DataIdentifier[0]",
    "Statement[2].DataIdentifier[1]",
    "Statement[2].Operation.Audit.FindingsDestination.S3",
    "Statement[2].Operation.Audit.FindingsDestination",
    "Statement[2].Operation",
    "Statement[3].Operation.Audit",
    "Statement[3].Operation.Audit",
    "Statement[4].Operation",
    "Statement[5].Operation.Deidentify",
    "Statement[6]",
    ...Array.from({ length: 4 }, () => "Statement[7]"),
  ]);
});
