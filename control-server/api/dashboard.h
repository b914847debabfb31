// The dashboard's files (control-server/dashboard), embedded at build time: there is no path that could be
// left and nothing to find at run time.
#pragma once

#include <span>
#include <string_view>

namespace duly {

struct DashboardFile {
  std::string_view name;  // "app.js"
  std::string_view content_type;
  std::string_view etag;  // with its quotes; changes with the text
  std::string_view text;
};

// In order of their names.
std::span<const DashboardFile> dashboard_files();
// Null when there is none of that name.
const DashboardFile* dashboard_file(std::string_view name);

}  // namespace duly
