// The server's events taken out of the text of their stream, however it is cut into pieces.
//
// Of server-sent events what this server sends: fields `id`, `event` and `data`, each on one line, and
// comments.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace duly::cli {

struct StreamEvent {
  std::string id;
  std::string kind;  // "command" or "reset"
  std::string data;
};

class EventStream {
 public:
  // Calls `seen` with each event that is whole; false = `seen` wants no more, or a line is longer than any of
  // this server.
  bool feed(std::string_view piece, const std::function<bool(const StreamEvent&)>& seen);
  // What is half read belongs to a connection that has ended.
  void restart();
  // Of the last event that was whole; empty = there was none.  It outlives restart().
  [[nodiscard]] const std::string& last_id() const { return last_id_; }

 private:
  bool take_line(std::string_view line, const std::function<bool(const StreamEvent&)>& seen);

  std::string line_;
  StreamEvent event_;
  std::string last_id_;
};

}  // namespace duly::cli
