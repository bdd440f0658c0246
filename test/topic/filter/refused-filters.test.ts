// Filters that are refused, row by row: where the rule is written (topics, section 3), the filter, and what is said of it: the path
// and words of the reason. Every problem is told, with its place in the text.

import { expect, test } from "vitest";
import { parseFilterPolicy } from "../../../src/topic/filter/parse-policy.js";
import { policyOf, problemsOf } from "../../support/filters.js";

type Row = readonly [from: string, policy: string, ...said: readonly (readonly [string, RegExp])[]];

const rows: readonly Row[] = [
  // 3.6 JSON
  ["3.6 not JSON", "", ["", /^failed to parse: the text ends here/]],
  ["3.6 not JSON", "store=north", ["", /^failed to parse/]],
  ["3.6 not JSON", '{"a":["x"]', ["", /^failed to parse/]],
  ["3.6 not JSON", '{"a":["x"],}', ["", /^failed to parse/]],
  ["3.6 not JSON", '{"a":["x"]} {}', ["", /^failed to parse: nothing may follow/]],
  ["3.6 not an object", '["x"]', ["", /must be an object/]],
  ["3.6 not an object", "null", ["", /must be an object/]],
  ["3.6 not an object", '"{}"', ["", /must be an object/]],
  ["3.6 duplicate key", '{"a":["x"],"a":["y"]}', ["a", /duplicate key "a"/]],
  ["3.6 duplicate key", '{"a":["x"],"\\u0061":["y"]}', ["a", /duplicate key "a"/]],
  ["3.6 duplicate key, nested", '{"o":{"a":["x"],"a":["y"]}}', ["o.a", /duplicate key/]],
  ["3.6 same path twice", '{"a.b":["x"],"a":{"b":["y"]}}', ["a.b", /duplicate path "a.b"/]],
  ["3.6 same path twice", '{"a":{"b":["y"]},"a.b":["x"]}', ["a.b", /duplicate path/]],
  [
    "3.6 same path twice, $or",
    '{"a":["x"],"$or":[{"a":["y"]},{"b":["z"]}]}',
    ["$or[0].a", /duplicate path "a"/],
  ],
  [
    "3.6 same path twice, $or",
    '{"$or":[{"a":["y"]},{"b":["z"]}],"b":["x"]}',
    ["b", /duplicate path "b"/],
  ],
  [
    "3.6 same path twice, two $or",
    '{"$or":[{"a.b":[1]},{"c":[1]}],"a":{"$or":[{"b":[1]},{"d":[1]}]}}',
    ["a.$or[0].b", /duplicate path "a.b"/],
  ],

  // 3.6 keys
  ["3.6 scalar", '{"k":"v"}', ["k", /must be an array or an object; write \["v"\]/]],
  ["3.6 scalar", '{"k":5}', ["k", /must be an array/]],
  ["3.6 scalar", '{"k":null}', ["k", /must be an array/]],
  ["3.6 scalar, nested", '{"o":{"k":true}}', ["o.k", /must be an array/]],
  ["3.6 empty array", '{"k":[]}', ["k", /empty array/]],
  ["3.6 empty object", '{"k":{}}', ["k", /empty object/]],
  ["3.6 empty object in $or", '{"$or":[{},{"a":[1]}]}', ["$or[0]", /empty object/]],
  ["3.6 nested array", '{"k":[["x"]]}', ["k[0]", /must be a string, number, true, false, null/]],
  ["3.6 nested array", '{"k":["x",[]]}', ["k[1]", /a list inside a list/]],
  ["3.6 a long path", `{"${"k".repeat(1_025)}":["x"]}`, [`${"k".repeat(63)}…`, /1024 characters/]],

  // 3.6 operators
  [
    "3.6 unknown operator",
    '{"k":[{"like":"x"}]}',
    ["k[0].like", /unrecognized operator "like"; write one of prefix/],
  ],
  ["3.6 unknown operator, case", '{"k":[{"Prefix":"x"}]}', ["k[0].Prefix", /unrecognized/]],
  [
    "3.6 unknown operator, name of Object",
    '{"k":[{"constructor":"x"}]}',
    ["k[0].constructor", /unrecognized/],
  ],
  [
    "3.6 unknown operator, name of Object",
    '{"k":[{"__proto__":"x"}]}',
    ["k[0].__proto__", /unrecognized/],
  ],
  ["3.6 no operator", '{"k":[{}]}', ["k[0]", /empty object/]],
  ["3.6 two operators", '{"k":[{"prefix":"a","suffix":"b"}]}', ["k[0].suffix", /only one key/]],
  [
    "3.6 two operators, the same",
    '{"k":[{"prefix":"a","prefix":"b"}]}',
    ["k[0].prefix", /duplicate key/],
  ],
  ["3.6 prefix", '{"k":[{"prefix":5}]}', ["k[0].prefix", /must be a string/]],
  ["3.6 prefix", '{"k":[{"prefix":["a"]}]}', ["k[0].prefix", /must be a string/]],
  ["3.6 prefix", '{"k":[{"prefix":{"suffix":"a"}}]}', ["k[0].prefix.suffix", /unrecognized/]],
  [
    "3.6 prefix",
    '{"k":[{"prefix":{"equals-ignore-case":1}}]}',
    ["k[0].prefix.equals-ignore-case", /must be a string/],
  ],
  ["3.6 suffix", '{"k":[{"suffix":null}]}', ["k[0].suffix", /must be a string/]],
  [
    "3.6 equals-ignore-case",
    '{"k":[{"equals-ignore-case":true}]}',
    ["k[0].equals-ignore-case", /must be a string/],
  ],
  ["3.6 wildcard", '{"k":[{"wildcard":5}]}', ["k[0].wildcard", /must be a string/]],
  ["3.2 wildcard **", '{"k":[{"wildcard":"a**b"}]}', ["k[0].wildcard", /"\*\*"/]],
  ["3.2 wildcard escape", '{"k":[{"wildcard":"a\\\\b"}]}', ["k[0].wildcard", /after "\\"/]],
  ["3.2 wildcard escape", '{"k":[{"wildcard":"a\\\\"}]}', ["k[0].wildcard", /after "\\"/]],
  ["3.6 cidr", '{"k":[{"cidr":10}]}', ["k[0].cidr", /must be a string/]],
  ["3.6 cidr, no slash", '{"k":[{"cidr":"10.0.0.1"}]}', ["k[0].cidr", /malformed CIDR/]],
  ["3.6 cidr, two slashes", '{"k":[{"cidr":"10.0.0.1/8/8"}]}', ["k[0].cidr", /malformed CIDR/]],
  ["3.6 cidr, mask", '{"k":[{"cidr":"10.0.0.1/33"}]}', ["k[0].cidr", /malformed CIDR/]],
  ["3.6 cidr, mask", '{"k":[{"cidr":"::1/129"}]}', ["k[0].cidr", /malformed CIDR/]],
  ["3.6 cidr, mask", '{"k":[{"cidr":"10.0.0.1/8.5"}]}', ["k[0].cidr", /malformed CIDR/]],
  ["3.6 cidr, mask", '{"k":[{"cidr":"10.0.0.1/"}]}', ["k[0].cidr", /malformed CIDR/]],
  ["3.6 cidr, mask", '{"k":[{"cidr":"10.0.0.1/-1"}]}', ["k[0].cidr", /malformed CIDR/]],
  ["3.6 cidr, address", '{"k":[{"cidr":"10.0.0.256/8"}]}', ["k[0].cidr", /malformed CIDR/]],
  ["3.6 cidr, address", '{"k":[{"cidr":"/8"}]}', ["k[0].cidr", /malformed CIDR/]],
  ["3.6 numeric, no list", '{"k":[{"numeric":5}]}', ["k[0].numeric", /nothing to compare with/]],
  ["3.6 numeric, empty", '{"k":[{"numeric":[]}]}', ["k[0].numeric", /nothing to compare with/]],
  [
    "3.6 numeric, operator",
    '{"k":[{"numeric":[5,"="]}]}',
    ["k[0].numeric[0]", /operator must be a string/],
    ["k[0].numeric[1]", /must be a number/],
  ],
  [
    "3.6 numeric, operator",
    '{"k":[{"numeric":["==",5]}]}',
    ["k[0].numeric[0]", /unrecognized operator "=="/],
  ],
  [
    "3.6 numeric, operand missing",
    '{"k":[{"numeric":[">"]}]}',
    ["k[0].numeric", /a number is missing/],
  ],
  [
    "3.6 numeric, operand missing",
    '{"k":[{"numeric":[">",1,"<"]}]}',
    ["k[0].numeric", /a number is missing/],
  ],
  [
    "3.6 numeric, operand",
    '{"k":[{"numeric":[">","5"]}]}',
    ["k[0].numeric[1]", /must be a number/],
  ],
  [
    "3.6 numeric, upper first",
    '{"k":[{"numeric":["<",100,">",10]}]}',
    ["k[0].numeric", /lower end, > or >=, comes first/],
  ],
  [
    "3.6 numeric, two lowers",
    '{"k":[{"numeric":[">",1,">=",2]}]}',
    ["k[0].numeric", /two lower ends/],
  ],
  [
    "3.6 numeric, two uppers",
    '{"k":[{"numeric":["<",1,"<=",2]}]}',
    ["k[0].numeric", /two upper ends/],
  ],
  [
    "3.6 numeric, = in a range",
    '{"k":[{"numeric":["=",1,"<",2]}]}',
    ["k[0].numeric", /"=" stands alone/],
  ],
  [
    "3.6 numeric, lower = upper",
    '{"k":[{"numeric":[">=",1,"<=",1]}]}',
    ["k[0].numeric", /must be less/],
  ],
  [
    "3.6 numeric, lower > upper",
    '{"k":[{"numeric":[">",2,"<",1]}]}',
    ["k[0].numeric", /must be less/],
  ],
  [
    "3.4 numeric, equal when rounded",
    '{"k":[{"numeric":[">",1,"<",1.000001]}]}',
    ["k[0].numeric", /at five decimals/],
  ],
  [
    "3.6 numeric, too many",
    '{"k":[{"numeric":[">",1,"<",2,"<",3]}]}',
    ["k[0].numeric", /6 elements/],
  ],
  ["3.6 exists", '{"k":[{"exists":"true"}]}', ["k[0].exists", /must be true or false/]],
  ["3.6 exists", '{"k":[{"exists":null}]}', ["k[0].exists", /must be true or false/]],
  [
    "3.6 anything-but, mixed",
    '{"k":[{"anything-but":["a",1]}]}',
    ["k[0].anything-but", /mixed list is unsupported/],
  ],
  ["3.6 anything-but, null", '{"k":[{"anything-but":null}]}', ["k[0].anything-but", /unsupported/]],
  [
    "3.6 anything-but, boolean",
    '{"k":[{"anything-but":[true]}]}',
    ["k[0].anything-but[0]", /unsupported/],
  ],
  [
    "3.6 anything-but, list in a list",
    '{"k":[{"anything-but":[["a"]]}]}',
    ["k[0].anything-but[0]", /unsupported/],
  ],
  ["3.6 anything-but, empty", '{"k":[{"anything-but":[]}]}', ["k[0].anything-but", /empty array/]],
  [
    "3.6 anything-but, operator",
    '{"k":[{"anything-but":{"numeric":["=",1]}}]}',
    ["k[0].anything-but.numeric", /unrecognized/],
  ],
  [
    "3.6 anything-but, exists",
    '{"k":[{"anything-but":{"exists":true}}]}',
    ["k[0].anything-but.exists", /unrecognized/],
  ],
  [
    "3.2 anything-but, empty text",
    '{"k":[{"anything-but":{"prefix":""}}]}',
    ["k[0].anything-but.prefix", /empty string/],
  ],
  [
    "3.2 anything-but, empty text",
    '{"k":[{"anything-but":{"suffix":["a",""]}}]}',
    ["k[0].anything-but.suffix[1]", /empty string/],
  ],
  [
    "3.2 anything-but, empty list",
    '{"k":[{"anything-but":{"wildcard":[]}}]}',
    ["k[0].anything-but.wildcard", /empty array/],
  ],
  [
    "3.2 anything-but, inner type",
    '{"k":[{"anything-but":{"suffix":[1]}}]}',
    ["k[0].anything-but.suffix[0]", /must be a string/],
  ],
  [
    "3.2 anything-but, inner wildcard",
    '{"k":[{"anything-but":{"wildcard":"**"}}]}',
    ["k[0].anything-but.wildcard", /"\*\*"/],
  ],
  [
    "3.2 anything-but, inner object",
    '{"k":[{"anything-but":{"prefix":{"equals-ignore-case":"a"}}}]}',
    ["k[0].anything-but.prefix", /must be a string/],
  ],
  ["3.6 $or, no array", '{"$or":{"a":[1]}}', ["$or", /must be an array of objects/]],
  ["3.6 $or, no array", '{"o":{"$or":"x"}}', ["o.$or", /must be an array/]],
  ["3.6 $or, one member", '{"$or":[{"a":[1]}]}', ["$or", /at least 2/]],
  ["3.6 $or, no member", '{"$or":[]}', ["$or", /at least 2/]],
  ["3.6 $or, no object", '{"$or":[{"a":[1]},["b"]]}', ["$or[1]", /must be an object/]],
  [
    "3.1 $or, operator as a key",
    '{"$or":[{"prefix":["x"]},{"a":[1]}]}',
    ["$or[0].prefix", /is an operator/],
  ],
  [
    "3.1 $or, operator as a key",
    '{"$or":[{"$or":[{"exists":[true]},{"b":[1]}]},{"a":[1]}]}',
    ["$or[0].$or[0].exists", /is an operator/],
  ],
  [
    "3.6 all of them",
    '{"a":"x","b":[[1],{"prefix":1}],"$or":[1]}',
    ["a", /must be an array/],
    ["b[0]", /a list/],
    ["b[1].prefix", /string/],
    ["$or", /at least/],
    ["$or[0]", /object/],
  ],
];

