// The whole command line as CLI11 sees it: every subcommand with its flags.
#pragma once

#include <memory>
#include <string>

#include "cli/session.h"

namespace duly::cli {

// `session` and `config` (what --config names) must outlive it.
std::unique_ptr<CLI::App> make_program(Session& session, std::string& config);

// What was wrong with the arguments, as one line, with the name that was probably meant.
std::string usage_line(const CLI::App& program, const CLI::ParseError& problem);

}  // namespace duly::cli
