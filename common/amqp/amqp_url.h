// The parts of amqp://user:password@host:port/vhost.
#pragma once

#include <string>

#include "common/base/result.h"

namespace duly {

struct AmqpUrl {
  std::string user;
  std::string password;
  std::string host;
  int port = 0;
  std::string vhost;
  bool tls = false;  // amqps
};

// Percent signs are undone; what is missing is guest, guest, localhost, 5672 (amqps: 5671) and "/".
// The error names no part of the URL, since it may hold a password.
Result<AmqpUrl> parse_amqp_url(const std::string& text);
// For the log: host and port, nothing of the user.
std::string shown_address(const std::string& text);

}  // namespace duly
