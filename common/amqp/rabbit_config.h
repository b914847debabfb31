// How Duly reaches its RabbitMQ.
#pragma once

#include <cstdint>
#include <string>

#include "common/base/time.h"
#include "common/model/limits.h"

namespace duly {

enum class QueueType : std::uint8_t { quorum, classic };

struct RabbitConfig {
  std::string url = "amqp://guest:guest@127.0.0.1:5672/%2f";  // or amqps://
  std::string ca_file;                                        // amqps: who may sign the broker's certificate
  std::string connection_name = "duly";                       // as the broker lists it
  QueueType queue_type = QueueType::quorum;
  bool declares = true;  // exchanges and queues, at each connect; who only publishes may leave that to others
  std::size_t largest_body = std::size_t{16} << 20;     // a message beyond it is rejected unread
  std::size_t publish_window = limits::kPublishWindow;  // publishes out and not yet confirmed
  Duration publish_deadline = limits::kPublishDeadline;
  Duration confirm_deadline = limits::kConfirmDeadline;
};

}  // namespace duly
