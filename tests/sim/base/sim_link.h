// A network for links on a SimLoop: ordered connections that can be delayed, cut, or lose one direction.
//
// The contract is that of Link: frames whole and in order, or the link breaks.  A frame travels as its bytes,
// through the real encoder and decoder.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "common/link/link.h"
#include "tests/sim/base/rng.h"
#include "tests/sim/base/sim_loop.h"

namespace duly::sim {

struct SimNetFaults {
  double reset_per_frame = 0;
  double refuse_connect = 0;
  Duration latency_min{30};
  Duration latency_max{200};
  double stall = 0;  // per frame: it and all after it wait for up to stall_max
  Duration stall_max{seconds{3}};
};

class SimNet {
 public:
  using Accept = std::function<void(std::unique_ptr<Link>)>;

  SimNet(SimLoop& loop, std::uint64_t seed) : loop_(loop), rng_(seed) {}

  void set_faults(const SimNetFaults& faults) { faults_ = faults; }
  // Who accepts connections now; empty = connection refused.
  void listen(Accept accept) { accept_ = std::move(accept); }
  // A connector for the node of this name.
  LinkConnector connector(const std::string& node);
  // From now on nothing crosses in that direction, and nobody is told (half-open), until healed.
  void block(const std::string& node, bool to_server, bool to_node);
  void heal();
  void reset_all();
  // Bytes that nobody sent appear in one direction of some open connection.
  void garble();
  [[nodiscard]] const std::map<std::string, std::uint64_t>& struck() const { return struck_; }

 private:
  friend class SimLink;
  struct Pipe {
    std::string node;
    bool open = true;
    // Ends: 0 = node, 1 = server.
    Link::Events events[2];
    bool started[2] = {false, false};
    bool alive[2] = {true, true};
    MonoTime last[2]{};                 // arrival of the last frame towards that end
    std::vector<std::string> early[2];  // arrived before start()
    FrameDecoder decoder[2];
  };
  using PipePtr = std::shared_ptr<Pipe>;
  struct Blocked {
    bool to_server = false, to_node = false;
  };

  void send(const PipePtr& pipe, int to, const Frame& frame);
  void arrive(const PipePtr& pipe, int to, const std::string& bytes);
  void close(const PipePtr& pipe, int by);
  bool strikes(double chance, const char* fault);
  void tell_closed(const PipePtr& pipe, int end, const std::string& reason);
  [[nodiscard]] bool passes(const Pipe& pipe, int to) const;

  SimLoop& loop_;
  Rng rng_;
  SimNetFaults faults_;
  Accept accept_;
  std::map<std::string, Blocked> blocked_;
  std::vector<std::weak_ptr<Pipe>> pipes_;
  std::map<std::string, std::uint64_t> struck_;
};

}  // namespace duly::sim
