// A policy is read into a model that calls can be judged by, or refused with everything that is wrong with it: code, path,
// place and what to write instead.

import { expect, test } from "vitest";
import { type PolicyFault, parsePolicy } from "../../src/policy/policy-document.js";
import { queuePolicyRules } from "../../src/policy/policy-rules.js";
import type { PolicyProblem } from "../../src/policy/problems.js";

const orders = { rules: queuePolicyRules, namespace: "shop", name: "orders" };

const statement = {
  Effect: "Allow",
  Principal: { Forebay: "billing" },
  Action: "queue:SendMessage",
  Resource: "queue/orders",
};

const policyOf = (...statements: object[]): string => JSON.stringify({ Statement: statements });

/** A policy of one statement that differs from a good one in these elements. */
const policyWith = (elements: object): string => policyOf({ ...statement, ...elements });

/** The statements of a document that is taken. */
function statementsOf(text: string) {
  const read = parsePolicy(text, orders);
  if (read.kind !== "document") throw new Error(JSON.stringify(read));
  return read.statements;
}

function only<Item>(items: readonly Item[]): Item {
  const [item, ...others] = items;
  if (item === undefined || others.length > 0) throw new Error(`There are ${items.length}.`);
  return item;
}

const readOne = (elements: object) => only(statementsOf(policyWith(elements)));

function problemsOf(text: string): readonly PolicyProblem[] {
  const read = parsePolicy(text, orders);
  if (read.kind !== "invalid") throw new Error(`It is a ${read.kind}.`);
  return read.problems;
}

test("a whole document becomes a model without text to interpret", () => {
  const text = JSON.stringify({
    Version: "2012-10-17",
    Id: "shop-access",
    Statement: [
      {
        Sid: "billing sends",
        Effect: "Allow",
        Principal: { Forebay: ["billing", "key:audit:reader"], AWS: "ops:*" },
        Action: ["queue:SendMessage", "queue:GetQueue*"],
        Resource: ["queue/orders", "shop:queue/orders"],
        Condition: {
          IpAddress: { "aws:SourceIp": ["10.0.0.0/8", "2001:db8::/32"] },
          NumericLessThanEquals: { "forebay:MessageBytes": "1024" },
        },
      },
      { ...statement, Effect: "Deny", Principal: "*", Action: "queue:*" },
    ],
  });
  expect(parsePolicy(text, orders)).toEqual({
    kind: "document",
    id: "shop-access",
    statements: [
      {
        sid: "billing sends",
        effect: "allow",
        principals: [
          { kind: "namespace", namespace: "billing" },
          { kind: "caller", name: "key:audit:reader" },
          { kind: "all_of_namespace", namespace: "ops" },
        ],
        actions: new Set(["SendMessage", "GetQueueAttributes", "GetQueueUrl"]),
        conditions: [
          {
            key: "aws:SourceIp",
            kind: "ip",
            isNegated: false,
            values: [
              { family: 4, bits: 0x0a000000n, prefixLength: 8 },
              { family: 6, bits: 0x20010db8n << 96n, prefixLength: 32 },
            ],
          },
          {
            key: "forebay:MessageBytes",
            kind: "number",
            comparison: "<=",
            values: [1_024],
          },
        ],
      },
      {
        sid: undefined,
        effect: "deny",
        principals: [{ kind: "everyone" }],
        actions: new Set(queuePolicyRules.actions),
        conditions: [],
      },
    ],
  });
});

test("a document holds one statement, alone or in a list, under any of three versions or none", () => {
  expect(statementsOf(policyOf(statement))).toHaveLength(1);
  expect(statementsOf(JSON.stringify({ Statement: statement }))).toHaveLength(1);
  for (const Version of ["2026-01", "2012-10-17", "2008-10-17"]) {
    expect(statementsOf(JSON.stringify({ Version, Statement: statement }))).toHaveLength(1);
  }
});