test.each(rows)("%s: %s", (_, policy, ...said) => {
  const problems = problemsOf(policy, "body");
  expect(problems.map(({ path }) => path)).toEqual(said.map(([path]) => path));
  for (const [index, problem] of problems.entries()) {
    expect(problem.reason).toBe("FILTER_INVALID");
    expect(problem.description).toMatch(said[index]?.[1] ?? /^$/);
  }
});

const outOfRange: readonly (readonly [string, string])[] = [
  ['{"k":[1000000001]}', "k[0]"],
  ['{"k":[-1e10]}', "k[0]"],
  ['{"k":["x",1e999]}', "k[1]"],
  ['{"k":[{"numeric":["<",1000000000.1]}]}', "k[0].numeric[1]"],
  ['{"k":[{"numeric":[">",0,"<",1e10]}]}', "k[0].numeric[3]"],
  ['{"k":[{"anything-but":2e9}]}', "k[0].anything-but"],
  ['{"k":[{"anything-but":[1,2e9]}]}', "k[0].anything-but[1]"],
];

test.each(outOfRange)("3.4 numbers beyond a billion are refused: %s", (policy, path) => {
  expect(problemsOf(policy, "attributes")).toMatchObject([{ reason: "FILTER_NUMBER_RANGE", path }]);
});

