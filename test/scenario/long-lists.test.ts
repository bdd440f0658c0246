// Lists in requests: as long as there can be use for, and one more is refused before anybody looks at what is in it.

import { expect, test } from "vitest";
import {
  MessageState,
  MessageSystemAttributeName,
} from "../../src/gen/forebay/queue/v1/message.js";
import type { RequestPart, UnaryMethod } from "../support/queue-client.js";
import { attributesOf, type Scenario, scenario } from "../support/scenario.js";

const invalid = { code: "INVALID_ARGUMENT", reason: "INVALID_PARAMETER" };

const tagsOf = (count: number): Map<string, string> =>
  new Map(Array.from({ length: count }, (_, index) => [`tag-${index}`, ""]));
const attributes = (count: number) =>
  attributesOf(Object.fromEntries(Array.from({ length: count }, (_, index) => [`a${index}`, "b"])));

interface LongList {
  readonly method: UnaryMethod;
  readonly field: string;
  readonly max: number;
  /** The request with so many elements, none of which is wrong by itself. */
  readonly valid: (count: number) => object;
  /** The same with elements that are all wrong: the length must be what is told. */
  readonly wrong?: (count: number) => object;
}

const lists: readonly LongList[] = [
  {
    method: "peekMessages",
    field: "states",
    max: 100,
    valid: (count) => ({ states: Array(count).fill(MessageState.VISIBLE) }),
    wrong: (count) => ({ states: Array(count).fill(77) }),
  },
  {
    method: "peekMessages",
    field: "attributes",
    max: 10,
    valid: (count) => ({
      attributes: new Map([...attributes(count)].map(([name]) => [name, "b"])),
    }),
  },
  {
    method: "getQueueAttributes",
    field: "names",
    max: 100,
    valid: (count) => ({ names: Array(count).fill("All") }),
    wrong: (count) => ({ names: Array(count).fill("NoSuchAttribute") }),
  },
  {
    method: "setQueueAttributes",
    field: "update_mask.paths",
    max: 100,
    valid: (count) => ({ updateMask: Array(count).fill("delay") }),
    wrong: (count) => ({ updateMask: Array(count).fill("no_such_attribute") }),
  },
  {
    method: "receiveMessage",
    field: "system_attribute_names",
    max: 100,
    valid: (count) => ({
      systemAttributeNames: Array(count).fill(MessageSystemAttributeName.ALL),
    }),
  },
  {
    method: "receiveMessage",
    field: "message_attribute_names",
    max: 100,
    valid: (count) => ({ messageAttributeNames: Array(count).fill("prefix.*") }),
  },
];

const call = async (t: Scenario, method: UnaryMethod, request: object): Promise<unknown> =>
  await t.call(method, { queue: t.queue, ...request } as RequestPart<UnaryMethod>);

for (const { method, field, max, valid, wrong = valid } of lists) {
  test(`${method} takes ${max} in ${field}, and of any more only the length is told`, async () => {
    const t = await scenario();
    await call(t, method, valid(max));
    for (const count of [max + 1, 20_000]) {
      await expect(call(t, method, wrong(count))).rejects.toMatchObject({
        ...invalid,
        violations: [field],
        message: expect.stringContaining(`at most ${max}, not ${count}`),
      });
    }
  });
}

test("fifty-one tags are over the quota, and so many that no queue could have them are not looked at", async () => {
  const t = await scenario();
  await call(t, "tagQueue", { tags: tagsOf(50) });
  for (const count of [51, 100]) {
    await expect(call(t, "tagQueue", { tags: tagsOf(count) })).rejects.not.toMatchObject(invalid);
  }
  const wrong = new Map([...tagsOf(101)].map(([key, value]) => [`${key}\u0000`, value]));
  for (const method of ["tagQueue", "createQueue"] as const) {
    await expect(call(t, method, { queue: "other", tags: wrong })).rejects.toMatchObject({
      ...invalid,
      violations: ["tags"],
    });
  }
});

test("of all that is wrong with a request the first hundred things are kept, and counted", async () => {
  const t = await scenario();
  const failure = (queue: string) =>
    call(t, "peekMessages", { queue, states: Array(100).fill(77) });
  // Five are told in words; the details hold as many more as there is room for.
  for (const queue of [t.queue, "no such name!"]) {
    await expect(failure(queue)).rejects.toMatchObject({
      message: expect.stringContaining("; and 95 more."),
    });
  }
});

test("names that every object has are no attributes of a queue", async () => {
  const t = await scenario();
  for (const path of ["constructor", "__proto__", "toString", "hasOwnProperty"]) {
    await expect(call(t, "setQueueAttributes", { updateMask: [path] })).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      reason: "UNKNOWN_ATTRIBUTE",
      violations: ["update_mask.paths[0]"],
    });
    await expect(call(t, "getQueueAttributes", { names: [path] })).rejects.toMatchObject({
      reason: "UNKNOWN_ATTRIBUTE",
    });
  }
});

test("no queue's name starts with what no name may hold, however long it is", async () => {
  const t = await scenario({ queue: "a".repeat(80) });
  const list = async (prefix: string): Promise<string[]> => {
    const { queues, nextPageToken } = await t.call("listQueues", { prefix });
    expect(nextPageToken).toBe("");
    return queues;
  };
  expect(await list("a".repeat(80))).toEqual([t.queue]);
  for (const prefix of [
    "a".repeat(81),
    "a".repeat(4_000),
    "ä",
    "€",
    "a\u0000",
    "\u0000",
    "a b",
    "a/b",
    "ÿÿ",
    "😀",
  ]) {
    expect(await list(prefix)).toEqual([]);
  }
});
