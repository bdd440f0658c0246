// What the built-in identifiers find, and what looks like it and is not it; and that looking takes a bounded time, whatever stands
// in a message.

import { expect, test } from "vitest";
import { builtInIdentifiers, builtInName } from "../../../src/topic/protection/identifiers.js";

const key = (label: string, body = "MIIEvQIBADANBg"): string =>
  `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----`;
const putty = "PuTTY-User-Key-File-2: ssh-rsa\nPrivate-Lines: 1\nAAAA\nPrivate-MAC: 0af3";
const awsSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/** Each text and what of it is found, in order. */
const tables: Readonly<Record<string, readonly (readonly [string, ...string[]])[]>> = {
  EmailAddress: [
    ["write to ann.lee+news@mail.example.org, please", "ann.lee+news@mail.example.org"],
    ["<a@b.de>", "a@b.de"],
    ["end of sentence: x_y@example.com.", "x_y@example.com"],
    ['{"to":"o\'neil@example.co.uk"}', "o'neil@example.co.uk"],
    ["a@b.de;c@d.io", "a@b.de", "c@d.io"],
    ["mailto:.dot@example.com", "dot@example.com"],
    ["a@xn--bcher-kva.example", "a@xn--bcher-kva.example"],
    [`${"l".repeat(64)}@example.com`, `${"l".repeat(64)}@example.com`],
    [`${"l".repeat(65)}@example.com`],
    ["a@localhost"],
    ["a@b.1"],
    ["a@-b.de"],
    ["a@@b.de"],
    ["a..b@example.com"],
    ["dot.@example.com"],
    ["at @example.com"],
    ["@media print"],
    [`a@${"d".repeat(64)}.de`],
  ],
  PhoneNumber: [
    ["call +49 30 901820 now", "+49 30 901820"],
    ["+14155552671", "+14155552671"],
    ["tel:+44-20-7946-0958", "+44-20-7946-0958"],
    ["+1 (415) 555-2671", "+1 (415) 555-2671"],
    ["(415) 555-2671", "(415) 555-2671"],
    ["415-555-2671, 415.555.2672", "415-555-2671", "415.555.2672"],
    ["1-800-555-0199", "1-800-555-0199"],
    ["+1234567"],
    ["+1234567890123456"],
    ["4155552671"],
    ["115-555-2671"],
    ["2415-555-2671"],
    ["415-555-26712"],
    ["415-555"],
    ["+0123456789"],
    ["1+2345678901x"],
  ],
  CreditCardNumber: [
    ["4111111111111111", "4111111111111111"],
    ["card 4111 1111 1111 1111.", "4111 1111 1111 1111"],
    ["5500-0000-0000-0004", "5500-0000-0000-0004"],
    ["2223003122003222", "2223003122003222"],
    ["378282246310005 or 3782 822463 10005", "378282246310005", "3782 822463 10005"],
    ["30569309025904", "30569309025904"],
    ["6011111111111117", "6011111111111117"],
    ["3530111333300000", "3530111333300000"],
    ["order 12 4111111111111111", "4111111111111111"],
    ["4111111111111111,5500000000000004", "4111111111111111", "5500000000000004"],
    ['{"card":4111111111111111}', "4111111111111111"],
    ["4111111111111112"],
    ["0000000000000000"],
    ["1234567812345670"],
    ["411111111111111"],
    ["41111111111111111"],
    ["x4111111111111111"],
    ["4111111111111111x"],
    ["0.4111111111111111"],
    ["4111111111111111.25"],
    ["4111 1111-1111 1111"],
    ["4111  1111  1111  1111"],
  ],
  Iban: [
    ["DE44500105175407324931", "DE44500105175407324931"],
    ["to DE44 5001 0517 5407 3249 31.", "DE44 5001 0517 5407 3249 31"],
    ["GB29 NWBK 6016 1331 9268 19", "GB29 NWBK 6016 1331 9268 19"],
    ["fr1420041010050500013m02606", "fr1420041010050500013m02606"],
    ["NO9386011117947", "NO9386011117947"],
    ["MT84MALT011000012345MTLCAST001S", "MT84MALT011000012345MTLCAST001S"],
    ["DE44500105175407324932"],
    ["DE4450010517540732493"],
    ["DE445001051754073249311"],
    ["XX44500105175407324931"],
    ["ADE44500105175407324931"],
    ["DE44 5001 05175407324931"],
  ],
  IpAddress: [
    ["from 203.0.113.7:443", "203.0.113.7"],
    ["0.0.0.0/0 and 255.255.255.255", "0.0.0.0", "255.255.255.255"],
    ["203.0.113.7.", "203.0.113.7"],
    ["[2001:db8::1]:80", "2001:db8::1"],
    ["::1, fe80::1%eth0", "::1", "fe80::1"],
    ["2001:0db8:0000:0000:0000:ff00:0042:8329", "2001:0db8:0000:0000:0000:ff00:0042:8329"],
    ["::ffff:192.0.2.128", "::ffff:192.0.2.128"],
    ["at 2001:db8::2:", "2001:db8::2"],
    ["2001:db8::.", "2001:db8::"],
    ["203.0.113.256"],
    ["203.0.113"],
    ["1.2.3.4.5"],
    ["v1.2.3.4"],
    ["01.2.3.4"],
    ["12:34:56"],
    ["std::vector"],
    ["::"],
    ["2001:db8:::1"],
    ["1:2:3:4:5:6:7:8:9"],
    ["g001:db8::1x"],
  ],
  "Ssn-US": [
    ["SSN 078-05-1120", "078-05-1120"],
    ["219 09 9999", "219 09 9999"],
    ["000-12-3456"],
    ["666-12-3456"],
    ["900-12-3456"],
    ["123-00-4567"],
    ["123-45-0000"],
    ["123456789"],
    ["123-45 6789"],
    ["1123-45-6789"],
    ["123-45-67890"],
    ["2024-123-45-6789"],
    ["123-45-6789-1"],
  ],
  PrivateKey: [
    [`x ${key("PRIVATE KEY")} y`, key("PRIVATE KEY")],
    [key("RSA PRIVATE KEY"), key("RSA PRIVATE KEY")],
    [key("OPENSSH PRIVATE KEY"), key("OPENSSH PRIVATE KEY")],
    [key("ENCRYPTED PRIVATE KEY"), key("ENCRYPTED PRIVATE KEY")],
    [key("PGP PRIVATE KEY BLOCK"), key("PGP PRIVATE KEY BLOCK")],
    [JSON.stringify(key("EC PRIVATE KEY")), JSON.stringify(key("EC PRIVATE KEY")).slice(1, -1)],
    ["-----BEGIN PRIVATE KEY-----\ncut off", "-----BEGIN PRIVATE KEY-----\ncut off"],
    [`${putty}\n.`, putty],
    [key("PUBLIC KEY")],
    [key("CERTIFICATE")],
    ["-----BEGIN PRIVATE KEY"],
    ["a PRIVATE KEY"],
  ],
  AwsSecretKey: [
    [`aws_secret_access_key=${awsSecret}`, awsSecret],
    [`"${awsSecret}"`, awsSecret],
    [awsSecret.slice(1)],
    [`${awsSecret}a`],
    [`${awsSecret}=`],
    ["da39a3ee5e6b4b0d3255bfef95601890afd80709"],
    ["A".repeat(20) + "b1".repeat(10)],
  ],
};

