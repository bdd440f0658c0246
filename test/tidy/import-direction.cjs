// The arrows of the house: which folder may import which. One row per folder, as in ARCHITECTURE.md; anything
// a row does not name is forbidden. Beside the rows: who may touch lmdb and grpc-js, purity of the rules'
// folders, no cycles, nothing unresolvable. test/tidy/guards.test.ts proves that these rules bite.

const services = ["queue", "cache", "topic"];

// From a unit of src, to the units it may import. A unit is a folder, or a file of its name; a part of a folder may have a row
// of its own.
const mayImport = {
  main: ["base", "config", "server", "cli"],
  server: "everything",
  // Of security the making of certificates (`forebay init`), which needs no server; and etcd, where a cluster is begun before any
  // node could be asked.
  cli: ["base", "gen", "config", "cluster", "security/certificates"],
  config: ["base"],
  // The listeners wrap the handlers of rpc; rpc knows nothing of them.
  edge: ["base", "config", "engine", "gen", "rpc"],
  security: ["base", "engine", "gen", "policy"],
  // Of delivery the rules of delivery policies, which are checked where they are set.
  rpc: ["base", "delivery/delivery-policy", "engine", "gen", "policy", ...services],
  // Of policies how networks are written; of security the certificates of what signs messages.
  delivery: ["base", "engine", "gen", "policy/ip-network", "security/certificates", ...services],
  queue: ["base", "policy"],
  // The clean-up decisions and administration see the state of all services; stamps, rejections and request ids are one for all.
  cache: ["base", "queue", "topic"],
  // A delivery to a queue is a send by the rules of queues, of what delivery puts into an envelope.
  topic: ["base", "cache/view", "delivery/envelopes", "policy", "queue"],
  // The documents that say who may do what, the same for every service.
  policy: ["base"],
  // The services' views and stamps, and their clean-up decisions, which the sweeper runs.
  engine: ["base", "store", ...services],
  // The services' view and change types only; see "store-imports-service-types-only".
  store: ["base", ...services],
  replication: ["base", "gen", "store"],
  // A floor of its own within replication, as it is an edge: it carries the protocol's messages over sockets, with addresses
  // from the settings, certificates, and the statuses that rpc gives every listener (which are grpc-js' and need it).
  "replication/transport": [
    "base",
    "config/address",
    "gen",
    "replication",
    "rpc/status-details",
    "security",
    "store",
  ],
  cluster: ["base", "gen", "replication", "store"],
  base: [],
  gen: [],
};

const unit = (names) => `^src/(?:${[names].flat().join("|")})(?:/|\\.ts$)`;

/** A part of a unit that has a row of its own is judged by that one alone. */
const without = (name) => {
  const parts = Object.keys(mayImport).filter((other) => other.startsWith(`${name}/`));
  return parts.length > 0 ? { pathNot: unit(parts) } : {};
};

const rows = Object.entries(mayImport)
  .filter(([, targets]) => targets !== "everything")
  .map(([name, targets]) => ({
    name: `${name}-imports`,
    comment: `src/${name} may import ${targets.length > 0 ? targets.join(", ") : "nothing of ours"}.`,
    severity: "error",
    from: { path: unit(name), ...without(name) },
    to: { path: "^src/", pathNot: unit([name, ...targets]) },
  }));

