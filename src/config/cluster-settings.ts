// The settings of a node that takes part in a cluster. Alone, which is what an empty `cluster_name` means, none of them has an
// effect. Which of them go together is in cluster-rules.ts.

import {
  anyAddress,
  clusterName,
  endpoint,
  endpoints,
  integer,
  optionalPath,
  text,
} from "./setting.js";

const gibibyte = 1_073_741_824;
const tebibyte = 1_024 * gibibyte;

export const clusterSettings = {
  cluster_name: clusterName({
    effect: "The cluster this node takes part in; empty: it runs alone.",
    example: "orders-eu",
  }),
  node_name: clusterName({
    effect: "This node among those of its cluster; its certificate names it too.",
    example: "a",
  }),
  zone: clusterName({
    effect: "What fails together with this node, as a data centre. One node of each zone votes.",
    example: "zone-a",
  }),
  replication_listen: anyAddress({
    default: "127.0.0.1:7402",
    effect: "Where the other nodes connect. Beyond this machine only with certificates.",
  }),
  replication_advertise: endpoint({
    effect: "Where the other nodes reach it; empty: as `replication_listen`.",
    example: "10.0.1.7:7402",
  }),
  data_advertise: endpoint({
    effect:
      "Where applications, and without certificates other nodes, reach `listen`; empty: as it is.",
    example: "10.0.1.7:7400",
  }),
  management_advertise: endpoint({
    effect: "Where operators reach `management_listen`; empty: as it is.",
    example: "10.0.1.7:7401",
  }),
  replication_ca_file: optionalPath({
    effect: "The CAs whose nodes are accepted, in PEM. `forebay init` makes one.",
    example: "/etc/forebay/ca.crt",
  }),
  replication_cert_file: optionalPath({
    effect: "This node's certificate, in PEM. Read again when it changes, as all three.",
    example: "/etc/forebay/a.crt",
  }),
  replication_key_file: optionalPath({
    effect: "Its key, in PEM.",
    example: "/etc/forebay/a.key",
  }),
  cluster_etcd_endpoints: endpoints({
    effect: "The members of the etcd that elects the leader. Three of them, in three zones.",
    example: "https://10.0.1.5:2379,https://10.0.2.5:2379,https://10.0.3.5:2379",
  }),
  cluster_etcd_ca_file: optionalPath({
    effect: "The CAs of etcd's certificates, in PEM; empty: those that the system trusts.",
    example: "/etc/forebay/etcd-ca.crt",
  }),
  cluster_etcd_cert_file: optionalPath({
    effect: "A certificate to show to etcd, in PEM.",
    example: "/etc/forebay/etcd.crt",
  }),
  cluster_etcd_key_file: optionalPath({
    effect: "Its key, in PEM.",
    example: "/etc/forebay/etcd.key",
  }),
  cluster_etcd_user: text({
    effect: "Who to be at an etcd with authentication.",
    example: "forebay",
  }),
  cluster_etcd_password_file: optionalPath({
    effect: "A file that holds that user's password, and nothing else.",
    example: "/etc/forebay/etcd-password",
  }),
  lease_ttl_seconds: integer({
    default: 5,
    min: 2,
    max: 60,
    effect: "A leader that is cut off is replaced after about this long.",
  }),
  log_keep_minutes: integer({
    default: 15,
    min: 0,
    max: 10_080,
    effect: "The log is kept at least so long, for nodes that were away.",
  }),
  log_keep_bytes: integer({
    default: gibibyte,
    min: 0,
    max: 16 * tebibyte,
    effect: "At least so much of the log is kept.",
  }),
  log_bytes_max: integer({
    default: 0,
    min: 0,
    max: 16 * tebibyte,
    effect:
      "And never more; a node that needs more takes a copy of the state. 0: a fifth of the disk.",
  }),
} as const;
