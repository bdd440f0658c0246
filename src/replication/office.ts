// What a member is at the moment, with the part that does the work of it.

import { type Epoch, epoch, type MemberId } from "../base/brands.js";
import type { Candidate } from "./candidate.js";
import type { Leader } from "./leader.js";
import type { Role } from "./ports.js";

export type Office =
  | { readonly kind: "follower" }
  | { readonly kind: "candidate"; readonly candidate: Candidate }
  /** A leader that nobody hears of yet is still a candidate to the rest of the node. */
  | { readonly kind: "leader"; readonly leader: Leader }
  | { readonly kind: "quarantined"; readonly why: string }
  | { readonly kind: "stopped" };

/** The epoch that a member holds or wants to lead; 0 for a follower. */
export function epochOf(office: Office): Epoch {
  switch (office.kind) {
    case "candidate":
      return office.candidate.epoch;
    case "leader":
      return office.leader.epoch;
    case "follower":
    case "quarantined":
    case "stopped":
      return epoch(0);
  }
}

/** `followed`: whom a follower follows, as far as it knows. */
export function roleOf(office: Office, followed: MemberId | undefined): Role {
  switch (office.kind) {
    case "follower":
      return { kind: "follower", leader: followed };
    case "candidate":
      return { kind: "candidate", epoch: office.candidate.epoch };
    case "leader":
      return {
        kind: office.leader.isAnnounced ? "leader" : "candidate",
        epoch: office.leader.epoch,
      };
    case "quarantined":
      return { kind: "quarantined", why: office.why };
    case "stopped":
      return { kind: "stopped" };
  }
}

export function isSameRole(one: Role, other: Role): boolean {
  switch (one.kind) {
    case "follower":
      return other.kind === "follower" && other.leader === one.leader;
    case "candidate":
    case "leader":
      return other.kind === one.kind && other.epoch === one.epoch;
    case "quarantined":
    case "stopped":
      return other.kind === one.kind;
  }
}
