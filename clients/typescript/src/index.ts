// What @forebay/client exports. The generated messages and stubs are at `@forebay/client/gen/forebay/queue/v1/...`.

export type { AttributeInput, Attributes, AttributesInput, TypedAttribute } from "./attributes.js";
export type { BackoffBounds } from "./backoff.js";
export {
  Cache,
  type CacheRead,
  type GetOptions,
  type IncrementOptions,
  type ScannedItem,
  type ScanOptions,
  type SetManyResult,
  type SetOptions,
  type SetResult,
  type TransferOptions,
  type TransferResult,
  type TtlCondition,
} from "./cache.js";
export {
  CacheAdmin,
  type CacheConfig,
  type CacheCounts,
  type CacheDescription,
  type CacheDurability,
  type CacheEviction,
  type CacheStats,
} from "./cache-admin.js";
export type {
  CacheBatch,
  CacheBatchOperation,
  CacheBatchOptions,
  CacheBatchResult,
} from "./cache-batch.js";
export type {
  ChannelDiscontinuityCause,
  ChannelEvent,
  ChannelPlace,
  ChannelSubscribeOptions,
} from "./cache-channels.js";
export { type CacheCodec, jsonCodec, textCodec } from "./cache-codec.js";
export type {
  CollectionChanged,
  CollectionLife,
  ElementExpired,
  ElementScanOptions,
  ElementTtlOptions,
} from "./cache-collections.js";
export type {
  CacheDictionary,
  DictionaryIncrementOptions,
  DictionarySetOptions,
  FieldsSet,
  FieldValue,
} from "./cache-dictionary.js";
export type {
  CacheCondition,
  CacheExpiry,
  CacheItemMeta,
  CacheItemType,
  CacheKey,
  CacheValue,
} from "./cache-items.js";
export type { GetOrLoadOptions, LeaseOptions, LeaseRead } from "./cache-leases.js";
export type {
  CacheList,
  ListEnd,
  ListMoveOptions,
  ListPushOptions,
  ListTakeOptions,
} from "./cache-list.js";
export {
  type AcquireLockOptions,
  HeldLock,
  Lock,
  LockHeldError,
  type WithLockOptions,
} from "./cache-locks.js";
export type { CacheSet, SetCombination } from "./cache-set.js";
export type {
  Bounds,
  CacheSortedSet,
  CombineOptions,
  RankOptions,
  ScoredMember,
  ScoreRange,
  ScoreRule,
  WeightedKey,
} from "./cache-sorted-set.js";
export type { ChannelPublished, ChannelPublishOptions } from "./channel-publisher.js";
export {
  type CreateQueueOptions,
  ForebayClient,
  type ForebayClientOptions,
  type ListQueuesOptions,
} from "./client.js";
export {
  type ClusterAcks,
  ClusterAdmin,
  type ClusterAdminOptions,
  type ClusterMember,
  type ClusterMemberProgress,
  type ClusterMemberRole,
  type ClusterNode,
  type ClusterStatus,
} from "./cluster.js";
export type { Acks, CallOptions, Method, RetryOptions } from "./connection.js";
export type { Consistency } from "./consistency.js";
export type { ConsumedMessage, GiveBackOptions } from "./consumed-message.js";
export type { ConsumeOptions, Consumer } from "./consumer.js";
export type { BackoffFunction, DeliveryPolicy } from "./delivery-policy.js";
export type { DeliveryAttempt, DeliveryReport, DeliveryState } from "./delivery-reports.js";
export {
  ConnectionError,
  DeadlineError,
  type ErrorResource,
  type FieldViolation,
  ForebayError,
  type QuotaViolation,
} from "./errors.js";
export type { FilterKeyVerdict, FilterTest, FilterVerdict } from "./filter-test.js";
export type {
  MessageDescription,
  MessageEvent,
  MessageEventKind,
  MessageExplanation,
  Obstacle,
  ObstacleKind,
} from "./message-life.js";
export type {
  DeadLetterReason,
  DeleteOutcome,
  DeliveryFailure,
  Message,
  MessageContent,
  MessageState,
  PeekedMessage,
  ReceivedMessage,
  Rejection,
  ScheduledMessage,
  SystemAttributeName,
} from "./messages.js";
export type {
  ListMovesOptions,
  MoveEdit,
  MoveFilter,
  MoveOptions,
  MovePreview,
  MoveTask,
  MoveTaskDescription,
  MoveTaskStatus,
  PreviewMoveOptions,
  StartMoveOptions,
} from "./move-tasks.js";
export { Reject, Retry } from "./outcomes.js";
export type { Body, MessageOptions, SendResult } from "./outgoing.js";
export type { Producer, ProducerOptions } from "./producer.js";
export type {
  BatchPublish,
  PublishBatchResult,
  PublishCounts,
  PublishCountsOption,
  PublishOptions,
  PublishResult,
} from "./publishing.js";
export type { Queue } from "./queue.js";
export type {
  QueueAttributes,
  QueueDescription,
  RedriveAllowPolicy,
  RedrivePolicy,
  RetryPolicy,
} from "./queue-attributes.js";
export type {
  BatchFailure,
  BatchMessage,
  BatchResult,
  DescribeMessageOptions,
  ListDeadLetterSourcesOptions,
  ListScheduledMessagesOptions,
  PeekOptions,
  Permission,
  PermittedAction,
  ReceiveOptions,
  RequestIdOption,
  SendOptions,
  SetAttributesOptions,
} from "./queue-calls.js";
export type { FairnessCounters, QueueCounters } from "./queue-counters.js";
export type { RejectOptions, RejectOutcome } from "./rejection.js";
export type {
  ReplayDescription,
  ReplayOptions,
  ReplayPoint,
  ReplaySpeed,
  ReplayState,
  SnapshotDescription,
} from "./replays.js";
export type {
  ListSchedulesOptions,
  MissedRuns,
  Schedule,
  ScheduleDescription,
  ScheduledSend,
  ScheduleStatus,
  Schedules,
  ScheduleTiming,
} from "./schedules.js";
export {
  type CreatedSession,
  type CreateSessionOptions,
  type ListSessionsOptions,
  type RegeneratedSession,
  type SaveSessionOptions,
  type SessionCookie,
  type SessionData,
  type SessionDescription,
  type SessionLifeOptions,
  type SessionRefusal,
  Sessions,
  type SessionWithData,
  type SessionWrite,
} from "./sessions.js";
export type { StreamConsumer, StreamOptions } from "./stream-consumer.js";
export type { StreamMessage } from "./stream-message.js";
export { Subscription } from "./subscription.js";
export type {
  FilterPolicyScope,
  FunctionSettings,
  StreamSettings,
  SubscriptionSettings,
  SubscriptionTarget,
  TargetTls,
  WebhookSettings,
} from "./subscription-settings.js";
export type { GapCause, TailItem, TailOptions, TailSlowPolicy } from "./tail.js";
export {
  type CreateTopicOptions,
  type ListTopicsOptions,
  type PermittedTopicAction,
  type RemoveTopicOptions,
  type SetTopicOptions,
  Topic,
  type TopicPermission,
} from "./topic.js";
export type {
  SubscriptionCounters,
  SubscriptionDescription,
  SubscriptionDisabled,
  SubscriptionState,
  TopicCounters,
  TopicDescription,
} from "./topic-description.js";
export type { TopicMessage } from "./topic-message.js";
export type {
  DeliveryLogging,
  FifoThroughputScope,
  SignatureVersion,
  TargetKind,
  TopicSettings,
  TracingMode,
} from "./topic-settings.js";
export type {
  RedriveOptions,
  UndeliverableMessage,
  UndeliverableReason,
} from "./undeliverable.js";
export type { Handler, HandlerContext, Worker, WorkerOptions } from "./worker.js";
