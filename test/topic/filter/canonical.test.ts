// Which filters are the same to a subscription that is made again: those that mean the same, whatever they look like.

import { expect, test } from "vitest";
import { isSameFilter } from "../../../src/topic/filter/canonical.js";
import { policyOf } from "../../support/filters.js";

const same: readonly (readonly [one: string, other: string])[] = [
  ['{"a":["x"]}', ' {\n "a" : [ "x" ] } '],
  ['{"a":["x"],"b":["y"]}', '{"b":["y"],"a":["x"]}'],
  ['{"a":["x","y"]}', '{"a":["y","x","y"]}'],
  ['{"a":["x"]}', '{"\\u0061":["\\u0078"]}'],
  ['{"a":{"b":["x"]}}', '{"a.b":["x"]}'],
  ['{"a":[1,2.5]}', '{"a":[2.50,1.0]}'],
  ['{"a":[300]}', '{"a":[3e2]}'],
  ['{"a":[1]}', '{"a":[1.000001]}'],
  ['{"a":[0]}', '{"a":[-0]}'],
  ['{"a":[5]}', '{"a":[{"numeric":["=",5]}]}'],
  ['{"a":[{"anything-but":"x"}]}', '{"a":[{"anything-but":["x","x"]}]}'],
  ['{"a":[{"anything-but":[1,2]}]}', '{"a":[{"anything-but":[2,1]}]}'],
  ['{"a":[{"anything-but":{"prefix":"x"}}]}', '{"a":[{"anything-but":{"prefix":["x"]}}]}'],
  ['{"a":[{"equals-ignore-case":"X"}]}', '{"a":[{"equals-ignore-case":"x"}]}'],
  ['{"a":[{"cidr":"10.1.2.3/8"}]}', '{"a":[{"cidr":"10.0.0.0/8"}]}'],
  ['{"a":[{"cidr":"2001:DB8::/32"}]}', '{"a":[{"cidr":"2001:0db8:0:0::1/32"}]}'],
  ['{"$or":[{"a":["x"]},{"b":["y"]}]}', '{"$or":[{"b":["y"]},{"a":["x"]}]}'],
  ['{"o":{"$or":[{"a":["x"]},{"b":["y"]}]}}', '{"$or":[{"o.a":["x"]},{"o":{"b":["y"]}}]}'],
];

test.each(same)("%s is the same as %s", (one, other) => {
  expect(isSameFilter(policyOf(one, "body"), policyOf(other, "body"))).toBe(true);
});

const different: readonly (readonly [one: string, other: string])[] = [
  ["{}", '{"a":[{"exists":true}]}'],
  ['{"a":["x"]}', '{"a":["X"]}'],
  ['{"a":["x"]}', '{"b":["x"]}'],
  ['{"a":["1"]}', '{"a":[1]}'],
  ['{"a":["true"]}', '{"a":[true]}'],
  ['{"a":[false]}', '{"a":[null]}'],
  ['{"a":["x"]}', '{"a":["x","y"]}'],
  ['{"a":["x"]}', '{"a":["x"],"b":["y"]}'],
  ['{"a":[1]}', '{"a":[1.00001]}'],
  ['{"a":[{"prefix":"x"}]}', '{"a":[{"suffix":"x"}]}'],
  ['{"a":[{"prefix":"x"}]}', '{"a":[{"prefix":{"equals-ignore-case":"x"}}]}'],
  ['{"a":[{"numeric":["<",5]}]}', '{"a":[{"numeric":["<=",5]}]}'],
  ['{"a":[{"numeric":["<",5]}]}', '{"a":[{"numeric":[">",5]}]}'],
  ['{"a":[{"exists":true}]}', '{"a":[{"exists":false}]}'],
  ['{"a":[{"anything-but":"x"}]}', '{"a":[{"anything-but":{"prefix":"x"}}]}'],
  ['{"a":[{"cidr":"10.0.0.0/8"}]}', '{"a":[{"cidr":"10.0.0.0/9"}]}'],
  ['{"a":[{"wildcard":"*"}]}', '{"a":[{"wildcard":"\\\\*"}]}'],
  ['{"a":["x"],"b":["y"]}', '{"$or":[{"a":["x"]},{"b":["y"]}]}'],
  [
    '{"$or":[{"a":[1]},{"b":[1]}],"o":{"$or":[{"c":[1]},{"d":[1]}]}}',
    '{"$or":[{"a":[1]},{"b":[1]},{"o":{"c":[1]}},{"o":{"d":[1]}}]}',
  ],
];

test.each(different)("%s is another than %s", (one, other) => {
  expect(isSameFilter(policyOf(one, "body"), policyOf(other, "body"))).toBe(false);
});

test("the scope makes a difference", () => {
  const policy = '{"a":["x"]}';
  expect(isSameFilter(policyOf(policy, "body"), policyOf(policy, "attributes"))).toBe(false);
});
