// Policies of any shape: the JSON reader agrees with JSON.parse, addresses are what Node takes for addresses, no text breaks
// the reader of documents, and labels come and go as in a plain list.

import { isIPv4, isIPv6 } from "node:net";
import fc from "fast-check";
import { expect, test } from "vitest";
import { parseIpNetwork } from "../../src/policy/ip-network.js";
import { type JsonNode, positionOf, readJson } from "../../src/policy/json-text.js";
import { parsePolicy } from "../../src/policy/policy-document.js";
import { queuePolicyRules } from "../../src/policy/policy-rules.js";
import { addStatement, removeStatement } from "../../src/policy/statements.js";
import { propertyTimeoutMs, runs } from "../support/property.js";

const orders = { rules: queuePolicyRules, namespace: "shop", name: "orders" };

/** What JSON.parse makes of a text: of members of one name the last, at the place of the first. */
function plainValue(node: JsonNode): unknown {
  switch (node.kind) {
    case "object": {
      const value: Record<string, unknown> = {};
      for (const { name, value: member } of node.members) {
        Object.defineProperty(value, name, {
          value: plainValue(member),
          configurable: true,
          enumerable: true,
          writable: true,
        });
      }
      return value;
    }
    case "list":
      return node.items.map(plainValue);
    case "null":
      return null;
    default:
      return node.value;
  }
}

const parsed = (text: string): { readonly value: unknown } | undefined => {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
};

const read = (text: string): { readonly value: unknown } | undefined => {
  const { kind, ...outcome } = readJson(text);
  return kind === "read" && "node" in outcome ? { value: plainValue(outcome.node) } : undefined;
};

const json = fc.json({ maxDepth: 12, noUnicodeString: false });
const indented = fc
  .tuple(json, fc.constantFrom("", " ", "\t", "  \r\n"))
  .map(([text, indent]) => JSON.stringify(JSON.parse(text), undefined, indent));
const piece = fc.oneof(
  fc.constantFrom(..."{}[],:\"\\ /0123456789-+.eEtfnu'\t\n\r\u0000\u00a0\ufeff"),
  fc.constantFrom(
    "true",
    "false",
    "null",
    "NaN",
    "\\u00e9",
    "\\ud800",
    '"__proto__":1',
    "//",
    "1e999",
  ),
  fc.string({ unit: "binary", maxLength: 3 }),
);
/** JSON with some characters replaced, most often no JSON any more. */
const spoiled = fc
  .tuple(indented, fc.array(fc.tuple(fc.nat(), fc.nat({ max: 3 }), piece), { maxLength: 4 }))
  .map(([text, changes]) =>
    changes.reduce((changed, [place, removed, inserted]) => {
      const at = place % (changed.length + 1);
      return changed.slice(0, at) + inserted + changed.slice(at + removed);
    }, text),
  );

test(
  "a text is read exactly when JSON.parse reads it, and as the same value",
  () => {
    fc.assert(
      fc.property(fc.oneof(indented, spoiled), (text) => {
        expect(read(text)).toEqual(parsed(text));
      }),
      runs(20_000),
    );
  },
  propertyTimeoutMs,
);

test(
  "what stops the reading has a line and a column that an editor finds",
  () => {
    fc.assert(
      fc.property(spoiled, (text) => {
        const outcome = readJson(text);
        if (outcome.kind === "read") return;
        expect(outcome.at).toBeLessThanOrEqual(text.length);
        expect(outcome.description).toMatch(/^\S.*\S$/);
        const { line, column } = positionOf(text, outcome.at);
        const lines = text.split("\n");
        expect(line).toBeLessThanOrEqual(lines.length);
        expect(column).toBeLessThanOrEqual([...(lines[line - 1] ?? "")].length + 1);
      }),
      runs(5_000),
    );
  },
  propertyTimeoutMs,
);

const addressLike = fc.oneof(
  fc.ipV4(),
  fc.ipV4Extended(),
  fc.ipV6(),
  fc.ipV4().map((address) => `::ffff:${address}`),
  fc.stringMatching(/^[0-9a-f:.]{0,20}$/),
  fc
    .tuple(fc.ipV6(), fc.nat(), fc.constantFrom(":", "::", ".", "0", "g", ""))
    .map(([address, place, inserted]) => {
      const at = place % (address.length + 1);
      return address.slice(0, at) + inserted + address.slice(at + 1);
    }),
);

test(
  "an address is one that Node takes for an address",
  () => {
    fc.assert(
      fc.property(addressLike, (text) => {
        const isAddress = isIPv4(text) || isIPv6(text);
        expect(parseIpNetwork(text).kind).toBe(isAddress ? "network" : "not_a_network");
      }),
      runs(10_000, [["::"], [":"], [":::"], ["1::"], ["1:2:3:4:5:6:7::"], ["1:2:3:4:5:6:1.2.3.4"]]),
    );
  },
  propertyTimeoutMs,
);

/** The groups of an IPv6 address, or the bytes of an IPv4 one, written in full. */
const network = fc.oneof(
  fc.record({
    family: fc.constant(4 as const),
    parts: fc.array(fc.nat({ max: 255 }), { minLength: 4, maxLength: 4 }),
  }),
  fc.record({
    family: fc.constant(6 as const),
    parts: fc.array(fc.nat({ max: 65_535 }), { minLength: 8, maxLength: 8 }),
  }),
);

