// The certificates of a node as they lie in files. Looked at when a connection is made and every minute, by their times and sizes:
// so new certificates are used without a restart, also where links are swapped under the files, which watchers miss. Files that
// cannot be used (half written, a key of another certificate) are told of and leave those before them in place.
//
// A certificate that ends breaks no connection that stands, so nobody would notice before everybody is locked out at once: from
// two weeks before, it is said once a day.

import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync, statSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { days, minutes } from "../../base/brands.js";
import type { Clock, Timer } from "../../base/clock.js";
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

/** What was read, and until when it is good. */
interface Read {
  readonly contents: TlsContents;
  /** In wall time: the end of the certificate, or of the CA that signed it if that comes first. */
  readonly endsAtMs: number;
}

export interface TlsFilesParts {
  readonly clock: Pick<Clock, "now" | "setTimer">;
  readonly log: Log;
}

const lookEveryMs = minutes(1);
const warnBeforeMs = days(14);
const warnEveryMs = days(1);

/** The certificates cannot be used; the message says which file and why. */
class CertificateFault extends OperatorFault {
  override readonly name = "CertificateFault";
}

export class TlsFiles {
  readonly #paths: TlsPaths;
  readonly #identity: NodeIdentity;
  readonly #parts: TlsFilesParts;
  #seen: string;
  #current: Read;
  #react: (contents: TlsContents) => void = () => undefined;
  #timer: Timer | undefined;
  #warnedAtMs: number | undefined;

  /** Throws a CertificateFault. */
  constructor(paths: TlsPaths, identity: NodeIdentity, parts: TlsFilesParts) {
    this.#paths = paths;
    this.#identity = identity;
    this.#parts = parts;
    this.#seen = stampOf(paths);
    this.#current = read(paths, identity);
    this.#tell("certificates read");
    this.#watch();
  }

  get current(): TlsContents {
    return this.#current.contents;
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
      const { message: why } = error;
      this.#parts.log.error({ why }, "new certificates cannot be used; the old ones stay");
      return;
    }
    this.#react(this.current);
    this.#warnedAtMs = undefined;
    this.#tell("new certificates read");
  }

  /** Looks no more by itself. */
  stop(): void {
    this.#timer?.cancel();
  }

  #watch(): void {
    this.#warnOfEnd();
    this.#timer = this.#parts.clock.setTimer(lookEveryMs, () => {
      this.look();
      this.#watch();
    });
  }

  #warnOfEnd(): void {
    const { clock, log } = this.#parts;
    const now = clock.now();
    const leftMs = this.#current.endsAtMs - now;
    if (leftMs > warnBeforeMs) return;
    if (this.#warnedAtMs !== undefined && now - this.#warnedAtMs < warnEveryMs) return;
    this.#warnedAtMs = now;
    const fields = { daysLeft: Math.floor(leftMs / days(1)), file: this.#paths.certFile };
    if (leftMs > 0) log.warn(fields, "certificate ends soon; make another with forebay init");
    else log.error(fields, "certificate has ended; no node lets this one in again");
  }

  #tell(line: string): void {
    const { validTo, fingerprint256 } = new X509Certificate(this.current.cert);
    this.#parts.log.info({ validTo, fingerprint: fingerprint256 }, line);
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

function read({ caFile, certFile, keyFile }: TlsPaths, expected: NodeIdentity): Read {
  const ca = textOf(caFile).match(pemCertificate) ?? [];
  if (ca.length === 0) throw new CertificateFault(`${caFile} holds no certificate in PEM.`);
  const authorities = ca.map((one) => parsed(caFile, () => new X509Certificate(one)));
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
  // An older CA that is still in the file may end; the one that signed may not.
  const issuer = authorities.find((authority) => certificate.checkIssued(authority));
  const ends = [certificate, issuer ?? certificate].map(({ validTo }) => Date.parse(validTo));
  return { contents, endsAtMs: Math.min(...ends) };
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
