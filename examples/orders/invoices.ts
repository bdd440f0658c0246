// What is ordered: lines of a file, gathered into invoices, one message each. And what an invoice comes to.

import { parseCsv } from "./csv.js";
import { parseAmount, type Thousandths } from "./money.js";

/** One line of an order, as the file spells it; the description and the customer may be empty. */
export interface OrderLine {
  readonly stockCode: string;
  readonly description: string;
  /** A whole number, negative on a cancellation. */
  readonly quantity: string;
  /** Pounds, decimal. */
  readonly unitPrice: string;
}

/** The body of a message. */
export interface Invoice {
  /** Six digits; a cancellation has a `C` before them. */
  readonly number: string;
  readonly customer: string;
  readonly country: string;
  readonly lines: OrderLine[];
}

export const columns = [
  "InvoiceNo",
  "StockCode",
  "Description",
  "Quantity",
  "InvoiceDate",
  "UnitPrice",
  "CustomerID",
  "Country",
] as const;

type Column = (typeof columns)[number];

/** The rows of a file, each by its column names. */
export function readRows(csv: string): Record<Column, string>[] {
  const [header, ...records] = parseCsv(csv);
  if (header?.join() !== columns.join()) throw new Error(`The columns must be ${columns.join()}.`);
  return records.map((fields) => {
    if (fields.length !== columns.length) {
      throw new Error(`A row has ${fields.length} fields: ${fields.join()}`);
    }
    return Object.fromEntries(
      columns.map((column, index) => [column, fields[index] ?? ""]),
    ) as Record<Column, string>;
  });
}

/** The invoices of a file, in the order of their first lines. */
export function gatherInvoices(rows: readonly Record<Column, string>[]): Invoice[] {
  const invoices = new Map<string, Invoice>();
  for (const row of rows) {
    const number = row.InvoiceNo;
    const invoice = invoices.get(number) ?? {
      number,
      customer: row.CustomerID,
      country: row.Country,
      lines: [],
    };
    invoices.set(number, invoice);
    invoice.lines.push({
      stockCode: row.StockCode,
      description: row.Description,
      quantity: row.Quantity,
      unitPrice: row.UnitPrice,
    });
  }
  return [...invoices.values()];
}

/** What an invoice comes to. */
export function priceOf({ lines }: Invoice): Thousandths {
  return lines.reduce((sum, line) => sum + BigInt(line.quantity) * parseAmount(line.unitPrice), 0n);
}
