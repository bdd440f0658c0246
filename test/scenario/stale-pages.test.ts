// Pages of a peek whose queue was emptied meanwhile: what was listed is gone, so the listing is at its end. Messages sent
// since are another listing.

import { expect, test } from "vitest";
import { type Scenario, scenario } from "../support/scenario.js";

const bodies = ["1", "2", "3", "4"];

const firstPage = async (t: Scenario): Promise<string> => {
  const { messages, nextPageToken } = await t.call("peekMessages", { queue: t.queue, pageSize: 2 });
  expect(messages).toHaveLength(2);
  expect(nextPageToken).not.toBe("");
  return nextPageToken;
};

const page = async (t: Scenario, pageToken: string) =>
  await t.call("peekMessages", { queue: t.queue, pageSize: 2, pageToken });

for (const { name, empty } of [
  { name: "a purge", empty: async (t: Scenario) => void (await t.purge()) },
  {
    name: "the queue's deletion and another of its name",
    empty: async (t: Scenario) => {
      await t.deleteQueue();
      await t.createQueue(t.queue);
    },
  },
]) {
  test(`a page token from before ${name} ends the listing`, async () => {
    const t = await scenario();
    await t.sendBatch(bodies);
    const token = await firstPage(t);
    expect((await page(t, token)).messages).toHaveLength(2);
    await empty(t);
    for (const sent of [[], [...bodies, "5", "6"]]) {
      if (sent.length > 0) await t.sendBatch(sent);
      expect(await page(t, token)).toEqual({ messages: [], nextPageToken: "" });
    }
    // A new listing begins at the start.
    expect(await t.peek({ pageSize: 1 })).toEqual(["visible 1 x0"]);
  });
}
