#include "tests/sim/base/sim_link.h"

#include <algorithm>
#include <utility>

namespace duly::sim {
namespace {

constexpr int kNode = 0;
constexpr int kServer = 1;

}  // namespace

class SimLink final : public Link {
 public:
  SimLink(SimNet& net, SimNet::PipePtr pipe, int end) : net_(net), pipe_(std::move(pipe)), end_(end) {}
  ~SimLink() override {
    pipe_->alive[end_] = false;
    net_.close(pipe_, end_);
  }
  void start(Events events) override {
    pipe_->events[end_] = std::move(events);
    pipe_->started[end_] = true;
    for (const std::string& bytes : std::exchange(pipe_->early[end_], {})) {
      net_.loop_.post([net = &net_, pipe = pipe_, end = end_, bytes] { net->arrive(pipe, end, bytes); });
    }
  }
  void send(Frame frame) override { net_.send(pipe_, 1 - end_, frame); }
  void close(std::string) override {
    pipe_->alive[end_] = false;
    net_.close(pipe_, end_);
  }
  [[nodiscard]] std::string peer() const override { return end_ == kServer ? pipe_->node : "server"; }

 private:
  SimNet& net_;
  SimNet::PipePtr pipe_;
  const int end_;
};

LinkConnector SimNet::connector(const std::string& node) {
  return [this, node](std::function<void(std::unique_ptr<Link>, std::string)> done) {
    const Duration wait = rng_.between(faults_.latency_min, faults_.latency_max);
    loop_.at(loop_.now() + wait, [this, node, done = std::move(done)] {
      const auto blocked = blocked_.find(node);
      const bool cut = blocked != blocked_.end() && (blocked->second.to_server || blocked->second.to_node);
      if (!accept_ || cut || strikes(faults_.refuse_connect, "refuse_connect"))
        return done(nullptr, "connection refused");
      auto pipe = std::make_shared<Pipe>();
      pipe->node = node;
      std::erase_if(pipes_, [](const auto& p) { return p.expired(); });
      pipes_.push_back(pipe);
      accept_(std::make_unique<SimLink>(*this, pipe, kServer));
      done(std::make_unique<SimLink>(*this, pipe, kNode), "");
    });
  };
}

bool SimNet::passes(const Pipe& pipe, int to) const {
  const auto at = blocked_.find(pipe.node);
  if (at == blocked_.end()) return true;
  return to == kServer ? !at->second.to_server : !at->second.to_node;
}

void SimNet::send(const PipePtr& pipe, int to, const Frame& frame) {
  if (!pipe->open || !pipe->alive[1 - to]) return;
  if (strikes(faults_.reset_per_frame, "reset_per_frame")) {
    pipe->open = false;
    tell_closed(pipe, kNode, "reset");
    tell_closed(pipe, kServer, "reset");
    return;
  }
  Duration wait = rng_.between(faults_.latency_min, faults_.latency_max);
  if (strikes(faults_.stall, "stall")) wait += rng_.between(Duration{0}, faults_.stall_max);
  pipe->last[to] = std::max(pipe->last[to], loop_.now() + wait);
  loop_.at(pipe->last[to], [this, pipe, to, bytes = encode_frame(frame)] {
    if (!passes(*pipe, to)) {
      // Lost on the way: what comes after it cannot arrive either.
      pipe->open = false;
      return;
    }
    arrive(pipe, to, bytes);
  });
}

void SimNet::arrive(const PipePtr& pipe, int to, const std::string& bytes) {
  if (!pipe->open || !pipe->alive[to]) return;
  if (!pipe->started[to]) {
    pipe->early[to].push_back(bytes);
    return;
  }
  std::vector<Frame> frames;
  if (const Status fed = pipe->decoder[to].feed(bytes, frames); !fed) {
    pipe->open = false;
    tell_closed(pipe, kNode, fed.error().what);
    tell_closed(pipe, kServer, fed.error().what);
    return;
  }
  for (Frame& frame : frames) pipe->events[to].on_frame(std::move(frame));
}

void SimNet::close(const PipePtr& pipe, int by) {
  if (!std::exchange(pipe->open, false)) return;
  tell_closed(pipe, 1 - by, "closed by the peer");
}

void SimNet::tell_closed(const PipePtr& pipe, int end, const std::string& reason) {
  if (!passes(*pipe, end)) return;  // half-open: nobody hears of it
  const Duration wait = rng_.between(faults_.latency_min, faults_.latency_max);
  loop_.at(std::max(pipe->last[end], loop_.now() + wait), [pipe, end, reason] {
    if (pipe->alive[end] && pipe->started[end]) pipe->events[end].on_closed(reason);
  });
}

void SimNet::block(const std::string& node, bool to_server, bool to_node) {
  blocked_[node] = {to_server, to_node};
}

void SimNet::heal() {
  blocked_.clear();
  faults_ = SimNetFaults{};
}

bool SimNet::strikes(double chance, const char* fault) {
  if (!rng_.chance(chance)) return false;
  ++struck_[fault];
  return true;
}

void SimNet::garble() {
  std::vector<PipePtr> open;
  for (const auto& weak : pipes_) {
    if (const auto pipe = weak.lock(); pipe && pipe->open) open.push_back(pipe);
  }
  if (open.empty()) return;
  const PipePtr pipe = open[rng_.below(open.size())];
  const int to = rng_.chance(0.5) ? kServer : kNode;
  std::string bytes(static_cast<std::size_t>(rng_.between(1, 64)), '\0');
  for (char& byte : bytes) byte = static_cast<char>(rng_.below(256));
  loop_.at(std::max(pipe->last[to], loop_.now()), [this, pipe, to, bytes] { arrive(pipe, to, bytes); });
}

void SimNet::reset_all() {
  for (const auto& weak : pipes_) {
    if (const auto pipe = weak.lock(); pipe && std::exchange(pipe->open, false)) {
      tell_closed(pipe, kNode, "reset");
      tell_closed(pipe, kServer, "reset");
    }
  }
}

}  // namespace duly::sim
