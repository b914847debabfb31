// The socket of an amqps connection: TLS 1.2 or later, the broker's certificate checked, and for the host
// name in the URL.
#pragma once

#include <amqp.h>

#include <string>

#include "common/amqp/rabbit_config.h"
#include "common/base/result.h"

namespace duly {

// It belongs to the connection.  The error names the file that cannot be used.
Result<amqp_socket_t*> make_tls_socket(amqp_connection_state_t state, const RabbitConfig& config);
// Why a connection to `host` did not come about, by the library's status.
std::string describe_open_failure(int status, const std::string& host);

}  // namespace duly
