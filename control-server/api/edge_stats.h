// What the HTTP edge and the process count, beside the engine's StatsSnapshot.  A plain copy.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>

#include "common/base/histogram.h"
#include "control-server/api/role.h"

namespace duly {

struct HttpCounts {
  std::map<int, std::uint64_t> answers;  // by status
  Histogram changes;                     // from a whole request that may change something to its answer
};

struct EdgeStats {
  HttpCounts http;
  std::map<Role, std::uint64_t> rate_limited;  // requests refused for the rate of their key, by its role
  std::size_t connections = 0, event_streams = 0;
  std::uint64_t events_published = 0, events_unheard = 0, events_dropped = 0;  // of duly.events
  std::int64_t database_bytes = 0, wal_bytes = 0;                              // of the store's files
  std::int64_t disk_available_bytes = 0;
  std::uint64_t spans_exported = 0, spans_dropped = 0;
  std::size_t lossy_settings = 0;          // of queues in the broker
  std::int64_t certificate_expiry_ms = 0;  // of the one that is shown; 0 = without TLS
};

}  // namespace duly
