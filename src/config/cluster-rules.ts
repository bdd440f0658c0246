// Which settings of a cluster go together. Checked when each by itself is right; every problem is a sentence that names the
// setting and says what to write.

import { type Address, addressText, isLoopback } from "./address.js";
import type { Config } from "./settings.js";

/** What the rules look at. */
type ClusterConfig = Pick<
  Config,
  | "clusterName"
  | "nodeName"
  | "zone"
  | "replicationListen"
  | "replicationAdvertise"
  | "replicationCaFile"
  | "dataAdvertise"
  | "replicationCertFile"
  | "replicationKeyFile"
  | "clusterEtcdEndpoints"
  | "clusterEtcdCaFile"
  | "clusterEtcdCertFile"
  | "clusterEtcdKeyFile"
  | "clusterEtcdUser"
  | "clusterEtcdPasswordFile"
  | "logKeepBytes"
  | "logBytesMax"
>;

/** Sentences for the operator; none when the settings go together. */
export function clusterProblems(config: ClusterConfig): string[] {
  if (config.clusterName === "") return withoutCluster(config);
  return [
    ...missing(config),
    ...certificateProblems(config),
    ...addressProblems(config),
    ...etcdProblems(config),
    ...logProblems(config),
  ];
}

/** Settings that would silently do nothing: somebody meant a cluster and did not get one. */
function withoutCluster(config: ClusterConfig): string[] {
  const meant: readonly (readonly [string, boolean])[] = [
    ["node_name", config.nodeName !== ""],
    ["zone", config.zone !== ""],
    ["replication_advertise", config.replicationAdvertise !== undefined],
    ["replication_ca_file", config.replicationCaFile !== ""],
    ["replication_cert_file", config.replicationCertFile !== ""],
    ["replication_key_file", config.replicationKeyFile !== ""],
    ["cluster_etcd_endpoints", config.clusterEtcdEndpoints.length > 0],
  ];
  return meant
    .filter(([, isGiven]) => isGiven)
    .map(([name]) => `${name}: it has no effect on a node alone; set cluster_name, or remove it.`);
}

function missing({ nodeName, zone, clusterEtcdEndpoints }: ClusterConfig): string[] {
  const problems: string[] = [];
  if (nodeName === "") {
    problems.push("node_name: a node of a cluster needs a name of its own, as in node_name=a.");
  }
  if (zone === "") {
    problems.push("zone: a node of a cluster needs the zone it stands in, as in zone=zone-a.");
  }
  if (clusterEtcdEndpoints.length === 0) {
    problems.push(
      "cluster_etcd_endpoints: a cluster needs the etcd that elects its leader, as in cluster_etcd_endpoints=10.0.1.5:2379,10.0.2.5:2379,10.0.3.5:2379.",
    );
  }
  return problems;
}

const hasCertificates = (config: ClusterConfig): boolean => config.replicationCertFile !== "";

function certificateProblems(config: ClusterConfig): string[] {
  const files = {
    replication_ca_file: config.replicationCaFile,
    replication_cert_file: config.replicationCertFile,
    replication_key_file: config.replicationKeyFile,
  };
  return allOrNone(files, "forebay init makes all three");
}

/** All of these are given or none is. */
function allOrNone(values: Readonly<Record<string, string>>, hint: string): string[] {
  const rows = Object.entries(values);
  const given = rows.filter(([, value]) => value !== "").map(([name]) => name);
  if (given.length === 0) return [];
  return rows
    .filter(([, value]) => value === "")
    .map(([name]) => `${name}: it goes with ${given.join(" and ")}; ${hint}.`);
}

function addressProblems(config: ClusterConfig): string[] {
  const { replicationListen: listen, replicationAdvertise: advertise } = config;
  const problems: string[] = [];
  const byCertificate =
    "nodes talk beyond this machine only with certificates; set replication_ca_file, " +
    "replication_cert_file and replication_key_file (forebay init makes them), or use 127.0.0.1.";
  if (!hasCertificates(config)) {
    // Without certificates calls are passed on in the clear, to where applications are told to go.
    const exposed = {
      replication_listen: listen,
      replication_advertise: advertise,
      data_advertise: config.dataAdvertise,
    };
    for (const [name, address] of Object.entries(exposed)) {
      if (address === undefined || isLoopback(address)) continue;
      problems.push(`${name}: ${addressText(address)} is beyond this machine; ${byCertificate}`);
    }
  }
  if (isWildcard(listen) && advertise === undefined) {
    problems.push(
      `replication_advertise: ${addressText(listen)} tells other nodes no address to reach this one at; ` +
        "write one, as in replication_advertise=10.0.1.7:7402.",
    );
  }
  return problems;
}

const isWildcard = ({ host }: Address): boolean => /^(?:0\.0\.0\.0|[0:]+)$/.test(host);

function etcdProblems(config: ClusterConfig): string[] {
  const certificate = {
    cluster_etcd_cert_file: config.clusterEtcdCertFile,
    cluster_etcd_key_file: config.clusterEtcdKeyFile,
  };
  const user = {
    cluster_etcd_user: config.clusterEtcdUser,
    cluster_etcd_password_file: config.clusterEtcdPasswordFile,
  };
  return [
    ...allOrNone(certificate, "a certificate is of no use without its key"),
    ...allOrNone(user, "etcd asks for both"),
  ];
}

function logProblems({ logKeepBytes, logBytesMax }: ClusterConfig): string[] {
  if (logBytesMax === 0 || logBytesMax >= logKeepBytes) return [];
  return [
    `log_bytes_max: it must be at least log_keep_bytes, which is ${logKeepBytes}; or 0 for a fifth of the disk.`,
  ];
}
