// Makes the certificates that the nodes of a cluster know each other by: a CA of the cluster's own, and for each node a
// certificate that names cluster and node and nothing else (node-identity.ts). ECDSA on P-256, keys in PKCS #8. And the
// certificate of a key that messages are signed with, which is RSA because verifiers of such messages expect it.
//
// The bytes of X.509 are laid out by pkijs; keys and signatures are Node's.

import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  X509Certificate,
} from "node:crypto";
import { BitString, Integer, Null, OctetString, Utf8String } from "asn1js";
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  Extension,
  ExtKeyUsage,
  GeneralName,
  GeneralNames,
  PublicKeyInfo,
  type RelativeDistinguishedNames,
} from "pkijs";
import { days, type EpochMs, hours } from "../base/brands.js";
import { dateAt } from "../base/dates.js";
import type { Random } from "../base/ids.js";
import { OperatorFault } from "../base/operator-fault.js";
import { clusterUri, clusterUriOf, type NodeIdentity, nodeUri } from "./node-identity.js";

/** A certificate and the key it is for, in PEM. */
export interface KeyedCertificate {
  readonly certificate: string;
  readonly key: string;
}

export interface Issuance {
  readonly now: EpochMs;
  readonly validDays: number;
  readonly random: Random;
}

/** The files of a CA cannot be used; the message says why. */
class CertificateAuthorityFault extends OperatorFault {
  override readonly name = "CertificateAuthorityFault";
}

/** Clocks of nodes differ; a certificate is good a while before it was made. */
const backdatedMs = hours(1);

const oids = {
  commonName: "2.5.4.3",
  ecdsaWithSha256: "1.2.840.10045.4.3.2",
  sha256WithRsa: "1.2.840.113549.1.1.11",
  subjectKeyIdentifier: "2.5.29.14",
  keyUsage: "2.5.29.15",
  subjectAltName: "2.5.29.17",
  basicConstraints: "2.5.29.19",
  authorityKeyIdentifier: "2.5.29.35",
  extendedKeyUsage: "2.5.29.37",
  serverAuth: "1.3.6.1.5.5.7.3.1",
  clientAuth: "1.3.6.1.5.5.7.3.2",
} as const;

// Bits of the key usage extension, as its one byte with the count of its unused low bits.
const signsCertificates = { byte: 0b0000_0110, unusedBits: 1 };
const signsHandshakes = { byte: 0b1000_0000, unusedBits: 7 };
/** The same bit: digitalSignature. */
const signsMessages = signsHandshakes;

/** A CA for one cluster, which its certificate names. */
export function createClusterCa(cluster: string, issuance: Issuance): KeyedCertificate {
  const { publicKey, privateKey } = newKeys();
  // Two CAs of one cluster, side by side while they are exchanged, are told apart.
  const mark = Buffer.alloc(4);
  issuance.random.fill(mark);
  const certificate = blank(publicKey, issuance);
  nameOf(certificate.subject, `Forebay CA of ${cluster} ${mark.toString("hex")}`);
  certificate.issuer = certificate.subject;
  const keyId = keyIdOf(publicKey);
  certificate.extensions = [
    basicConstraints(true),
    keyUsage(signsCertificates),
    extension(oids.subjectKeyIdentifier, false, new OctetString({ valueHex: keyId })),
    uriName(clusterUri(cluster)),
  ];
  return signed(certificate, privateKey, privateKey);
}

/** A certificate for one node of the CA's cluster. */
export function createNodeCertificate(
  ca: KeyedCertificate,
  node: string,
  issuance: Issuance,
): KeyedCertificate {
  const { issuer, key, cluster } = readCa(ca);
  const { publicKey, privateKey } = newKeys();
  const identity: NodeIdentity = { cluster, node };
  const certificate = blank(publicKey, issuance);
  nameOf(certificate.subject, `Forebay node ${node} of ${cluster}`);
  certificate.issuer = Certificate.fromBER(arrayOf(issuer.raw)).subject;
  const issuerKeyId = new OctetString({ valueHex: keyIdOf(issuer.publicKey) });
  certificate.extensions = [
    basicConstraints(false),
    keyUsage(signsHandshakes),
    extension(
      oids.extendedKeyUsage,
      false,
      new ExtKeyUsage({ keyPurposes: [oids.serverAuth, oids.clientAuth] }).toSchema(),
    ),
    extension(
      oids.authorityKeyIdentifier,
      false,
      new AuthorityKeyIdentifier({ keyIdentifier: issuerKeyId }).toSchema(),
    ),
    uriName(nodeUri(identity)),
  ];
  return signed(certificate, privateKey, key);
}

/** A pair of keys of any kind that signatures are made with. */
export interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

/** A certificate that vouches for itself: whoever verifies a message knows it by where it is served. */
export function createMessageCertificate(
  commonName: string,
  { publicKey, privateKey }: KeyPair,
  issuance: Issuance,
): KeyedCertificate {
  const certificate = blank(publicKey, issuance);
  nameOf(certificate.subject, commonName);
  certificate.issuer = certificate.subject;
  certificate.extensions = [
    basicConstraints(false),
    keyUsage(signsMessages),
    extension(oids.subjectKeyIdentifier, false, new OctetString({ valueHex: keyIdOf(publicKey) })),
  ];
  return signed(certificate, privateKey, privateKey);
}