test.each<[string | object, object]>([
  ["*", { kind: "everyone" }],
  [{ AWS: "*" }, { kind: "everyone" }],
  [{ AWS: "111122223333" }, { kind: "namespace", namespace: "111122223333" }],
  [{ Forebay: ["shop-2"] }, { kind: "namespace", namespace: "shop-2" }],
  [{ Forebay: "billing:*" }, { kind: "all_of_namespace", namespace: "billing" }],
  [{ Forebay: "key:billing:reader" }, { kind: "caller", name: "key:billing:reader" }],
  [{ Forebay: "forebay:key:billing:reader" }, { kind: "caller", name: "key:billing:reader" }],
  [{ AWS: "jwt:billing:corp/a b@c.d" }, { kind: "caller", name: "jwt:billing:corp/a b@c.d" }],
  [{ AWS: "cert:billing:sa/reports:1" }, { kind: "caller", name: "cert:billing:sa/reports:1" }],
  [{ AWS: "svc:billing:topic/news" }, { kind: "caller", name: "svc:billing:topic/news" }],
  [{ Service: ["topic.forebay"] }, { kind: "service", service: "topic.forebay" }],
])("principal %j", (principal, expected) => {
  const { principals } = readOne({ Effect: "Deny", Principal: principal });
  expect(principals).toEqual([expected]);
});

test.each<[string | string[], string[]]>([
  ["queue:SendMessage", ["SendMessage"]],
  ["queue:SendMessageBatch", ["SendMessage"]],
  ["queue:Produce", ["SendMessage"]],
  [
    ["queue:DeleteMessageBatch", "queue:ChangeMessageVisibilityBatch"],
    ["DeleteMessage", "ChangeMessageVisibility"],
  ],
  ["queue:P*", ["PeekMessages", "PreviewMessageMoveTask", "PurgeQueue"]],
  ["queue:DeleteMessage*", ["DeleteMessage"]],
  ["queue:PurgeQueue*", ["PurgeQueue"]],
  [["queue:TagQueue", "queue:TagQueue"], ["TagQueue"]],
  [
    "queue:Use",
    [
      "ChangeMessageVisibility",
      "DeleteMessage",
      "GetQueueAttributes",
      "GetQueueUrl",
      "ListDeadLetterSourceQueues",
      "PeekMessages",
      "PurgeQueue",
      "ReceiveMessage",
      "SendMessage",
    ],
  ],
])("action %j", (action, expected) => {
  expect([...readOne({ Action: action }).actions].sort()).toEqual([...expected].sort());
});

const at = (text: string): number => Date.parse(text);
const friday = { fromMinute: 1_320, toMinute: 360, timeZone: "Europe/Berlin", days: [5] };
const span = { from: "22:00", to: "06:00", tz: "Europe/Berlin", days: "Fri" };
const ip = (family: 4 | 6, bits: bigint, prefixLength: number) => ({ family, bits, prefixLength });

test.each<[operator: string, key: string, value: unknown, expected: object]>([
  ["StringEquals", "forebay:PrincipalKind", "key", { match: "equal", isNegated: false }],
  ["StringNotEquals", "forebay:Tag", ["a", "b"], { isNegated: true, values: ["a", "b"] }],
  ["StringEqualsIgnoreCase", "forebay:KeyId", "K", { match: "equal_ignoring_case" }],
  ["StringNotEqualsIgnoreCase", "forebay:KeyId", "K", { isNegated: true }],
  ["StringLike", "forebay:Source", "topic/n*", { match: "pattern", values: ["topic/n*"] }],
  ["StringNotLike", "aws:PrincipalAccount", "t?", { match: "pattern", isNegated: true }],
  ["StringEquals", "forebay:Claim/groups", ["a"], { key: "forebay:Claim/groups", kind: "string" }],
  ["Null", "forebay:Claim/https://a.example/b", "false", { kind: "missing", values: [false] }],
  ["Null", "forebay:Claim/email", true, { kind: "missing", values: [true] }],
  ["StringLike", "aws:SourceArn", "arn:*", { kind: "string", match: "pattern" }],
  ["ArnLike", "aws:SourceArn", "arn:*", { kind: "string", match: "pattern", isNegated: false }],
  ["ArnEquals", "aws:SourceArn", "arn:*", { kind: "string", match: "pattern", isNegated: false }],
  ["ArnNotEquals", "aws:SourceArn", "arn:*", { match: "pattern", isNegated: true }],
  ["ArnNotLike", "aws:SourceArn", "arn:*", { match: "pattern", isNegated: true }],
  ["NumericEquals", "forebay:MessageBytes", 5, { kind: "number", comparison: "=", values: [5] }],
  ["NumericNotEquals", "forebay:MessageBytes", "-1.5e3", { comparison: "!=", values: [-1_500] }],
  ["NumericLessThan", "aws:EpochTime", "0", { comparison: "<", values: [0] }],
  ["NumericGreaterThan", "forebay:MessageBytes", [1, "2"], { comparison: ">", values: [1, 2] }],
  ["NumericGreaterThanEquals", "forebay:MessageBytes", 1, { comparison: ">=" }],
  [
    "DateLessThan",
    "aws:CurrentTime",
    "2026-01-31T08:00:00.5+02:00",
    { kind: "date", comparison: "<", values: [at("2026-01-31T06:00:00.500Z")] },
  ],
  [
    "DateGreaterThanEquals",
    "aws:CurrentTime",
    ["2024-02-29T00:00Z", "1706659200", 1_706_659_200.25],
    {
      comparison: ">=",
      values: [at("2024-02-29T00:00:00Z"), 1_706_659_200_000, 1_706_659_200_250],
    },
  ],
  ["DateEquals", "aws:EpochTime", 0, { kind: "date", comparison: "=", values: [0] }],
  ["Bool", "aws:SecureTransport", "true", { kind: "boolean", values: [true] }],
  ["Bool", "forebay:TlsClientCert", false, { kind: "boolean", values: [false] }],
  ["Bool", "forebay:Encrypted", [true], { kind: "boolean", values: [true] }],
  ["IpAddress", "aws:SourceIp", "10.1.2.3", { values: [ip(4, 0x0a010203n, 32)] }],
  ["NotIpAddress", "forebay:SourceIp", "::1", { isNegated: true, values: [ip(6, 1n, 128)] }],
  ["IpAddress", "aws:SourceIp", "::ffff:10.1.0.0/112", { values: [ip(4, 0x0a010000n, 16)] }],
  ["IpAddress", "aws:SourceIp", ["0.0.0.0/0", "::/0"], { values: [ip(4, 0n, 0), ip(6, 0n, 0)] }],
  ["TimeBetween", "forebay:TimeOfDay", span, { kind: "time_of_day", values: [friday] }],
  [
    "TimeBetween",
    "forebay:TimeOfDay",
    [{ from: "00:00", to: "23:59", tz: "UTC" }],
    { values: [{ fromMinute: 0, toMinute: 1_439, timeZone: "UTC", days: [0, 1, 2, 3, 4, 5, 6] }] },
  ],
])("condition %s %s %j", (operator, key, value, expected) => {
  const { conditions } = readOne({ Condition: { [operator]: { [key]: value } } });
  expect(only(conditions)).toMatchObject({ key, ...expected });
});

