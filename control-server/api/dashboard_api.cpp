// Serves the dashboard.  It needs no key: what it shows it asks of the API, with the reader's own.
#include <algorithm>
#include <utility>

#include "control-server/api/dashboard.h"
#include "control-server/api/http_response.h"
#include "control-server/api/routes.h"

namespace duly {
namespace {

// Only what this server sends, no inline script or style, nobody's frame, no form that navigates.
constexpr std::string_view kPolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

// Browsers keep the files and ask whether they still hold, so that a new version of the server shows at once.
void serve(const DashboardFile* file, ApiCall&& call) {
  if (file == nullptr) return call.respond(make_problem(404, "the dashboard has no such file"));
  HttpResponse response;
  response.content_type = file->content_type;
  response.fields.emplace_back("Content-Security-Policy", kPolicy);
  response.fields.emplace_back("Referrer-Policy", "no-referrer");
  response.fields.emplace_back("Cache-Control", "no-cache");
  response.fields.emplace_back("ETag", file->etag);
  const std::string* seen = call.request.field("if-none-match");
  if (seen != nullptr && (*seen == "*" || seen->find(file->etag) != std::string::npos)) {
    response.status = 304;
  } else {
    response.body = file->text;
  }
  call.respond(std::move(response));
}

}  // namespace

const DashboardFile* dashboard_file(std::string_view name) {
  const auto files = dashboard_files();
  const auto found =
      std::find_if(files.begin(), files.end(), [&](const DashboardFile& file) { return file.name == name; });
  return found == files.end() ? nullptr : &*found;
}

std::vector<Route> dashboard_routes(Api&) {
  return {
      {"GET",
       "/",
       Role::none,
       [](ApiCall&& call) { serve(dashboard_file("index.html"), std::move(call)); },
       {"*"}},
      {"GET",
       "/dashboard/{file}",
       Role::none,
       [](ApiCall&& call) {
         const DashboardFile* file = dashboard_file(call.args[0]);
         serve(file, std::move(call));
       },
       {"*"}},
  };
}

}  // namespace duly
