// What a simulated node asks of the world around it.

import type { MemberId } from "../../src/base/brands.js";
import type { PeerMessage } from "../../src/gen/forebay/replication/v1/replication_service.js";
import type { MemberParts, ReplicationMember } from "../../src/replication/ports.js";
import type { Configuration, MemberState } from "../../src/store/replica-disk.js";
import type { DiskImage } from "./disk-image.js";
import type { EventQueue } from "./event-queue.js";
import type { Judge } from "./judge.js";
import type { ClientJudge } from "./judge-clients.js";
import type { Mutation } from "./mutations.js";
import type { Schedule } from "./schedule.js";
import type { SimulatedEtcd } from "./simulated-etcd.js";
import type { SimulatedNetwork } from "./simulated-network.js";
import type { Trace } from "./trace.js";

/** A node, as others name it. */
export interface NamedNode {
  readonly name: string;
  readonly id: MemberId;
}

/** One whose process ends and begins again. */
export interface RestartableNode extends NamedNode {
  crash(): void;
  start(): void;
}

export interface NodeWorld {
  readonly schedule: Schedule;
  readonly mutation: Mutation;
  readonly trace: Trace;
  readonly events: EventQueue;
  readonly network: SimulatedNetwork;
  readonly etcd: SimulatedEtcd;
  readonly judge: Judge;
  readonly clients: ClientJudge;
  /** No client writes any more. */
  readonly isQuiet: boolean;
  createMember(parts: MemberParts): ReplicationMember;
  /** What a node writes on an empty disk before a member runs on it. */
  emptyState(id: MemberId, configuration: Configuration): MemberState;
  send(from: NamedNode, to: MemberId, message: PeerMessage): void;
  isReady(from: NamedNode, to: MemberId): boolean;
  nextValue(name: string): string;
  /** Runs something whose complaint is the verdict; what it throws goes on through the code that called it. */
  recorded(act: () => void): void;
  /** Runs something as a node; what it throws is the verdict. */
  judged(name: string, act: () => void): void;
  /** A member says that its process must end. */
  failed(node: RestartableNode, error: Error): void;
  quarantined(node: NamedNode, why: string): void;
  /** A disk that confirmed what it has no more. */
  forget(id: string, image: DiskImage): void;
}
