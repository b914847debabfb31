// Which trace a new command belongs to, and what is told of it.
#include <string>

#include "tests/unit/control-server/core/engine_world.h"

namespace duly {
namespace {

using test::EngineWorld;

const std::string kCaller = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0";

EngineConfig exporting(double sample) {
  EngineConfig config;
  config.trace = {true, sample, 11};
  return config;
}

CommandSpec called_with(const std::string& flags) {
  CommandSpec spec = EngineWorld::spec();
  spec.trace = read_trace(kCaller + flags, "a=1");
  REQUIRE(spec.trace);
  return spec;
}

}  // namespace

TEST_CASE("a trace is kept as it came, over a restart, and handed out with each attempt") {
  EngineWorld world;
  const CommandId id = world.submit(called_with("1"));
  CHECK(world.all<CommandTraced>().empty());
  world.restart();
  const SessionId agent = world.connect("a");
  world.pass(seconds{10});
  const HandOutItem item = world.the_one(agent);
  REQUIRE(item.trace);
  CHECK(*item.trace == *called_with("1").trace);
  CHECK(*world.store->body(id)->trace == *item.trace);
}

TEST_CASE("a dead letter names the trace of its command") {
  EngineWorld world;
  const SessionId agent = world.connect("a");
  REQUIRE(world.run({BrokerState{true}}));
  CommandSpec spec = called_with("1");
  spec.retry.max_attempts = 1;
  world.submit(spec);
  world.fail_once(agent);
  world.pass(seconds{1});
  const auto letters = world.all<PublishDeadLetter>();
  REQUIRE(letters.size() == 1);
  CHECK(std::get<std::string>(letters[0].message.headers.at("traceparent")) == kCaller + "1");
}

TEST_CASE("without export no command gets a trace that it did not bring") {
  EngineWorld world;
  const CommandId id = world.submit(EngineWorld::spec());
  CHECK(world.store->body(id)->trace == nullptr);
}

TEST_CASE("with export a sampled caller's command has a span of its own below the caller's") {
  EngineWorld world(exporting(0));
  const SessionId agent = world.connect("a");
  const CommandSpec spec = called_with("1");
  const CommandId id = world.submit(spec);
  const auto told = world.all<CommandTraced>();
  REQUIRE(told.size() == 1);
  CHECK(told[0].id == id);
  CHECK(*told[0].caller == *spec.trace);
  CHECK(told[0].trace->trace_id() == spec.trace->trace_id());
  CHECK(told[0].trace->span != spec.trace->span);
  CHECK(told[0].trace->state == "a=1");
  CHECK(*world.the_one(agent).trace == *told[0].trace);
  CHECK(*world.store->body(id)->trace == *told[0].trace);
}

TEST_CASE("what the caller does not want sampled stays as it came") {
  EngineWorld world(exporting(1));
  const CommandSpec spec = called_with("0");
  const CommandId id = world.submit(spec);
  CHECK(world.all<CommandTraced>().empty());
  CHECK(*world.store->body(id)->trace == *spec.trace);
}

TEST_CASE("a command without a trace begins one by the share that is sampled") {
  for (const double share : {0.0, 1.0}) {
    EngineWorld world(exporting(share));
    const CommandId id = world.submit(EngineWorld::spec());
    const auto told = world.all<CommandTraced>();
    REQUIRE(told.size() == (share > 0 ? 1 : 0));
    CHECK((world.store->body(id)->trace != nullptr) == (share > 0));
    if (!told.empty()) CHECK(told[0].caller == nullptr);
  }
}

TEST_CASE("each fire of a schedule begins a trace of its own") {
  EngineWorld world(exporting(1));
  PutSchedule put;
  put.spec.name = "s";
  put.spec.timing.every_ms = 1000;
  put.spec.command = EngineWorld::spec();
  put.spec.text = "{}";
  world.ask(put);
  world.pass(seconds{4});
  const auto told = world.all<CommandTraced>();
  REQUIRE(told.size() >= 3);
  CHECK(told[0].caller == nullptr);
  CHECK(told[0].trace->trace_id() != told[1].trace->trace_id());
}

TEST_CASE("engines that follow each other do not number their spans alike") {
  EngineWorld world(exporting(1));
  world.submit(EngineWorld::spec());
  world.now.wall += microseconds{1};
  world.engine = std::make_unique<Engine>(*world.store, world.config, world.now);
  world.submit(EngineWorld::spec());
  const auto told = world.all<CommandTraced>();
  REQUIRE(told.size() == 2);
  CHECK(told[0].trace->trace_id() != told[1].trace->trace_id());
  CHECK(told[0].trace->span != told[1].trace->span);
}

TEST_CASE("a request sent again tells of no second span") {
  EngineWorld world(exporting(1));
  for (int i = 0; i < 2; ++i) {
    Submit submit;
    submit.commands.push_back({EngineWorld::spec(), "once", 1});
    world.ask(submit);
  }
  CHECK(world.all<CommandTraced>().size() == 1);
}

}  // namespace duly
