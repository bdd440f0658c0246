// Judges a queue and its dead-letter queue together, while messages went from the one to the other and were moved back. A move
// makes a new message of a dead letter, so here a message is known by its key, which is in its body, and not by its id.
//
//   lost                  an acknowledged send never came to anybody, or nobody can have deleted it and it is gone
//   invented, altered     as of one queue
//   doubled               one send became two messages, or one dead letter two
//   resurrected           a message came after its delete was acknowledged, or back without being moved
//   lease broken          and receive lost, as of one queue
//   delivered too often   a message came more often than the redrive policy allows
//   move failed           a task ended otherwise than completed or cancelled
//   miscounted            the counters of both queues do not add up to each message deleted once, in one of them

import {
  byMessage,
  type FinalCounters,
  type Judgement,
  judgeCounters,
  judgeLeases,
  judgeReceivedCount,
  streamLagMs,
  summaryOf,
  type Violation,
  violation,
} from "./checker.js";
import type { Arrived, Deleted, Event, Sent, TaskEnded } from "./history.js";

export interface DeadLetterPair {
  readonly source: string;
  readonly receiveCountMax: number;
  readonly sourceCounters: FinalCounters;
  readonly deadLetterCounters: FinalCounters;
}

/** What happened to one message, whatever its ids. */
interface Life {
  readonly key: string;
  readonly send: Sent | undefined;
  readonly arrivals: readonly Arrived[];
  readonly deletes: readonly Deleted[];
}

export function judgeDeadLetters(events: readonly Event[], pair: DeadLetterPair): Judgement {
  const lives = livesIn(events);
  const arrivals = events.filter((event) => event.kind === "arrived");
  const changes = byMessage(events.filter((event) => event.kind === "given_back"));
  const tasks = events.filter((event) => event.kind === "task");
  const stored = lives.filter((life) => life.arrivals.length > 0);
  const { sourceCounters, deadLetterCounters } = pair;
  const violations = [
    ...events.flatMap((event) =>
      event.kind === "surprise" ? [violation("surprise", event.what)] : [],
    ),
    ...lives.flatMap((life) => [...judgeSend(life), ...judgeIds(life), ...judgeEnd(life)]),
    ...[...byMessage(arrivals)].flatMap(([messageId, ofMessage]) => [
      ...judgeLeases(ofMessage, changes.get(messageId) ?? []),
      ...judgeWay(ofMessage, pair),
    ]),
    ...judgeTasks(tasks),
    ...judgeBothCounters(pair, stored.length, tasks),
    ...judgeReceivedCount(
      {
        ...sourceCounters,
        receivedCount: sourceCounters.receivedCount + deadLetterCounters.receivedCount,
      },
      arrivals.length,
    ),
  ];
  return { violations, summary: summaryOf(events, stored.length) };
}

function livesIn(events: readonly Event[]): Life[] {
  const lives = new Map<string, { send?: Sent; arrivals: Arrived[]; deletes: Deleted[] }>();
  const lifeOf = (key: string) => {
    const known = lives.get(key) ?? { arrivals: [], deletes: [] };
    lives.set(key, known);
    return known;
  };
  for (const event of events) {
    if (event.kind === "sent") lifeOf(event.key).send = event;
    else if (event.kind === "arrived") lifeOf(event.key).arrivals.push(event);
    else if (event.kind === "deleted") lifeOf(event.key).deletes.push(event);
  }
  return [...lives].map(([key, { send, arrivals, deletes }]) => ({ key, send, arrivals, deletes }));
}

function judgeSend({ key, send, arrivals }: Life): Violation[] {
  if (send === undefined) return [violation("invented", `${key} came, and nobody sent it`)];
  if (send.outcome === "ok" && arrivals.length === 0) {
    return [violation("lost", `${key} was acknowledged and never came`)];
  }
  if (send.outcome === "refused" && arrivals.length > 0) {
    return [violation("invented", `${key} was refused, and came`)];
  }
  return arrivals.some(({ bodyHash }) => bodyHash !== send.bodyHash)
    ? [violation("altered", `${key} came with another body`)]
    : [];
}

