// Runs the commands of README.md as a reader would: every ```sh block, in order, each in a shell of its own, in a copy of
// this repository with `forebay` on the path. A command that fails fails the run. What a block needs beside that stands in
// comments before it, which readers do not see:
//
//   <!-- readme: background -->                         it keeps running, and is ended at the end; go on once a server is ready
//   <!-- readme: background until http://host/path -->  the same, but go on once that address answers
//   <!-- readme: prints 3 messages -->                  its output must contain this
//   <!-- readme: needs grpcurl -->                      skipped without this command, unless CI=true
//   <!-- readme: skip needs a second machine -->        skipped, and why
//
//   node scripts/check-readme.mjs [file]

import { spawn } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { setup } from "./setup.mjs";
import { root } from "./support/repository.mjs";

/** How long a block may take; one in the background: until it is ready. */
const blockMs = 5 * 60_000;
/** How long a program in the background has to leave when asked to. */
const leaveMs = 30_000;

/** Answers once a server with default settings is ready. */
const readyUrl = "http://127.0.0.1:7401/readyz";

/** Left out of the copy: what does not belong to it, and what is too large; the latter is linked to. */
const leftOut = [".git", ".forebay", "node_modules"];

/** Other names for a shell block would keep it from being run without anyone noticing. */
const otherShells = new Set(["bash", "shell", "zsh", "console", "shell-session"]);

/** What a README is made of here: a comment for us, a block of code, a block left open, any other line of text. */
const parts =
  /^<!--\s*readme:(?<wish>.*)-->\s*$|^ *```(?<language>\S*).*\n(?<code>[\s\S]*?)^ *```\s*$|^ *(?<open>```)|^.*\S.*$/gm;

/** The shell blocks of a text with what their comments ask for. Throws on a comment that asks for nothing known. */
export function shellBlocks(text) {
  const blocks = [];
  let wishes = {};
  for (const { index, groups } of text.matchAll(parts)) {
    const line = text.slice(0, index).split("\n").length;
    const { wish, language, code, open } = groups;
    if (wish !== undefined) {
      wishes = { ...wishes, ...wishOf(wish.trim(), line) };
      continue;
    }
    if (open !== undefined) throw new Error(`Line ${line}: the block is not closed.`);
    if (otherShells.has(language)) throw new Error(`Line ${line}: write \`\`\`sh instead.`);
    if (language === "sh") blocks.push({ line, ...wishes, commands: code });
    else requireNoWishes(wishes, line);
    wishes = {};
  }
  requireNoWishes(wishes, "the last");
  return blocks;
}

function wishOf(text, line) {
  const [, name, rest] = /^(\S+)\s*(.*)$/.exec(text) ?? [];
  if (name === "skip") {
    if (rest === "") throw new Error(`Line ${line}: say why the block is skipped.`);
    return { skip: rest };
  }
  if (name === "prints" && rest !== "") return { prints: rest };
  if (name === "needs" && /^\S+$/.test(rest)) return { needs: rest };
  if (name === "background") {
    const [, until] = /^until (https?:\S+)$/.exec(rest) ?? [];
    if (until !== undefined || rest === "") return { until: until ?? readyUrl };
  }
  throw new Error(`Line ${line}: "readme: ${text}" asks for nothing known.`);
}

function requireNoWishes(wishes, line) {
  if (Object.keys(wishes).length > 0) throw new Error(`Line ${line}: no sh block follows.`);
}

/** Runs blocks one after another in a folder; ends what runs in the background. Throws at the first that fails. */
export async function runBlocks(blocks, { folder, env, tell = () => undefined }) {
  const background = [];
  let ranCount = 0;
  try {
    for (const block of blocks) {
      const reason = reasonToSkip(block, env);
      if (reason !== undefined) {
        tell(`line ${block.line}: skipped, ${reason}`);
        continue;
      }
      const shell = startShell(block, folder, env);
      if (block.until === undefined) {
        await runToEnd(shell, block);
      } else {
        background.push(shell);
        await untilReady(shell, block);
      }
      if (block.prints !== undefined && !shell.output().includes(block.prints)) {
        throw failure(block, shell, `did not print "${block.prints}"`);
      }
      ranCount += 1;
      tell(`line ${block.line}: ok`);
    }
  } finally {
    await Promise.all(background.map(end));
  }
  return ranCount;
}