test(
  "a network is named by its first address, of which all later bits are zero",
  () => {
    fc.assert(
      fc.property(network, fc.nat({ max: 128 }), ({ family, parts }, length) => {
        const width = family === 4 ? 8 : 16;
        const prefixLength = length % (family === 4 ? 33 : 129);
        const digits = parts.map((part) => part.toString(2).padStart(width, "0")).join("");
        const kept = digits.slice(0, prefixLength).padEnd(digits.length, "0");
        const partsOf = (binary: string): number[] =>
          Array.from(parts, (_, index) =>
            Number.parseInt(binary.slice(index * width, (index + 1) * width), 2),
          );
        const textOf = (of: number[]): string =>
          family === 4 ? of.join(".") : of.map((part) => part.toString(16)).join(":");
        // Those that mean an IPv4 address are folded into it.
        fc.pre(!(family === 6 && /^0{80}1{16}/.test(kept)));
        expect(parseIpNetwork(`${textOf(partsOf(kept))}/${prefixLength}`)).toEqual({
          kind: "network",
          network: { family, bits: BigInt(`0b${kept}`), prefixLength },
        });
        const given = parseIpNetwork(`${textOf(parts)}/${prefixLength}`);
        expect(given.kind).toBe(kept === digits ? "network" : "host_bits_set");
      }),
      runs(5_000),
    );
  },
  propertyTimeoutMs,
);

const words = fc.constantFrom(
  ...[
    "Version",
    "Id",
    "Statement",
    "Sid",
    "Effect",
    "Principal",
    "Action",
    "Resource",
    "Condition",
  ],
  ...["Allow", "Deny", "*", "AWS", "Forebay", "Service", "billing", "queue:SendMessage", "queue:*"],
  ...[
    "queue/orders",
    "IpAddress",
    "aws:SourceIp",
    "10.0.0.0/8",
    "TimeBetween",
    "forebay:TimeOfDay",
  ],
  ...["from", "to", "tz", "days", "22:00", "UTC", "Fri", "Null", "forebay:Claim/a", "NotAction"],
  ...["__proto__", "constructor", "toString", "2012-10-17", "DateEquals", "aws:CurrentTime", ""],
);
/** JSON made of the words of policies in any order. */
const policyLike = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 6 },
    fc.oneof(words, fc.constantFrom(null, true, 0, 1e300)),
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(words, tie("value"), { maxKeys: 5 }),
  ),
})).value;
const good = {
  Sid: "a",
  Effect: "Allow",
  Principal: { AWS: ["billing"] },
  Action: ["queue:SendMessage"],
  Resource: "queue/orders",
  Condition: { IpAddress: { "aws:SourceIp": "10.0.0.0/8" } },
};
const nearlyGood = fc
  .dictionary(words, policyLike, { maxKeys: 2 })
  .map((change) => ({ Statement: [{ ...good, ...change }] }));

test(
  "any text is taken or refused with reasons, and whatever is taken says who may do what",
  () => {
    fc.assert(
      fc.property(fc.oneof(policyLike, nearlyGood), (value) => {
        const outcome = parsePolicy(JSON.stringify(value), orders);
        if (outcome.kind === "invalid") {
          expect(outcome.problems.length).toBeGreaterThan(0);
          for (const { line, column, description } of outcome.problems) {
            expect(line).toBeGreaterThan(0);
            expect(column).toBeGreaterThan(0);
            expect(description).toMatch(/^\S.*\S$/);
            expect(description).not.toMatch(/undefined|\[object/);
          }
        }
        if (outcome.kind !== "document") return;
        expect(outcome.statements).not.toEqual([]);
        for (const { principals, actions, conditions } of outcome.statements) {
          expect(principals).not.toEqual([]);
          expect(actions.size).toBeGreaterThan(0);
          for (const { values } of conditions) expect(values).not.toEqual([]);
        }
      }),
      runs(10_000),
    );
  },
  propertyTimeoutMs,
);

const label = fc.constantFrom("a", "b", "c", "A", "a-1", "_");
const step = fc.oneof(
  fc.record({
    kind: fc.constant("add" as const),
    label,
    principals: fc.subarray(["billing", "ops:*", "key:audit:reader"], { minLength: 1 }),
    actions: fc.oneof(
      fc.subarray(["SendMessage", "ReceiveMessage", "PurgeQueue"], { minLength: 1 }),
      fc.constant(["Use"]),
    ),
  }),
  fc.record({ kind: fc.constant("remove" as const), label }),
);

type Step = typeof step extends fc.Arbitrary<infer Value> ? Value : never;

/** Does one step with a policy and with the plain list of its labels, and says what became of the policy. */
function take(policy: string | undefined, labels: string[], each: Step): string | undefined {
  const isThere = labels.includes(each.label);
  if (each.kind === "add") {
    const outcome = addStatement(policy, { ...each, resource: orders });
    expect(outcome.kind).toBe(isThere ? "label_exists" : "changed");
    if (outcome.kind !== "changed") return policy;
    labels.push(each.label);
    return outcome.policy;
  }
  const outcome = removeStatement(policy, each.label);
  expect(outcome.kind).toBe(isThere ? "changed" : "label_not_found");
  if (outcome.kind !== "changed") return policy;
  labels.splice(labels.indexOf(each.label), 1);
  return outcome.policy;
}

test(
  "statements come and go by their labels, in order, and every policy on the way is valid",
  () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
        let policy: string | undefined;
        const labels: string[] = [];
        for (const each of steps) {
          policy = take(policy, labels, each);
          const document = policy === undefined ? undefined : parsePolicy(policy, orders);
          expect(document?.kind).toBe(labels.length === 0 ? undefined : "document");
          const sids =
            document?.kind === "document" ? document.statements.map(({ sid }) => sid) : [];
          expect(sids).toEqual(labels);
        }
      }),
      runs(500),
    );
  },
  propertyTimeoutMs,
);
