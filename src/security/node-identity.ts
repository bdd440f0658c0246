// Who a node is, as its certificate says: one URI, `spiffe://<cluster>/node/<node>`, and nothing else in the certificate counts.
// A certificate with several URIs would be two nodes at once and is refused, as SPIFFE demands; the common name is a text for
// people.

import { isClusterName } from "../base/cluster-names.js";

export interface NodeIdentity {
  readonly cluster: string;
  readonly node: string;
}

export const nodeUri = ({ cluster, node }: NodeIdentity): string =>
  `spiffe://${cluster}/node/${node}`;

/** From the names of a certificate as OpenSSL lists them; undefined when they do not name exactly one node. */
export function nodeIdentityOf(subjectAltName: string | undefined): NodeIdentity | undefined {
  // Node quotes a name that holds a comma or a quote; ours never do, and none that is quoted is looked at.
  const uris = (subjectAltName ?? "").split(", ").filter((name) => name.startsWith("URI:"));
  if (uris.length !== 1 || subjectAltName?.includes('"')) return undefined;
  const [, cluster, node] = /^URI:spiffe:\/\/([^/]+)\/node\/([^/]+)$/.exec(uris[0] ?? "") ?? [];
  if (cluster === undefined || node === undefined) return undefined;
  return isClusterName(cluster) && isClusterName(node) ? { cluster, node } : undefined;
}
