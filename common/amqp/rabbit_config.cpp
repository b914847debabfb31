#include "common/amqp/rabbit_config.h"

#include <amqp.h>

#include "common/amqp/amqp_url.h"
#include "common/amqp/rabbit_tls.h"

namespace duly {

Status check_rabbit_config(const RabbitConfig& config) {
  if (config.urls.empty() || config.urls.size() > limits::kBrokerUrls)
    return invalid("names no broker, or more than " + std::to_string(limits::kBrokerUrls));
  bool tls = false;
  for (std::size_t i = 0; i < config.urls.size(); ++i) {
    const auto url = parse_amqp_url(config.urls[i]);
    if (!url) return invalid("URL " + std::to_string(i + 1) + " is " + url.error().what);
    tls = tls || url->tls;
  }
  const bool files = !config.ca_file.empty() || !config.cert_file.empty() || !config.key_file.empty();
  if (!tls) return files ? invalid("certificates are for amqps://, and no URL is") : ok_status();
  amqp_connection_state_t scratch = amqp_new_connection();
  const auto socket = make_tls_socket(scratch, config);
  amqp_destroy_connection(scratch);
  return socket ? ok_status() : Status(socket.error());
}

}  // namespace duly