function reasonToSkip({ skip, needs }, env) {
  if (skip !== undefined || needs === undefined || env.CI === "true") return skip;
  const isThere = (env.PATH ?? "").split(delimiter).some((path) => existsSync(join(path, needs)));
  return isThere ? undefined : `${needs} is not here`;
}

function startShell({ commands }, folder, env) {
  const child = spawn("bash", ["-euo", "pipefail", "-c", commands], {
    cwd: folder,
    env,
    stdio: ["ignore", "pipe", "pipe"],
    // A group of its own: what the shell started ends with it.
    detached: true,
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text) => {
      output += text;
    });
  }
  const shell = { child, output: () => output, status: undefined };
  shell.exited = new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => {
      shell.status = code ?? signal;
    });
    // After the last output of everything in the group.
    child.once("close", () => resolve(shell.status));
  });
  return shell;
}

async function runToEnd(shell, block) {
  const status = await Promise.race([shell.exited, sleep(blockMs, undefined, { ref: false })]);
  if (status === undefined) {
    await end(shell);
    throw failure(block, shell, `was not done within ${blockMs / 60_000} minutes`);
  }
  if (status !== 0) throw failure(block, shell, `failed with status ${status}`);
}

async function untilReady(shell, block) {
  const giveUpMs = performance.now() + blockMs;
  while (!(await doesAnswer(block.until))) {
    if (shell.status !== undefined) {
      throw failure(
        block,
        shell,
        `ended with status ${shell.status} before ${block.until} answered`,
      );
    }
    if (performance.now() > giveUpMs) throw failure(block, shell, `${block.until} never answered`);
    await sleep(100);
  }
}

async function doesAnswer(url) {
  try {
    return (await fetch(url)).ok;
  } catch {
    // Nobody listens there yet.
    return false;
  }
}

async function end(shell) {
  signalGroup(shell, "SIGTERM");
  const timer = setTimeout(() => signalGroup(shell, "SIGKILL"), leaveMs);
  await shell.exited;
  clearTimeout(timer);
}

function signalGroup({ child }, signal) {
  try {
    process.kill(-child.pid, signal);
  } catch {
    // Everything in the group has left already.
  }
}

function failure({ line, commands }, shell, what) {
  return new Error(
    `The block at line ${line} ${what}:\n${commands}\n\nIt said:\n${shell.output()}`,
  );
}

/** A copy of the repository as it is now, with its build and its packages. */
function copyRepository(folder) {
  for (const name of readdirSync(root)) {
    if (leftOut.includes(name)) continue;
    // Times too, or everything would be built again.
    cpSync(join(root, name), join(folder, name), { recursive: true, preserveTimestamps: true });
  }
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
}

async function main(path = join(root, "README.md")) {
  setup({ tools: true });
  const blocks = shellBlocks(readFileSync(path, "utf8"));
  const folder = mkdtempSync(join(tmpdir(), "forebay-readme-"));
  try {
    const copy = join(folder, "forebay");
    const bin = join(folder, "bin");
    mkdirSync(copy);
    mkdirSync(bin);
    copyRepository(copy);
    symlinkSync(join(copy, "dist/main.js"), join(bin, "forebay"));
    const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
    const ranCount = await runBlocks(blocks, { folder: copy, env, tell: console.log });
    if (ranCount === 0) throw new Error("There is no block to run.");
    console.log(`${ranCount} of ${blocks.length} blocks ran and did what they say.`);
  } catch (error) {
    console.error(error.message);
    process.exitCode = 1;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main(process.argv[2]);
