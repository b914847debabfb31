// Where Prometheus finds an agent's metrics: listens, reads one small request a connection, answers, closes.
//
// Concurrency.  Everything runs on the loop's thread.  Limits.  kScrapes connections, five seconds each, and
// kScrapeHeadBytes of request: nobody can make the agent wait or grow.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/app/scrape.h"
#include "common/app/host_port.h"
#include "common/base/result.h"
#include "common/runtime/asio_loop.h"

namespace duly {

class MetricsServer {
 public:
  // Listens at once; port 0 = any free one.
  static Result<std::unique_ptr<MetricsServer>> listen(AsioLoop& loop, const HostPort& address,
                                                       ScrapeDoor door, std::function<std::string()> metrics);
  // After the loop has stopped, or on its thread.
  ~MetricsServer();
  MetricsServer(const MetricsServer&) = delete;
  MetricsServer& operator=(const MetricsServer&) = delete;

  [[nodiscard]] std::uint16_t port() const;

 private:
  class Impl;
  explicit MetricsServer(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace duly
