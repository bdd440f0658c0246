// Certificates for tests, in files as an operator has them.

import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type EpochMs, epochMs } from "../../src/base/brands.js";
import { systemRandom } from "../../src/base/ids.js";
import type { PeerTlsOptions } from "../../src/replication/transport/peer-tls.js";
import {
  createClusterCa,
  createNodeCertificate,
  type KeyedCertificate,
} from "../../src/security/certificates.js";

const dayMs = 86_400_000;
const today = (): EpochMs => epochMs(Date.now());
export const daysAgo = (days: number): EpochMs => epochMs(Date.now() - days * dayMs);

export const newCa = (cluster = "eu", validDays = 10): KeyedCertificate =>
  createClusterCa(cluster, { now: today(), validDays, random: systemRandom });

export const newNode = (
  ca: KeyedCertificate,
  node: string,
  { now = today(), validDays = 5 }: { now?: EpochMs; validDays?: number } = {},
): KeyedCertificate => createNodeCertificate(ca, node, { now, validDays, random: systemRandom });

/** A directory with a node's three files. */
export interface NodeFiles {
  readonly options: PeerTlsOptions;
  /** Puts other contents in the place of some. */
  put(contents: { readonly ca?: string; readonly node?: KeyedCertificate }): void;
}

export function filesOf(
  node: string,
  ca: KeyedCertificate,
  made: KeyedCertificate = newNode(ca, node),
): NodeFiles {
  const directory = mkdtempSync(join(tmpdir(), "forebay-tls-"));
  const [caFile, certFile, keyFile] = ["ca.crt", "node.crt", "node.key"].map((name) =>
    join(directory, name),
  ) as [string, string, string];
  const put: NodeFiles["put"] = (contents) => {
    if (contents.ca !== undefined) writeFileSync(caFile, contents.ca);
    if (contents.node === undefined) return;
    writeFileSync(certFile, contents.node.certificate);
    writeFileSync(keyFile, contents.node.key);
  };
  put({ ca: ca.certificate, node: made });
  return { options: { identity: { cluster: "eu", node }, caFile, certFile, keyFile }, put };
}
