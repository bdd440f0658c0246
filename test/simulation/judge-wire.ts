// What a member may say to another: nothing that its disk does not already hold, and nothing in the name of an epoch that is not
// its own.

import type { PeerMessage } from "../../src/gen/forebay/replication/v1/replication_service.js";
import type { Judge } from "./judge.js";

export function judgeMessage(
  judge: Judge,
  who: { readonly name: string; readonly memberId: string },
  { kind }: PeerMessage,
): void {
  const { name, memberId } = who;
  switch (kind?.$case) {
    case "helloAck":
      judge.promised(name, memberId, Number(kind.value.epoch));
      return;
    case "ack":
      judge.promised(name, memberId, Number(kind.value.epoch));
      judge.confirmed(name, memberId, Number(kind.value.durableSeq));
      return;
    case "nack":
      judge.promised(name, memberId, Number(kind.value.epoch));
      return;
    case "append": {
      const epoch = Number(kind.value.epoch);
      judge.claimed({ by: name, memberId, epoch, seq: Number(kind.value.commitSeq) });
      return;
    }
    default:
      return;
  }
}
