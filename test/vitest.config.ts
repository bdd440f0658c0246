// How the tests run. Two processes at most, because the machines that check this have two cores and the
// tests with real servers measure deadlines.

import { fileURLToPath } from "node:url";
import { configDefaults, defineConfig } from "vitest/config";

export default defineConfig({
  root: fileURLToPath(new URL("..", import.meta.url)),
  cacheDir: "node_modules/.cache/forebay/vitest",
  test: {
    include: ["test/**/*.test.ts", "clients/*/test/**/*.test.ts"],
    // Whole clusters that lose nodes, minutes each: `npm run test:faults`.
    exclude: [...configDefaults.exclude, "test/faults/*.test.ts"],
    environment: "node",
    pool: "forks",
    maxWorkers: 2,
    // A single test takes seconds at most; a busy machine has made them twenty.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    teardownTimeout: 10_000,
    // A promise nobody awaited that rejects is a failure, not a line of output.
    dangerouslyIgnoreUnhandledErrors: false,
    // A second, the default, is what a busy machine takes to get round to it.
    expect: { poll: { timeout: 15_000 } },
    passWithNoTests: false,
    allowOnly: false,
    restoreMocks: true,
    unstubEnvs: true,
  },
});
