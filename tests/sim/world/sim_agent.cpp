#include "tests/sim/world/sim_agent.h"

#include <cstdio>
#include <utility>

namespace duly::sim {

SimAgent::SimAgent(SimLoop& loop, SimNet& net, SimRabbit& rabbit, Ledger& ledger, Config config, Hooks hooks)
    : loop_(loop),
      net_(net),
      rabbit_(rabbit),
      ledger_(ledger),
      config_(std::move(config)),
      hooks_(std::move(hooks)) {}

void SimAgent::start(std::uint64_t incarnation) {
  process_ = std::make_shared<Process>(loop_, rabbit_);
  AgentConfig config;
  config.name = config_.name;
  config.incarnation = {incarnation};
  config.queues = config_.queues;
  config.concurrency = config_.concurrency;
  config.prefetch = config_.concurrency;
  process_->broker.on_publish = hooks_.published;
  process_->broker.on_settled = hooks_.settled;
  AgentPorts ports;
  ports.passed = hooks_.passed;
  ports.run = [this](const Execution& execution) { run(execution); };
  ports.stop = [this](AttemptRef ref, const std::string& reason) { stop(ref, reason); };
  const LinkConnector inner = net_.connector(config_.name);
  const std::weak_ptr<Process> weak = process_;
  const LinkConnector connector =
      [inner, weak](const std::function<void(std::unique_ptr<Link>, std::string)>& done) {
        inner([weak, done](std::unique_ptr<Link> link, const std::string& error) {
          const auto process = weak.lock();
          if (!process) return;
          if (link) link = std::make_unique<NodeLink>(process->node_loop, std::move(link));
          done(std::move(link), error);
        });
      };
  process_->node =
      std::make_unique<AgentNode>(process_->node_loop, connector, process_->broker, std::move(ports), config);
  process_->node->start();
}

void SimAgent::kill() { process_.reset(); }

void SimAgent::pause() {
  if (process_) process_->node_loop.pause();
}

void SimAgent::resume() {
  if (process_ && process_->node_loop.paused()) process_->node_loop.resume();
}

void SimAgent::drain(Duration limit, std::function<void()> done) {
  if (process_) process_->node->drain(limit, std::move(done));
}

void SimAgent::run(const Execution& execution) {
  const AttemptRef ref{execution.id, execution.attempt};
  ledger_.start(ref, loop_.now());
  ledger_.traces[ref] = execution.trace;
  int fails = 0;
  int ms = 0;
  int kind = 0;
  const int read = std::sscanf(execution.payload->c_str(), "[%d,%d,%d]", &fails, &ms, &kind);
  DULY_ASSERT(read == 3);  // the payload arrives byte for byte
  if ((kind == 2 && execution.attempt == 1) || kind == 3) {
    loop_.post([this, weak = std::weak_ptr<Process>(process_)] {
      if (weak.expired()) return;
      process_.reset();
      hooks_.died();
    });
    return;
  }
  const bool hangs = kind == 1 && execution.attempt == 1;
  if (hangs) hooks_.hung();
  process_->running[ref] = hangs;
  if (!hangs) finish_later(ref, milliseconds{ms}, execution.attempt > fails);
}

void SimAgent::finish_later(AttemptRef ref, Duration after, bool ok) {
  process_->node_loop.at(loop_.now() + after, [this, weak = std::weak_ptr<Process>(process_), ref, ok] {
    const auto process = weak.lock();
    if (!process || process->running.erase(ref) == 0) return;
    ledger_.end(ref, ok);
    Executor::Outcome outcome{ok, true, ok ? "" : "failed as told", ok ? make_bytes("true") : nullptr};
    if (!ok) refine_failure(ref, outcome);
    process->node->handler_done(ref, std::move(outcome));
  });
}

// Some ask to be tried again later than their backoff, and some are handed back.  By the command's number,
// not by the dice: the histories of known seeds stay what they are in everything else.
void SimAgent::refine_failure(AttemptRef ref, Executor::Outcome& outcome) {
  const std::uint64_t draw =
      mix(static_cast<std::uint64_t>(ref.id.value) * 8 + static_cast<unsigned>(ref.attempt));
  if (draw % 4 != 0) return;
  outcome.retry_after_ms = 700;
  outcome.handed_back = draw % 8 == 0;
  ledger_.asked_ms[ref] = outcome.retry_after_ms;
}

void SimAgent::stop(AttemptRef ref, const std::string& reason) {
  const auto at = process_->running.find(ref);
  if (at == process_->running.end()) return;
  process_->running.erase(at);
  process_->node_loop.post([weak = std::weak_ptr<Process>(process_), ref, reason] {
    if (const auto process = weak.lock()) process->node->handler_done(ref, {false, true, reason, nullptr});
  });
}

}  // namespace duly::sim