test("3.6 nesting needs the scope of bodies, and every nested key is told", () => {
  const said = problemsOf('{"a":{"b":["x"]},"$or":[{"c":{"d":[1]}},{"e":["x"]}]}', "attributes");
  expect(said.map(({ path }) => path)).toEqual(["a", "$or[0].c"]);
  for (const { description } of said) expect(description).toContain("MESSAGE_BODY");
});

test("3.6 what is wrong has its line and column, counted as editors do", () => {
  const policy = '{\n  "first": "\u{1f600}", "second": [],\n\t"third": [1, {"like": 2}]\n}';
  expect(problemsOf(policy, "body")).toMatchObject([
    { path: "first", line: 2, column: 12 },
    { path: "second", line: 2, column: 27 },
    { path: "third[1].like", line: 3, column: 16 },
  ]);
  expect(problemsOf('{"a":["x"]', "body")).toMatchObject([{ line: 1, column: 11 }]);
  expect(problemsOf("", "body")).toMatchObject([{ line: 1, column: 1 }]);
});

test("no more than a hundred problems are told", () => {
  const policy = `{${Array.from({ length: 500 }, (_, index) => `"k${index}":0`).join()}}`;
  expect(problemsOf(policy, "body")).toHaveLength(100);
});

const taken: readonly string[] = [
  '{"prefix":["x"]}',
  '{"o":{"exists":["x"]}}',
  '{"$or":[{"a":{"prefix":["x"]}},{"a.exists":["y"]}]}',
  '{"$or":[{"a":["x"]},{"a":["y"]}]}',
  '{"k":[{"wildcard":""}]}',
  '{"k":[{"anything-but":""}]}',
  '{"k":[{"prefix":""},{"suffix":""}]}',
  '{"k":["x","x"]}',
  `{"${"k".repeat(1_024)}":["x"]}`,
  `${'{"k":'.repeat(150)}["x"]${"}".repeat(150)}`,
];

test.each(taken)("3.1 %s is a filter", (policy) => {
  expect(parseFilterPolicy(policy, "body").kind).toBe("policy");
  expect(policyOf(policy, "body").scope).toBe("body");
});
