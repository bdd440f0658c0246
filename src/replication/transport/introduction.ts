// Who speaks: the first message of each side, and what is said when the two do not belong together. Who was dialled answers with
// a status of the contract (ReplicationService.Connect); who dialled finds the same words for its log.

import { status } from "@grpc/grpc-js";
import { type GroupId, type MemberId, memberId } from "../../base/brands.js";
import type {
  Introduction,
  PeerMessage,
} from "../../gen/forebay/replication/v1/replication_service.js";
import { WireFault } from "../../rpc/status-details.js";

/** The versions of the protocol that this release speaks. */
const protocolMin = 1;
const protocolMax = 1;

export interface Identity {
  readonly groupId: GroupId;
  readonly memberId: MemberId;
  /** The release, for people. */
  readonly release: string;
}

export function introductionOf(identity: Identity): PeerMessage {
  const value: Introduction = {
    groupId: Buffer.from(identity.groupId, "hex"),
    memberId: Buffer.from(identity.memberId, "hex"),
    protocolMin,
    protocolMax,
    release: identity.release,
  };
  return { kind: { $case: "introduction", value } };
}

/** Who the other side says it is; throws the WireFault that tells it why it may not stay. */
export function introduced(message: PeerMessage, self: Identity): MemberId {
  if (message.kind?.$case !== "introduction") throw notIntroduced();
  const { groupId, memberId: id, protocolMin: least, protocolMax: most } = message.kind.value;
  if (hexOf(groupId) !== self.groupId) throw wrongGroup(hexOf(groupId), self.groupId);
  if (least > protocolMax || most < protocolMin) throw unknownProtocol(least, most);
  if (id.length !== 16) throw notIntroduced();
  const from = memberId(hexOf(id));
  if (from === self.memberId) throw sameMember();
  return from;
}

const hexOf = (bytes: Uint8Array): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("hex");

const notIntroduced = (): WireFault =>
  new WireFault({
    code: status.INVALID_ARGUMENT,
    reason: "MALFORMED_REQUEST",
    message: "The first message of a stream must be an introduction with ids of 16 bytes.",
  });

const wrongGroup = (theirs: string, ours: string): WireFault =>
  new WireFault({
    code: status.FAILED_PRECONDITION,
    reason: "WRONG_GROUP",
    message: `This member belongs to group ${ours}, the caller to ${theirs}; check the endpoints and the cluster's name.`,
    metadata: { group_id: ours, caller_group_id: theirs },
  });

const unknownProtocol = (least: number, most: number): WireFault =>
  new WireFault({
    code: status.FAILED_PRECONDITION,
    reason: "UNKNOWN_PROTOCOL",
    message: `This member speaks versions ${protocolMin} to ${protocolMax} of the protocol, the caller ${least} to ${most}; upgrade the older one.`,
    metadata: {
      protocol_min: String(protocolMin),
      protocol_max: String(protocolMax),
      caller_protocol_min: String(least),
      caller_protocol_max: String(most),
    },
  });

const sameMember = (): WireFault =>
  new WireFault({
    code: status.FAILED_PRECONDITION,
    reason: "WRONG_GROUP",
    message:
      "The caller is this very member, or runs on a copy of its data directory; two of them must never run at once.",
  });

export const certificateRequired = (why: string): WireFault =>
  new WireFault({
    code: status.UNAUTHENTICATED,
    reason: "CERTIFICATE_REQUIRED",
    message: `A certificate of this cluster is required: ${why}.`,
  });

export const shuttingDown = (): WireFault =>
  new WireFault({
    code: status.UNAVAILABLE,
    reason: "SHUTTING_DOWN",
    message: "This member is stopping.",
  });
