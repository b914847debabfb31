// How Duly reaches its RabbitMQ.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/result.h"
#include "common/base/time.h"
#include "common/model/limits.h"

namespace duly {

enum class QueueType : std::uint8_t { quorum, classic };

struct RabbitConfig {
  // amqp:// or amqps://, one for each node of a cluster; tried in turn.
  std::vector<std::string> urls = {"amqp://guest:guest@127.0.0.1:5672/%2f"};
  std::string ca_file;  // amqps: who may have signed the broker's certificate; empty = whom the system trusts
  std::string cert_file, key_file;       // amqps: who we are, for a broker that asks; empty = nobody
  std::string connection_name = "duly";  // as the broker lists it
  QueueType queue_type = QueueType::quorum;
  bool declares = true;  // exchanges and queues, at each connect; who only publishes may leave that to others
  std::size_t largest_body = std::size_t{16} << 20;     // a message beyond it is rejected unread
  std::size_t publish_window = limits::kPublishWindow;  // publishes out and not yet confirmed
  Duration publish_deadline = limits::kPublishDeadline;
  Duration confirm_deadline = limits::kConfirmDeadline;
};

// Whether the URLs and the files can be used at all.  The error is for the person who wrote them, and holds
// no part of a URL.
Status check_rabbit_config(const RabbitConfig& config);

}  // namespace duly
