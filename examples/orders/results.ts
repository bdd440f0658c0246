// The workers' output: one file for each, one line for each invoice, flushed to disk before the message is deleted.
//
// A message may be delivered again: a worker can die between its line and the delete. So an invoice may stand in the output
// more than once, and reading merges by its number. That is what makes the whole exactly-once: delivery at least once, and
// results that may be repeated without harm.

import { type FileHandle, open, readFile } from "node:fs/promises";

/** A priced invoice. */
export interface PricedInvoice {
  readonly invoice: string;
  readonly lineCount: number;
  /** Pounds, decimal. */
  readonly total: string;
}

/** A worker's file, open for appending. */
export class ResultWriter {
  readonly #file: FileHandle;

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  static async open(path: string): Promise<ResultWriter> {
    return new ResultWriter(await open(path, "a"));
  }

  /** Resolves once the line is on disk. */
  async append(priced: PricedInvoice): Promise<void> {
    // One write: opened for appending, lines written at the same time do not mix.
    await this.#file.write(`${JSON.stringify(priced)}\n`);
    await this.#file.datasync();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

/** How many lines the workers wrote so far. */
export async function countResults(paths: readonly string[]): Promise<number> {
  return (await readResults(paths)).length;
}

/** Every line, repeated ones included. A last line that a kill cut short is none: its message was not deleted. */
export async function readResults(paths: readonly string[]): Promise<PricedInvoice[]> {
  const texts = await Promise.all(paths.map(readIfPresent));
  return texts.flatMap((text) =>
    text
      .slice(0, text.lastIndexOf("\n") + 1)
      .split("\n")
      .filter((line) => line !== "")
      .map((line): PricedInvoice => JSON.parse(line)),
  );
}

/** Every invoice once. @throws Error if an invoice was priced twice, differently. */
export function mergeResults(results: readonly PricedInvoice[]): Map<string, PricedInvoice> {
  const merged = new Map<string, PricedInvoice>();
  for (const result of results) {
    const { invoice, total, lineCount } = result;
    const known = merged.get(invoice) ?? result;
    if (known.total !== total || known.lineCount !== lineCount) {
      throw new Error(`Invoice ${invoice} was priced at ${known.total}, and then at ${total}.`);
    }
    merged.set(invoice, known);
  }
  return merged;
}

async function readIfPresent(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    // A worker opens its file as the first thing it does, but it may not have come that far.
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw error;
  }
}
