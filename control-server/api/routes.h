// One function per resource: the routes it contributes.
#pragma once

#include <vector>

#include "control-server/api/api.h"

namespace duly {

std::vector<Route> submit_routes(Api& api);
std::vector<Route> export_routes(Api& api);  // before those of commands: its path looks like that of one
std::vector<Route> commands_routes(Api& api);
std::vector<Route> bulk_routes(Api& api);
std::vector<Route> executors_routes(Api& api);
std::vector<Route> queues_routes(Api& api);
std::vector<Route> schedules_routes(Api& api);
std::vector<Route> workflows_routes(Api& api);
std::vector<Route> agents_routes(Api& api);
std::vector<Route> clock_routes(Api& api);
std::vector<Route> crash_routes(Api& api);
std::vector<Route> events_routes(Api& api);
std::vector<Route> operations_routes(Api& api);
std::vector<Route> dashboard_routes(Api& api);

}  // namespace duly
