// One process per data directory. The holder listens on a Unix domain socket in the directory (a named pipe on Windows):
// whoever can connect knows that the holder lives, and is told its process id; whoever is refused knows that it died, since
// the operating system closes a dead process' sockets, even after kill -9. So there is nothing to time out.
//
// The socket gets its well-known name only after it listens, by a hard link, which fails if the name is taken. A dead
// holder's socket is moved aside and asked once more before it is removed; one that turns out to live is put back.

import { createHash } from "node:crypto";
import { linkSync, lstatSync, realpathSync, renameSync, rmSync } from "node:fs";
import { createConnection, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Clock, sleep } from "./clock.js";
import { OperatorFault } from "./operator-fault.js";

export interface DirectoryLock {
  /**
   * Whether the lock is still ours; to be asked every second. It can be lost when several processes start at once over a
   * dead one's socket, or when somebody removes the socket. Who lost it must exit at once.
   */
  isHeld(): boolean;
  release(): Promise<void>;
}

/** Another process has the directory; the message says which. */
export class DirectoryLockedFault extends OperatorFault {
  override readonly name = "DirectoryLockedFault";
}

// A socket's path has at most 107 bytes on Linux and 103 on macOS, our suffixes included.
const socketPathBytesMax = 100;
const suffixBytesMax = 24;
const attemptCountMax = 50;
const answerMsMax = 1_000;
const settleMs = 50;

export async function lockDirectory(directory: string, clock: Clock): Promise<DirectoryLock> {
  const real = realpathSync(directory);
  return process.platform === "win32"
    ? await lockByPipe(real, clock)
    : await lockBySocket(real, clock);
}

let attemptsOfThisProcess = 0;

async function lockBySocket(directory: string, clock: Clock): Promise<DirectoryLock> {
  const path = socketPathOf(directory);
  attemptsOfThisProcess += 1;
  const ownPath = `${path}.${process.pid}.${attemptsOfThisProcess}`;
  // Left by an earlier process of our id that was killed on its way; nobody else uses this name.
  rmSync(ownPath, { force: true });
  const server = await listen(ownPath);
  const identity = identityOf(ownPath);
  const isHeld = (): boolean => identityOf(path) === identity;
  try {
    await takeName({ path, ownPath, directory, clock, isHeld });
  } catch (error) {
    await close(server);
    throw error;
  } finally {
    rmSync(ownPath, { force: true });
  }
  // From here on the lock does not keep the process alive.
  server.unref();
  return {
    isHeld,
    release: async () => {
      if (isHeld()) rmSync(path, { force: true });
      await close(server);
    },
  };
}

interface Attempt {
  /** The name that the holder's socket has. */
  readonly path: string;
  /** The name that our socket has until then. */
  readonly ownPath: string;
  readonly directory: string;
  readonly clock: Clock;
  isHeld(): boolean;
}

async function takeName(attempt: Attempt): Promise<void> {
  const { path, ownPath, directory, clock, isHeld } = attempt;
  let isContended = false;
  for (let count = 0; count < attemptCountMax; count += 1) {
    if (linkIfFree(ownPath, path)) {
      if (!isContended) return;
      // Somebody else may have seen the dead socket too and be about to move ours aside; after a while they have put it back.
      await sleep(clock, settleMs);
      if (isHeld()) return;
      continue;
    }
    const holder = await ask(path, clock);
    if (holder.kind === "alive") throw lockedFault(directory, holder.pid);
    isContended = true;
    if (holder.kind === "dead") await removeDead(path, `${ownPath}.old`, clock);
  }
  throw new DirectoryLockedFault(
    `The data directory ${directory} could not be locked: other processes keep trying. Start one server only.`,
  );
}

/** Removes a dead holder's socket, unless it was replaced by a living one meanwhile. */
async function removeDead(path: string, asidePath: string, clock: Clock): Promise<void> {
  if (!renameIfThere(path, asidePath)) return;
  const moved = await ask(asidePath, clock);
  if (moved.kind === "alive") linkIfFree(asidePath, path);
  rmSync(asidePath, { force: true });
}

type Holder =
  | { readonly kind: "alive"; readonly pid: string }
  | { readonly kind: "dead" }
  | { readonly kind: "absent" };

/** Connects to a socket and reads its holder's process id. */
function ask(path: string, clock: Clock): Promise<Holder> {
  return new Promise((resolve) => {
    let pid = "";
    let isConnected = false;
    const socket = createConnection(path);
    const settle = (holder: Holder): void => {
      timer.cancel();
      socket.destroy();
      resolve(holder);
    };
    // A holder that was stopped (SIGSTOP) accepts without answering; it lives.
    const timer = clock.setTimer(answerMsMax, () => settle({ kind: "alive", pid }));
    socket.on("connect", () => {
      isConnected = true;
    });
    socket.on("data", (chunk) => {
      pid = `${pid}${chunk.toString("latin1")}`.slice(0, 16);
    });
    socket.on("end", () => settle({ kind: "alive", pid }));
    socket.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "ENOENT") settle({ kind: "absent" });
      else if (error.code === "ECONNREFUSED" && !isConnected) settle({ kind: "dead" });
      // Anything else (a full backlog, a holder that ends this moment, no permission) is no proof of death.
      else settle({ kind: "alive", pid });
    });
  });
}

async function lockByPipe(directory: string, clock: Clock): Promise<DirectoryLock> {
  const name = createHash("sha256").update(directory.toLowerCase()).digest("hex").slice(0, 32);
  const path = `\\\\.\\pipe\\forebay-${name}`;
  try {
    const server = await listen(path);
    server.unref();
    return { isHeld: () => server.listening, release: () => close(server) };
  } catch (error) {
    if (codeOf(error) !== "EADDRINUSE") throw error;
    const holder = await ask(path, clock);
    throw lockedFault(directory, holder.kind === "alive" ? holder.pid : "");
  }
}

function lockedFault(directory: string, pid: string): DirectoryLockedFault {
  const who = /^\d+$/.test(pid.trim()) ? `process ${pid.trim()}` : "another process";
  return new DirectoryLockedFault(
    `The data directory ${directory} is in use by ${who}; stop it, or choose another with --data-dir.`,
  );
}

/** In the directory where its path is short enough, else where temporary files are, named by the directory's identity. */
function socketPathOf(directory: string): string {
  const inside = join(directory, "lock.sock");
  if (Buffer.byteLength(inside) + suffixBytesMax <= socketPathBytesMax) return inside;
  const { dev, ino } = lstatSync(directory, { bigint: true });
  return join(tmpdir(), `forebay-${dev.toString(36)}-${ino.toString(36)}.sock`);
}

function listen(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => {
      socket.on("error", () => socket.destroy());
      socket.end(`${process.pid}\n`);
    });
    server.on("error", reject);
    server.listen({ path }, () => resolve(server));
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}

/** Tells one socket from another, also from a later one with the same inode; undefined when there is none. */
function identityOf(path: string): string | undefined {
  const found = lstatSync(path, { bigint: true, throwIfNoEntry: false });
  return found && `${found.dev}:${found.ino}:${found.mtimeNs}`;
}

function linkIfFree(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    throw error;
  }
}

function renameIfThere(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return false;
    throw error;
  }
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}
