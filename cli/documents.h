// What the command line says about itself to a shell and to man: texts made of its description.
#pragma once

#include <string>

#include "cli/tree.h"

namespace duly::cli {

std::string bash_completion(const CommandDoc& tree);
std::string zsh_completion(const CommandDoc& tree);
// duly.1, for `man -l`.
std::string manual_page(const CommandDoc& tree);

}  // namespace duly::cli
