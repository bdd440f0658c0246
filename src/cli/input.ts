// What commands read whole: a file, or all of stdin where the path is `-`.

import { readFile } from "node:fs/promises";
import type { Body } from "@forebay/client";
import type { CliContext } from "./context.js";
import { usageFailure } from "./failure.js";

/** @throws CliFailure if it cannot be read. */
export async function readInput(context: CliContext, path: string): Promise<Buffer> {
  try {
    if (path !== "-") return await readFile(path);
    const chunks: Buffer[] = [];
    for await (const chunk of context.stdin) chunks.push(Buffer.from(chunk));
    return Buffer.concat(chunks);
  } catch (error) {
    throw usageFailure(
      `${path} cannot be read: ${error instanceof Error ? error.message : error}.`,
    );
  }
}

/** A body as bytes or as text, whichever it was asked to be sent as. */
export function bodyOf(content: string | Buffer, isBinary: boolean): Body {
  if (isBinary) return Buffer.from(content);
  return content.toString();
}
