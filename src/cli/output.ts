// What a command prints. Results go to stdout in the format asked for, and nothing else does; everything said beside them goes
// to stderr. So `-o json` can always be piped.

import type { Writable } from "node:stream";

/** How results are printed: for people, as one JSON document, as a JSON document a line, or the bare values. */
export const outputFormats = ["table", "json", "jsonl", "raw"] as const;
export type OutputFormat = (typeof outputFormats)[number];

/** A row of results in its forms. */
export interface Row {
  /** For tables: the cells by their heading. */
  readonly cells: Readonly<Record<string, string>>;
  /** For JSON. */
  readonly json: unknown;
  /** The bare value. */
  readonly raw: string | Uint8Array;
}

/** The rows of the first `limit` items; asks for no more of them. */
export async function* firstRows<Item>(
  items: AsyncIterable<Item>,
  limit: number,
  rowOf: (item: Item) => Row,
): AsyncGenerator<Row> {
  let left = limit;
  for await (const item of items) {
    yield rowOf(item);
    left -= 1;
    if (left === 0) return;
  }
}

export class Output {
  readonly #stdout: Writable;
  readonly #stderr: Writable;
  #isStdoutGone = false;

  constructor(stdout: Writable, stderr: Writable) {
    this.#stdout = stdout;
    this.#stderr = stderr;
    // Who reads us may have had enough, as `head` does. That is no failure of ours.
    stdout.on("error", () => {
      this.#isStdoutGone = true;
    });
  }

  /** Prints one result: a table of headings and values, one JSON object, or the bare value. */
  async one(format: OutputFormat, row: Row): Promise<void> {
    if (format === "table") await this.#table(Object.entries(row.cells), []);
    else if (format === "raw") await this.#raw(row.raw);
    else await this.#write(`${json(row.json, format)}\n`);
  }

  /**
   * Prints many results as they come, save that a table and a JSON array need all of them first. `headings` are the table's
   * columns. Returns how many there were.
   */
  async many(
    format: OutputFormat,
    headings: readonly string[],
    rows: AsyncIterable<Row> | Iterable<Row>,
  ): Promise<number> {
    if (format === "table" || format === "json") {
      const all: Row[] = [];
      for await (const row of rows) all.push(row);
      if (format === "json")
        await this.#write(
          `${json(
            all.map((row) => row.json),
            "json",
          )}\n`,
        );
      else
        await this.#table(
          all.map(({ cells }) => headings.map((name) => cells[name] ?? "")),
          headings,
        );
      return all.length;
    }
    let count = 0;
    for await (const row of rows) {
      if (format === "raw") await this.#raw(row.raw);
      else await this.#write(`${json(row.json, "jsonl")}\n`);
      count += 1;
    }
    return count;
  }

  /** Whether results have nowhere to go any more. */
  get isStdoutGone(): boolean {
    return this.#isStdoutGone;
  }

  /** Says something to the person at the terminal. */
  note(text: string): void {
    this.#stderr.write(text.endsWith("\n") ? text : `${text}\n`);
  }

  /** Prints text to stdout as it is. */
  print(text: string): Promise<void> {
    return this.#write(text);
  }

  async #table(rows: readonly (readonly string[])[], headings: readonly string[]): Promise<void> {
    if (rows.length === 0) return;
    const { default: Table } = await import("cli-table3");
    const table = new Table({
      head: [...headings],
      // Columns by space alone: easy on the eye, and on awk.
      chars: borderless,
      style: { head: [], border: [], "padding-left": 0, "padding-right": 2 },
    });
    table.push(...rows.map((row) => row.map(printable)));
    const text = table.toString().replaceAll(/ +$/gm, "");
    await this.#write(`${text}\n`);
  }

  async #raw(value: string | Uint8Array): Promise<void> {
    await this.#write(value);
    await this.#write("\n");
  }

  async #write(content: string | Uint8Array): Promise<void> {
    if (this.#isStdoutGone) return;
    await new Promise<void>((resolve) => {
      this.#stdout.write(content, () => resolve());
    });
  }
}

const borderless = Object.fromEntries(
  [
    ...["top", "top-mid", "top-left", "top-right", "bottom", "bottom-mid", "bottom-left"],
    ...["bottom-right", "left", "left-mid", "mid", "mid-mid", "right", "right-mid", "middle"],
  ].map((name) => [name, ""]),
);

/** Text for a cell: control characters, which could move a terminal's cursor, as escapes. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for.
  return text.replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, (character) =>
    JSON.stringify(character).slice(1, -1).replace("\u007f", "\\u007f"),
  );
}

function json(value: unknown, format: "json" | "jsonl"): string {
  return JSON.stringify(value, undefined, format === "json" ? 2 : undefined);
}
