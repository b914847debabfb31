// The engine on a loop, on a disk without room: what nobody can record is not said again and again.
#include "control-server/core/engine_host.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/sim/base/crash_vfs.h"
#include "tests/sim/base/sim_loop.h"

namespace duly {
namespace {

constexpr std::size_t kMuch = 500'000;  // bytes

Input work(const std::string& callback_url, std::size_t bytes) {
  CommandSpec spec;
  spec.type = "work";
  spec.callback_url = callback_url;
  spec.delay_ms = 3'600'000;
  spec.payload = make_bytes(std::string(bytes, 'x'));
  return Submit{1, "test", {NewCommand{std::move(spec), "", 0}}};
}

// A receiver of callbacks that answers at once, beside somebody who submits more than a full disk has room
// for.
class FullDisk {
 public:
  FullDisk() {
    auto opened = Store::open({"duly.db", vfs_.name(), 1, false});
    store_ = std::move(*opened);
    EngineConfig config;
    config.callbacks.origin_of = [](const std::string&) -> Result<std::string> { return {"https://one"}; };
    EnginePorts ports;
    ports.release = [this](std::vector<Effect>&& effects) { look_at(effects); };
    ports.refused_full = [this](std::vector<ReplyTo>&&) { ++refused; };
    ports.fatal = [](const Error& error) { FAIL(error.what); };
    host_ = std::make_unique<EngineHost>(loop, *store_, std::move(config), std::move(ports));
  }

  // A command with a callback ends; from its call on there is no room.
  void end_one() {
    host_->start();
    give(work("https://one/ends", 2));
    loop.run_for(milliseconds{10});
    give(CancelCommand{2, "test", id_});
  }
  void make_room() { vfs_.set_capacity(0); }
  [[nodiscard]] CallbackState owed() { return store_->callback(id_)->state; }

  sim::SimLoop loop;
  std::vector<MonoTime> calls;
  int refused = 0;

 private:
  void give(Input&& input) { REQUIRE(host_->submit(std::move(input))); }
  void look_at(const std::vector<Effect>& effects) {
    for (const Effect& effect : effects) {
      const auto* answer = std::get_if<Answer>(&effect);
      if (const auto* done = answer != nullptr ? std::get_if<Submitted>(&answer->what) : nullptr;
          done != nullptr && id_.value == 0)
        id_ = done->items.at(0).id;
      if (const auto* call = std::get_if<SendCallback>(&effect)) this->answer(*call);
    }
  }
  void answer(const SendCallback& call) {
    calls.push_back(loop.now());
    if (calls.size() == 1) vfs_.set_capacity(vfs_.size() + 20'000);
    give(CallbackSettled{call.id, call.ends, CallbackOutcome::delivered, "", 0});
    give(work("", kMuch));
  }

  sim::CrashVfs vfs_{1};
  std::unique_ptr<Store> store_;
  std::unique_ptr<EngineHost> host_;
  CommandId id_{};
};

}  // namespace

TEST_CASE(
    "while the disk is full calls rest, from 100 ms doubled up to 5 s, and are made when there is room") {
  FullDisk world;
  world.end_one();
  world.loop.run_for(seconds{40});
  std::vector<std::int64_t> rests;
  for (std::size_t i = 1; i < world.calls.size(); ++i)
    rests.push_back(to_ms(world.calls[i] - world.calls[i - 1]));
  CHECK(rests ==
        std::vector<std::int64_t>{100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000, 5000, 5000, 5000});
  CHECK(world.refused == static_cast<int>(world.calls.size()));
  CHECK(world.owed() == CallbackState::owed);
  world.make_room();
  world.loop.run_for(seconds{5});
  CHECK(world.owed() == CallbackState::delivered);
  CHECK(world.calls.size() == rests.size() + 2);
}

TEST_CASE("a question is answered before the batch that it came with, from what was committed") {
  sim::SimLoop loop;
  sim::CrashVfs vfs{1};
  auto store = Store::open({"duly.db", vfs.name(), 1, false});
  REQUIRE(store);
  std::vector<std::string> order;
  EngineConfig config;
  config.after_commit = [&] { order.emplace_back("commit"); };
  EnginePorts ports;
  ports.release = [&](std::vector<Effect>&& effects) {
    for (const Effect& effect : effects) {
      const auto* answer = std::get_if<Answer>(&effect);
      const auto* stats = answer != nullptr ? std::get_if<StatsAnswer>(&answer->what) : nullptr;
      if (stats != nullptr) order.push_back("stats of " + std::to_string((*stats)->accepted));
      if (answer != nullptr && stats == nullptr) order.emplace_back("accepted");
    }
  };
  EngineHost host(loop, **store, std::move(config), std::move(ports));
  for (const char* stats : {"stats of 0", "stats of 1"}) {
    order.clear();
    REQUIRE(host.submit(work("", 2)));
    REQUIRE(host.submit(Query{1, Query::What::stats, "", {}}));
    loop.run_for(Duration{0});
    order.resize(std::min<std::size_t>(order.size(), 3));  // a tick commits, too
    CHECK(order == std::vector<std::string>{stats, "commit", "accepted"});
    loop.run_for(seconds{1});
  }
}

// Time passes in the middle of a task, and no task with it.
class SlowLoop final : public Loop {
 public:
  [[nodiscard]] MonoTime now() const override { return loop_.now() + passed_; }
  [[nodiscard]] WallTime wall() const override { return loop_.wall() + passed_; }
  void post(Task task) override { loop_.post(std::move(task)); }
  void at(MonoTime when, Task task) override { loop_.at(when - passed_, std::move(task)); }
  void pass(Duration time) { passed_ += time; }
  void run() { loop_.run_for(Duration{0}); }

