// The certificates of a node as they lie in files. Looked at when a connection is made, at most so often, by their times and
// sizes: so new certificates are used without a restart, also where links are swapped under the files, which watchers miss.
// Files that cannot be used (half written, a key of another certificate) are told of and leave those before them in place.

import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { createSecureContext } from "node:tls";
import type { Log } from "../../base/log.js";
import { OperatorFault } from "../../base/operator-fault.js";
import { type NodeIdentity, nodeIdentityOf } from "../../security/node-identity.js";

export interface TlsPaths {
  /** The CAs whose nodes are accepted, one or several in PEM. */
  readonly caFile: string;
  /** This node's certificate, and any between it and the CA. */
  readonly certFile: string;
  readonly keyFile: string;
}

/** As Node's TLS takes them. */
export interface TlsContents {
  readonly ca: readonly string[] & string[];
  readonly cert: string;
  readonly key: string;
  readonly minVersion: "TLSv1.3";
}

/** The certificates cannot be used; the message says which file and why. */
class CertificateFault extends OperatorFault {
  override readonly name = "CertificateFault";
}

export class TlsFiles {
  readonly #paths: TlsPaths;
  readonly #identity: NodeIdentity;
  readonly #log: Log;
  #seen: string;
  #current: TlsContents;
  #react: (contents: TlsContents) => void = () => undefined;

  /** Throws a CertificateFault. */
  constructor(paths: TlsPaths, identity: NodeIdentity, log: Log) {
    this.#paths = paths;
    this.#identity = identity;
    this.#log = log;
    this.#seen = stampOf(paths);
    this.#current = read(paths, identity);
    this.#tell("certificates read");
  }

  get current(): TlsContents {
    return this.#current;
  }

  onChange(react: (contents: TlsContents) => void): void {
    this.#react = react;
  }

  /** Reads the files again if they changed. */
  look(): void {
    const stamp = stampOf(this.#paths);
    if (stamp === this.#seen) return;
    this.#seen = stamp;
    try {
      this.#current = read(this.#paths, this.#identity);
    } catch (error) {
      if (!(error instanceof CertificateFault)) throw error;
      this.#log.error({ why: error.message }, "new certificates cannot be used; the old ones stay");
      return;
    }
    this.#react(this.#current);
    this.#tell("new certificates read");
  }

  #tell(line: string): void {
    const { validTo, fingerprint256 } = new X509Certificate(this.#current.cert);
    this.#log.info({ validTo, fingerprint: fingerprint256 }, line);
  }
}

/** Changes when a file does. */
function stampOf({ caFile, certFile, keyFile }: TlsPaths): string {
  return [caFile, certFile, keyFile].map(stampOfFile).join(" ");
}

function stampOfFile(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  return found === undefined ? "-" : `${found.ino}:${found.size}:${found.mtimeMs}:${found.ctimeMs}`;
}

const pemCertificate = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

function read({ caFile, certFile, keyFile }: TlsPaths, expected: NodeIdentity): TlsContents {
  const ca = textOf(caFile).match(pemCertificate) ?? [];
  if (ca.length === 0) throw new CertificateFault(`${caFile} holds no certificate in PEM.`);
  for (const one of ca) parsed(caFile, () => new X509Certificate(one));
  const cert = textOf(certFile);
  const certificate = parsed(certFile, () => new X509Certificate(cert));
  const key = textOf(keyFile);
  const privateKey = parsed(keyFile, () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey)) {
    throw new CertificateFault(
      `The key in ${keyFile} is not that of the certificate in ${certFile}.`,
    );
  }
  const found = nodeIdentityOf(certificate.subjectAltName);
  if (found?.cluster !== expected.cluster || found.node !== expected.node) {
    const what = found === undefined ? "no node" : `node ${found.node} of cluster ${found.cluster}`;
    throw new CertificateFault(
      `The certificate in ${certFile} names ${what}; this is node ${expected.node} of cluster ${expected.cluster} ` +
        "(node_name, cluster_name). Make one with forebay init --node.",
    );
  }
  const contents: TlsContents = { ca, cert, key, minVersion: "TLSv1.3" };
  parsed(certFile, () => createSecureContext(contents));
  return contents;
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CertificateFault(`${path} cannot be read: ${why}.`, { cause: error });
  }
}

function parsed<T>(path: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CertificateFault(`${path} cannot be used: ${why}.`, { cause: error });
  }
}
