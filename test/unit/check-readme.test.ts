// The script that runs the README's commands, on a README of a few lines: which blocks it runs, and that it fails when one
// of them does.

import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { runBlocks, shellBlocks } from "../../scripts/check-readme.mjs";

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "forebay-readme-test-"));
});
afterEach(() => {
  rmSync(folder, { recursive: true, force: true });
});

const readme = `# A title

Some prose with \`code\`.

<!-- readme: prints hello -->
\`\`\`sh
echo "hello" | tee said
export LOST=1
\`\`\`

\`\`\`ts
this.isNotRun();
\`\`\`

<!-- readme: skip needs a second machine -->
\`\`\`sh
exit 1
\`\`\`

\`\`\`sh
cat said > said-again
test -z "\${LOST:-}"
\`\`\`
`;

const run = async (text: string): Promise<number> =>
  await runBlocks(shellBlocks(text), { folder, env: process.env });
const block = (commands: string, comment = "") => `${comment}\n\`\`\`sh\n${commands}\n\`\`\`\n`;

test("blocks run in order and in one folder, each in its own shell", async () => {
  expect(shellBlocks(readme)).toMatchObject([
    { line: 6, prints: "hello" },
    { line: 16, skip: "needs a second machine" },
    { line: 20 },
  ]);
  expect(await run(readme)).toBe(2);
  expect(readFileSync(join(folder, "said-again"), "utf8")).toBe("hello\n");
});

test("a block whose command is missing is left out, but not where it has to run", async () => {
  const [needy] = shellBlocks(block("true", "<!-- readme: needs no-such-command -->"));
  const blocks = needy === undefined ? [] : [needy];
  const { PATH } = process.env;
  expect(needy).toMatchObject({ needs: "no-such-command" });
  expect(await runBlocks(blocks, { folder, env: { PATH } })).toBe(0);
  expect(await runBlocks(blocks, { folder, env: { PATH, CI: "true" } })).toBe(1);
});

test("a server is waited for at its usual address", () => {
  const [served] = shellBlocks(block("npm start", "<!-- readme: background -->"));
  expect(served).toMatchObject({ until: "http://127.0.0.1:7401/readyz" });
});

test("a program in the background is waited for, and ended at the end", async () => {
  const server = `
require("http").createServer((_, response) => response.end("ready")).listen(PORT, "127.0.0.1");
process.on("SIGTERM", () => { require("fs").writeFileSync("ended", ""); process.exit(0); });`;
  const port = 20_000 + (process.pid % 10_000);
  const url = `http://127.0.0.1:${port}/`;
  const text =
    block(
      `node -e '${server.replace("PORT", String(port))}'`,
      `<!-- readme: background until ${url} -->`,
    ) +
    block(
      `node -e 'fetch("${url}").then((r) => r.text()).then(console.log)'`,
      "<!-- readme: prints ready -->",
    );
  expect(await run(text)).toBe(2);
  expect(readFileSync(join(folder, "ended"), "utf8")).toBe("");
});

describe("the run fails", () => {
  test.each([
    ["when a command fails", block("false\ntrue"), "failed with status 1"],
    ["when the first command of a pipe fails", block("false | true"), "failed with status 1"],
    ["when a variable is not set", block("echo $NOWHERE"), "failed with status 1"],
    [
      "when the output is another",
      block("echo good-bye", "<!-- readme: prints hello -->"),
      'did not print "hello"',
    ],
    [
      "when a program in the background dies",
      block("exit 3", "<!-- readme: background until http://127.0.0.1:9/ -->"),
      "ended with status 3 before",
    ],
  ])("%s", async (_, text, message) => {
    await expect(run(text)).rejects.toThrow(message);
  });

  test.each([
    ["on a skip without a reason", block("true", "<!-- readme: skip -->"), "say why"],
    ["on a comment nobody knows", block("true", "<!-- readme: sometimes -->"), "nothing known"],
    [
      "on a background until nothing",
      block("true", "<!-- readme: background until noon -->"),
      "nothing known",
    ],
    [
      "on a comment without a block",
      "<!-- readme: skip later -->\n\nProse.\n",
      "no sh block follows",
    ],
    ["on another name for a shell", "```bash\ntrue\n```\n", "write ```sh"],
    ["on a block that is not closed", "```sh\ntrue\n", "not closed"],
  ])("%s", (_, text, message) => {
    expect(() => shellBlocks(text)).toThrow(message);
  });
});
