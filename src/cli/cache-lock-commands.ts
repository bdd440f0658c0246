// `forebay cache lock acquire`, `renew`, `release`: locks of a cache, for scripts that must not run twice at a time. What `acquire` prints
// is the token, which the others take.

import type { Lock } from "@forebay/client";
import type { Command } from "commander";
import { type CliContext, type CommonOptions, duration, withCommonOptions } from "./context.js";
import { exitCodes } from "./exit-codes.js";
import { CliFailure, usageFailure } from "./failure.js";

interface LockOptions extends CommonOptions {
  readonly cache: string;
}

interface SpanOptions extends LockOptions {
  readonly lease?: number;
  readonly wait?: number;
}

const withLockOptions = (command: Command): Command =>
  withCommonOptions(command.option("-c, --cache <cache>", "the name of the cache", "default"));

const withLease = (command: Command): Command =>
  command.option("--lease <span>", "for how long (default 10s)", duration);

export function addLockCommands(cache: Command, context: CliContext): void {
  const lock = cache.command("lock").description("take, keep and let go of locks");
  const onLock = (name: string, options: LockOptions, use: (lock: Lock) => Promise<void>) =>
    context.withClient(options, (client) => use(client.lock(name, { cache: options.cache })));
  const print = (
    name: string,
    token: bigint,
    ends: Date | undefined,
    output: LockOptions["output"],
  ) =>
    context.output.one(output, {
      cells: { lock: name, token: String(token), ends: ends?.toISOString() ?? "" },
      json: { lock: name, token: String(token), expireTime: ends?.toISOString() ?? null },
      raw: String(token),
    });

  const acquire = withLease(lock.command("acquire <name>"))
    .description("take a lock and print its token; exit code 4: somebody else has it")
    .option(
      "--wait <span>",
      "how long to wait for it, at most 20s (default: not at all)",
      duration,
    );
  withLockOptions(acquire).action(async (name: string, options: SpanOptions) => {
    await onLock(name, options, async (found) => {
      const held = await found.acquire({ leaseMs: options.lease, waitMs: options.wait });
      if (held === undefined) {
        const exitCode = exitCodes.conflict.code;
        throw new CliFailure(`Somebody else has the lock "${name}".`, { exitCode });
      }
      await print(name, held.token, held.expiresAt, options.output);
    });
  });

  const renew = withLease(lock.command("renew <name> <token>")).description(
    "make a lock last so long from now on; exit code 4: it was lost",
  );
  withLockOptions(renew).action(async (name: string, token: string, options: SpanOptions) => {
    await onLock(name, options, async (found) => {
      const given = tokenOf(token);
      const ends = await found.renew(given, { leaseMs: options.lease });
      await print(name, given, ends, options.output);
    });
  });

  const release = lock
    .command("release <name> <token>")
    .description("let go of a lock; exit code 4: it was lost");
  withLockOptions(release).action(async (name: string, token: string, options: LockOptions) => {
    await onLock(name, options, async (found) => {
      if (await found.release(tokenOf(token))) {
        context.output.note(`The lock "${name}" is free.`);
        return;
      }
      const exitCode = exitCodes.conflict.code;
      throw new CliFailure(`The lock "${name}" was lost before.`, { exitCode });
    });
  });
}

function tokenOf(text: string): bigint {
  if (!/^\d{1,19}$/.test(text)) throw usageFailure(`"${text}" is no token; acquire prints it.`);
  return BigInt(text);
}
