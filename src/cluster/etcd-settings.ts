// What the settings of a node say about etcd, with the files they name read.

import { readFileSync } from "node:fs";
import { OperatorFault } from "../base/operator-fault.js";
import type { EtcdSettings } from "./etcd-connection.js";

/** The rows of the settings table that begin with `cluster_etcd_`; an empty text is a file not given. */
export interface EtcdConfig {
  readonly clusterEtcdEndpoints: readonly string[];
  readonly clusterEtcdCaFile: string;
  readonly clusterEtcdCertFile: string;
  readonly clusterEtcdKeyFile: string;
  readonly clusterEtcdUser: string;
  readonly clusterEtcdPasswordFile: string;
}

/** @throws OperatorFault if a file cannot be read. */
export function readEtcdSettings(config: EtcdConfig): EtcdSettings {
  const ca = readNamed("cluster_etcd_ca_file", config.clusterEtcdCaFile);
  const chain = readNamed("cluster_etcd_cert_file", config.clusterEtcdCertFile);
  const key = readNamed("cluster_etcd_key_file", config.clusterEtcdKeyFile);
  const password = readNamed("cluster_etcd_password_file", config.clusterEtcdPasswordFile);
  const certificate = chain && key && { chain, key };
  return {
    endpoints: config.clusterEtcdEndpoints,
    tls: ca === undefined && certificate === undefined ? undefined : { ca, certificate },
    user: password && {
      name: config.clusterEtcdUser,
      // Editors end files with a line break.
      password: password.toString("utf8").replace(/\r?\n$/, ""),
    },
  };
}

function readNamed(setting: string, path: string): Buffer | undefined {
  if (path === "") return undefined;
  try {
    return readFileSync(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new OperatorFault(`${setting}: the file ${path} cannot be read: ${reason}.`);
  }
}
