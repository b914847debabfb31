#include "common/app/common_options.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "common/base/log.h"

namespace duly {
namespace {

// One of several words.
OptionSpec choice(std::string name, std::string default_text, std::string help, std::string value_name,
                  std::vector<std::string> choices) {
  OptionSpec spec{std::move(name), OptionKind::text, std::move(default_text), std::move(help),
                  std::move(value_name)};
  spec.choices = std::move(choices);
  return spec;
}

// In the order of LogLevel.
const std::vector<std::string>& level_names() {
  static const std::vector<std::string> names{"debug", "info", "warn", "error"};
  return names;
}

}  // namespace

std::vector<OptionSpec> broker_options() {
  return {{"amqp", OptionKind::list, "amqp://guest:guest@127.0.0.1:5672/%2f",
           "RabbitMQ, or the nodes of a cluster of it, tried in turn; amqps:// for TLS", "URL,..."},
          {"amqp-ca", OptionKind::text, "",
           "amqps: who may have signed the broker's certificate, in place of whom the system trusts", "FILE"},
          {"amqp-cert", OptionKind::text, "", "amqps: the certificate to show to the broker, with its chain",
           "FILE"},
          {"amqp-key", OptionKind::text, "", "amqps: the key of --amqp-cert", "FILE"},
          choice("queue-type", "quorum", "of the queues that are declared", "TYPE", {"quorum", "classic"})};
}

std::vector<OptionSpec> log_options() {
  return {choice("log-format", "text", "of the log lines on standard error", "FORMAT", {"text", "json"}),
          choice("log-level", "info", "least level that is logged", "LEVEL", level_names())};
}

std::vector<OptionSpec> trace_options() {
  return {{"otlp", OptionKind::text, "", "send spans of traces to this collector (OTLP over HTTP)", "URL"}};
}

void add_options(OptionTable& table, std::vector<OptionSpec> options) {
  std::move(options.begin(), options.end(), std::back_inserter(table.options));
}

void configure_logging(const Options& options) {
  const auto& names = level_names();
  const auto at = std::find(names.begin(), names.end(), options.text("log-level"));
  const auto level = static_cast<LogLevel>(at - names.begin());
  configure_log(options.text("log-format") == "json" ? LogFormat::json : LogFormat::text, level);
}

}  // namespace duly
