#include "common/amqp/rabbit_probe.h"

#include "common/amqp/rabbit_connection.h"

namespace duly {

Status probe_rabbit(const RabbitConfig& config, const Loop& clock) {
  Status last = Error{Errc::unavailable, "there is no URL"};
  for (const std::string& url : config.urls) {
    WatchedLine line;
    const auto connection = RabbitConnection::open({config, url, "probe", line, clock});
    if (connection) {
      (*connection)->close();
      return ok_status();
    }
    last = connection.error();
  }
  return last;
}

}  // namespace duly
