// The examples run, and say what they are there to show.

import { expect, test, vi } from "vitest";
import { RealServer } from "./support/real-server.js";

test("dead letters are mended and moved back", async () => {
  const server = await RealServer.start();
  vi.stubEnv("FOREBAY_ENDPOINT", server.endpoint);
  const lines: string[] = [];
  vi.spyOn(console, "log").mockImplementation((line: string) => void lines.push(line));
  await import("../examples/mend-dead-letters.js");
  // The three of the first round are worked on side by side.
  expect(lines.slice(0, 1)).toEqual(["booked: 12.50 EUR"]);
  expect(lines.slice(1, 3).sort()).toEqual(["dead: 7.00 (no_currency)", "dead: a lot (no_amount)"]);
  expect(lines.slice(3)).toContain("a move would mend 1 and leave 1");
  expect(lines.slice(3)).toContain("COMPLETED: 1 moved");
  expect(lines.slice(3)).toContain("booked: 7.00 EUR");
});
