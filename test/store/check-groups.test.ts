// The check of groups, and of FIFO queues, which are made of nothing else: see `check.test.ts`.

import { describe, expect, test } from "vitest";
import { type EpochMs, milliseconds, type Sequence } from "../../src/base/brands.js";
import type { Group, GroupStanding } from "../../src/queue/model.js";
import {
  deliveryKey,
  dueKey,
  groupKey,
  lineKey,
  memberKey,
  returnedKey,
} from "../../src/store/keys.js";
import { tables } from "../../src/store/tables.js";
import { expectLines, type PlantedCase, PlantedStore, placeOf } from "../support/planted-store.js";

const hour = 3_600_000;

/**
 * A message is named as its group with a number. `served` 1 is leased and 2 behind it; `back` 1 is visible again; `wait` 1
 * waits after a receive; of `full` 1 and 3 can be delivered and 2, leased, is all that the limit allows; `ready` 1 and 2 were
 * never received; `late` 1 is delayed with the queue.
 */
const fifoStore = async (): Promise<PlantedStore> =>
  await PlantedStore.of("orders.fifo", async (harness) => {
    const queue = "orders.fifo";
    const send = async (...bodies: readonly string[]): Promise<void> => {
      await harness.send(
        queue,
        ...bodies.map((body) => ({ body, dedupId: body, groupId: body.slice(0, -1) })),
      );
    };
    const retry = {
      minimumMs: milliseconds(hour),
      maximumMs: milliseconds(hour),
      factor: 1,
    };
    await harness.createQueue(queue, { retry, groupInFlightMax: 2 });
    await send("wait1");
    await harness.receiveAll(queue, { visibilityTimeoutMs: 1_000 });
    harness.clock.advanceAtOnce(1_000);
    await send("served1", "served2");
    await harness.receiveAll(queue, { visibilityTimeoutMs: hour, countMax: 1 });
    await send("back1");
    const [back] = await harness.receiveAll(queue, { visibilityTimeoutMs: hour });
    await harness.changeVisibility(queue, [{ receipt: back?.receipt, timeoutMs: 0 }]);
    await harness.deleteMessages(queue, [undefined]);
    await send("full1", "full2", "full3");
    const full = await harness.receiveAll(queue, { visibilityTimeoutMs: hour });
    // The one that came back is received with them, and given back again.
    for (const { body, receipt } of full) {
      if (body === "full2") continue;
      await harness.changeVisibility(queue, [{ receipt, timeoutMs: 0 }]);
    }
    await harness.setSettings(queue, { groupInFlightMax: 1 });
    await send("full4", "ready1", "ready2");
    harness.clock.advanceAtOnce(120_000);
    await harness.setSettings(queue, { delayMs: milliseconds(60_000) });
    await send("late1");
  });

/** `noisy`: 31 of 40 are in flight. `quiet` 1 is leased, 2 visible again, 3 fresh, 4 urgent. `later` 1 is delayed. */
const fairStore = async (): Promise<PlantedStore> =>
  await PlantedStore.of("orders", async (harness) => {
    await harness.createQueue("orders");
    await harness.send(
      "orders",
      ...Array.from({ length: 40 }, (_, at) => ({
        body: `noisy${String(at + 1).padStart(2, "0")}`,
        groupId: "noisy",
      })),
    );
    await harness.receiveAll("orders", { countMax: 31, visibilityTimeoutMs: hour });
    await harness.send(
      "orders",
      ...[1, 2, 3].map((at) => ({ body: `quiet${at}`, groupId: "quiet" })),
      { body: "later1", groupId: "later", delayMs: 60_000 },
    );
    const quiet = await harness.receiveAll("orders", { countMax: 2, visibilityTimeoutMs: hour });
    await harness.changeVisibility("orders", [{ receipt: quiet[1]?.receipt, timeoutMs: 0 }]);
    await harness.send("orders", { body: "quiet4", groupId: "quiet", priority: 3 });
  });

