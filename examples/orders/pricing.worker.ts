// One worker process: receives invoices, prices them, appends the result to its file. main.ts starts three and kills one.
//
//   node pricing.worker.js <endpoint> <queue> <output file>

import { setTimeout as sleep } from "node:timers/promises";
import { ForebayClient } from "@forebay/client";
import { type Invoice, priceOf } from "./invoices.js";
import { formatAmount } from "./money.js";
import { ResultWriter } from "./results.js";

/** Pricing asks somebody in real life (a price list, a tax office), and that takes a while. */
const pricingMsPerLine = 4;

const [endpoint = "", queue = "", outputPath = ""] = process.argv.slice(2);
const output = await ResultWriter.open(outputPath);
const client = new ForebayClient({ endpoint });

// A handler that returns has its message deleted; one that throws gives it back. While it runs, its lease is renewed.
// Should this process die, that ends, and two seconds later others get what it had in hand.
const worker = client.queue(queue).work(
  async (message) => {
    const invoice = message.json() as Invoice;
    await sleep(invoice.lines.length * pricingMsPerLine);
    await output.append({
      invoice: invoice.number,
      lineCount: invoice.lines.length,
      total: formatAmount(priceOf(invoice)),
    });
  },
  { concurrency: 8, visibilityTimeoutMs: 2_000 },
);

process.once("SIGTERM", () => void worker.stop());
await worker.stopped;
await client.close();
await output.close();
