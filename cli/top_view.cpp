#include "cli/top_view.h"

#include <algorithm>
#include <cstdio>
#include <map>

#include "cli/output.h"
#include "common/model/state_table.h"

namespace duly::cli {
namespace {

// Whatever the server's version leaves out is 0 here.
double number_at(const Json& object, const char* one, const char* other = nullptr) {
  const Json* at = &object;
  for (const char* name : {one, other}) {
    if (name == nullptr) break;
    if (!at->is_object() || !at->contains(name)) return 0;
    at = &(*at)[name];
  }
  return at->is_number() ? at->get<double>() : 0;
}

bool is_on(const Json& object, const char* name) {
  return object.is_object() && object.contains(name) && object[name] == Json(true);
}

std::string text_at(const Json& object, const char* name) {
  if (!object.is_object() || !object.contains(name)) return "-";
  return cell_text(object[name]);
}

std::string count_text(double number) {
  std::string digits = std::to_string(static_cast<long long>(number));
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

std::string decimal(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.1f", number);
  return text;
}

std::string age_text(double ms) {
  const auto seconds = static_cast<long long>(ms / 1000);
  char text[48];
  if (seconds < 60) return decimal(ms / 1000) + " s";
  if (seconds < 3600)
    std::snprintf(text, sizeof text, "%lld min", seconds / 60);
  else if (seconds < 86400)
    std::snprintf(text, sizeof text, "%lld h %lld min", seconds / 3600, seconds / 60 % 60);
  else
    std::snprintf(text, sizeof text, "%lld d %lld h", seconds / 86400, seconds / 3600 % 24);
  return text;
}

std::string labelled(const std::string& label) {
  return emphasised(label) + std::string(label.size() < 10 ? 10 - label.size() : 1, ' ');
}

// Right-aligned numbers under left-aligned names; the first column is a name.
class Grid {
 public:
  explicit Grid(std::vector<std::string> titles) { rows_.push_back(std::move(titles)); }
  void add(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

  [[nodiscard]] std::vector<std::string> lines(std::size_t names) const {
    std::vector<std::size_t> widths(rows_[0].size());
    for (const auto& row : rows_) {
      for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
    }
    std::vector<std::string> lines;
    for (const auto& row : rows_) lines.push_back(line(row, widths, names, lines.empty()));
    return lines;
  }

 private:
  static std::string line(const std::vector<std::string>& row, const std::vector<std::size_t>& widths,
                          std::size_t names, bool titles) {
    std::string text;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string room(widths[i] - row[i].size(), ' ');
      const bool last = i + 1 == row.size();
      if (i < names || last) {
        text += (titles ? row[i] : coloured(row[i])) + (last ? "" : room);
      } else {
        text += room + row[i];
      }
      if (!last) text += "  ";
    }
    return titles ? emphasised(text) : text;
  }

  std::vector<std::vector<std::string>> rows_;
};

std::vector<std::string> head_lines(const Json& stats, const std::string& server) {
  const bool broker = stats.is_object() && stats.contains("broker") && is_on(stats["broker"], "up");
  std::string commands;
  for (const State state : kStates) {
    const double count = number_at(stats, "commands", std::string(name_of(state)).c_str());
    if (count > 0 || !is_end(state))
      commands += (commands.empty() ? "" : "  ") + std::string(name_of(state)) + " " + count_text(count);
  }
  return {emphasised("duly top") + "  " + printable(server) + "  up " +
              age_text(number_at(stats, "uptime_ms")) + "  RabbitMQ " + (broker ? "up" : "down") +
              (is_on(stats, "disk_low") ? "  disk nearly full: new work is refused" : ""),
          labelled("commands") + commands,
          labelled("rates") + "accepted " + decimal(number_at(stats, "rates", "accepted_per_s")) +
              "/s  begun " + decimal(number_at(stats, "rates", "started_per_s")) + "/s  ended " +
              decimal(number_at(stats, "rates", "ended_per_s")) + "/s",
          labelled("lateness") + "p50 " + decimal(number_at(stats, "dispatch_lateness_ms", "p50")) +
              " ms  p95 " + decimal(number_at(stats, "dispatch_lateness_ms", "p95")) + " ms  p99 " +
              decimal(number_at(stats, "dispatch_lateness_ms", "p99")) + " ms",
          labelled("backlog") + "due " + count_text(number_at(stats, "backlog", "due")) + "  oldest " +
              age_text(number_at(stats, "backlog", "oldest_due_age_ms")) + "  running " +
              count_text(number_at(stats, "running"))};
}

// One letter a shard: its holder's, in the order of the agents; '-' is free, '?' is moving.
std::string shard_strip(const Json& shards, const std::map<std::string, char>& letters) {
  std::string strip;
  for (const Json& shard : shards) {
    const std::string state = text_at(shard, "state");
    const auto holder = letters.find(text_at(shard, "agent"));
    strip += state == "moving" ? '?' : holder == letters.end() ? '-' : holder->second;
  }
  return strip;
}

char letter_of(std::size_t index) {
  constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
  return index < kLetters.size() ? kLetters[index] : '+';
}

const Json* agent_before(const TopSample* before, const std::string& name) {
  if (before == nullptr) return nullptr;
  for (const Json& agent : before->agents) {
    if (text_at(agent, "name") == name) return &agent;
  }
  return nullptr;
}

// A restarted agent counts from 0 again.
std::string rate_text(const Json& now, const Json* before, const char* field, double seconds) {
  if (before == nullptr || seconds <= 0) return "-";
  const double grown = number_at(now, field) - number_at(*before, field);
  return grown < 0 ? "-" : decimal(grown / seconds);
}

std::vector<std::string> agent_lines(const TopSample& now, const TopSample* before,
                                     std::map<std::string, char>& letters) {
  const double seconds =
      before == nullptr ? 0
                        : (number_at(now.stats, "uptime_ms") - number_at(before->stats, "uptime_ms")) / 1000;
  Grid grid({" ", "AGENT", "STATE", "SHARDS", "IN FLIGHT", "RUNNING", "PUBLISHED/s", "EXECUTED/s", "BROKER",
             "HOLDS"});
  for (const Json& agent : now.agents) {
    const std::string name = text_at(agent, "name");
    const char letter = letter_of(letters.size());
    letters.emplace(name, letter);
    const Json shards = agent.is_object() ? agent.value("shards", Json::array()) : Json::array();
    const Json* earlier = agent_before(before, name);
    grid.add({std::string(1, letter), name, text_at(agent, "state"), std::to_string(shards.size()),
              text_at(agent, "in_flight"), text_at(agent, "running"),
              rate_text(agent, earlier, "published", seconds), rate_text(agent, earlier, "executed", seconds),
              text_at(agent, "broker"), shard_ranges(shards)});
  }
  return grid.lines(3);
}

std::vector<std::string> queue_lines(const Json& queues) {
  Grid grid({"QUEUE", "STATE", "SCHEDULED", "QUEUED", "RUNNING", "EXECUTORS", "DEAD"});
  for (const Json& queue : queues) {
    if (!queue.is_object()) continue;
    const Json counts = queue.value("commands", Json::object());
    grid.add({text_at(queue, "name"), is_on(queue, "paused") ? "paused" : "open",
              count_text(number_at(counts, "scheduled")), count_text(number_at(counts, "queued")),
              count_text(number_at(counts, "running")), text_at(queue, "executors"),
              count_text(number_at(counts, "dead"))});
  }
  return grid.lines(2);
}

}  // namespace

std::string shard_ranges(const Json& numbers) {
  std::vector<std::int64_t> shards;
  for (const Json& number : numbers) {
    if (number.is_number_integer()) shards.push_back(number.get<std::int64_t>());
  }
  std::string text;
  for (std::size_t i = 0; i < shards.size();) {
    std::size_t end = i;
    while (end + 1 < shards.size() && shards[end + 1] == shards[end] + 1) ++end;
    text += (text.empty() ? "" : ",") + std::to_string(shards[i]);
    if (end > i) text += "-" + std::to_string(shards[end]);
    i = end + 1;
  }
  return text.empty() ? "-" : text;
}

std::vector<std::string> draw_top(const TopSample& now, const TopSample* before, const std::string& server) {
  std::vector<std::string> lines = head_lines(now.stats, server);
  std::map<std::string, char> letters;
  const auto agents = agent_lines(now, before, letters);
  lines.push_back(labelled("shards") + shard_strip(now.shards, letters));
  lines.emplace_back();
  lines.insert(lines.end(), agents.begin(), agents.end());
  lines.emplace_back();
  const auto queues = queue_lines(now.queues);
  lines.insert(lines.end(), queues.begin(), queues.end());
  return lines;
}

}  // namespace duly::cli
