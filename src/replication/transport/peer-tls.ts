// TLS between members: certificates of the cluster on both sides, TLS 1.3. A node's certificate names the cluster and the node
// (src/security/node-identity.ts); the address it is reached at proves nothing and is not looked at, since addresses change.
//
// A caller without a certificate of the cluster gets through the handshake and no further: it is told why by a status, where a
// broken handshake would leave it guessing.
//
// Nodes pass calls of applications on over the same port, with the same certificates. Those connections ask for a server name
// of their own, as one host may have several: so who listens knows what a connection is for before its first byte. ALPN is
// made for this, but grpc-js, which dials them, always says "h2".

import type { Socket } from "node:net";
import {
  connect,
  createSecureContext,
  createServer,
  type PeerCertificate as NodeCertificate,
  type TLSSocket,
} from "node:tls";
import { ChannelCredentials } from "@grpc/grpc-js";
import { type Address, addressText } from "../../config/address.js";
import { type NodeIdentity, nodeIdentityOf } from "../../security/node-identity.js";
import { handshakeMsMax } from "./limits.js";
import { TlsFiles, type TlsFilesParts, type TlsPaths } from "./tls-files.js";

export interface PeerTlsOptions extends TlsPaths {
  /** Who this node is; its own certificate must say the same. */
  readonly identity: NodeIdentity;
}

/** What the certificate of a caller says. */
export type PeerCertificate =
  /** In the clear, on this machine. */
  | { readonly kind: "none_needed" }
  | { readonly kind: "node"; readonly node: string }
  | { readonly kind: "refused"; readonly why: string };

/** The server name of connections over which calls are passed on. No certificate names it. */
export const callsServerName = "calls.forebay.internal";

export interface PeerTls {
  /** Connects; 'secureConnect' comes once the other side has proved to be that node. */
  dial(address: Address, node: string): TLSSocket;
  /** Takes a connection that came in; ends in one of the two events. */
  accept(socket: Socket): void;
  /** For connections to that node which grpc-js makes; the same object until the files change. */
  credentialsFor(node: string): ChannelCredentials;
  onSecure(react: (socket: TLSSocket, certificate: PeerCertificate) => void): void;
  onRefused(react: (from: string | undefined, why: string) => void): void;
  stop(): void;
}

const alpn = ["h2"];

/** Reads the files; throws an OperatorFault when they cannot be used. */
export function createPeerTls(options: PeerTlsOptions, parts: TlsFilesParts): PeerTls {
  const { identity } = options;
  const files = new TlsFiles(options, identity, parts);
  const server = createServer({
    ALPNProtocols: alpn,
    handshakeTimeout: handshakeMsMax,
    requestCert: true,
    rejectUnauthorized: false,
    ...files.current,
  });
  const credentials = new Map<string, ChannelCredentials>();
  files.onChange((contents) => {
    server.setSecureContext(contents);
    credentials.clear();
  });
  const expecting = (node: string) => ({
    rejectUnauthorized: true,
    checkServerIdentity: (_host: string, certificate: NodeCertificate) =>
      mismatchOf(certificate, { ...identity, node }),
  });
  return {
    stop: () => files.stop(),
    dial: ({ host, port }, node) => {
      files.look();
      return connect({
        host,
        port,
        ALPNProtocols: alpn,
        ...expecting(node),
        ...files.current,
      });
    },
    credentialsFor: (node) => {
      const known = credentials.get(node);
      if (known !== undefined) return known;
      const context = createSecureContext(files.current);
      const made = ChannelCredentials.createFromSecureContext(context, expecting(node));
      credentials.set(node, made);
      return made;
    },
    accept: (socket) => {
      files.look();
      server.emit("connection", socket);
    },
    onSecure: (react) => {
      server.on("secureConnection", (socket) => {
        // A reset is no event for us: 'close' follows.
        socket.on("error", () => socket.destroy());
        react(socket, certificateOf(socket, identity));
      });
    },
    onRefused: (react) => {
      server.on("tlsClientError", (error, socket) => {
        const { remoteAddress: host, remotePort: port } = socket;
        socket.destroy();
        const from = host === undefined ? undefined : addressText({ host, port: port ?? 0 });
        react(from, error.message);
      });
    },
  };
}

function mismatchOf(certificate: NodeCertificate, expected: NodeIdentity): Error | undefined {
  const found = nodeIdentityOf(certificate.subjectaltname);
  if (found?.cluster === expected.cluster && found.node === expected.node) return undefined;
  const what = found === undefined ? "no node" : `node ${found.node} of cluster ${found.cluster}`;
  return new Error(
    `its certificate names ${what} where node ${expected.node} of cluster ${expected.cluster} was expected`,
  );
}

function certificateOf(socket: TLSSocket, { cluster }: NodeIdentity): PeerCertificate {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return { kind: "refused", why: "none was shown" };
  if (!socket.authorized) {
    return { kind: "refused", why: `the one shown is not valid (${authorizationErrorOf(socket)})` };
  }
  const found = nodeIdentityOf(certificate.subjectAltName);
  if (found === undefined) return { kind: "refused", why: "the one shown names no node" };
  if (found.cluster !== cluster) {
    return { kind: "refused", why: `the one shown is of cluster ${found.cluster}` };
  }
  return { kind: "node", node: found.node };
}

/** Node's type says Error; at run time it is OpenSSL's code, as CERT_HAS_EXPIRED. */
const authorizationErrorOf = (socket: TLSSocket): string => String(socket.authorizationError);