const found = (name: string, text: string): string[] => {
  const spans = builtInIdentifiers.get(name)?.(text) ?? [];
  return spans.flatMap((start, index) =>
    index % 2 === 0 ? [text.slice(start, spans[index + 1])] : [],
  );
};

test("there is a table for every identifier", () => {
  expect(Object.keys(tables)).toEqual([...builtInIdentifiers.keys()]);
});

for (const [name, rows] of Object.entries(tables)) {
  for (const [text, ...expected] of rows) {
    const what = expected.length === 0 ? "is nothing to" : "is found in by";
    test(`${JSON.stringify(text.slice(0, 50))} ${what} ${name}`, () => {
      expect(found(name, text)).toEqual(expected);
    });
  }
}

test("identifiers also go by the names and ARNs that Amazon SNS has for them", () => {
  const arn = "arn:aws:dataprotection::aws:data-identifier/";
  expect(builtInName(`${arn}CreditCardNumber`)).toBe("CreditCardNumber");
  expect(builtInName(`${arn}OpenSshPrivateKey`)).toBe("PrivateKey");
  expect(builtInName("BankAccountNumber-DE")).toBe("Iban");
  expect(builtInName(`${arn}Name`)).toBeUndefined();
  expect(builtInName("toString")).toBeUndefined();
});

/** Beginnings of what is looked for, over and over. */
const hostile: readonly string[] = [
  "a",
  "a@",
  "@",
  `${"a".repeat(64)}@`,
  `a@${"b-".repeat(120)}`,
  "1",
  "4111 ",
  "4111-",
  "4111111111111111 ",
  "1.",
  "1:",
  ":",
  "+1",
  "+1 ",
  "(415) ",
  "DE44 5001 ",
  "-",
  "-----BEGIN A",
  "-----BEGIN PRIVATE KEY-----",
  "PuTTY-User-Key-File-2: Private-MAC:    ",
  "Aa1/",
];

test("a mebibyte made to be slow is looked through in time linear in its length", () => {
  const timeOf = (text: string): number => {
    const start = performance.now();
    for (const find of builtInIdentifiers.values()) find(text);
    return performance.now() - start;
  };
  for (const part of hostile) {
    const text = part.repeat(Math.floor(1_048_576 / part.length));
    const quarter = timeOf(text.slice(0, text.length / 4));
    const whole = timeOf(text);
    // Quadratic would be sixteen times as long; the constant is for a machine that does other things as well.
    expect(whole, part).toBeLessThan(8 * quarter + 1_000);
    expect(whole, part).toBeLessThan(10_000);
  }
});