/** The cluster that a CA is for. Throws a CertificateAuthorityFault when it is none of ours or its key is another's. */
export function readCa(ca: KeyedCertificate): {
  readonly issuer: X509Certificate;
  readonly key: KeyObject;
  readonly cluster: string;
} {
  const issuer = parsed("certificate", () => new X509Certificate(ca.certificate));
  const key = parsed("key", () => createPrivateKey(ca.key));
  if (!issuer.checkPrivateKey(key)) {
    throw new CertificateAuthorityFault("The key of the CA is not that of its certificate.");
  }
  const cluster = clusterUriOf(issuer.subjectAltName);
  if (!issuer.ca || cluster === undefined) {
    throw new CertificateAuthorityFault("The certificate is not of a CA that forebay init made.");
  }
  return { issuer, key, cluster };
}

function parsed<T>(what: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CertificateAuthorityFault(`The ${what} of the CA cannot be used: ${why}.`, {
      cause: error,
    });
  }
}

const newKeys = () => generateKeyPairSync("ec", { namedCurve: "P-256" });

/** Everything that does not depend on what the certificate is for. */
function blank(publicKey: KeyObject, { now, validDays, random }: Issuance): Certificate {
  const certificate = new Certificate();
  // Counted from 0: version 3, which has extensions.
  certificate.version = 2;
  const serial = Buffer.alloc(16);
  random.fill(serial);
  // Positive, and without a leading zero byte: the first bit is 0 and the second is 1.
  serial.writeUInt8((serial.readUInt8(0) & 0x7f) | 0x40, 0);
  certificate.serialNumber = new Integer({ valueHex: arrayOf(serial) });
  certificate.notBefore.value = dateAt(now - backdatedMs);
  certificate.notAfter.value = dateAt(now + days(validDays));
  const spki = publicKey.export({ type: "spki", format: "der" });
  certificate.subjectPublicKeyInfo = PublicKeyInfo.fromBER(arrayOf(spki));
  return certificate;
}

function nameOf(name: RelativeDistinguishedNames, commonName: string): void {
  const value = new Utf8String({ value: commonName });
  name.typesAndValues.push(new AttributeTypeAndValue({ type: oids.commonName, value }));
}

function signed(certificate: Certificate, key: KeyObject, issuerKey: KeyObject): KeyedCertificate {
  const isRsa = issuerKey.asymmetricKeyType === "rsa";
  const algorithm = isRsa
    ? // RFC 4055: parameters are there, and NULL.
      new AlgorithmIdentifier({ algorithmId: oids.sha256WithRsa, algorithmParams: new Null() })
    : new AlgorithmIdentifier({ algorithmId: oids.ecdsaWithSha256 });
  certificate.signature = algorithm;
  certificate.signatureAlgorithm = algorithm;
  const content = Buffer.from(certificate.encodeTBS().toBER());
  certificate.tbsView = content;
  const signature = sign("sha256", content, { key: issuerKey, dsaEncoding: "der" });
  certificate.signatureValue = new BitString({ valueHex: arrayOf(signature) });
  const der = Buffer.from(certificate.toSchema(false).toBER());
  return {
    certificate: new X509Certificate(der).toString(),
    key: key.export({ type: "pkcs8", format: "pem" }).toString(),
  };
}

interface Encodable {
  toBER(): ArrayBuffer;
}

const extension = (extnID: string, critical: boolean, value: Encodable): Extension =>
  new Extension({ extnID, critical, extnValue: value.toBER() });

const basicConstraints = (isCa: boolean): Extension => {
  // A CA for nodes, and for no further CA.
  const constraints = isCa ? { cA: true, pathLenConstraint: 0 } : {};
  return extension(oids.basicConstraints, true, new BasicConstraints(constraints).toSchema());
};

function keyUsage({ byte, unusedBits }: typeof signsCertificates): Extension {
  const valueHex = arrayOf(Buffer.from([byte]));
  return extension(oids.keyUsage, true, new BitString({ valueHex, unusedBits }));
}

function uriName(uri: string): Extension {
  // 6 is a URI.
  const names = [new GeneralName({ type: 6, value: uri })];
  return extension(oids.subjectAltName, false, new GeneralNames({ names }).toSchema());
}

/** RFC 5280's first way: SHA-1 over the bits of the key. It names a key and protects nothing. */
function keyIdOf(key: KeyObject): ArrayBuffer {
  const spki = key.export({ type: "spki", format: "der" });
  const bits = PublicKeyInfo.fromBER(arrayOf(spki)).subjectPublicKey.valueBlock.valueHexView;
  return arrayOf(createHash("sha1").update(bits).digest());
}

/** As pkijs takes bytes. */
const arrayOf = (bytes: Buffer): ArrayBuffer => new Uint8Array(bytes).buffer;
