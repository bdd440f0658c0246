// The one place where this client reads the process's environment.
//
// FOREBAY_ENDPOINT  where the server listens, as `host:port`; used when no endpoint is given in code.

const endpointDefault = "127.0.0.1:7400";

/** The endpoint of a client that was given none: FOREBAY_ENDPOINT, else `127.0.0.1:7400`. */
export function endpointFromEnvironment(): string {
  const endpoint = process.env["FOREBAY_ENDPOINT"];
  return endpoint === undefined || endpoint === "" ? endpointDefault : endpoint;
}