const others = [
  {
    name: "known-units-only",
    comment:
      "A new folder of src gets a row in test/tidy/import-direction.cjs and in ARCHITECTURE.md.",
    severity: "error",
    from: { path: "^src/", pathNot: unit(Object.keys(mayImport)) },
    to: {},
  },
  {
    name: "nothing-imports-the-roof",
    comment: "server and main build the house; only main may import server.",
    severity: "error",
    from: { path: "^src/([^/.]+)", pathNot: unit("main") },
    // A unit may import itself: server.ts has a folder of its name.
    to: { path: unit(["main", "server"]), pathNot: "^src/$1(?:/|\\.ts$)" },
  },
  {
    name: "store-imports-service-types-only",
    comment:
      "src/store knows the shape of a service's view and changes, the defaults of settings that an older row lacks, and what follows from a row alone; never its rules.",
    severity: "error",
    from: { path: unit("store") },
    to: {
      path: unit(services),
      pathNot: [
        "^src/[a-z]+/limits\\.ts$",
        "^src/cache/(?:model|view|item-facts|collections/entries|collections/order-keys)\\.ts$",
      ],
      dependencyTypesNot: ["type-only"],
    },
  },
  {
    name: "only-store-imports-lmdb",
    comment: "LMDB is known to src/store alone.",
    severity: "error",
    from: { pathNot: [unit("store"), "^test/", "^bench/"] },
    to: { path: "(?:^|/)node_modules/lmdb/" },
  },
  {
    name: "only-the-wire-imports-grpc-js",
    comment:
      "gRPC is known to the floors that speak it; the command line goes through @forebay/client.",
    severity: "error",
    from: {
      path: "^src/",
      // Of replication the transport alone: the protocol above it runs without a socket.
      pathNot: unit([
        "edge",
        "rpc",
        "delivery",
        "replication/transport",
        "cluster",
        "server",
        "gen",
      ]),
    },
    to: { path: "(?:^|/)node_modules/@grpc/grpc-js/" },
  },
  {
    name: "rules-are-pure",
    comment: "A service's rules read no clock, file or network, and need no package to decide.",
    severity: "error",
    from: { path: unit([...services, "policy"]) },
    to: {
      dependencyTypes: ["core", "npm", "npm-dev", "npm-optional", "npm-peer", "npm-no-pkg"],
      pathNot: "^(?:node:)?(?:buffer|crypto|util)$",
    },
  },
  {
    name: "only-the-command-line-imports-the-client",
    comment: "Inside the server nothing goes through the client; src/cli is its user.",
    severity: "error",
    from: { path: "^src/", pathNot: unit("cli") },
    to: { path: "^clients/|(?:^|/)node_modules/@forebay/" },
  },
  {
    name: "client-by-its-name",
    comment: "The client is imported as @forebay/client, so what is used is what is published.",
    severity: "error",
    from: { path: "^(?:src|bench|examples)/" },
    to: { path: "^clients/[^/]+/(?!dist/)" },
  },
  {
    name: "clients-stand-alone",
    comment: "A client is published by itself, so it knows the contract and not the server.",
    severity: "error",
    from: { path: "^clients/[^/]+/(?:src|gen|examples)/" },
    to: { path: "^(?:src|dist|test|bench)/" },
  },
  {
    name: "outsiders-use-the-product",
    comment: "Benchmarks and examples reach the server as users do: through @forebay/client.",
    severity: "error",
    from: { path: "^(?:bench|examples)/" },
    to: { path: "^(?:src|dist)/" },
  },
  {
    name: "workers-use-the-product",
    comment: "A *.worker.ts is compiled without src (test/tsconfig.build.json).",
    severity: "error",
    from: { path: "^test/.*[.]worker[.]ts$" },
    to: { path: "^(?:src|dist)/", reachable: true },
  },
  {
    name: "product-knows-no-tests",
    comment: "What is shipped imports nothing that is not.",
    severity: "error",
    from: { path: "^(?:src|clients/[^/]+/src)/" },
    to: { path: "^(?:test|bench|examples|scripts)/" },
  },
  {
    name: "no-development-packages-in-the-product",
    comment:
      "What is shipped imports only what package.json calls a dependency, or a peer that its user has.",
    severity: "error",
    from: { path: "^(?:src|clients/[^/]+/(?:src|gen))/" },
    to: {
      dependencyTypes: ["npm-dev", "npm-no-pkg", "npm-unknown"],
      dependencyTypesNot: ["npm-peer"],
      pathNot: "/@types/",
    },
  },
  {
    name: "no-cycles",
    comment: "Two files that import each other are one file, or need a third.",
    severity: "error",
    from: {},
    to: { circular: true },
  },
  {
    name: "no-unresolvable",
    comment: "An import that cannot be followed cannot be judged either.",
    severity: "error",
    from: {},
    to: { couldNotResolve: true },
  },
];

module.exports = {
  forbidden: [...rows, ...others],
  options: {
    doNotFollow: { path: "(?:^|/)(?:node_modules|dist)/" },
    tsPreCompilationDeps: true,
    combinedDependencies: true,
    enhancedResolveOptions: {
      exportsFields: ["exports"],
      conditionNames: ["import", "node", "default", "types"],
      mainFields: ["module", "main", "types"],
    },
  },
};
