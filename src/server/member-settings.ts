// How patient, how fast and how big this node's member is, by what its operator configured.

import { statfsSync } from "node:fs";
import type { Config } from "../config/settings.js";
import type { MemberSettings } from "../replication/ports.js";
import { defaultMemberSettings } from "../replication/settings.js";

/** Of the disk, where the operator names no bound. */
const logShare = 1 / 5;

export function memberSettings(config: Config): MemberSettings {
  const { logKeepMinutes, logKeepBytes, logBytesMax, leaseTtlSeconds } = config;
  return {
    ...defaultMemberSettings,
    // A short lease has no whole second to spare: the deadline has a margin of its own already.
    leaseMarginMs: Math.min(defaultMemberSettings.leaseMarginMs, leaseTtlSeconds * 100),
    logKeepMs: logKeepMinutes * 60_000,
    logKeepBytes,
    logBytesMax: logBytesMax > 0 ? logBytesMax : Math.floor(diskBytesOf(config) * logShare),
  };
}

/** The size of the disk that the data directory is on, used or not. */
function diskBytesOf({ dataDir }: Config): number {
  const { blocks, bsize } = statfsSync(dataDir);
  return blocks * bsize;
}
