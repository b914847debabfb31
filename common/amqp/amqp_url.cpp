#include "common/amqp/amqp_url.h"

#include <amqp.h>

namespace duly {

Result<AmqpUrl> parse_amqp_url(const std::string& text) {
  std::string scratch = text;  // the library writes into it, and its answers point into it
  amqp_connection_info info{};
  if (text.find('\0') != std::string::npos || amqp_parse_url(scratch.data(), &info) != AMQP_STATUS_OK) {
    return invalid("not an AMQP URL (amqp://user:password@host:port/vhost)");
  }
  return AmqpUrl{info.user, info.password, info.host, info.port, info.vhost, info.ssl != 0};
}

std::string shown_address(const std::string& text) {
  const auto url = parse_amqp_url(text);
  return url ? url->host + ":" + std::to_string(url->port) : "";
}

}  // namespace duly