/** A message has one id, and another each time it was moved. */
function judgeIds({ key, send, arrivals }: Life): Violation[] {
  const violations: Violation[] = [];
  const idAfter = new Map<string, string>();
  for (const { messageId, originalMessageId = "its send" } of arrivals) {
    const known = idAfter.get(originalMessageId) ?? messageId;
    if (known !== messageId) {
      violations.push(
        violation("doubled", `${key} is ${known} and ${messageId} after ${originalMessageId}`),
      );
    }
    idAfter.set(originalMessageId, known);
  }
  const first = idAfter.get("its send");
  if (send?.messageId !== undefined && first !== undefined && first !== send.messageId) {
    violations.push(
      violation("altered", `${key} was acknowledged as ${send.messageId} and came as ${first}`),
    );
  }
  return violations;
}

/** Deleted once, in one of the two queues, and not seen again. */
function judgeEnd({ key, send, arrivals, deletes }: Life): Violation[] {
  const removals = deletes.filter(({ outcome, hasRemoved }) => outcome === "ok" && hasRemoved);
  const violations: Violation[] = [];
  if (removals.length > 1) violations.push(violation("doubled", `${key} was deleted twice`));
  for (const { endedMs } of removals) {
    const later = arrivals.find(({ lease, ...arrival }) =>
      lease.kind === "receive"
        ? arrival.startedMs > endedMs
        : arrival.endedMs > endedMs + streamLagMs,
    );
    if (later === undefined) continue;
    violations.push(violation("resurrected", `${key} came after its delete was acknowledged`));
  }
  // Whose answer was lost may have removed it, and so may one that the library asked for twice.
  const mayBeGone = deletes.some(
    ({ outcome, hasRemoved, attemptCount = 2 }) =>
      outcome === "unknown" || (outcome === "ok" && (hasRemoved || attemptCount > 1)),
  );
  if (send?.outcome === "ok" && arrivals.length > 0 && !mayBeGone) {
    violations.push(violation("lost", `${key} is gone, and nobody deleted it`));
  }
  return violations;
}

/** Of one id: from the source to the dead letters, and no way back. */
function judgeWay(
  arrivals: readonly Arrived[],
  { source, receiveCountMax }: DeadLetterPair,
): Violation[] {
  const inSource = arrivals.filter(({ queue }) => queue === source);
  const dead = arrivals.filter(({ queue }) => queue !== source);
  const firstDeadMs = Math.min(...dead.map(({ endedMs }) => endedMs));
  const violations: Violation[] = [];
  const back = inSource.find(({ startedMs, lease }) =>
    lease.kind === "receive" ? startedMs > firstDeadMs : startedMs > firstDeadMs + streamLagMs,
  );
  if (back !== undefined) {
    violations.push(violation("resurrected", `${back.key} came back and was not moved`));
  }
  const often = inSource.find(({ queueReceiveCount }) => queueReceiveCount > receiveCountMax);
  if (often !== undefined) {
    const { key, queueReceiveCount } = often;
    violations.push(
      violation("delivered too often", `${key} came ${queueReceiveCount} times to its queue`),
    );
  }
  return violations;
}

const judgeTasks = (tasks: readonly TaskEnded[]): Violation[] =>
  tasks.flatMap(({ status }) =>
    status === "COMPLETED" || status === "CANCELLED"
      ? []
      : [violation("move failed", `a move task ended ${status}`)],
  );

function judgeBothCounters(
  { source, sourceCounters, deadLetterCounters }: DeadLetterPair,
  storedCount: number,
  tasks: readonly TaskEnded[],
): Violation[] {
  const { deletedCount, deadLetteredCount } = sourceCounters;
  const movedCount = tasks.reduce((sum, task) => sum + task.movedCount, 0);
  return [
    ...judgeCounters(
      sourceCounters,
      {
        sentCount: storedCount,
        arrivedCount: movedCount,
        deletedCount,
        // Everything that came and was not deleted here.
        deadLetteredCount: storedCount + movedCount - deletedCount,
      },
      source,
    ),
    ...judgeCounters(
      deadLetterCounters,
      {
        arrivedCount: deadLetteredCount,
        movedCount,
        deletedCount: deadLetteredCount - movedCount,
      },
      "the dead letters",
    ),
  ];
}
