// Which messages a move takes and what it changes in them, as options that `move start` and `move preview` share.

import type { Body, MoveEdit, MoveFilter, MoveOptions } from "@forebay/client";
import type { Command } from "commander";
import { type CliContext, duration, pair, repeated } from "./context.js";
import { usageFailure } from "./failure.js";
import { bodyOf, readInput } from "./input.js";

export interface MoveSelection {
  readonly to?: string;
  readonly id?: readonly string[];
  readonly attribute?: Readonly<Record<string, string>>;
  readonly rejectionReason?: string;
  readonly from?: string;
  readonly group?: string;
  readonly contains?: string;
  readonly olderThan?: number;
  readonly youngerThan?: number;
  readonly setAttribute?: Readonly<Record<string, string>>;
  readonly removeAttribute?: readonly string[];
  readonly setBody?: string;
  readonly setBodyFile?: string;
  readonly binary?: boolean;
  readonly setGroup?: string;
}

export function withMoveOptions(command: Command): Command {
  return command
    .option("--to <queue>", "where to move them (default: each to the queue it came from)")
    .optionsGroup("Which messages (default: all):")
    .option("--id <message-id>", "only this; may be repeated", repeated)
    .option("--attribute <name=value>", "only those with this attribute; may be repeated", pair)
    .option("--rejection-reason <word>", "only those rejected last with this reason")
    .option("--from <queue>", "only those dead-lettered from this queue")
    .option("--group <id>", "only those of this group")
    .option("--contains <text>", "only those whose body contains it")
    .option("--older-than <span>", "only those here for at least so long", duration)
    .option("--younger-than <span>", "only those here for at most so long", duration)
    .optionsGroup("What to change in them:")
    .option(
      "--set-attribute <name=value>",
      "set an attribute of type String; may be repeated",
      pair,
    )
    .option("--remove-attribute <name>", "remove an attribute; may be repeated", repeated)
    .option("--set-body <text>", "give all of them this body")
    .option("--set-body-file <path>", "give all of them what a file holds (-: stdin)")
    .option("--binary", "give the new body as bytes, not as text")
    .option("--set-group <id>", "give all of them this group")
    .optionsGroup("Options:");
}

/** What a move is asked for, in the client's words. */
export async function moveOf(context: CliContext, options: MoveSelection): Promise<MoveOptions> {
  const filter: MoveFilter = {
    messageIds: options.id,
    attributes: options.attribute,
    rejectionReason: options.rejectionReason,
    deadLetterSourceQueue: options.from,
    groupId: options.group,
    bodyContains: options.contains,
    minimumAgeMs: options.olderThan,
    maximumAgeMs: options.youngerThan,
  };
  const edit: MoveEdit = {
    setAttributes: options.setAttribute,
    removeAttributes: options.removeAttribute,
    body: await newBody(context, options),
    groupId: options.setGroup,
  };
  return { destination: options.to, filter: given(filter), edit: given(edit) };
}

async function newBody(
  context: CliContext,
  { setBody, setBodyFile, binary }: MoveSelection,
): Promise<Body | undefined> {
  if (setBody !== undefined && setBodyFile !== undefined) {
    throw usageFailure("Give --set-body or --set-body-file, not both.");
  }
  const content = setBodyFile === undefined ? setBody : await readInput(context, setBodyFile);
  return content === undefined ? undefined : bodyOf(content, binary === true);
}

/** Undefined when nothing in it is given: then it is left out, and the server is told so. */
function given<Part extends object>(part: Part): Part | undefined {
  return Object.values(part).some((value) => value !== undefined) ? part : undefined;
}
