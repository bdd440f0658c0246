// Filters on attributes, row by row: where the rule is written (topics, section 3), the filter, the attributes, and whether the
// message is taken. Each row is also put to the plain filter of test/support, so that no row says what only one of them thinks.

import { expect, test } from "vitest";
import {
  attributesOf,
  filterOf,
  type GivenAttributes,
  withAttributes,
} from "../../support/filters.js";
import { plainlyTakesAttributes } from "../../support/plain-filter.js";

type Row = readonly [
  from: string,
  policy: Readonly<Record<string, unknown>>,
  attributes: GivenAttributes,
  verdict: "taken" | "not taken",
];

const rows: readonly Row[] = [
  // 3.1 shape
  ["3.1 no filter", {}, {}, "taken"],
  ["3.1 no filter", {}, { store: "north" }, "taken"],
  ["3.1 any of a list", { store: ["north", "south"] }, { store: "south" }, "taken"],
  ["3.1 any of a list", { store: ["north", "south"] }, { store: "east" }, "not taken"],
  [
    "3.1 all keys",
    { store: ["north"], kind: ["order"] },
    { store: "north", kind: "order" },
    "taken",
  ],
  ["3.1 all keys", { store: ["north"], kind: ["order"] }, { store: "north" }, "not taken"],
  [
    "3.1 all keys",
    { store: ["north"], kind: ["order"] },
    { store: "north", kind: "refund" },
    "not taken",
  ],
  ["3.1 other keys do not matter", { store: ["north"] }, { store: "north", kind: "x" }, "taken"],
  ["3.1 no attributes", { store: ["north"] }, {}, "not taken"],
  ["3.1 $or", { $or: [{ a: ["1"] }, { b: ["2"] }] }, { a: "1" }, "taken"],
  ["3.1 $or", { $or: [{ a: ["1"] }, { b: ["2"] }] }, { b: "2" }, "taken"],
  ["3.1 $or", { $or: [{ a: ["1"] }, { b: ["2"] }] }, { a: "2", b: "1" }, "not taken"],
  [
    "3.1 $or and sibling",
    { s: ["x"], $or: [{ a: ["1"] }, { b: ["2"] }] },
    { s: "x", b: "2" },
    "taken",
  ],
  ["3.1 $or and sibling", { s: ["x"], $or: [{ a: ["1"] }, { b: ["2"] }] }, { b: "2" }, "not taken"],
  ["3.1 $or and sibling", { s: ["x"], $or: [{ a: ["1"] }, { b: ["2"] }] }, { s: "x" }, "not taken"],
  [
    "3.1 $or, all keys of a branch",
    { $or: [{ a: ["1"], c: ["3"] }, { b: ["2"] }] },
    { a: "1" },
    "not taken",
  ],
  [
    "3.1 $or nests",
    { $or: [{ $or: [{ a: ["1"] }, { b: ["1"] }] }, { c: ["1"] }] },
    { b: "1" },
    "taken",
  ],
  [
    "3.1 $or nests",
    { $or: [{ $or: [{ a: ["1"] }, { b: ["1"] }] }, { c: ["1"] }] },
    { d: "1" },
    "not taken",
  ],
  ["3.1 $or, one path twice", { $or: [{ a: ["1"] }, { a: ["2"] }] }, { a: "2" }, "taken"],

  // 3.2 texts
  ["3.2 text, byte-equal", { a: ["north"] }, { a: "north" }, "taken"],
  ["3.2 text, case-sensitive", { a: ["north"] }, { a: "North" }, "not taken"],
  ["3.2 text, not a part", { a: ["north"] }, { a: "northern" }, "not taken"],
  ["3.2 text, not trimmed", { a: ["north"] }, { a: "north " }, "not taken"],
  ["3.2 text, composed or not", { a: ["é"] }, { a: "e\u0301" }, "not taken"],
  ["3.2 text, escapes", { a: ['"\\\n'] }, { a: '"\\\n' }, "taken"],
  ["3.2 text is no number", { a: ["5"] }, { a: 5 }, "not taken"],
  ["3.2 text is no literal", { a: ["true"] }, { a: [true] }, "not taken"],
  ["3.2 name, case-sensitive", { Store: ["x"] }, { store: "x" }, "not taken"],

  // 3.2 numbers and literals
  ["3.2 number", { a: [5] }, { a: 5 }, "taken"],
  ["3.2 number is no text", { a: [5] }, { a: "5" }, "not taken"],
  ["3.2 number, scientific", { a: [-1.5e3] }, { a: -1500 }, "taken"],
  ["3.2 true", { a: [true] }, { a: [true] }, "taken"],
  ["3.2 the text true", { a: [true] }, { a: "true" }, "not taken"],
  ["3.2 the text true in a list", { a: [true] }, { a: ["true"] }, "not taken"],
  ["3.2 false", { a: [false] }, { a: [false] }, "taken"],
  ["3.2 false is not absent", { a: [false] }, {}, "not taken"],
  ["3.2 null", { a: [null] }, { a: [null] }, "taken"],
  ["3.2 null needs a present null", { a: [null] }, {}, "not taken"],
  ["3.2 the text null", { a: [null] }, { a: "null" }, "not taken"],

  // 3.2 prefix, suffix
  ["3.2 prefix", { a: [{ prefix: "auto-" }] }, { a: "auto-1" }, "taken"],
  ["3.2 prefix, whole", { a: [{ prefix: "auto-" }] }, { a: "auto-" }, "taken"],
  ["3.2 prefix, shorter", { a: [{ prefix: "auto-" }] }, { a: "auto" }, "not taken"],
  ["3.2 prefix, inside", { a: [{ prefix: "auto-" }] }, { a: "an auto-1" }, "not taken"],
  ["3.2 prefix, case", { a: [{ prefix: "auto-" }] }, { a: "Auto-1" }, "not taken"],
  ["3.2 prefix, a number", { a: [{ prefix: "1" }] }, { a: 12 }, "not taken"],
  ["3.2 prefix, empty", { a: [{ prefix: "" }] }, { a: "x" }, "taken"],
  ["3.2 prefix, empty, a number", { a: [{ prefix: "" }] }, { a: 1 }, "not taken"],
  ["3.2 prefix, empty, absent", { a: [{ prefix: "" }] }, { b: "x" }, "not taken"],
  [
    "3.2 prefix ignoring case",
    { a: [{ prefix: { "equals-ignore-case": "AUTO-" } }] },
    { a: "auTo-1" },
    "taken",
  ],
  [
    "3.2 prefix ignoring case",
    { a: [{ prefix: { "equals-ignore-case": "AUTO-" } }] },
    { a: "aut-1" },
    "not taken",
  ],
  ["3.2 suffix", { a: [{ suffix: ".png" }] }, { a: "cat.png" }, "taken"],
  ["3.2 suffix, whole", { a: [{ suffix: ".png" }] }, { a: ".png" }, "taken"],
  ["3.2 suffix, shorter", { a: [{ suffix: ".png" }] }, { a: "png" }, "not taken"],
  ["3.2 suffix, inside", { a: [{ suffix: ".png" }] }, { a: "cat.png.txt" }, "not taken"],
  ["3.2 suffix, case", { a: [{ suffix: ".png" }] }, { a: "cat.PNG" }, "not taken"],
  ["3.2 suffix, empty", { a: [{ suffix: "" }] }, { a: "x" }, "taken"],
  [
    "3.2 suffix ignoring case",
    { a: [{ suffix: { "equals-ignore-case": ".PnG" } }] },
    { a: "cat.pNg" },
    "taken",
  ],

  // 3.2 equals-ignore-case
  ["3.2 ignoring case", { a: [{ "equals-ignore-case": "North" }] }, { a: "nORTH" }, "taken"],
  ["3.2 ignoring case", { a: [{ "equals-ignore-case": "North" }] }, { a: "nORTHs" }, "not taken"],
  ["3.2 ignoring case, Unicode", { a: [{ "equals-ignore-case": "ÄÖÉ" }] }, { a: "äöé" }, "taken"],
  ["3.2 ß is not ss", { a: [{ "equals-ignore-case": "STRASSE" }] }, { a: "straße" }, "not taken"],
  ["3.2 no locale: I is i", { a: [{ "equals-ignore-case": "TITLE" }] }, { a: "title" }, "taken"],
  ["3.2 ignoring case, a number", { a: [{ "equals-ignore-case": "5" }] }, { a: 5 }, "not taken"],

  // 3.2 wildcard
  ["3.2 wildcard", { a: [{ wildcard: "a*c" }] }, { a: "abc" }, "taken"],
  ["3.2 wildcard, empty run", { a: [{ wildcard: "a*c" }] }, { a: "ac" }, "taken"],
  ["3.2 wildcard, the end counts", { a: [{ wildcard: "a*c" }] }, { a: "abcd" }, "not taken"],
  ["3.2 wildcard, the beginning counts", { a: [{ wildcard: "a*c" }] }, { a: "xac" }, "not taken"],
  ["3.2 wildcard, no overlap", { a: [{ wildcard: "aba*ba" }] }, { a: "aba" }, "not taken"],
  [
    "3.2 wildcard, no overlap in between",
    { a: [{ wildcard: "*ab*ab" }] },
    { a: "ab" },
    "not taken",
  ],
  ["3.2 wildcard, line breaks", { a: [{ wildcard: "a*c" }] }, { a: "a\n\r\u2028c" }, "taken"],
  ["3.2 wildcard alone", { a: [{ wildcard: "*" }] }, { a: "anything" }, "taken"],
  ["3.2 wildcard alone, a number", { a: [{ wildcard: "*" }] }, { a: 7 }, "not taken"],
  ["3.2 wildcard at both ends", { a: [{ wildcard: "*b*" }] }, { a: "abc" }, "taken"],
  ["3.2 wildcard at both ends", { a: [{ wildcard: "*b*" }] }, { a: "ac" }, "not taken"],
  ["3.2 wildcard, three", { a: [{ wildcard: "*a*b*" }] }, { a: "xaxbx" }, "taken"],
  ["3.2 wildcard, in order", { a: [{ wildcard: "*a*b*" }] }, { a: "xbxax" }, "not taken"],
  ["3.2 wildcard, none", { a: [{ wildcard: "abc" }] }, { a: "abc" }, "taken"],
  ["3.2 wildcard, none", { a: [{ wildcard: "abc" }] }, { a: "abcd" }, "not taken"],
  ["3.2 wildcard, case", { a: [{ wildcard: "A*" }] }, { a: "abc" }, "not taken"],
  ["3.2 \\* is a star", { a: [{ wildcard: "a\\*c" }] }, { a: "a*c" }, "taken"],
  ["3.2 \\* is a star", { a: [{ wildcard: "a\\*c" }] }, { a: "abc" }, "not taken"],
  ["3.2 \\\\ is a backslash", { a: [{ wildcard: "a\\\\*" }] }, { a: "a\\b" }, "taken"],
  ["3.2 nothing else is special", { a: [{ wildcard: "a.?[b]*" }] }, { a: "a.?[b]c" }, "taken"],
  ["3.2 nothing else is special", { a: [{ wildcard: "a.?[b]*" }] }, { a: "axb" }, "not taken"],

  // 3.2 cidr
  ["3.2 cidr", { ip: [{ cidr: "10.0.0.0/24" }] }, { ip: "10.0.0.255" }, "taken"],
  ["3.2 cidr", { ip: [{ cidr: "10.0.0.0/24" }] }, { ip: "10.0.1.0" }, "not taken"],
  [
    "3.2 cidr, host bits are masked",
    { ip: [{ cidr: "10.0.0.7/24" }] },
    { ip: "10.0.0.9" },
    "taken",
  ],
  ["3.2 cidr, one address", { ip: [{ cidr: "10.0.0.7/32" }] }, { ip: "10.0.0.7" }, "taken"],
  ["3.2 cidr, one address", { ip: [{ cidr: "10.0.0.7/32" }] }, { ip: "10.0.0.8" }, "not taken"],
  [
    "3.2 cidr, all of a family",
    { ip: [{ cidr: "1.2.3.4/0" }] },
    { ip: "255.255.255.255" },
    "taken",
  ],
  ["3.2 cidr, other family", { ip: [{ cidr: "0.0.0.0/0" }] }, { ip: "::1" }, "not taken"],
  ["3.2 cidr, other family", { ip: [{ cidr: "::/0" }] }, { ip: "10.0.0.1" }, "not taken"],
  [
    "3.2 cidr, mapped is IPv6",
    { ip: [{ cidr: "10.0.0.0/8" }] },
    { ip: "::ffff:10.0.0.1" },
    "not taken",
  ],
  [
    "3.2 cidr, mapped is IPv6",
    { ip: [{ cidr: "::ffff:10.0.0.0/104" }] },
    { ip: "::ffff:a00:1" },
    "taken",
  ],
  [
    "3.2 cidr, any spelling",
    { ip: [{ cidr: "2001:DB8:0::/48" }] },
    { ip: "2001:0db8:0000:1::9" },
    "taken",
  ],
  ["3.2 cidr, outside", { ip: [{ cidr: "2001:db8::/48" }] }, { ip: "2001:db8:1::" }, "not taken"],
  ["3.2 cidr, no address", { ip: [{ cidr: "0.0.0.0/0" }] }, { ip: "host.example" }, "not taken"],
  ["3.2 cidr, not a network", { ip: [{ cidr: "10.0.0.0/8" }] }, { ip: "10.0.0.0/8" }, "not taken"],
  ["3.2 cidr, leading zeros", { ip: [{ cidr: "10.0.0.0/8" }] }, { ip: "10.0.0.01" }, "not taken"],
  ["3.2 cidr, four numbers", { ip: [{ cidr: "0.0.0.0/0" }] }, { ip: "10.1" }, "not taken"],

  // 3.2 numeric
  ["3.2 numeric =", { n: [{ numeric: ["=", 5] }] }, { n: 5 }, "taken"],
  ["3.2 numeric =", { n: [{ numeric: ["=", 5] }] }, { n: 5.1 }, "not taken"],
  ["3.2 numeric <", { n: [{ numeric: ["<", 5] }] }, { n: 4.99999 }, "taken"],
  ["3.2 numeric <", { n: [{ numeric: ["<", 5] }] }, { n: 5 }, "not taken"],
  ["3.2 numeric <=", { n: [{ numeric: ["<=", 5] }] }, { n: 5 }, "taken"],
  ["3.2 numeric <=", { n: [{ numeric: ["<=", 5] }] }, { n: 5.00001 }, "not taken"],
  ["3.2 numeric >", { n: [{ numeric: [">", 5] }] }, { n: 5.00001 }, "taken"],
  ["3.2 numeric >", { n: [{ numeric: [">", 5] }] }, { n: 5 }, "not taken"],
  ["3.2 numeric >=", { n: [{ numeric: [">=", 5] }] }, { n: 5 }, "taken"],
  ["3.2 numeric >=", { n: [{ numeric: [">=", 5] }] }, { n: 4.99999 }, "not taken"],
  ["3.2 numeric range", { n: [{ numeric: [">", 0, "<=", 100] }] }, { n: 99 }, "taken"],
  ["3.2 numeric range", { n: [{ numeric: [">", 0, "<=", 100] }] }, { n: 100 }, "taken"],
  ["3.2 numeric range", { n: [{ numeric: [">", 0, "<=", 100] }] }, { n: 0 }, "not taken"],
  ["3.2 numeric range", { n: [{ numeric: [">", 0, "<=", 100] }] }, { n: 111 }, "not taken"],
  ["3.2 numeric range, absent", { n: [{ numeric: [">", 0, "<=", 100] }] }, {}, "not taken"],
  ["3.2 numeric, a text", { n: [{ numeric: [">", 0] }] }, { n: "5" }, "not taken"],

  // 3.2 exists
  ["3.2 exists", { a: [{ exists: true }] }, { a: "x" }, "taken"],
  ["3.2 exists", { a: [{ exists: true }] }, { b: "x" }, "not taken"],
  ["3.2 exists, null counts", { a: [{ exists: true }] }, { a: [null] }, "taken"],
  ["3.2 exists, an empty array does not", { a: [{ exists: true }] }, { a: [] }, "not taken"],
  ["3.2 absent", { a: [{ exists: false }] }, { b: "x" }, "taken"],
  ["3.2 absent, no attributes", { a: [{ exists: false }] }, {}, "taken"],
  ["3.2 absent", { a: [{ exists: false }] }, { a: "x" }, "not taken"],
  ["3.2 absent, an empty array", { a: [{ exists: false }] }, { a: [] }, "taken"],
  ["3.2 absent or a value", { a: [{ exists: false }, "x"] }, { a: "x" }, "taken"],
  ["3.2 absent or a value", { a: [{ exists: false }, "x"] }, { a: "y" }, "not taken"],

  // 3.2 anything-but
  ["3.2 anything-but", { a: [{ "anything-but": "x" }] }, { a: "y" }, "taken"],
  ["3.2 anything-but", { a: [{ "anything-but": "x" }] }, { a: "x" }, "not taken"],
  ["3.2 anything-but, absent", { a: [{ "anything-but": "x" }] }, {}, "not taken"],
  [
    "3.2 anything-but or absent",
    { a: [{ "anything-but": ["x"] }, { exists: false }] },
    {},
    "taken",
  ],
  [
    "3.2 anything-but or absent",
    { a: [{ "anything-but": ["x"] }, { exists: false }] },
    { a: "x" },
    "not taken",
  ],
  ["3.2 anything-but, list", { a: [{ "anything-but": ["x", "y"] }] }, { a: "y" }, "not taken"],
  ["3.2 anything-but, list", { a: [{ "anything-but": ["x", "y"] }] }, { a: "z" }, "taken"],
  ["3.2 anything-but, numbers", { a: [{ "anything-but": [1, 2] }] }, { a: 2.000001 }, "not taken"],
  ["3.2 anything-but, numbers", { a: [{ "anything-but": 100 }] }, { a: 101 }, "taken"],
  ["3.2 anything-but, other type", { a: [{ "anything-but": ["100"] }] }, { a: 100 }, "taken"],
  ["3.2 anything-but, other type", { a: [{ "anything-but": 100 }] }, { a: "100" }, "taken"],
  ["3.2 anything-but, literal", { a: [{ "anything-but": "x" }] }, { a: [null] }, "taken"],
  ["3.2 anything-but, empty text", { a: [{ "anything-but": "" }] }, { a: "x" }, "taken"],
  ["3.2 anything-but prefix", { a: [{ "anything-but": { prefix: "bb" } }] }, { a: "abb" }, "taken"],
  [
    "3.2 anything-but prefix",
    { a: [{ "anything-but": { prefix: "bb" } }] },
    { a: "bba" },
    "not taken",
  ],
  [
    "3.2 anything-but prefixes",
    { a: [{ "anything-but": { prefix: ["b", "c"] } }] },
    { a: "ca" },
    "not taken",
  ],
  [
    "3.2 anything-but prefixes",
    { a: [{ "anything-but": { prefix: ["b", "c"] } }] },
    { a: "da" },
    "taken",
  ],
  [
    "3.2 anything-but prefix, a number",
    { a: [{ "anything-but": { prefix: "1" } }] },
    { a: 12 },
    "taken",
  ],
  [
    "3.2 anything-but prefix, absent",
    { a: [{ "anything-but": { prefix: "1" } }] },
    {},
    "not taken",
  ],
  [
    "3.2 anything-but suffix",
    { a: [{ "anything-but": { suffix: ".png" } }] },
    { a: "a.png" },
    "not taken",
  ],
  [
    "3.2 anything-but suffix",
    { a: [{ "anything-but": { suffix: ".png" } }] },
    { a: "a.jpg" },
    "taken",
  ],
  [
    "3.2 anything-but wildcard",
    { a: [{ "anything-but": { wildcard: "*/bin/*" } }] },
    { a: "x/bin/y" },
    "not taken",
  ],
  [
    "3.2 anything-but wildcard",
    { a: [{ "anything-but": { wildcard: "*/bin/*" } }] },
    { a: "x/lib/y" },
    "taken",
  ],
  [
    "3.2 anything-but case",
    { a: [{ "anything-but": { "equals-ignore-case": ["Xy"] } }] },
    { a: "xY" },
    "not taken",
  ],
  [
    "3.2 anything-but case",
    { a: [{ "anything-but": { "equals-ignore-case": ["Xy"] } }] },
    { a: "x" },
    "taken",
  ],

  // 3.3 attributes
  ["3.3 String.x is a String", { a: ["1"] }, { a: { type: "String.x", value: "1" } }, "taken"],
  ["3.3 Number.x is a Number", { a: [1] }, { a: { type: "Number.x", value: "1" } }, "taken"],
  [
    "3.3 String.Array.x is a String",
    { a: ['["x"]'] },
    { a: { type: "String.Array.x", value: '["x"]' } },
    "taken",
  ],
  ["3.3 array, any element", { a: ["x"] }, { a: ["y", "x"] }, "taken"],
  ["3.3 array, any element", { a: ["x"] }, { a: ["y", "z"] }, "not taken"],
  ["3.3 array, numbers", { a: [{ numeric: [">", 5] }] }, { a: [1, 6] }, "taken"],
  [
    "3.3 array, a scalar is one leaf",
    { a: ["x"] },
    { a: { type: "String.Array", value: '"x"' } },
    "taken",
  ],
  [
    "3.3 array, a scalar number",
    { a: [5] },
    { a: { type: "Number.Array", value: "5.0" } },
    "taken",
  ],
  ["3.3 array, nested are ignored", { a: ["x"] }, { a: [["x"], { a: "x" }] }, "not taken"],
  [
    "3.3 array, nested are ignored",
    { a: [{ exists: false }] },
    { a: [["x"], { a: "x" }] },
    "taken",
  ],
  [
    "3.3 array, an object is ignored",
    { a: [{ exists: false }] },
    { a: { type: "String.Array", value: "{}" } },
    "taken",
  ],
  ["3.3 array, empty", { a: [{ "anything-but": "x" }] }, { a: [] }, "not taken"],
  [
    "3.3 not JSON",
    { a: [{ exists: true }] },
    { a: { type: "String.Array", value: "[x" } },
    "not taken",
  ],
  [
    "3.3 not JSON, whatever the operator",
    { a: [{ exists: false }] },
    { a: { type: "String.Array", value: "[x" } },
    "not taken",
  ],
  [
    "3.3 not JSON, in another branch",
    { $or: [{ a: ["x"] }, { b: ["y"] }] },
    { a: { type: "String.Array", value: "x" }, b: "y" },
    "not taken",
  ],
  [
    "3.3 not JSON, not named",
    { b: ["y"] },
    { a: { type: "String.Array", value: "x" }, b: "y" },
    "taken",
  ],
  [
    "3.3 Binary is as if absent",
    { a: [{ exists: true }] },
    { a: { type: "Binary", value: "x" } },
    "not taken",
  ],
  [
    "3.3 Binary is as if absent",
    { a: [{ exists: false }] },
    { a: { type: "Binary.png", value: "x" } },
    "taken",
  ],
  ["3.3 a String is not parsed", { a: ["x"] }, { a: '["x"]' }, "not taken"],
  [
    "3.3 anything-but over an array",
    { a: [{ "anything-but": ["rugby", "tennis"] }] },
    { a: ["rugby", "baseball"] },
    "taken",
  ],
  [
    "3.3 anything-but over an array",
    { a: [{ "anything-but": ["rugby", "tennis"] }] },
    { a: ["rugby", "tennis"] },
    "not taken",
  ],
  ["3.3 a dot in a name", { "a.b": ["x"] }, { "a.b": "x" }, "taken"],
  ["3.3 a dot in a name", { "a.b": ["x"] }, { a: "x", b: "x" }, "not taken"],

  // 3.4 numbers
  ["3.4 rounded", { n: [1.000004] }, { n: 1 }, "taken"],
  ["3.4 rounded", { n: [1.000006] }, { n: 1.00001 }, "taken"],
  ["3.4 half to even, down", { n: [1.000005] }, { n: 1 }, "taken"],
  ["3.4 half to even, up", { n: [1.000015] }, { n: 1.00002 }, "taken"],
  ["3.4 half to even, negative", { n: [-1.000005] }, { n: -1 }, "taken"],
  ["3.4 just above half", { n: [1.0000051] }, { n: 1.00001 }, "taken"],
  ["3.4 a message is rounded too", { n: [1] }, { n: 1.0000049 }, "taken"],
  ["3.4 five decimals count", { n: [1.00001] }, { n: 1 }, "not taken"],
  ["3.4 small numbers are zero", { n: [0] }, { n: 1e-7 }, "taken"],
  ["3.4 minus zero", { n: [0] }, { n: { type: "Number", value: "-0" } }, "taken"],
  ["3.4 a tie at the top", { n: [123456789.123455] }, { n: 123456789.12346 }, "taken"],
  ["3.4 a tie at the top", { n: [123456789.123445] }, { n: 123456789.12344 }, "taken"],
  ["3.4 scientific", { n: [300] }, { n: { type: "Number", value: "3.0e2" } }, "taken"],
  [
    "3.4 leading and trailing zeros",
    { n: [7.5] },
    { n: { type: "Number", value: "007.500" } },
    "taken",
  ],
  ["3.4 a bare dot", { n: [0.5] }, { n: { type: "Number", value: ".5" } }, "taken"],
  ["3.4 a plus", { n: [5] }, { n: { type: "Number", value: "+5." } }, "taken"],
  ["3.4 the range itself", { n: [1e9, -1e9] }, { n: -1e9 }, "taken"],
  ["3.4 beyond the range", { n: [{ numeric: [">", 999999999] }] }, { n: 1e126 }, "taken"],
  ["3.4 beyond the range", { n: [{ numeric: ["<", -999999999] }] }, { n: -1e20 }, "taken"],
  ["3.4 beyond the range, not equal", { n: [1e9] }, { n: 1000000000.1 }, "not taken"],
  ["3.4 beyond the range, not rounded", { n: [1e9] }, { n: 1000000000.000001 }, "not taken"],
  [
    "3.4 no number at all",
    { n: [{ exists: false }] },
    { n: { type: "Number", value: "five" } },
    "not taken",
  ],
];

test.each(rows)("%s: %j, %j is %s", (_, policy, attributes, verdict) => {
  const isTaken = verdict === "taken";
  expect(filterOf(policy, "attributes").matches(withAttributes(attributes))).toBe(isTaken);
});

test("the plain filter says the same of every row that it can read", () => {
  // It does not judge whether a Number is one, and knows no empty filter.
  const readable = rows.filter(([from]) => from !== "3.4 no number at all");
  for (const [from, policy, attributes, verdict] of readable) {
    const isTaken = plainlyTakesAttributes(policy, attributesOf(attributes));
    expect(isTaken, `${from}: ${JSON.stringify([policy, attributes])}`).toBe(verdict === "taken");
  }
});