/** Changes what a group says of its standing, and the row in line with it. */
async function stand(planted: PlantedStore, id: string, standing: GroupStanding): Promise<void> {
  const before = lineKey(planted.prefix, id, planted.group(id).standing);
  if (before !== undefined) await planted.remove(before);
  await planted.changeGroup(id, { standing });
  const line = lineKey(planted.prefix, id, standing);
  if (line !== undefined) await planted.put(tables.line, line, true);
}

const turn = (order: number): GroupStanding => ({ kind: "ready", place: placeOf(1, order) });

const memberAt = (planted: PlantedStore, id: string, body: string, at = 0): string =>
  memberKey(planted.prefix, id, placeOf(at, planted.place(body)), planted.place(body));

/** The key of the member row of a visible message of a standard queue. */
function ownMember(planted: PlantedStore, body: string): string {
  const { place, sequence } = planted.standing(body);
  return memberKey(planted.prefix, body.slice(0, -1), place, sequence);
}

const fifoCases: readonly PlantedCase[] = [
  [
    "a message that is no member of its group",
    async (planted) => await planted.changeGroup("ready", { next: [] }),
    [
      /message \d+: No row makes it a member of its group ready at 0\/\d+: no receive would find it/,
      /group ready: It says 2 messages stored, and there are 1/,
    ],
  ],
  [
    "a member without its message",
    async (planted) => {
      const gone = 9_999 as Sequence;
      const key = memberKey(planted.prefix, "ready", placeOf(0, gone), gone);
      await planted.put(tables.member, key, true);
    },
    [
      /message 9999: A row says that it is a member of the group ready at 0\/9999, and it is not there/,
      /group ready: It says 2 messages stored, and there are 3/,
      // So far behind, it would be delayed.
      /group ready: It says 0 messages delayed, and there are 1/,
    ],
  ],
  [
    "a member of another group",
    async (planted) =>
      await planted.put(tables.member, memberAt(planted, "ready", "served2"), true),
    [
      /member of the group ready at 0\/\d+; its group is served/,
      /group ready: It says 2 messages stored, and there are 3/,
      /group ready: Behind its front is message \d+ at 0\/\d+, and the front ends with message \d+ at/,
    ],
  ],
  [
    "a member at another place",
    async (planted) => {
      await planted.changeGroup("ready", { next: [] });
      await planted.put(tables.member, memberAt(planted, "ready", "ready2", 5), true);
    },
    [
      /No row makes it a member of its group ready at 0\/\d+/,
      /member of the group ready at 5\/\d+; it stands at 0\/\d+/,
    ],
  ],
  [
    "members without their group",
    async (planted) => {
      await planted.put(tables.member, memberAt(planted, "ready", "ready2"), true);
      await planted.remove(groupKey(planted.prefix, "ready"));
    },
    [
      /message \d+: No row makes it a member of its group ready at/,
      /group ready: It has 1 members and is not there/,
      /group ready: It stands in line and is not there/,
      /say 6 groups, and there are 5/,
    ],
  ],
  [
    "a group without members",
    async (planted) =>
      await planted.put(tables.group, groupKey(planted.prefix, "empty"), {
        ...planted.group("served"),
        stored: 0,
        inFlight: 0,
        head: undefined,
      }),
    [/group empty: It has no message and is there/, /say 6 groups, and there are 7/],
  ],
  [
    "a message without a group",
    async (planted) => await planted.changeMessage("ready2", { groupId: undefined }),
    [/message \d+: It has no group/, /member of the group ready at 0\/\d+; its group is none/],
  ],
  [
    "a message that is not marked as a member",
    async (planted) => await planted.changeMessage("ready2", { isIndexed: false }),
    [/message \d+: It has a group and is not marked as one that its group finds/],
  ],
  [
    "a message that came at another time than it was sent",
    async (planted) =>
      await planted.changeMessage("ready2", {
        sentAt: (planted.message("ready2").sentAt - 1) as EpochMs,
      }),
    [/message \d+: It was sent at \d+ and came at \d+/],
  ],
  [
    "a row among the visible",
    async (planted) => {
      const order = planted.place("back1");
      const place = placeOf(1, order);
      await planted.put(tables.returned, returnedKey(planted.prefix, place, order), true);
    },
    [/message \d+: An index row says that it is visible at 1\/\d+, in a FIFO queue/],
  ],
  ...(["served1", "wait1"] as const).map(
    (body): PlantedCase => [
      `the lease or wait of ${body} without its index row`,
      async (planted) =>
        await planted.remove(dueKey(planted.prefix, planted.until(body), planted.place(body))),
      [/message \d+: It is (leased|delayed) until \d+ and has no index row/],
    ],
  ),
  [
    "a delay of a message's own",
    async (planted) =>
      await planted.changeDelivery("wait1", {
        state: { kind: "delayed", until: planted.until("wait1"), isBackoff: false },
      }),
    [/It is delayed from its send on and was received 1 times/, /It has a delay of its own/],
  ],
  [
    "a number of messages that are not there",
    async (planted) => await planted.changeGroup("ready", { stored: 7 }),
    [/^queue default\/orders.fifo, group ready: It says 7 messages stored, and there are 2\.$/],
  ],
  [
    "a number in flight that is not there",
    async (planted) => await planted.changeGroup("served", { inFlight: 0 }),
    [
      /group served: It says 0 messages in flight, and there are 1/,
      /say 2 groups in flight, and there are 1/,
    ],
  ],
  ...(["late", "wait"] as const).map(
    (id): PlantedCase => [
      `a number delayed that is not there, in ${id}`,
      async (planted) => await planted.changeGroup(id, { delayed: 0 }),
      [new RegExp(`group ${id}: It says 0 messages delayed, and there are 1`)],
    ],
  ),
  [
    "counters of groups that do not count",
    async (planted) =>
      await planted.changeCounters({ groups: 9, groupsInFlight: 8, inFlight: 7, delayed: 6 }),
    [
      /say 9 groups, and there are 6/,
      /say 8 groups in flight, and there are 2/,
      /say 7 messages in flight, and there are 2/,
      /say 6 messages delayed, and there are 2/,
    ],
  ],
  [
    "a first fresh place",
    async (planted) => await planted.changeCounters({ freshFrom: 1 as Sequence }),
    [/Its first fresh place is 1, which means nothing in a FIFO queue/],
  ],
  [
    "a first delayed place after the next place",
    async (planted) =>
      await planted.changeCounters({
        dueFrom: (planted.counters.nextSequence + 5) as Sequence,
      }),
    [
      /Its first delayed place \d+ is after its next place \d+/,
      /say 2 messages delayed, and there are 1/,
      /group late: It says 1 messages delayed, and there are 0/,
      /group late: It stands in no line, and its first message can be delivered/,
    ],
  ],
  [
    "a front in another order",
    async (planted) => {
      const sequence = planted.place("ready2");
      const head = { place: placeOf(0, sequence), sequence };
      await planted.changeGroup("ready", { head, next: [planted.place("ready1")] });
    },
    [/group ready: It names message \d+ after message \d+/],
  ],
  [
    "members behind a front that is not there",
    async (planted) => {
      for (const body of ["ready1", "ready2"]) {
        await planted.put(tables.member, memberAt(planted, "ready", body), true);
      }
      await planted.changeGroup("ready", { head: undefined, next: [] });
    },
    [
      /group ready: Behind its front is message \d+ at 0\/\d+, and the front ends with none/,
      /group ready: It stands ready at \d+\/\d+, and its first message cannot be delivered/,
    ],
  ],
  [
    "a delivery of a message that was never received, as its group says",
    async (planted) => await planted.changeGroup("served", { freshFrom: 1 as Sequence }),
    [/group served: It says that from message 1 on none was received, and message \d+ has a deliv/],
  ],
  [
    "a group in no line though its turn could come",
    async (planted) => await stand(planted, "ready", { kind: "idle" }),
    [/group ready: It stands in no line, and its first message can be delivered/],
  ],
  [
    "a group that came back in no line",
    async (planted) => await stand(planted, "back", { kind: "idle" }),
    [/group back: It stands in no line, and its first message can be delivered/],
  ],
  ...(["served", "wait"] as const).map(
    (id): PlantedCase => [
      `a group in line whose first message cannot be delivered, ${id}`,
      async (planted) => await stand(planted, id, turn(1)),
      [
        new RegExp(
          `group ${id}: It stands ready at 1/1, and its first message cannot be delivered`,
        ),
      ],
    ],
  ),
  [
    "a group at a limit whose first message cannot be delivered",
    async (planted) => await stand(planted, "served", { kind: "limited" }),
    [
      /group served: It stands at its limit, and its first message cannot be delivered/,
      /say 1 groups at their limit, and there are 2/,
    ],
  ],
  [
    "a group at a limit with nothing in flight",
    async (planted) => await stand(planted, "ready", { kind: "limited" }),
    [
      /group ready: It stands at its limit, and it has nothing in flight/,
      /say 1 groups at their limit, and there are 2/,
    ],
  ],
  [
    "a turn that was not given out",
    async (planted) => await stand(planted, "ready", turn(9_999)),
    [/group ready: It stands ready at 1\/9999, and its turn was not given out yet/],
  ],
  [
    "turns that nobody looks for",
    async (planted) => await planted.changeCounters({ turnFrom: planted.counters.nextSequence }),
    ["ready", "back"].map(
      (id) =>
        new RegExp(`group ${id}: It stands ready at \\d+/\\d+, and no turn before \\d+ is looked`),
    ),
  ],
  [
    "a first delayed place that is on its way ahead",
    async (planted) => await planted.changeCounters({ delayBackTo: planted.counters.dueFrom }),
    [/Its first delayed place (\d+) is on its way back to \1, which is not before it/],
  ],
  [
    "a group whose turn no row tells",
    async (planted) =>
      await planted.remove(lineKey(planted.prefix, "ready", planted.group("ready").standing) ?? ""),
    [/group ready: It stands ready at \d+\/\d+ and has no row in line: its turn never comes/],
  ],
  [
    "a group at its limit that no row tells",
    async (planted) =>
      await planted.remove(lineKey(planted.prefix, "full", { kind: "limited" }) ?? ""),
    [/group full: It stands at its limit and has no row in line/],
  ],
  [
    "a row in line of a group that stands in none, and another of one that does",
    async (planted) => {
      for (const id of ["served", "ready"]) {
        await planted.put(tables.line, lineKey(planted.prefix, id, turn(1)) ?? "", true);
      }
    },
    [
      /group served: A row in line is not its own: it stands in no line/,
      /group ready: A row in line is not its own: it stands ready at/,
    ],
  ],
  [
    "a row in line of a group that is not there",
    async (planted) =>
      await planted.put(tables.line, lineKey(planted.prefix, "nobody", turn(1)) ?? "", true),
    [/group nobody: It stands in line and is not there/],
  ],
  [
    "a noisy group in a FIFO queue",
    async (planted) => await planted.changeGroup("ready", { isNoisy: true }),
    [
      /group ready: It is noisy in a FIFO queue/,
      /say 0 noisy groups, and there are 1/,
      /say 0 messages of noisy groups, and there are 2/,
    ],
  ],
  [
    "a group that was sent to after the last instant",
    async (planted) =>
      await planted.changeGroup("ready", { lastSentAt: (planted.now + 1) as EpochMs }),
    [/group ready: It was last sent to at \d+, after the last instant/],
  ],
  [
    "a delivery that cannot be read, and nothing that would follow from it",
    async (planted) =>
      await planted.store.commit([
        {
          key: deliveryKey(planted.prefix, planted.place("served1")),
          framed: Buffer.from([0, 0, 0, 0, 0, 9]),
          mayReplaceChunks: false,
        },
      ]),
    [/message \d+: The delivery row cannot be read: version 9 is unknown/],
  ],
  [
    "a group that cannot be read, and nothing that would follow from it",
    async (planted) =>
      await planted.store.commit([
        {
          key: groupKey(planted.prefix, "ready"),
          framed: Buffer.from([0, 0, 0, 0, 0, 9]),
          mayReplaceChunks: false,
        },
      ]),
    [/group ready: The group row cannot be read: version 9 is unknown/],
  ],
];

