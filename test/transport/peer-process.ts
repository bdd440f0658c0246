// A member in a process of its own, which a test may pause: it listens, is told whom to dial, and answers every Append with an
// Ack of the same round. `paused-peer.test.ts` starts it.

import { groupId, memberId } from "../../src/base/brands.js";
import { createSystemClock } from "../../src/base/clock.js";
import { silentLog } from "../../src/base/log.js";
import { addressText } from "../../src/config/address.js";
import { Ack } from "../../src/gen/forebay/replication/v1/replication_service.js";
import { createPeerNetwork } from "../../src/replication/transport/peer-network.js";
import type { Configuration } from "../../src/store/replica-disk.js";

const [group = "", id = ""] = process.argv.slice(2);

const network = createPeerNetwork({
  groupId: groupId(group),
  memberId: memberId(id),
  release: "test",
  tls: undefined,
  clock: createSystemClock(),
  random: () => 0.5,
  log: silentLog,
  receive: (from, { kind }) => {
    if (kind?.$case !== "append") return;
    const { epoch, prevSeq: durableSeq, sentAt, round } = kind.value;
    const value = Ack.fromPartial({ epoch, durableSeq, sentAt, round });
    network.send(from, { kind: { $case: "ack", value } });
  },
  networkReady: () => undefined,
});

process.on("message", (configuration: Configuration) => network.setConfiguration(configuration));
process.on("disconnect", () => process.exit(0));
const address = await network.listen({ host: "127.0.0.1", port: 0 });
process.send?.(addressText(address));
