// Orders of the same shape as a real shop's file (UCI Online Retail), for people who do not have it: quoted fields, missing
// customers and descriptions, cancellations. The same text every time.

import { formatCsvRecord } from "./csv.js";
import { columns } from "./invoices.js";

const invoiceCount = 750;
const firstInvoiceNumber = 536_365;
/** Wednesday morning, when the shop opens. */
const firstInvoiceTime = Date.UTC(2010, 11, 1, 8, 26);

type Goods = readonly [stockCode: string, description: string, unitPrice: string];

const goods: readonly [Goods, ...Goods[]] = [
  ["85123A", "WHITE HANGING HEART T-LIGHT HOLDER", "2.55"],
  ["84406B", "CREAM CUPID HEARTS COAT HANGER", "2.75"],
  ["22041", 'RECORD FRAME 7" SINGLE SIZE', "2.1"],
  ["82567", "AIRLINE LOUNGE,METAL SIGN", "2.1"],
  ["22760", "TRAY, BREAKFAST IN BED", "12.75"],
  ["85071C", 'CHARLIE+LOLA"EXTREMELY BUSY" SIGN', "2.55"],
  ["21730", "GLASS STAR FROSTED T-LIGHT HOLDER", "4.25"],
  ["22139", "", "0.0"],
  ["PADS", "PADS TO MATCH ALL CUSHIONS", "0.001"],
  ["POST", "POSTAGE", "18"],
];
const countries: readonly [string, ...string[]] = ["United Kingdom", "France", "EIRE", "Germany"];

/** The text of a file of orders. */
export function generateOrders(): string {
  const random = new Random(20_101_201);
  let text = formatCsvRecord(columns);
  for (let index = 0; index < invoiceCount; index += 1) {
    const isCancellation = random.below(10) === 0;
    const number = `${isCancellation ? "C" : ""}${firstInvoiceNumber + index}`;
    const time = new Date(firstInvoiceTime + index * 157_000).toISOString();
    const customer = random.below(5) === 0 ? "" : `${12_346 + random.below(5_000)}.0`;
    const country = random.pick(countries);
    const lineCount = isCancellation ? 1 + random.below(3) : 1 + random.below(44);
    for (let line = 0; line < lineCount; line += 1) {
      const [stockCode, description, unitPrice] = random.pick(goods);
      const quantity = (1 + random.below(48)) * (isCancellation ? -1 : 1);
      text += formatCsvRecord([
        number,
        stockCode,
        description,
        String(quantity),
        time.slice(0, 19).replace("T", " "),
        unitPrice,
        customer,
        country,
      ]);
    }
  }
  return text;
}

/** Numbers that look random and are the same in every run (a linear congruential generator, as in Numerical Recipes). */
class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed;
  }

  /** A whole number from 0 to `bound - 1`. */
  below(bound: number): number {
    this.#state = (Math.imul(this.#state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((this.#state / 2 ** 32) * bound);
  }

  pick<Item>(items: readonly [Item, ...Item[]]): Item {
    return items[this.below(items.length)] ?? items[0];
  }
}