describe("FIFO queues", () => {
  test("every standing there is contradicts nothing", async () => {
    const planted = await fifoStore();
    const standings = ["served", "back", "wait", "full", "ready", "late"].map(
      (id) => `${id} ${planted.group(id).standing.kind}`,
    );
    expect(standings).toEqual([
      "served idle",
      "back ready",
      "wait idle",
      "full limited",
      "ready ready",
      "late idle",
    ]);
    expect(await planted.lines()).toEqual([]);
  });

  test.each(fifoCases)("the check names %s", async (_title, plant, expected) => {
    await expectLines(await fifoStore(), plant, expected);
  });

  test("a group that is in line while the queue's delay holds for its first message has its turn to find out", async () => {
    const planted = await fifoStore();
    await stand(planted, "late", turn(1));
    expect(await planted.lines()).toEqual([]);
  });
});

/** As `ready` groups stand. */
const first = ({ head }: Group): GroupStanding => ({
  kind: "ready",
  place: head?.place ?? placeOf(0, 0),
});

const fairCases: readonly PlantedCase[] = [
  ...(["quiet2", "quiet3", "quiet4"] as const).map(
    (body): PlantedCase => [
      `a visible message that is no member of its group, ${body}`,
      async (planted) => await planted.remove(ownMember(planted, body)),
      [
        /message \d+: No row makes it a member of its group quiet at \d+\/\d+: no receive would find it/,
        /group quiet: It says 4 messages stored, and there are 3/,
        // The urgent one stands first.
        ...(body === "quiet4" ? [/group quiet: Its first message is/] : []),
      ],
    ],
  ),
  [
    "a leased message among the visible",
    async (planted) => {
      const { arrivedAt } = planted.message("quiet1");
      const key = memberAt(planted, "quiet", "quiet1", arrivedAt);
      await planted.put(tables.member, key, true);
    },
    [
      /member of the group quiet at \d+\/\d+; it is leased until \d+/,
      /group quiet: It says 4 messages stored, and there are 5/,
    ],
  ],
  [
    "a member that came back to another place",
    async (planted) => {
      const { sequence } = planted.standing("quiet2");
      await planted.put(
        tables.member,
        memberKey(planted.prefix, "quiet", placeOf(planted.now, 60), sequence),
        true,
      );
    },
    [
      /member of the group quiet at \d+\/60; it stands at \d+\/\d+/,
      /group quiet: It says 4 messages stored, and there are 5/,
    ],
  ],
  [
    "two members of a group at one place",
    async (planted) => {
      const { place } = planted.standing("quiet2");
      const other = planted.standing("quiet3").sequence;
      await planted.put(tables.member, memberKey(planted.prefix, "quiet", place, other), true);
    },
    [
      /message \d+: It stands in its group at \d+\/\d+, as another message does/,
      /member of the group quiet at \d+\/\d+; it stands at \d+\/\d+/,
      /group quiet: It says 4 messages stored, and there are 5/,
    ],
  ],
  [
    "an index row without group of a message that has one",
    async (planted) => {
      const { place, sequence } = planted.standing("quiet2");
      await planted.put(tables.returned, returnedKey(planted.prefix, place, sequence), true);
    },
    [/An index row says that it is visible at \d+\/\d+; it is found by its group quiet/],
  ],
  [
    "a delivery that says another group",
    async (planted) => await planted.changeDelivery("quiet2", { groupId: "later" }),
    [
      /Its group is quiet, and its delivery says later/,
      /No row makes it a member of its group later at/,
      /member of the group quiet at \d+\/\d+; its group is later/,
    ],
  ],
  [
    "a priority without a delivery",
    async (planted) => await planted.changeMessage("quiet3", { priority: 3 }),
    [/message \d+: It has a priority and no delivery/],
  ],
  [
    "a message that stands further back than it came",
    async (planted) => {
      const { sequence, arrivedAt } = planted.message("quiet4");
      await planted.remove(ownMember(planted, "quiet4"));
      await planted.changeDelivery("quiet4", {
        state: { kind: "returned", place: placeOf(arrivedAt + 1, sequence) },
      });
      await planted.put(tables.member, ownMember(planted, "quiet4"), true);
    },
    [
      /It is visible at \d+\/\d+, a place it cannot have been given/,
      /group quiet: Its first message is/,
    ],
  ],
  [
    "numbers that are not there",
    async (planted) => {
      await planted.changeGroup("noisy", { stored: 41, inFlight: 32 });
      await planted.changeGroup("later", { delayed: 3 });
    },
    [
      /group noisy: It says 41 messages stored, and there are 40/,
      /group noisy: It says 32 messages in flight, and there are 31/,
      /group noisy: It stands among the noisy with 31 in flight since \d+, and it has 32 messages in flight/,
      /say 40 messages of noisy groups, and there are 41/,
      /say 31 messages of noisy groups in flight, and there are 32/,
      /group later: It says 3 messages delayed, and there are 1/,
    ],
  ],
  [
    "counters of noisy groups that do not count",
    async (planted) =>
      await planted.changeCounters({
        noisyGroups: 2,
        noisyStored: 3,
        noisyInFlight: 4,
        noisyDelayed: 5,
      }),
    [
      /say 2 noisy groups, and there are 1/,
      /say 3 messages of noisy groups, and there are 40/,
      /say 4 messages of noisy groups in flight, and there are 31/,
      /say 5 messages of noisy groups delayed, and there are 0/,
    ],
  ],
  [
    "leased and delayed messages without their group",
    async (planted) => await planted.remove(groupKey(planted.prefix, "later")),
    [
      /group later: It has 1 messages leased or delayed and is not there/,
      /say 3 groups, and there are 2/,
    ],
  ],
  [
    "a group in no line though it has a visible message",
    async (planted) => await stand(planted, "quiet", { kind: "idle" }),
    [/group quiet: It stands in no line, and its first message can be delivered/],
  ],
  [
    "a group in line without a visible message",
    async (planted) => await stand(planted, "later", turn(1)),
    [/group later: It stands ready at 1\/1, and its first message cannot be delivered/],
  ],
  [
    "a group that stands where its first message does not",
    async (planted) => await stand(planted, "quiet", turn(1)),
    [/group quiet: It stands ready at 1\/1, and its first message stands elsewhere/],
  ],
  [
    "a noisy group among the quiet",
    async (planted) => await stand(planted, "noisy", first(planted.group("noisy"))),
    [/group noisy: It stands ready at \d+\/\d+, and it is noisy/],
  ],
  [
    "a quiet group among the noisy",
    async (planted) =>
      await stand(planted, "quiet", { kind: "noisy", inFlight: 1, at: planted.now }),
    [/group quiet: It stands among the noisy with 1 in flight since \d+, and it is not noisy/],
  ],
  [
    "a noisy group at another time than its first message",
    async (planted) =>
      await stand(planted, "noisy", { kind: "noisy", inFlight: 31, at: 5 as EpochMs }),
    [
      /group noisy: It stands among the noisy with 31 in flight since 5, and its first message stands elsewhere/,
    ],
  ],
];

describe("fair queues", () => {
  test("every standing there is contradicts nothing", async () => {
    const planted = await fairStore();
    const standings = ["noisy", "quiet", "later"].map(
      (id) => `${id} ${planted.group(id).standing.kind}`,
    );
    expect(standings).toEqual(["noisy noisy", "quiet ready", "later idle"]);
    expect(await planted.lines()).toEqual([]);
  });

  test.each(fairCases)("the check names %s", async (_title, plant, expected) => {
    await expectLines(await fairStore(), plant, expected);
  });
});
