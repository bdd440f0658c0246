// Reads comma-separated text (RFC 4180): a field in quotes may hold commas, line breaks and quotes, the latter doubled.
// Nothing is trimmed or guessed; text that breaks the rules is an error with its line.

/** Every record as its fields; lines without a character are left out. */
export function parseCsv(text: string): string[][] {
  const records: string[][] = [];
  let fields: string[] = [];
  let line = 1;
  let at = 0;
  while (at < text.length) {
    const isQuoted = text[at] === '"';
    const end = isQuoted ? endOfQuotes(text, at, line) : endOfPlain(text, at);
    const field = isQuoted
      ? text.slice(at + 1, end - 1).replaceAll('""', '"')
      : text.slice(at, end);
    fields.push(field);
    line += linesIn(field);

    // What ends a field: a comma (another one follows), or the end of its record.
    if (text[end] === ",") {
      at = end + 1;
      if (at < text.length) continue;
      fields.push("");
    } else {
      const lineBreak = /\r?\n|$/y;
      lineBreak.lastIndex = end;
      const found = lineBreak.exec(text);
      if (found === null) throw new Error(`Line ${line}: something follows a closing quote.`);
      at = end + found[0].length;
    }
    if (fields.length > 1 || fields[0] !== "") records.push(fields);
    fields = [];
    line += 1;
  }
  return records;
}

/** One line of text; fields that need quotes get them. */
export function formatCsvRecord(fields: readonly string[]): string {
  const quoted = fields.map((field) =>
    /[",\r\n]/.test(field) ? `"${field.replaceAll('"', '""')}"` : field,
  );
  return `${quoted.join(",")}\n`;
}

/** Behind the quote that closes the one at `start`. */
function endOfQuotes(text: string, start: number, line: number): number {
  let at = start + 1;
  for (;;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) throw new Error(`Line ${line}: a quote is opened and never closed.`);
    if (text[quote + 1] !== '"') return quote + 1;
    at = quote + 2;
  }
}

function endOfPlain(text: string, start: number): number {
  const delimiter = /,|\r?\n|$/g;
  delimiter.lastIndex = start;
  return delimiter.exec(text)?.index ?? text.length;
}

function linesIn(field: string): number {
  return field.split("\n").length - 1;
}
