// The yardstick of the benchmarks: a service that takes and gives the same bytes as sending does, and does nothing. What a
// real send costs above it is the cost of Forebay; what it costs itself is the cost of gRPC. Off unless asked for.

import {
  type ProduceResponse,
  QueueServiceDefinition,
  type SendMessageBatchResponse,
  type SendMessageResponse,
} from "../gen/forebay/queue/v1/queue_service.js";
import type { ServiceHandlers } from "../rpc/call.js";

const { sendMessage, sendMessageBatch, produce } = QueueServiceDefinition.methods;

export const noopServiceDefinition = {
  fullName: "forebay.bench.NoopService",
  methods: { sendMessage, sendMessageBatch, produce },
} as const;

// As long as real ones: a UUID and an MD5 in hexadecimal.
const result = {
  messageId: "00000000-0000-7000-8000-000000000000",
  md5OfBody: "00000000000000000000000000000000",
  md5OfAttributes: "",
  md5OfSystemAttributes: "",
  sequenceNumber: "",
  duplicate: false,
} as const;
const response: SendMessageResponse = { ...result, replayed: false };

export const noopHandlers: ServiceHandlers<typeof noopServiceDefinition> = {
  sendMessage: () => response,
  sendMessageBatch: ({ entries }): SendMessageBatchResponse => ({
    successful: entries.map(({ id }) => ({ id, ...result })),
    failed: [],
    replayed: false,
  }),
  produce: (stream) => {
    let answeredCount = 0n;
    stream.onRequest(({ entries }) => {
      const answer: ProduceResponse = {
        firstIndex: answeredCount,
        results: entries.map(({ id }) => ({
          result: { $case: "sent", value: { id, ...result } },
        })),
      };
      answeredCount += BigInt(entries.length);
      if (stream.write(answer)) return;
      stream.pauseRequests();
      stream.drained().then(
        () => stream.resumeRequests(),
        (error) => stream.fail(error),
      );
    });
    stream.onRequestsEnd(() => stream.end());
  },
};
