// Flag beats environment beats file (contract section 1), on top of CLI11, which would let the file beat the
// environment.
#pragma once

#include <CLI/CLI.hpp>

#include "common/base/result.h"

namespace duly::cli {

// Gives every flag of `app` and its subcommands its variable: --some-flag is DULY_SOME_FLAG.
void name_variables(CLI::App& app);

// Puts the lines "some-flag = value" of the file named by --config or DULY_CONFIG into the environment where
// it has no such variable.  After name_variables(), before parsing.
Status apply_config_file(const CLI::App& app, int argc, const char* const* argv);

}  // namespace duly::cli
