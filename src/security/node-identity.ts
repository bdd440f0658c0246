// Who a node is, as its certificate says: one URI, `spiffe://<cluster>/node/<node>`, and nothing else in the certificate counts.
// A certificate with several URIs would be two nodes at once and is refused, as SPIFFE demands; the common name is a text for
// people. The certificate of a cluster's CA names the cluster alone: `spiffe://<cluster>`.

import { isClusterName } from "../base/cluster-names.js";

export interface NodeIdentity {
  readonly cluster: string;
  readonly node: string;
}

export const clusterUri = (cluster: string): string => `spiffe://${cluster}`;
export const nodeUri = ({ cluster, node }: NodeIdentity): string =>
  `${clusterUri(cluster)}/node/${node}`;

/** From the names of a certificate as OpenSSL lists them; undefined when they do not name exactly one node. */
export function nodeIdentityOf(subjectAltName: string | undefined): NodeIdentity | undefined {
  const uri = onlyUriIn(subjectAltName);
  const [, cluster, node] = /^spiffe:\/\/([^/]+)\/node\/([^/]+)$/.exec(uri ?? "") ?? [];
  if (cluster === undefined || node === undefined) return undefined;
  return isClusterName(cluster) && isClusterName(node) ? { cluster, node } : undefined;
}

/** The cluster that a CA's certificate names; undefined when it names none. */
export function clusterUriOf(subjectAltName: string | undefined): string | undefined {
  const [, cluster] = /^spiffe:\/\/([^/]+)$/.exec(onlyUriIn(subjectAltName) ?? "") ?? [];
  return cluster !== undefined && isClusterName(cluster) ? cluster : undefined;
}

function onlyUriIn(subjectAltName = ""): string | undefined {
  // Node quotes a name that holds a comma or a quote; ours never do, and none that is quoted is looked at.
  if (subjectAltName.includes('"')) return undefined;
  const uris = subjectAltName.split(", ").filter((name) => name.startsWith("URI:"));
  return uris.length === 1 ? uris[0]?.slice("URI:".length) : undefined;
}
