// Asks a server over many connections at once, as fast as it answers or at a given rate, from one thread.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/time.h"
#include "tests/bench/load/http_line.h"

namespace duly::bench {

// What was asked and what came back.  `due` is when it should have been asked: with a rate that is kept up
// whatever the server does, a request that had to wait for a free connection is late from that moment on.
struct Answer {
  std::size_t kind = 0;
  int status = 0;
  std::string_view body;
  MonoTime due, sent, done;
};

struct Plan {
  int port = 0;
  int connections = 1;
  double rate = 0;                    // requests a second; 0 = the next as soon as the last is answered
  double seconds = 0;                 // for how long requests are begun; 0 = until `count`
  long count = 0;                     // how many; 0 = until the time is over
  double patience = 60;               // seconds to wait for what is still unanswered then
  std::vector<std::string> requests;  // whole ones, asked in turn; their place is the `kind` of the answer
  std::function<void(const Answer&)> answered;
};

struct Outcome {
  long asked = 0, unanswered = 0;
  double seconds = 0;   // from the first request to the last answer
  std::string problem;  // empty = none
};

class Driver {
 public:
  explicit Driver(Plan plan) : plan_(std::move(plan)) {}
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  Outcome run();

 private:
  struct Slot {
    HttpLine line;
    Answer asked;
    bool watched_for_writing = false;
  };

  bool prepare();
  void watch(std::size_t slot);
  // How many requests should have been asked by now.
  [[nodiscard]] long wanted(MonoTime now) const;
  void ask_what_is_due(MonoTime now);
  void on_ready(std::size_t slot);
  [[nodiscard]] bool over(MonoTime now) const;

  Plan plan_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::deque<std::size_t> free_;  // in turn: one that is never used is closed by the server
  int poll_ = -1, timer_ = -1;
  long asked_ = 0, answered_ = 0;
  MonoTime begun_, last_answer_;
  std::string problem_;
};

}  // namespace duly::bench
