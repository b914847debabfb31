#include "control-server/api/http_log.h"

#include "common/base/log.h"

namespace duly {

// Without the query, which may hold what was asked for: a key, a label.
void log_request(const std::string& id, const HttpHead& head, const std::string& peer) {
  if (!log_enabled(LogLevel::debug)) return;
  log(LogLevel::debug, "http", "request",
      {{"request_id", id},
       {"method", head.method},
       {"path", head.target.substr(0, head.target.find('?'))},
       {"peer", peer}});
}

void log_answer(const std::string& id, int status) {
  if (!log_enabled(LogLevel::debug)) return;
  log(LogLevel::debug, "http", "answer", {{"request_id", id}, {"status", status}});
}

}  // namespace duly
