// A caller that speaks gRPC through grpc-js, as anybody else would: proves that the listener speaks gRPC, and says what it answers
// to those who do not belong.

import { X509Certificate } from "node:crypto";
import { connect as connectTls } from "node:tls";
import {
  ChannelCredentials,
  type ClientDuplexStream,
  credentials,
  type ServiceError,
  status,
} from "@grpc/grpc-js";
import type { MemberId } from "../../src/base/brands.js";
import {
  type ConnectRequest,
  type ConnectResponse,
  type Introduction,
  type PeerMessage,
  ReplicationServiceClient,
} from "../../src/gen/forebay/replication/v1/replication_service.js";
import { ErrorInfo } from "../../src/gen/google/rpc/error_details.js";
import { Status } from "../../src/gen/google/rpc/status.js";
import { group, idOf } from "./harness.js";

export interface DialByHand {
  /** Whom to trust; with any of these, TLS is spoken. */
  readonly ca?: string;
  readonly insecure?: boolean;
  readonly certificate?: string;
  readonly key?: string;
  readonly introduceAs?: MemberId;
  /** What to say first; an introduction that is right, if nothing is given. */
  readonly first?: PeerMessage;
  readonly introduction?: Partial<Introduction>;
  /** Said after the introduction was answered. */
  readonly thenSay?: PeerMessage;
}

export interface Answer {
  /** `introduced`, or the name of the status it ended with. */
  readonly status: string;
  readonly reason: string | undefined;
  readonly message: string;
  readonly introduction: Introduction | undefined;
  /** Of the certificate that the listener showed. */
  readonly serverSerial: string | undefined;
}

export type PlainStream = ClientDuplexStream<ConnectRequest, ConnectResponse>;

export const introductionBy = (
  from: MemberId,
  changes: Partial<Introduction> = {},
): PeerMessage => ({
  kind: {
    $case: "introduction",
    value: {
      groupId: Buffer.from(group, "hex"),
      memberId: Buffer.from(from, "hex"),
      protocolMin: 1,
      protocolMax: 1,
      release: "by hand",
      ...changes,
    },
  },
});

/** Opens a stream, introduces itself and reports how that ended. */
export async function dialByHand(endpoint: string, options: DialByHand = {}): Promise<Answer> {
  const serverSerial = isTls(options) ? await serialOf(endpoint, options) : undefined;
  const client = new ReplicationServiceClient(endpoint, channelCredentials(options), {
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_retries": 0,
  });
  try {
    const answer = await converse(client.connect(), options);
    return { ...answer, serverSerial };
  } finally {
    client.close();
  }
}

function converse(stream: PlainStream, options: DialByHand): Promise<Omit<Answer, "serverSerial">> {
  const { introduceAs = idOf("caller"), introduction = {}, first } = options;
  return new Promise((resolve) => {
    stream.on("data", ({ message }: ConnectResponse) => {
      if (message?.kind?.$case !== "introduction") return;
      const { value } = message.kind;
      if (options.thenSay === undefined) {
        resolve({ status: "introduced", reason: undefined, message: "", introduction: value });
        stream.cancel();
      } else {
        stream.write({ message: options.thenSay });
      }
    });
    stream.on("error", (error: ServiceError) => {
      resolve({
        status: status[error.code] ?? String(error.code),
        reason: reasonOf(error),
        message: error.details,
        introduction: undefined,
      });
    });
    stream.write({ message: first ?? introductionBy(introduceAs, introduction) });
  });
}

const isTls = ({ ca, insecure }: DialByHand): boolean => ca !== undefined || insecure === true;

function channelCredentials(options: DialByHand): ChannelCredentials {
  if (!isTls(options)) return credentials.createInsecure();
  const { ca, certificate, key } = options;
  return ChannelCredentials.createSsl(
    ca === undefined ? null : Buffer.from(ca),
    key === undefined ? null : Buffer.from(key),
    certificate === undefined ? null : Buffer.from(certificate),
    // The listener's name is in its certificate as a node, which grpc-js does not know.
    { checkServerIdentity: () => undefined, rejectUnauthorized: ca !== undefined },
  );
}

function serialOf(endpoint: string, { ca, certificate, key }: DialByHand): Promise<string> {
  const [host = "", port] = endpoint.split(":");
  return new Promise((resolve, reject) => {
    const socket = connectTls(
      {
        host,
        port: Number(port),
        ALPNProtocols: ["h2"],
        rejectUnauthorized: false,
        ...(ca !== undefined && { ca }),
        ...(certificate !== undefined && { cert: certificate }),
        ...(key !== undefined && { key }),
      },
      () => {
        const shown = new X509Certificate(socket.getPeerCertificate().raw);
        resolve(shown.serialNumber);
        socket.destroy();
      },
    );
    socket.on("error", reject);
  });
}

function reasonOf(error: ServiceError): string | undefined {
  const [packed] = error.metadata.get("grpc-status-details-bin");
  if (packed === undefined || typeof packed === "string") return undefined;
  const [detail] = Status.decode(packed).details;
  return detail === undefined ? undefined : ErrorInfo.decode(detail.value).reason;
}