 private:
  sim::SimLoop loop_;
  Duration passed_{};
};

// Batches take as long as a test says; what each was answered is compared with the counters at hand then.
class Counters {
 public:
  Counters() {
    auto opened = Store::open({"duly.db", vfs_.name(), 1, false});
    store_ = std::move(*opened);
    EngineConfig config;
    config.before_commit = [this] { loop.pass(batch_); };
    EnginePorts ports;
    ports.release = [this](std::vector<Effect>&& effects) {
      if (asks && !effects.empty()) seen = host_->stats_at_hand();
    };
    host_ = std::make_unique<EngineHost>(loop, *store_, std::move(config), std::move(ports));
  }
  void submit_one(Duration batch) {
    batch_ = batch;
    REQUIRE(host_->submit(work("", 2)));
    loop.run();
    batch_ = Duration{0};
  }
  StatsAnswer ask() { return host_->stats_at_hand(); }

  SlowLoop loop;
  bool asks = false;
  StatsAnswer seen;  // by who asks when it is answered

 private:
  Duration batch_{};
  sim::CrashVfs vfs_{1};
  std::unique_ptr<Store> store_;
  std::unique_ptr<EngineHost> host_;
};

TEST_CASE("counters are at hand after a long batch when somebody asks for them, and never older than it") {
  Counters world;
  world.submit_one(milliseconds{5});
  CHECK(world.ask() == nullptr);  // nobody had asked
  world.asks = true;
  world.submit_one(milliseconds{5});
  REQUIRE(world.seen);  // before the answer left
  CHECK(world.seen->accepted == 2);
  CHECK(world.ask() == world.seen);
  world.submit_one(Duration{0});
  CHECK(world.ask() == nullptr);  // of the batch before this one
  world.submit_one(milliseconds{5});
  CHECK(world.seen->accepted == 4);
  world.loop.pass(milliseconds{99});
  CHECK(world.ask());
  world.loop.pass(milliseconds{1});
  CHECK_FALSE(world.ask());  // rates and ages have gone on
  world.asks = false;
  world.loop.pass(seconds{3});
  world.submit_one(milliseconds{5});
  CHECK(world.ask() == nullptr);  // nobody had asked for two seconds
}

}  // namespace duly
