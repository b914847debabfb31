// Every bound of Duly in one place.  Bytes unless the name says otherwise.
#pragma once

#include <cstddef>
#include <cstdint>

#include "common/base/time.h"

namespace duly::limits {

// --- the outside contract
// -------------------------------------------------------------------------------------
inline constexpr std::size_t kTypeBytes = 128;
inline constexpr std::size_t kQueueBytes = 64;
inline constexpr std::size_t kKeyBytes = 256;
inline constexpr std::size_t kIdempotencyKeyBytes = 255;
inline constexpr std::size_t kPayloadBytes = 1U << 20;
inline constexpr std::size_t kContentTypeBytes = 255;
inline constexpr std::size_t kExchangeBytes = 255;
inline constexpr std::size_t kRoutingKeyBytes = 255;
inline constexpr std::size_t kHeaderNameBytes = 128;
inline constexpr std::size_t kTraceStateBytes = 512;
inline constexpr std::size_t kPropertiesBytes = 64U << 10;  // of a message to deliver, its headers included
inline constexpr std::size_t kResultBytes = 1U << 20;
inline constexpr std::size_t kErrorBytes = 8U << 10;
inline constexpr std::size_t kLabels = 16;
inline constexpr std::size_t kLabelNameBytes = 64;
inline constexpr std::size_t kLabelValueBytes = 256;
inline constexpr std::size_t kBatchCommands = 10'000;
inline constexpr int kJsonDepth = 32;
inline constexpr std::int64_t kDelayMs = 10LL * 366 * 86'400'000;  // ten years, each taken as a leap year
inline constexpr int kMaxAttempts = 100;
inline constexpr std::int64_t kTimeoutMs = 7LL * 86'400'000;
inline constexpr std::int64_t kRetryDelayMs = 7LL * 86'400'000;
inline constexpr std::int64_t kRetryAfterMs =
    3'600'000;  // that a target may ask for, whatever the retry policy says
inline constexpr int kPriority = 9;
inline constexpr std::size_t kNameBytes = 128;   // agents, schedules
inline constexpr std::size_t kCronBytes = 1024;  // an expression; every minute by number takes 169
inline constexpr std::size_t kTimeZoneBytes = 64;
inline constexpr std::int64_t kWaitMs = 60'000;
inline constexpr std::int64_t kMaxRunning = 1'000'000;  // of a queue
inline constexpr std::int64_t kRateCount = 1'000'000;
inline constexpr std::int64_t kRatePerMs = 86'400'000;
inline constexpr std::size_t kBundleCommands = 500;      // of one queue in one message …
inline constexpr std::size_t kBundleBytes = 256U << 10;  // … with payloads of about so much, or one command

// --- HTTP
// -----------------------------------------------------------------------------------------------------
inline constexpr std::size_t kHttpHeaderBytes = 8U << 10;
inline constexpr std::size_t kHttpBodyBytes = 1U << 20;
// A payload may be a whole 1 MiB; the object around it comes on top of that.
inline constexpr std::size_t kHttpEnvelopeBytes = 16U << 10;
inline constexpr std::size_t kHttpBatchBytes = 8U << 20;
inline constexpr std::size_t kHttpConnections = 4096;
inline constexpr std::size_t kHttpWaiters = 4096;    // GET …?wait_ms= at once
inline constexpr std::size_t kEventsKept = 131'072;  // state changes that GET /v1/events can still tell
inline constexpr std::size_t kEventStreams = 64;     // of GET /v1/events at once
inline constexpr std::size_t kEventPieceBytes = 64U << 10;  // written to one stream at a time
inline constexpr seconds kEventBeat{15};
// Of the exchange duly.events: what waits for its connection, routing keys known, and how long one that
// nobody has bound a queue to is spared.
inline constexpr std::size_t kEventsWaiting = 131'072;
inline constexpr std::size_t kEventKeys = 4096;
inline constexpr seconds kUnheardEvent{1};
inline constexpr std::size_t kApiKeys = 1000;
inline constexpr std::size_t kApiKeyNameBytes = 64;
inline constexpr std::int64_t kRequestRate = 1'000'000;  // of one API key, and its burst
inline constexpr seconds kHttpHeaderTime{5};
inline constexpr seconds kHttpBodyTime{30};
inline constexpr seconds kHttpIdleTime{30};
inline constexpr int kPageItems = 1000;
inline constexpr int kPageScanRows = 20'000;           // rows one list request looks at
inline constexpr std::size_t kExportBytes = 8U << 20;  // of one answer, but for its last command

// --- the link
// -------------------------------------------------------------------------------------------------
inline constexpr std::size_t kFrameBytes = 16U << 20;
inline constexpr std::size_t kFrameHeaderBytes = 4U << 20;
inline constexpr std::size_t kFrameItems = 20'000;
inline constexpr std::size_t kLinkSendBytes = 64U
                                              << 20;  // unsent bytes of one connection; beyond it is closed
inline constexpr std::size_t kSessions = 1024;
inline constexpr seconds kHelloTime{5};  // a connection that has not said hello by then is closed

// --- the engine
// -----------------------------------------------------------------------------------------------
inline constexpr std::size_t kMailbox = 65'536;
inline constexpr std::size_t kRequestsPerCommit = 512;
inline constexpr std::size_t kLaneWindow = 1024;        // commands of one (shard, queue) in memory
inline constexpr std::size_t kHandOutItems = 512;       // in one frame
inline constexpr std::size_t kHandOutBytes = 4U << 20;  // payload in one frame
inline constexpr std::size_t kBodyCacheBytes = 32U << 20;
inline constexpr milliseconds kAgeing{10'000};  // of waiting count as one level of priority
inline constexpr int kKeyRefusals = 2000;       // looked at in one batch that are not the first of their key
inline constexpr milliseconds kLookAhead{200};  // handed over this long before due
inline constexpr milliseconds kLoadHorizon{2000};  // loaded into memory this long before due
inline constexpr int kPoisonLosses = 3;            // executors lost in a row
inline constexpr milliseconds kQueuedSuspect{
    2000};  // queued longer than this without a permit: look at the queue
inline constexpr int kSweepRows = 1000;
inline constexpr std::int64_t kAuditKept = 100'000;  // rows of the audit log
inline constexpr std::int64_t kSchedules = 1'000'000;
inline constexpr std::size_t kMissing = 10'000;      // commands lost with an older generation that are listed
inline constexpr int kRevisions = 20;                // payloads of one command that are kept
inline constexpr std::size_t kDependsOn = 1000;      // ids that one command waits for
inline constexpr std::int64_t kDependants = 10'000;  // commands that wait for one
inline constexpr std::size_t kWorkflowNodes = 10'000;
inline constexpr std::size_t kWorkflowEdges = 100'000;
inline constexpr std::size_t kWorkflowDepth = 1000;
inline constexpr int kOperationRows = 200;    // changed in one step of an operation …
inline constexpr int kOperationLooks = 2000;  // … of so many looked at
inline constexpr milliseconds kOperationPause{5};
inline constexpr std::size_t kOperationsRunning = 16;
inline constexpr std::size_t kOperationsKept = 200;
inline constexpr std::size_t kOperationIds = 1000;                     // named by one filter
inline constexpr std::int64_t kKeepLeastMs = 60'000;                   // ended commands are kept at least …
inline constexpr std::int64_t kKeepMostMs = 100LL * 366 * 86'400'000;  // … and at most, unless for ever
inline constexpr std::size_t kKeepRules = 100;
inline constexpr std::size_t kLanesCounted = 1024;  // more of them are not counted after each batch
inline constexpr int kRemovalRows = 100;            // ended commands removed in one step …
inline constexpr int kRemovalLooks = 2000;          // … of so many looked at
inline constexpr std::int64_t kRemovalBytes = 1 << 20;
inline constexpr milliseconds kRemovalPause{5};
inline constexpr milliseconds kRemovalRest{500};  // when there was nothing more to remove
inline constexpr std::size_t kQueues = 1000;
inline constexpr std::size_t kTypes = 10'000;
inline constexpr std::int64_t kIdempotencyMs = 7LL * 86'400'000;
// Callbacks: eight attempts over an hour.
inline constexpr int kCallbackAttempts = 8;
inline constexpr std::int64_t kCallbackDelayMs = 5000;
inline constexpr double kCallbackMultiplier = 3.0;
inline constexpr std::int64_t kCallbackLongestMs = 1'800'000;
inline constexpr std::size_t kCallbacksAtOnce = 16;      // on their way, each with a thread …
inline constexpr std::size_t kCallbacksOfOneOrigin = 4;  // … and of these to one origin, while it answers
inline constexpr seconds kCallbackTime{10};              // for one
inline constexpr std::size_t kCallbackUrlBytes = 2048;
inline constexpr std::size_t kCallbackErrorBytes = 512;
inline constexpr std::size_t kCallbackResultBytes = 64U << 10;  // a larger result is left out of it
inline constexpr std::size_t kDeadOutbox = 256;                 // dead letters being published at once

// --- traces
// ---------------------------------------------------------------------------------------------------
inline constexpr std::size_t kSpansPerRequest = 512;
inline constexpr std::size_t kSpansWaiting = 8192;  // for the collector; more are dropped and counted
inline constexpr std::size_t kSpanErrorBytes = 1024;

// --- messages from the broker
// ---------------------------------------------------------------------------------
inline constexpr int kSubmitPrefetch = 256;  // messages taken and not settled yet …
inline constexpr int kResultPrefetch = 128;  // … and results
inline constexpr std::size_t kMessageBytes = 1100U
                                             << 10;  // larger ones are refused unread: so many fit the memory
inline constexpr milliseconds kSubmitRest{
    200};  // before what had no room in the engine or on the disk is tried again
inline constexpr std::size_t kParkReasonBytes = 1024;
inline constexpr std::size_t kBrokerUrls = 16;  // of --amqp: the nodes of one cluster

// --- the agent
// ------------------------------------------------------------------------------------------------
inline constexpr std::size_t kAgentInHand = 4096;  // commands handed to one agent and not yet marked
inline constexpr std::size_t kPublishWindow = 1000;
inline constexpr seconds kPublishDeadline{5};
inline constexpr seconds kConfirmDeadline{10};
inline constexpr std::size_t kExecOutputBytes = 256U << 10;
inline constexpr std::size_t kHttpJobBodyBytes = 256U << 10;  // of an answer to builtin.http
inline constexpr std::size_t kHttpJobHeaders = 32;            // that its payload gives
inline constexpr std::size_t kCircuitTargetBytes = 300;       // "https://host:443"
inline constexpr std::size_t kCircuitsTold = 20;              // of those not closed, in a heartbeat
inline constexpr std::size_t kUnreported = 65'536;            // results kept until the server has them
inline constexpr int kConcurrency = 4096;

}  // namespace duly::limits
