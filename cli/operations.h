// Acts on many commands at once: what a filter names, begun at the server and followed to its end.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/api.h"
#include "cli/session.h"

namespace duly::cli {

struct FilterFlags {
  std::string state, type, queue, key, due_before, due_after;
  std::vector<std::string> labels;
  bool all = false;
  bool dry_run = false;
  bool detach = false;

  // Whether any of them was given: then no ids are.
  [[nodiscard]] bool any() const;
};
void add_filter_flags(CLI::App* command, FilterFlags& flags);

// Begins "cancel" or "retry" and, unless detached, shows how far it is until it has ended.
int operate(const Session& session, Api& api, const std::string& verb, const FilterFlags& flags);

}  // namespace duly::cli
