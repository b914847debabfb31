#include "cli/workflow_view.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <string_view>

#include "cli/output.h"

namespace duly::cli {
namespace {

constexpr std::size_t kBarWidth = 40;
constexpr std::size_t kNamedDependencies = 3;
constexpr std::size_t kMostNamed = 100;  // in one line: no terminal is wider

// What is going on comes first, then what went wrong, what is to come, and what is done.
constexpr std::array<std::string_view, 9> kDrawnStates = {
    "running", "dead", "expired", "cancelled", "queued", "scheduled", "waiting", "succeeded", "delivered"};
constexpr std::size_t kStateWidth = 9;  // of the longest

const Json& field(const Json& object, const char* name) {
  static const Json nothing;
  const auto at = object.is_object() ? object.find(name) : object.end();
  return at == object.end() ? nothing : *at;
}

std::string text_of(const Json& object, const char* name) {
  const Json& value = field(object, name);
  return value.is_string() ? printable(value.get_ref<const std::string&>()) : "";
}

// Counts come from the network: what is no number, or below nothing, is nothing.
std::uint64_t count_of(const Json& workflow, const char* name) {
  const Json& value = field(field(workflow, "counts"), name);
  return value.is_number_unsigned() ? value.get<std::uint64_t>() : 0;
}

struct Progress {
  std::uint64_t total;
  std::uint64_t ended;
  std::uint64_t failed;
};

Progress progress_of(const Json& workflow) {
  const std::uint64_t total = count_of(workflow, "total");
  const std::uint64_t ended = total - std::min(total, count_of(workflow, "open"));
  return {total, ended, std::min(ended, count_of(workflow, "failed"))};
}

std::string told(const Progress& progress) {
  std::string line = std::to_string(progress.ended) + " of " + std::to_string(progress.total) + " ended";
  if (progress.failed > 0) line += ", " + std::to_string(progress.failed) + " badly";
  return line;
}

struct Group {
  std::size_t count = 0;
  std::vector<std::string> names;  // the first of them
};

std::map<std::string, Group> groups_of(const Json& workflow) {
  std::map<std::string, Group> groups;
  const Json& nodes = field(workflow, "commands");
  if (!nodes.is_array()) return groups;
  for (const Json& node : nodes) {
    Group& group = groups[text_of(node, "state")];
    ++group.count;
    if (group.names.size() < kMostNamed) group.names.push_back(text_of(node, "name"));
  }
  return groups;
}

// Cut to `width` characters, never inside one.
std::string fitted(const std::string& text, std::size_t width) {
  std::size_t characters = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool begins = (static_cast<unsigned char>(text[i]) & 0xC0U) != 0x80U;
    if (begins && characters++ == width) return text.substr(0, i);
  }
  return text;
}

std::string bar_of(const Progress& progress) {
  const auto share = [&](std::uint64_t part) {
    return progress.total == 0 ? 0 : static_cast<std::size_t>(part * kBarWidth / progress.total);
  };
  const std::size_t ended = share(progress.ended);
  // One that failed among thousands is still to be seen.
  const std::size_t failed = progress.failed == 0 ? 0 : std::max<std::size_t>(1, share(progress.failed));
  const std::size_t good = ended > failed ? ended - failed : 0;
  return "[" + std::string(good, '#') + std::string(failed, '!') +
         std::string(kBarWidth - good - failed, '.') + "]";
}

// As many names as fit before "+N", which tells how many are left out.
std::string names_line(const Group& group, std::size_t width) {
  const auto rest = [&](std::size_t named) {
    return named == group.count ? "" : " +" + std::to_string(group.count - named);
  };
  std::string line;
  for (std::size_t named = 0; named < group.names.size(); ++named) {
    const std::string longer = line + " " + group.names[named];
    if (longer.size() + rest(named + 1).size() > width) return line + rest(named);
    line = longer;
  }
  return line + rest(group.names.size());
}

std::string group_line(std::string_view state, const Group& group, std::size_t count_width,
                       std::size_t width) {
  const std::string count = std::to_string(group.count);
  std::string line = std::string(state) + std::string(kStateWidth - state.size() + 1, ' ') +
                     std::string(count_width - count.size(), ' ') + count + " ";
  return line + names_line(group, width > line.size() ? width - line.size() : 0);
}

}  // namespace

bool workflow_has_ended(const Json& workflow) { return text_of(workflow, "state") != "running"; }

bool workflow_has_succeeded(const Json& workflow) { return text_of(workflow, "state") == "succeeded"; }

std::string progress_line(const Json& workflow) {
  std::string line = text_of(workflow, "state") + ": " + told(progress_of(workflow));
  const auto groups = groups_of(workflow);
  std::string separator = "; ";
  for (const std::string_view state : kDrawnStates) {
    const auto group = groups.find(std::string(state));
    if (group == groups.end()) continue;
    line += separator + std::to_string(group->second.count) + " " + std::string(state);
    separator = ", ";
  }
  return line;
}

std::vector<std::string> draw_workflow(const Json& workflow, std::size_t width) {
  const Progress progress = progress_of(workflow);
  std::vector<std::string> lines;
  lines.push_back(text_of(workflow, "state") + "  " + text_of(workflow, "name") + "  " +
                  text_of(workflow, "id"));
  lines.push_back(bar_of(progress) + "  " + told(progress));
  const auto groups = groups_of(workflow);
  std::size_t count_width = 0;
  for (const auto& group : groups)
    count_width = std::max(count_width, std::to_string(group.second.count).size());
  for (const std::string_view state : kDrawnStates) {
    const auto group = groups.find(std::string(state));
    if (group != groups.end()) lines.push_back(group_line(state, group->second, count_width, width));
  }
  for (std::string& line : lines) line = fitted(line, width);
  return lines;
}

Json node_row(const Json& node) {
  const Json& parents = field(node, "depends_on");
  if (!parents.is_array() || parents.size() <= kNamedDependencies) return node;
  Json row = Json::object();
  for (const auto& each : node.items()) {
    if (each.key() != "depends_on") row[each.key()] = each.value();
  }
  std::string named;
  for (std::size_t i = 0; i < kNamedDependencies; ++i) named += cell_text(parents[i]) + ",";
  named.back() = ' ';
  row["depends_on"] = named + "+" + std::to_string(parents.size() - kNamedDependencies);
  return row;
}

milliseconds look_again_after(const Json& workflow) {
  constexpr std::uint64_t kLeast = 500;
  constexpr std::uint64_t kMost = 5000;
  return milliseconds{static_cast<std::int64_t>(std::min(kMost, kLeast + count_of(workflow, "total") / 10))};
}

}  // namespace duly::cli
