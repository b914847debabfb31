#include "common/amqp/rabbit_probe.h"

#include "common/amqp/rabbit_connection.h"

namespace duly {

Status probe_rabbit(const RabbitConfig& config, const Loop& clock) {
  WatchedLine line;
  const auto connection = RabbitConnection::open({config, "probe", line, clock});
  if (!connection) return connection.error();
  (*connection)->close();
  return ok_status();
}

}  // namespace duly
