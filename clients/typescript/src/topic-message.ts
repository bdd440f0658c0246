// A message of a topic as a tail and a stream hand it out.

import type { Notification } from "../gen/forebay/topic/v1/message.js";
import { dateOf } from "./durations.js";
import { MessageContent } from "./messages.js";

export class TopicMessage extends MessageContent {
  readonly topic: string;
  readonly subject: string | undefined;
  /** The media type of a body of bytes, as published. */
  readonly contentType: string;
  readonly publishTime: Date | undefined;
  /** Its place in the topic: decimal text of 20 digits. */
  readonly sequenceNumber: string;
  readonly groupId: string | undefined;
  /** FIFO topics. */
  readonly dedupId: string | undefined;
  /** Whether it comes from the archive. */
  readonly isReplayed: boolean;
  /** The publisher's W3C trace context; empty without one. */
  readonly traceparent: string;

  constructor(wire: Notification) {
    super(wire);
    this.topic = wire.topic;
    this.subject = wire.subject;
    this.contentType = wire.contentType;
    this.publishTime = dateOf(wire.publishTime);
    this.sequenceNumber = wire.sequenceNumber;
    this.groupId = wire.groupId;
    this.dedupId = wire.dedupId;
    this.isReplayed = wire.isReplayed;
    this.traceparent = wire.traceparent;
  }
}
