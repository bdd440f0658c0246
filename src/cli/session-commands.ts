// `forebay session ls`, `info`, `rm`: the sessions of users in a cache, the cache `default` unless --cache says otherwise. A session is
// named by its id, which only its browser has, or by its hash, which lists show.

import type { SessionDescription, Sessions } from "@forebay/client";
import type { Command } from "commander";
import { confirm } from "./confirm.js";
import { type CliContext, type CommonOptions, wholeNumber, withCommonOptions } from "./context.js";
import { formatDuration } from "./durations.js";
import { exitCodes } from "./exit-codes.js";
import { CliFailure, usageFailure } from "./failure.js";
import { firstRows, type Row } from "./output.js";

interface SessionOptions extends CommonOptions {
  readonly cache: string;
}

interface ListFlags extends SessionOptions {
  readonly user?: string;
  readonly limit: number;
}

interface RemoveFlags extends SessionOptions {
  readonly user?: string;
  readonly except?: string;
  readonly hash?: string;
  readonly all: boolean;
  readonly yes: boolean;
}

function withSessionOptions(command: Command): Command {
  return withCommonOptions(
    command.option("-c, --cache <cache>", "the cache that the sessions belong to", "default"),
  );
}

export function addSessionCommands(program: Command, context: CliContext): void {
  const session = program.command("session").description("see and end the sessions of users");
  addList(session, context);
  addInfo(session, context);
  addRemove(session, context);
}

const headings = ["session", "user", "ends", "idle", "version", "created"];

function addList(session: Command, context: CliContext): void {
  const list = session
    .command("ls")
    .description("list sessions by their hashes")
    .option("--user <id>", "only those of a user")
    .option("--limit <count>", "at most so many", wholeNumber(1), 100);
  withSessionOptions(list).action(async (options: ListFlags) => {
    await context.withClient(options, async (client) => {
      const sessions = client.sessions(options.cache).list({
        userId: options.user,
        pageSize: Math.min(options.limit, 1_000),
      });
      const rows = firstRows(sessions, options.limit, sessionRow);
      const count = await context.output.many(options.output, headings, rows);
      if (count === 0) context.output.note("There is no session.");
    });
  });
}

function addInfo(session: Command, context: CliContext): void {
  const info = session
    .command("info <id>")
    .description("show a session with its data, and let it live no longer for it");
  withSessionOptions(info).action(async (id: string, options: SessionOptions) => {
    await context.withClient(options, async (client) => {
      const found = await client.sessions(options.cache).get(id, { touch: false });
      if (found === undefined) throw noSession();
      const { data, cookie } = found;
      const row = sessionRow(found);
      await context.output.one(options.output, {
        cells: { ...row.cells, data: JSON.stringify(data) },
        json: { ...row.json, data, cookie: cookie?.attributes ?? null },
        raw: JSON.stringify(data),
      });
    });
  });
}

function addRemove(session: Command, context: CliContext): void {
  const remove = session
    .command("rm [id]")
    .description("end a session, all sessions of a user, or all of the cache")
    .option("--hash <hash>", "by its hash, as lists show it; --hash=… if it begins with a dash")
    .option("--user <id>", "all sessions of this user")
    .option("--except <id>", "with --user: but for this one, by its id")
    .option("--all", "all sessions of the cache", false)
    .option("--yes", "without being asked", false);
  withSessionOptions(remove).action(async (id: string | undefined, flags: RemoveFlags) => {
    const target = targetOf(id, flags);
    const { cache, yes: isConfirmed } = flags;
    if (target.kind !== "one") {
      const whose = target.kind === "user" ? `all sessions of ${target.user}` : "all sessions";
      await confirm(context, { isConfirmed, deed: `ends ${whose} in ${cache}` });
    }
    await context.withClient(flags, async (client) => {
      await end(client.sessions(cache), target);
      context.output.note("Done.");
    });
  });
}

type Target =
  | { readonly kind: "one"; readonly session: string | { readonly hash: string } }
  | { readonly kind: "user"; readonly user: string; readonly exceptId: string | undefined }
  | { readonly kind: "all" };

function targetOf(id: string | undefined, flags: RemoveFlags): Target {
  const { user, except: exceptId, hash, all: isAll } = flags;
  const given = [id, user, hash, isAll || undefined].filter((each) => each !== undefined);
  if (given.length !== 1) throw usageFailure("Give an id, or --hash, or --user, or --all.");
  if (exceptId !== undefined && user === undefined) {
    throw usageFailure("--except goes with --user.");
  }
  if (user !== undefined) return { kind: "user", user, exceptId };
  if (hash !== undefined) return { kind: "one", session: { hash } };
  return id === undefined ? { kind: "all" } : { kind: "one", session: id };
}

async function end(sessions: Sessions, target: Target): Promise<void> {
  switch (target.kind) {
    case "one":
      if (!(await sessions.destroy(target.session))) throw noSession();
      return;
    case "user":
      await sessions.destroyByUser(target.user, { exceptId: target.exceptId });
      return;
    case "all":
      await sessions.clear();
  }
}

const noSession = (): CliFailure =>
  new CliFailure("There is no such session.", { exitCode: exitCodes.notFound.code });

const sessionRow = (session: SessionDescription) => {
  const { hash, userId, version, createdAt, updatedAt, expiresAt, idleMs, absoluteEnd } = session;
  return {
    cells: {
      session: hash,
      user: userId ?? "nobody",
      ends: expiresAt?.toISOString() ?? "",
      idle: formatDuration(idleMs),
      version: String(version),
      created: createdAt?.toISOString() ?? "",
    },
    json: {
      sessionHash: hash,
      userId: userId ?? null,
      version: String(version),
      createTime: createdAt?.toISOString(),
      updateTime: updatedAt?.toISOString(),
      expireTime: expiresAt?.toISOString(),
      idleMs,
      absoluteEndTime: absoluteEnd?.toISOString() ?? null,
    },
    raw: hash,
  } satisfies Row;
};
