// Commands that destroy ask first, where there is somebody to ask.

import { createInterface } from "node:readline/promises";
import type { CliContext } from "./context.js";
import { exitCodes } from "./exit-codes.js";
import { CliFailure, usageFailure } from "./failure.js";

/**
 * Goes on only with `--yes` or a person's yes. `deed` ends the sentence "This …".
 *
 * @throws CliFailure if nobody can be asked, or the answer is no.
 */
export async function confirm(
  context: CliContext,
  { isConfirmed, deed }: { readonly isConfirmed: boolean; readonly deed: string },
): Promise<void> {
  if (isConfirmed) return;
  if (context.stdin.isTTY !== true) {
    throw usageFailure(
      `This ${deed}, and nobody is here to confirm it.`,
      "Add --yes to do it without being asked.",
    );
  }
  const lines = createInterface({ input: context.stdin, output: context.stderr });
  const answer = await lines.question(`This ${deed}. Go on? [y/N] `);
  lines.close();
  if (/^y(?:es)?$/i.test(answer.trim())) return;
  throw new CliFailure("Nothing was done.", { exitCode: exitCodes.failed.code });
}
