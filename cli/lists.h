// How subcommands show what the server answers: a list page by page, one object, or a word.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "cli/requests.h"

namespace duly::cli {

using Columns = std::vector<Column>;

// One answer after the other until there is no cursor; JSON is printed as one document when it is one page.
// Without columns they are those of the first item, its name first.
int show_list(const Session& session, Api& api, const std::string& path, const Columns& columns);

// How much of a long list is wanted.
struct PageFlags {
  std::string cursor;
  std::int64_t limit = 100;
  bool all = false;
};
void add_page_flags(CLI::App* command, PageFlags& flags);

using Query = std::vector<std::pair<std::string, std::string>>;

// What may be too long for one answer: as many items as `flags` want, printed as they come.  JSON is one
// document in any case.
int show_pages(const Session& session, Api& api, const std::string& path, const Query& query,
               const PageFlags& flags, const Columns& columns);

int show_object(const Session& session, const Result<Answer>& answer);

// For what answers with little: a word on a terminal, the answer as JSON.
int show_accepted(const Session& session, const Result<Answer>& answer, const std::string& done);

// Gives `command` its work; what that answers becomes the exit code.
using Work = std::function<int(Api&)>;
void run_on(CLI::App* command, Session& session, Work work);

}  // namespace duly::cli
