// What the server's edges count, for its metrics.
#include <filesystem>

#include "control-server/app/server.h"

namespace duly {
namespace {

std::int64_t file_bytes(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  return error ? 0 : static_cast<std::int64_t>(size);
}

}  // namespace

EdgeStats Server::edge_stats() const {
  EdgeStats stats;
  stats.http = http_->counts();
  stats.rate_limited = doorkeeper_.rate_limited();
  stats.connections = http_->connection_count();
  stats.event_streams = events_->listening();
  const EventCounts events = outlet_.counts();
  stats.events_published = events.published;
  stats.events_unheard = events.unheard;
  stats.events_dropped = events.dropped;
  stats.database_bytes = file_bytes(folder_->store());
  stats.wal_bytes = file_bytes(folder_->store() + "-wal");
  if (queue_watch_) stats.lossy_settings = queue_watch_->report().problems;
  if (tls_.http) stats.certificate_expiry_ms = expiry_ms(tls_.http);
  std::error_code error;
  const std::filesystem::space_info space = std::filesystem::space(folder_->path(), error);
  if (config_.spans != nullptr) {
    const SpanCounts spans = config_.spans->counts();
    stats.spans_exported = spans.exported;
    stats.spans_dropped = spans.dropped;
  }
  stats.disk_available_bytes = error ? 0 : static_cast<std::int64_t>(space.available);
  return stats;
}

}  // namespace duly
