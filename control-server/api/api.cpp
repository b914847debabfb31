#include "control-server/api/api.h"

#include <algorithm>

#include <iterator>

#include "common/model/limits.h"
#include "control-server/api/routes.h"

namespace duly {

Router make_router(Api& api) {
  std::vector<Route> all;
  for (auto* const part :
       {&submit_routes, &export_routes, &commands_routes, &bulk_routes, &executors_routes, &queues_routes,
        &schedules_routes, &workflows_routes, &agents_routes, &clock_routes, &crash_routes, &events_routes,
        &operations_routes, &dashboard_routes}) {
    auto routes = part(api);
    all.insert(all.end(), std::make_move_iterator(routes.begin()), std::make_move_iterator(routes.end()));
  }
  return Router(std::move(all), api.doorkeeper);
}

bool body_is_optional(std::string_view target) {
  const auto path = target.substr(0, target.find('?'));
  if (!path.starts_with("/v1/")) return false;
  const auto steps = std::count(path.begin(), path.end(), '/');
  if (steps != 4) return steps == 6 && path.ends_with("/heartbeat");
  return path.ends_with("/cancel") || path.ends_with("/retry") || path.ends_with("/drain") ||
         path.ends_with("/resume") || path.ends_with("/pause") || path.ends_with("/trigger") ||
         path.ends_with("/stop");
}

std::size_t max_request_body(std::string_view method, std::string_view target) {
  const auto path = target.substr(0, target.find('?'));
  if (method == "POST" && (path == "/v1/commands/batch" || path == "/v1/workflows"))
    return limits::kHttpBatchBytes;
  return limits::kHttpBodyBytes + limits::kHttpEnvelopeBytes;
}

}  // namespace duly
