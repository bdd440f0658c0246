// The parts of the orders example that could be wrong in silence: reading fields in quotes, adding up money, merging.

import { describe, expect, test } from "vitest";
import { formatCsvRecord, parseCsv } from "../../examples/orders/csv.js";
import { generateOrders } from "../../examples/orders/generate.js";
import { gatherInvoices, priceOf, readRows } from "../../examples/orders/invoices.js";
import { formatAmount, parseAmount } from "../../examples/orders/money.js";
import { mergeResults } from "../../examples/orders/results.js";

describe("reading comma-separated text", () => {
  test("a field in quotes may hold commas, doubled quotes and line breaks", () => {
    expect(parseCsv('a,"b,c","7"" single",""\n"x\ny",,\n')).toEqual([
      ["a", "b,c", '7" single', ""],
      ["x\ny", "", ""],
    ]);
  });

  test("the last line needs no line break, lines may end in CRLF, empty lines are none", () => {
    expect(parseCsv("a,b\r\n\r\nc,d")).toEqual([
      ["a", "b"],
      ["c", "d"],
    ]);
    expect(parseCsv("a,")).toEqual([["a", ""]]);
    expect(parseCsv("")).toEqual([]);
  });

  test("text that breaks the rules names its line", () => {
    expect(() => parseCsv('a\n"b')).toThrow("Line 2: a quote is opened and never closed.");
    expect(() => parseCsv('a\n"b"c')).toThrow("Line 2: something follows a closing quote.");
  });

  test("what is written is read back", () => {
    const fields = ["plain", "", 'all of "it", and\nmore', " spaces "];
    expect(parseCsv(formatCsvRecord(fields))).toEqual([fields]);
  });
});

describe("money", () => {
  test.each([
    ["2.55", "2.55"],
    ["18", "18.00"],
    ["0.001", "0.001"],
    ["-11062.06", "-11062.06"],
    ["0.0", "0.00"],
  ])("%s is exact", (text, formatted) => {
    expect(formatAmount(parseAmount(text))).toBe(formatted);
  });

  test.each(["", "1e3", "1,5", "0.0001", ".5", "NaN"])("%j is no amount", (text) => {
    expect(() => parseAmount(text)).toThrow("is no amount");
  });

  test("ten times 0.1 is 1", () => {
    const line = { stockCode: "", description: "", quantity: "1", unitPrice: "0.1" };
    const invoice = { number: "1", customer: "", country: "", lines: Array(10).fill(line) };
    expect(priceOf(invoice)).toBe(parseAmount("1"));
  });
});

test("the orders made up have the shape of the real ones, the same every time", () => {
  const text = generateOrders();
  const rows = readRows(text);
  expect(generateOrders()).toBe(text);
  expect(gatherInvoices(rows)).toHaveLength(750);
  expect(rows.some((row) => row.CustomerID === "")).toBe(true);
  expect(rows.some((row) => row.Description === "")).toBe(true);
  expect(rows.some((row) => row.Description.includes('"'))).toBe(true);
  expect(rows.some((row) => row.InvoiceNo.startsWith("C") && Number(row.Quantity) < 0)).toBe(true);
});

test("an invoice priced twice counts once, and must come to the same", () => {
  const first = { invoice: "536365", lineCount: 7, total: "139.12" };
  expect(mergeResults([first, { ...first }])).toEqual(new Map([["536365", first]]));
  expect(() => mergeResults([first, { ...first, total: "139.13" }])).toThrow("priced at 139.12");
});