// The place is that of the first character that cannot be read.
test.each<[text: string, line: number, column: number, description: RegExp]>([
  ["", 1, 1, /^the text ends here: write a value/],
  ["{", 1, 2, /^the text ends here: write a name here, in double quotes, or "}"/],
  ['{"Version"', 1, 11, /^the text ends here: write ":" between a name and its value/],
  ['{"Version":', 1, 12, /^the text ends here: write a value here/],
  ['{"Version": "2012-10-17', 1, 13, /close this text with "/],
  ['{\n  "Version": "2012-10-17"\n  "Statement": []\n}', 3, 3, /write "," or "}" here/],
  ['{"Statement": [{},]}', 1, 18, /no "," may stand before "]"; remove it/],
  ['{\r\n  "Statement": [],\r\n}', 2, 18, /no "," may stand before "}"; remove it/],
  ["{'Version': 1}", 1, 2, /write a name here, in double quotes/],
  ["{Version: 1}", 1, 2, /write a name here, in double quotes/],
  ["{\"Version\": '2012-10-17'}", 1, 13, /double quotes \("\), not single ones/],
  ['{"é😀": 1 // comment\n}', 1, 10, /write "," or "}" here/],
  ["{ // comment\n}", 1, 3, /JSON has no comments; remove it/],
  ['{"Version": # comment\n1}', 1, 13, /JSON has no comments; remove it/],
  ['{"Version": 2012-10-17}', 1, 17, /write "," or "}" here/],
  ['{"Version": 01}', 1, 14, /write "," or "}" here/],
  ['{"Version": .5}', 1, 13, /write a value here/],
  ['{"Version": True}', 1, 13, /write a value here/],
  ['{"Version": undefined}', 1, 13, /write a value here/],
  ['{"Version": nulls}', 1, 13, /write a value here/],
  ['{"Version": "a\nb"}', 1, 15, /no line break or tab; write \\n or \\t/],
  ['{"Version": "\\x"}', 1, 14, /"\\" starts an escape/],
  ['{"Version": "\\u12g4"}', 1, 14, /"\\" starts an escape/],
  ['{"Version": "\\', 1, 14, /"\\" starts an escape/],
  ['{"Statement": []} {}', 1, 19, /nothing may follow the document; remove the rest/],
  ["[".repeat(8_192), 1, 17, /nested 16 deep at most/],
])("broken JSON %j is refused at line %i, column %i", (text, line, column, description) => {
  expect(problemsOf(text)).toEqual([
    {
      code: "POLICY_SYNTAX",
      path: "",
      line,
      column,
      description: expect.stringMatching(description) as string,
    },
  ]);
});

test("what is nested 16 deep is read", () => {
  const { description } = only(problemsOf(`${"[".repeat(16)}1${"]".repeat(16)}`));
  expect(description).toMatch(/^write an object/);
});

/** A policy of the good statement with this JSON for the value of one element. */
const withText = (element: keyof typeof statement | "Condition" | "Sid", json: string): string => {
  const elements = { ...statement, [element]: "HERE" };
  return policyOf(elements).replace('"HERE"', () => json);
};
const condition = (json: string): string => withText("Condition", json);
const source = (json: string): string => condition(`{"IpAddress":{"aws:SourceIp":${json}}}`);
const timed = (fields: object): string =>
  condition(JSON.stringify({ TimeBetween: { "forebay:TimeOfDay": { ...span, ...fields } } }));
const timePath = "Statement[0].Condition.TimeBetween.forebay:TimeOfDay";
const ipPath = "Statement[0].Condition.IpAddress.aws:SourceIp";

test.each<[text: string, problem: string, description: RegExp]>([
  // The document.
  ["[]", "POLICY_SYNTAX ", /^write an object: \{"Version"/],
  ["null", "POLICY_SYNTAX ", /^write an object/],
  ["{}", "POLICY_SYNTAX ", /^Statement is missing; write an object/],
  ['{"Statement": []}', "POLICY_SYNTAX Statement", /empty; name at least one/],
  ['{"Statement": "x"}', "POLICY_SYNTAX Statement", /write an object with Effect/],
  ['{"Statement": [1]}', "POLICY_SYNTAX Statement[0]", /write an object with Effect/],
  [
    `{"Version": "2012", "Statement": ${JSON.stringify(statement)}}`,
    "POLICY_SYNTAX Version",
    /^write "2026-01" or "2012-10-17" or "2008-10-17"$/,
  ],
  [
    `{"Id": 5, "Statement": ${JSON.stringify(statement)}}`,
    "POLICY_SYNTAX Id",
    /name as text, or leave it out/,
  ],
  [
    `{"Statements": [], "Statement": ${JSON.stringify(statement)}}`,
    "POLICY_UNKNOWN_FIELD Statements",
    /no such element here; write Version, Id, Statement$/,
  ],
  [
    `{"Statement": ${JSON.stringify(statement)}, "Statement": ${JSON.stringify(statement)}}`,
    "POLICY_UNKNOWN_FIELD Statement",
    /is there twice; keep one of them/,
  ],
  // The statement.
  [
    policyWith({ Conditon: {} }),
    "POLICY_UNKNOWN_FIELD Statement[0].Conditon",
    /write Sid, Effect, Principal, Action, Resource, Condition$/,
  ],
  [
    policyWith({ __proto__: undefined, constructor: {} }),
    "POLICY_UNKNOWN_FIELD Statement[0].constructor",
    /no such element/,
  ],
  [
    policyWith({ NotAction: "queue:*" }),
    "POLICY_UNKNOWN_FIELD Statement[0].NotAction",
    /is refused/,
  ],
  [
    policyWith({ NotPrincipal: "*" }),
    "POLICY_UNKNOWN_FIELD Statement[0].NotPrincipal",
    /is refused/,
  ],
  [policyWith({ NotResource: "*" }), "POLICY_UNKNOWN_FIELD Statement[0].NotResource", /is refused/],
  [
    policyWith({ Effect: undefined }),
    "POLICY_SYNTAX Statement[0]",
    /^Effect is missing; write "Allow"/,
  ],
  [policyWith({ Principal: undefined }), "POLICY_SYNTAX Statement[0]", /^Principal is missing/],
  [
    policyWith({ Action: undefined }),
    "POLICY_SYNTAX Statement[0]",
    /^Action is missing; .*"queue:\*"/,
  ],
  [
    policyWith({ Resource: undefined }),
    "POLICY_SYNTAX Statement[0]",
    /^Resource is missing; write "queue\/orders"$/,
  ],
  [policyWith({ Effect: "allow" }), "POLICY_SYNTAX Statement[0].Effect", /write "Allow" or "Deny"/],
  [
    policyWith({ Effect: ["Allow"] }),
    "POLICY_SYNTAX Statement[0].Effect",
    /write "Allow" or "Deny"/,
  ],
  [policyWith({ Sid: "" }), "POLICY_SYNTAX Statement[0].Sid", /write 1 to 80 characters/],
  [
    policyWith({ Sid: "x".repeat(81) }),
    "POLICY_SYNTAX Statement[0].Sid",
    /write 1 to 80 characters/,
  ],
  [policyWith({ Sid: 1 }), "POLICY_SYNTAX Statement[0].Sid", /write 1 to 80 characters/],
  [
    policyOf({ ...statement, Sid: "a" }, statement, { ...statement, Sid: "a" }),
    "POLICY_DUPLICATE_SID Statement[2].Sid",
    /another statement is "a" too/,
  ],
  // Principals.
  [
    policyWith({ Principal: "billing" }),
    "POLICY_SYNTAX Statement[0].Principal",
    /write "\*", \{"Forebay/,
  ],
  [policyWith({ Principal: {} }), "POLICY_SYNTAX Statement[0].Principal", /write "\*", \{"Forebay/],
  [policyWith({ Principal: 1 }), "POLICY_SYNTAX Statement[0].Principal", /write "\*", \{"Forebay/],
  [
    policyWith({ Principal: ["*"] }),
    "POLICY_SYNTAX Statement[0].Principal",
    /write "\*", \{"Forebay/,
  ],
  [
    policyWith({ Principal: { Federated: "x" } }),
    "POLICY_UNKNOWN_FIELD Statement[0].Principal.Federated",
    /write Forebay, AWS, Service$/,
  ],
  [
    policyWith({ Principal: { AWS: [] } }),
    "POLICY_SYNTAX Statement[0].Principal.AWS",
    /name at least one/,
  ],
  [
    policyWith({ Principal: { AWS: ["a", 1] } }),
    "POLICY_SYNTAX Statement[0].Principal.AWS[1]",
    /write a namespace or a caller here, as text/,
  ],
  [
    policyWith({ Principal: { AWS: "arn:aws:iam::111122223333:root" } }),
    "POLICY_SYNTAX Statement[0].Principal.AWS",
    /is no principal; .* this ARN is written "111122223333"$/,
  ],
  ...["Billing", "", "-a", "a".repeat(64), "bill*", "billing:reader", "*:*", ":*"].map(
    (name): [string, string, RegExp] => [
      policyWith({ Principal: { Forebay: name } }),
      "POLICY_SYNTAX Statement[0].Principal.Forebay",
      /is no principal; write a namespace \("billing"\)/,
    ],
  ),
  // Anonymous callers have no name; names hold no wildcard, no control character, nothing beyond ASCII, and end.
  ...[
    "anon:-:-",
    "anon:billing:x",
    "user:billing:x",
    "key:Billing:x",
    "key:billing:",
    "key:billing:re*",
    "key:billing:r?",
    "key:billing:a\tb",
    "key:billing:ä",
    `key:billing:${"x".repeat(245)}`,
    "forebay:billing",
  ].map((name): [string, string, RegExp] => [
    policyWith({ Principal: { AWS: [name] } }),
    "POLICY_SYNTAX Statement[0].Principal.AWS[0]",
    /is no principal/,
  ]),
  [
    policyWith({ Principal: { Service: "sns.amazonaws.com" } }),
    "POLICY_SYNTAX Statement[0].Principal.Service",
    /no service "sns.amazonaws.com"; write "topic.forebay"/,
  ],
  // Actions.
  ...["*", "SendMessage", "sqs:SendMessage", "Queue:SendMessage", "topic:Publish", ""].map(
    (action): [string, string, RegExp] => [
      policyWith({ Action: action }),
      "POLICY_UNKNOWN_ACTION Statement[0].Action",
      /is no action of a queue; write "queue:\*" or "queue:" and one of Use, SendMessage, /,
    ],
  ),
  ...[
    "queue:Sendmessage",
    "queue:",
    "queue:Se*Message",
    "queue:SendMessage?",
    "queue:CreateQueue",
    "queue:ListQueues",
    "queue:constructor",
  ].map((action): [string, string, RegExp] => [
    policyWith({ Action: ["queue:*", action] }),
    "POLICY_UNKNOWN_ACTION Statement[0].Action[1]",
    /is no action of a queue; write "queue:\*" or "queue:" and one of Use, SendMessage, /,
  ]),
  [
    policyWith({ Action: "queue:Snd*" }),
    "POLICY_UNKNOWN_ACTION Statement[0].Action",
    /"queue:Snd\*" is no action of a queue; .* the start, then "\*", of/,
  ],
  [
    policyWith({ Action: "queue:Consume" }),
    "POLICY_UNKNOWN_ACTION Statement[0].Action",
    /several actions; write "queue:ReceiveMessage", "queue:DeleteMessage", "queue:ChangeMess/,
  ],
  [policyWith({ Action: [] }), "POLICY_SYNTAX Statement[0].Action", /name at least one/],
  [policyWith({ Action: [1] }), "POLICY_SYNTAX Statement[0].Action[0]", /write an action as text/],
  // Resources.
  ...[
    "*",
    "queue/other",
    "queue/orders*",
    "other:queue/orders",
    "topic/orders",
    "queue/Orders",
  ].map((resource): [string, string, RegExp] => [
    policyWith({ Resource: ["queue/orders", resource] }),
    "POLICY_FOREIGN_RESOURCE Statement[0].Resource[1]",
    /may name its own resource only; write "queue\/orders"$/,
  ]),
  [policyWith({ Resource: {} }), "POLICY_SYNTAX Statement[0].Resource", /write "queue\/orders"$/],
  [policyWith({ Resource: [] }), "POLICY_SYNTAX Statement[0].Resource", /name at least one/],
  // Conditions.
  [condition("[]"), "POLICY_SYNTAX Statement[0].Condition", /write operators with keys and values/],
  [
    condition('{"Bool": true}'),
    "POLICY_SYNTAX Statement[0].Condition.Bool",
    /write operators with/,
  ],
  ...[
    "stringEquals",
    "StringEqualsIfExists",
    "ForAnyValue:StringEquals",
    "BinaryEquals",
    "toString",
  ].map((operator): [string, string, RegExp] => [
    condition(`{"${operator}": {"forebay:Tag": "x"}}`),
    `POLICY_UNKNOWN_OPERATOR Statement[0].Condition.${operator}`,
    /is no operator; write one of StringEquals, .*TimeBetween$/,
  ]),
  ...["aws:sourceIp", "aws:UserAgent", "forebay:Claim/", "forebay:Claim/a b", "sns:Protocol"].map(
    (key): [string, string, RegExp] => [
      condition(`{"StringEquals": {"${key}": "x"}}`),
      `POLICY_UNKNOWN_KEY Statement[0].Condition.StringEquals.${key}`,
      /^there is no key ".*"; write one of aws:SourceIp, .* or forebay:Claim\/<name>$/,
    ],
  ),
  [
    condition('{"StringEquals": {"aws:SourceIp": "10.0.0.1"}}'),
    "POLICY_UNKNOWN_OPERATOR Statement[0].Condition.StringEquals.aws:SourceIp",
    /StringEquals does not apply to "aws:SourceIp"; use one of IpAddress, NotIpAddress$/,
  ],
  [
    condition('{"Null": {"forebay:Tag": "true"}}'),
    "POLICY_UNKNOWN_OPERATOR Statement[0].Condition.Null.forebay:Tag",
    /Null does not apply/,
  ],
  [
    condition('{"Bool": {"aws:SecureTransport": true, "aws:SecureTransport": false}}'),
    "POLICY_UNKNOWN_FIELD Statement[0].Condition.Bool.aws:SecureTransport",
    /is there twice/,
  ],
  ...['"yes"', "1", "null", '"True"'].map((value): [string, string, RegExp] => [
    condition(`{"Bool": {"aws:SecureTransport": ${value}}}`),
    "POLICY_SYNTAX Statement[0].Condition.Bool.aws:SecureTransport",
    /^write true or false$/,
  ]),
  ...['"ten"', '""', "true", '"0x10"', "1e999", '" 1"', "{}"].map(
    (value): [string, string, RegExp] => [
      condition(`{"NumericEquals": {"forebay:MessageBytes": ${value}}}`),
      "POLICY_SYNTAX Statement[0].Condition.NumericEquals.forebay:MessageBytes",
      /^write a number$/,
    ],
  ),
  ...["1", "null", "{}"].map((value): [string, string, RegExp] => [
    condition(`{"StringLike": {"forebay:Tag": ["a", ${value}]}}`),
    "POLICY_SYNTAX Statement[0].Condition.StringLike.forebay:Tag[1]",
    /^write the value as text/,
  ]),
  [source("[]"), `POLICY_SYNTAX ${ipPath}`, /name at least one/],
  ...['"10.0.0.1/8"', '"2001:db8::1/64"', '"::ffff:10.0.0.0/90"'].map(
    (value): [string, string, RegExp] => [
      source(value),
      `POLICY_BAD_CIDR ${ipPath}`,
      /is inside a network and does not name it; write its first address, or ".*" alone/,
    ],
  ),
  ...[
    '"10.0.0/8"',
    '"10.0.0.0/33"',
    '"10.0.0.0/08"',
    '"10.0.0.0/"',
    '"10.0.0.0/8/8"',
    '"10.0.0.256"',
    '"010.0.0.1"',
    '"1:2:3:4:5:6:7::8:9"',
    '"::1%eth0"',
    '"::/129"',
    '""',
    '"localhost"',
    "167772160",
  ].map((value): [string, string, RegExp] => [
    source(`["10.0.0.0/8", ${value}]`),
    `POLICY_BAD_CIDR ${ipPath}[1]`,
    /^write an IPv4 or IPv6 address or network/,
  ]),
  ...[
    '"2026-01-31"',
    '"2026-01-31T08:00:00"',
    '"2026-02-30T00:00:00Z"',
    '"2025-02-29T00:00:00Z"',
    '"2026-13-01T00:00:00Z"',
    '"2026-01-31T24:00:00Z"',
    '"2026-01-31 08:00:00Z"',
    '"-1"',
    "253402300800",
    '"tomorrow"',
    "true",
  ].map((value): [string, string, RegExp] => [
    condition(`{"DateLessThan": {"aws:CurrentTime": ${value}}}`),
    "POLICY_BAD_TIME Statement[0].Condition.DateLessThan.aws:CurrentTime",
    /^write an instant with its zone, like 2026-01-31T08:00:00Z, or seconds since 1970$/,
  ]),
  [timed({ from: "24:00" }), `POLICY_BAD_TIME ${timePath}.from`, /from 00:00 to 23:59/],
  [timed({ to: 6 }), `POLICY_BAD_TIME ${timePath}.to`, /from 00:00 to 23:59/],
  [timed({ to: undefined }), `POLICY_BAD_TIME ${timePath}`, /^write \{"from"/],
  [timed({ to: "22:00" }), `POLICY_BAD_TIME ${timePath}`, /the same time; leave the condition out/],
  [timed({ tz: "Europe/Nowhere" }), `POLICY_BAD_TIME ${timePath}.tz`, /IANA name of a time zone/],
  [timed({ tz: "+02:00" }), `POLICY_BAD_TIME ${timePath}.tz`, /IANA name of a time zone/],
  [timed({ tz: undefined }), `POLICY_BAD_TIME ${timePath}`, /^write \{"from"/],
  [timed({ days: ["Fri", "Friday"] }), `POLICY_BAD_TIME ${timePath}.days[1]`, /one of Sun, Mon/],
  [timed({ days: [] }), `POLICY_SYNTAX ${timePath}.days`, /name at least one/],
  [timed({ day: "Fri" }), `POLICY_UNKNOWN_FIELD ${timePath}.day`, /write from, to, tz, days$/],
  [
    condition('{"TimeBetween": {"forebay:TimeOfDay": "22:00"}}'),
    `POLICY_SYNTAX ${timePath}`,
    /^write \{"from": "22:00", "to": "06:00", "tz"/,
  ],
])("%s is refused: %s", (text, problem, description) => {
  const { code, path, description: said } = only(problemsOf(text));
  expect(`${code} ${path}`).toBe(problem);
  expect(said).toMatch(description);
});

const anybody = { ...statement, Principal: { AWS: ["billing", "*"] } };

test.each<[condition: object | undefined, isPublic: boolean]>([
  [undefined, true],
  [{ Bool: { "aws:SecureTransport": "true" } }, true],
  [{ IpAddress: { "aws:SourceIp": ["10.0.0.0/8", "0.0.0.0/0"] } }, true],
  [{ IpAddress: { "aws:SourceIp": "::/0" } }, true],
  [{ NotIpAddress: { "aws:SourceIp": "10.0.0.0/8" } }, true],
  [{ StringNotEquals: { "aws:PrincipalAccount": "billing" } }, true],
  [{ StringLike: { "aws:PrincipalAccount": ["billing", "*"] } }, true],
  [{ StringLike: { "forebay:Source": "?*" } }, true],
  [{ StringEquals: { "forebay:PrincipalKind": "key" } }, true],
  [{ IpAddress: { "aws:SourceIp": "10.0.0.0/8" } }, false],
  [{ IpAddress: { "forebay:SourceIp": "10.1.2.3" } }, false],
  [{ StringEquals: { "aws:PrincipalAccount": "billing" } }, false],
  // Only patterns have wildcards.
  [{ StringEquals: { "aws:PrincipalAccount": "*" } }, false],
  [{ StringLike: { "forebay:Source": "topic/*" } }, false],
  [{ ArnEquals: { "aws:SourceArn": "arn:aws:sns:us-east-1:111122223333:news" } }, false],
  [{ Bool: { "aws:SecureTransport": "true" }, IpAddress: { "aws:SourceIp": "10.0.0.0/8" } }, false],
])("everyone is let in only from somewhere: %j", (Condition, isPublic) => {
  const text = policyOf({ ...anybody, Condition });
  if (!isPublic) return expect(statementsOf(text)).toHaveLength(1);
  expect(only(problemsOf(text))).toMatchObject({
    code: "POLICY_PUBLIC",
    path: "Statement[0].Principal",
    description: expect.stringContaining("add a condition on aws:SourceIp") as string,
  });
  return expect(statementsOf(policyOf({ ...anybody, Effect: "Deny", Condition }))).toHaveLength(1);
});

test("all problems are found, each with its place", () => {
  const text = `{
  "Version": "2012-10-17",
  "Statement": [
    {
      "Sid": "é", "Effects": "Allow",
      "Effect": "Allow",
      "Principal": {"AWS": ["billing", "Shop"]},
      "Action": "queue:Sned",
      "Resource": "queue/other"
    }
  ]
}`;
  const found = problemsOf(text).map(
    ({ code, path, line, column }) => `${line}:${column} ${code} ${path}`,
  );
  expect(found.sort()).toEqual([
    "5:19 POLICY_UNKNOWN_FIELD Statement[0].Effects",
    "7:40 POLICY_SYNTAX Statement[0].Principal.AWS[1]",
    "8:17 POLICY_UNKNOWN_ACTION Statement[0].Action",
    "9:19 POLICY_FOREIGN_RESOURCE Statement[0].Resource",
  ]);
});

test("no more than a hundred problems are kept, and what is repeated of a text is short", () => {
  const problems = problemsOf(policyWith({ Action: Array(1_500).fill("x") }));
  expect(problems).toHaveLength(100);
  const { description } = only(problemsOf(policyWith({ Action: `queue:${"x".repeat(5_000)}` })));
  expect(description.length).toBeLessThan(700);
  const { path } = only(problemsOf(policyWith({ ["y".repeat(5_000)]: 1 })));
  expect(path.length).toBeLessThan(100);
});

const names = (count: number): string[] => Array.from({ length: count }, (_, index) => `n${index}`);
const conditionsOf = (count: number): object => ({
  StringEquals: Object.fromEntries(names(count).map((name) => [`forebay:Claim/${name}`, name])),
});
const sends = ["Send*", "P*", "G*", "R*", "D*", "L*", "Use", "A*"].map((name) => `queue:${name}`);
const padded = (bytes: number): string => {
  const text = policyWith({ Sid: "€" });
  return `${text}${" ".repeat(bytes - Buffer.byteLength(text))}`;
};

test.each<[what: string, limit: number, policy: (count: number) => string]>([
  ["bytes", 8_192, padded],
  ["statements", 20, (count) => policyOf(...names(count).map(() => statement))],
  ["principals", 50, (count) => policyWith({ Principal: { AWS: names(count) } })],
  [
    "principals",
    50,
    (count) =>
      policyOf(
        { ...statement, Principal: { AWS: names(30), Service: "topic.forebay" } },
        { ...statement, Principal: { Forebay: names(count - 31) } },
      ),
  ],
  ["conditions", 10, (count) => policyWith({ Condition: conditionsOf(count) })],
  [
    "conditions",
    10,
    (count) =>
      policyOf(
        { ...statement, Condition: conditionsOf(5) },
        { ...statement, Condition: conditionsOf(count - 5) },
      ),
  ],
  [
    "actions in a statement",
    7,
    (count) => policyOf(statement, { ...statement, Action: sends.slice(0, count) }),
  ],
])("a policy may have so many %s: %i, and not one more", (what, limit, policy) => {
  expect(parsePolicy(policy(limit), orders)).toMatchObject({ kind: "document" });
  const fault: PolicyFault = { kind: "limit", what, count: limit + 1, limit };
  expect(parsePolicy(policy(limit + 1), orders)).toEqual(fault);
});

test("the values of a condition are not counted", () => {
  const values = names(100);
  const Condition = { StringEquals: { "forebay:Tag": values } };
  expect(readOne({ Condition }).conditions).toMatchObject([{ values }]);
});
