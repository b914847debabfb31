// A connection to the broker with nothing of Duly in it: rabbitmq-c, one channel, quorum queues, confirms in
// a window.
#pragma once

#include <amqp.h>

#include <cstdint>
#include <string>
#include <vector>

namespace duly::bench {

constexpr amqp_channel_t kChannel = 1;
constexpr long kWindow = 1000;   // publishes without their confirm, and deliveries without theirs
constexpr long kAckEvery = 100;  // deliveries settled by one acknowledgement
constexpr timeval kPatience{10, 0};

// What goes wrong on it ends the program.
class Line {
 public:
  explicit Line(std::string url);
  ~Line();
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;

  void declare(const std::string& queue);
  void remove(const std::string& queue);
  void want_confirms();
  void consume(const std::string& queue);
  // The next delivery; false when none came within `limit`.
  bool take(amqp_envelope_t& envelope, timeval limit);
  // All deliveries up to this one.
  void acknowledge(std::uint64_t tag);

  [[nodiscard]] amqp_connection_state_t state() const { return state_; }
  [[nodiscard]] std::string version() const;

 private:
  void check(const char* what);

  amqp_connection_state_t state_;
};

inline amqp_bytes_t bytes_of(const std::string& text) {
  return {text.size(), const_cast<char*>(text.data())};
}

// Publishes, and keeps count of what was confirmed.  Of `count` messages at most.
class Publisher {
 public:
  Publisher(Line& line, long count);

  void publish(const std::string& exchange, const std::string& key, const amqp_basic_properties_t& properties,
               const std::string& body);
  // Waits for one frame, up to `limit`; false when none came.
  bool read(timeval limit);
  // What has come by now.
  void read_all();
  // Until fewer than `most` are without their confirm.
  void wait_for_room(long most);

  [[nodiscard]] long published() const { return published_; }
  [[nodiscard]] long unconfirmed() const { return published_ - confirmed_; }

 private:
  void confirm(std::uint64_t tag, bool multiple);

  Line& line_;
  std::vector<bool> confirmed_tags_;
  std::uint64_t lowest_ = 1;
  long published_ = 0, confirmed_ = 0;
};

}  // namespace duly::bench
