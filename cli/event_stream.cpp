#include "cli/event_stream.h"

#include <cstddef>

namespace duly::cli {
namespace {

constexpr std::size_t kLineBytes = 64 * 1024;

}  // namespace

bool EventStream::feed(std::string_view piece, const std::function<bool(const StreamEvent&)>& seen) {
  while (!piece.empty()) {
    const std::size_t end = piece.find('\n');
    line_.append(piece.substr(0, end));
    if (line_.size() > kLineBytes) return false;
    if (end == std::string_view::npos) return true;
    piece.remove_prefix(end + 1);
    const std::string line = std::move(line_);
    line_.clear();
    if (!take_line(line, seen)) return false;
  }
  return true;
}

void EventStream::restart() {
  line_.clear();
  event_ = {};
}

bool EventStream::take_line(std::string_view line, const std::function<bool(const StreamEvent&)>& seen) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (line.empty()) {
    const StreamEvent whole = std::move(event_);
    event_ = {};
    if (whole.kind.empty() && whole.data.empty()) return true;
    if (!whole.id.empty()) last_id_ = whole.id;
    return seen(whole);
  }
  const std::size_t colon = line.find(':');
  if (colon == 0 || colon == std::string_view::npos) return true;  // a comment
  std::string_view value = line.substr(colon + 1);
  if (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  const std::string_view name = line.substr(0, colon);
  if (name == "id") event_.id = value;
  if (name == "event") event_.kind = value;
  if (name == "data") event_.data = value;
  return true;
}

}  // namespace duly::cli
