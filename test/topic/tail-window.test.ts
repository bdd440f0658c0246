// What is kept of a topic for tails that come back.

import { expect, test } from "vitest";
import { epochMs, sequence } from "../../src/base/brands.js";
import type { TopicMessage } from "../../src/topic/model.js";
import { TailMemory } from "../../src/topic/tail-buffer.js";
import { TailWindow } from "../../src/topic/tail-window.js";

const message = (place: number, sizeBytes = 10): TopicMessage => ({
  sequence: sequence(place),
  messageId: Buffer.alloc(16),
  publishedAt: epochMs(0),
  sizeBytes,
  isText: true,
  isStructured: false,
  body: Buffer.alloc(0),
  contentType: "",
  subject: undefined,
  attributes: [],
  groupId: undefined,
  dedupId: undefined,
  deliverAt: undefined,
  expiresAt: undefined,
  senderId: "",
  traceParent: undefined,
});

const bounds = { messagesMax: 3, bytesMax: 100 };

test("the last messages are there, and the first place says from where on all are", () => {
  const window = new TailWindow(sequence(5), bounds, new TailMemory(1_000));
  expect([window.first, window.next]).toEqual([5, 5]);
  for (const place of [5, 6, 7, 8]) window.add(message(place));
  expect([window.first, window.next]).toEqual([6, 9]);
  expect(window.get(sequence(5))).toBeUndefined();
  expect(window.get(sequence(6))?.sequence).toBe(6);
  window.add(message(9, 95));
  expect([window.first, window.next]).toEqual([9, 10]);
});

test("a message that the memory of all has no room for leaves nothing to resume from", () => {
  const memory = new TailMemory(30);
  const window = new TailWindow(sequence(1), bounds, memory);
  window.add(message(1));
  window.add(message(2, 31));
  expect([window.first, window.next, memory.usedBytes]).toEqual([3, 3, 0]);
  window.add(message(3));
  window.clear();
  expect([window.first, window.next, memory.usedBytes]).toEqual([4, 4, 0]);
});

test("after a place that was passed over only what follows counts", () => {
  const window = new TailWindow(sequence(1), bounds, new TailMemory(1_000));
  window.add(message(1));
  window.add(message(4));
  expect([window.first, window.next]).toEqual([4, 5]);
});
