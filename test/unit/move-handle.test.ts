// Handles of move tasks: what was handed out is read back, and nothing else is a handle.

import fc from "fast-check";
import { expect, test } from "vitest";
import type { QueueNumber } from "../../src/base/brands.js";
import { MoveHandles } from "../../src/rpc/move-handle.js";
import { PageTokens } from "../../src/rpc/page-token.js";
import { runs } from "../support/property.js";

const handles = new MoveHandles(Buffer.alloc(32, 1));
const id = fc.record({
  source: fc.maxSafeNat().map((value) => value as QueueNumber),
  number: fc.maxSafeNat(),
});

test("a handle names its task, and with any bit changed or any character more it is none", () => {
  fc.assert(
    fc.property(id, fc.nat(25 * 8 - 1), fc.constantFrom(..."A=-_ ."), (task, bit, more) => {
      const handle = handles.encode(task);
      expect(handles.decode(handle)).toEqual(task);
      const bytes = Buffer.from(handle, "base64url");
      bytes.writeUInt8(bytes.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
      expect(handles.decode(bytes.toString("base64url"))).toBeUndefined();
      expect(handles.decode(handle + more)).toBeUndefined();
    }),
    runs(300),
  );
});

test("a handle of another store is none, and neither is a token of its own", () => {
  const task = { source: 5 as QueueNumber, number: 7 };
  expect(new MoveHandles(Buffer.alloc(32, 2)).decode(handles.encode(task))).toBeUndefined();
  const tokens = new PageTokens(Buffer.alloc(32, 1));
  for (const position of ["", "x".repeat(17), Buffer.alloc(17, 1).toString("latin1")]) {
    expect(handles.decode(tokens.encode("move task", position))).toBeUndefined();
  }
  for (const garbage of ["", "garbage", "A".repeat(34), "ä".repeat(34)]) {
    expect(handles.decode(garbage)).toBeUndefined();
  }
});
