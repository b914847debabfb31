// Callbacks: owed with the end, made when it is their turn, settled once, and known again after a start.
#include <algorithm>
#include <set>
#include <string>

#include "tests/unit/control-server/core/engine_world.h"

namespace duly {
namespace {

using test::EngineWorld;
using test::kMinute;

constexpr const char* kUrl = "https://one/ends";
constexpr const char* kOther = "https://two/ends";

EngineConfig calling() {
  EngineConfig config;
  config.callbacks.origin_of = [](const std::string& url) -> Result<std::string> {
    if (url.find("//no") != std::string::npos) return invalid("is not allowed");
    return url.substr(0, url.find('/', 8));
  };
  config.callbacks.retry = {3, 1000, 2.0, 10'000, 0.0};
  return config;
}

CommandSpec callback_spec(const std::string& url = kUrl) {
  CommandSpec spec = EngineWorld::spec();
  spec.callback_url = url;
  spec.delay_ms = 3'600'000;
  return spec;
}

// Ended at once; its call is on its way when there is room.
CommandId ended(EngineWorld& world, const std::string& url = kUrl) {
  const CommandId id = world.submit(callback_spec(url));
  world.ask(CancelCommand{0, "test", id});
  return id;
}

std::vector<SendCallback> calls(EngineWorld& world) {
  auto found = world.all<SendCallback>();
  std::erase_if(world.effects, [](const Effect& e) { return std::holds_alternative<SendCallback>(e); });
  return found;
}

void settle(EngineWorld& world, const SendCallback& call, CallbackOutcome outcome,
            std::int64_t retry_after_ms = 0) {
  const std::string error = outcome == CallbackOutcome::failed ? "answered 500" : "";
  REQUIRE(world.run({CallbackSettled{call.id, call.ends, outcome, error, retry_after_ms}}));
}

CallbackRow call_row(EngineWorld& world, CommandId id) { return world.store->callback(id).value(); }

}  // namespace

TEST_CASE("the call is owed in the batch that ends the command, and leaves with it") {
  EngineWorld world(calling());
  const SessionId agent = world.connect("a");
  CommandSpec spec = callback_spec();
  spec.delay_ms.reset();
  const CommandId id = world.submit(spec);
  CHECK(call_row(world, id).state == CallbackState::waiting);
  world.pass(seconds{1});
  CHECK(calls(world).empty());
  const HandOutItem item = world.the_one(agent);
  world.mark(agent, item);
  world.begin(agent, item);
  CHECK(calls(world).empty());
  world.finish(agent, item, AttemptOutcome::succeeded);
  CHECK(call_row(world, id).state == CallbackState::owed);
  const auto sent = calls(world);
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].id == id);
  CHECK(sent[0].url == kUrl);
  CHECK(sent[0].ends == 1);
  CHECK(sent[0].attempt == 1);
  CHECK(world.stats().callbacks_owed == 1);
  world.pass(seconds{60});
  CHECK(calls(world).empty());  // one at a time
  settle(world, sent[0], CallbackOutcome::delivered);
  CHECK(call_row(world, id).state == CallbackState::delivered);
  CHECK(call_row(world, id).attempts == 1);
  CHECK(world.stats().callbacks_owed == 0);
  CHECK(world.stats().callbacks_delivered == 1);
  settle(world, sent[0], CallbackOutcome::failed);  // said again
  CHECK(call_row(world, id).state == CallbackState::delivered);
}

TEST_CASE("who asks for none gets none, and no row") {
  EngineWorld world(calling());
  const CommandId id = world.submit(EngineWorld::spec());
  world.ask(CancelCommand{0, "test", id});
  CHECK(calls(world).empty());
  CHECK_FALSE(world.store->any_callback());
}

TEST_CASE("a call that fails is repeated with backoff, as the same end, until its attempts are used up") {
  EngineWorld world(calling());
  const CommandId id = ended(world);
  settle(world, calls(world).at(0), CallbackOutcome::failed);
  CHECK(call_row(world, id).error == "answered 500");
  world.pass(milliseconds{900});
  CHECK(calls(world).empty());
  world.pass(milliseconds{200});
  const auto second = calls(world);
  REQUIRE(second.size() == 1);
  CHECK(second[0].ends == 1);
  CHECK(second[0].attempt == 2);
  settle(world, second[0], CallbackOutcome::failed, 5000);  // asked for, and longer than the backoff
  world.pass(milliseconds{4900});
  CHECK(calls(world).empty());
  world.pass(milliseconds{200});
  const auto third = calls(world);
  REQUIRE(third.size() == 1);
  settle(world, third[0], CallbackOutcome::failed);
  CHECK(call_row(world, id).state == CallbackState::given_up);
  CHECK(call_row(world, id).attempts == 3);
  CHECK(world.stats().callbacks_given_up == 1);
  CHECK(world.stats().callbacks_owed == 0);
  world.pass(seconds{120});
  CHECK(calls(world).empty());
}

TEST_CASE("the attempts of the usual policy take about an hour") {
  const RetryPolicy policy = Callbacks::Config{}.retry;
  std::int64_t all_ms = 0;
  for (int next = 2; next <= policy.max_attempts; ++next) all_ms += backoff_ms(policy, next, 7);
  CHECK(all_ms > 50 * kMinute);
  CHECK(all_ms < 70 * kMinute);
}

TEST_CASE("what is owed is known again after a start, and what was on its way is made again") {
  EngineWorld world(calling());
  const CommandId id = ended(world);
  const CommandId failed = ended(world, kOther);
  const auto sent = calls(world);
  REQUIRE(sent.size() == 2);
  settle(world, sent[1], CallbackOutcome::failed);
  world.restart();
  REQUIRE(world.run({Tick{}}));
  const auto again = calls(world);
  REQUIRE(again.size() == 1);
  CHECK(again[0].id == id);
  CHECK(again[0].attempt == 1);
  CHECK(world.stats().callbacks_owed == 2);
  world.pass(milliseconds{1500});
  const auto later = calls(world);
  REQUIRE(later.size() == 1);
  CHECK(later[0].id == failed);
  CHECK(later[0].attempt == 2);
}

TEST_CASE("a redrive takes back what nobody has heard, and its end is another one") {
  EngineWorld world(calling());
  const SessionId agent = world.connect("a");
  CommandSpec spec = callback_spec();
  spec.delay_ms.reset();
  spec.retry.max_attempts = 1;
  const CommandId id = world.submit(spec);
  world.fail_once(agent);
  REQUIRE(world.state(id) == State::dead);
  const auto first = calls(world);
  REQUIRE(first.size() == 1);
  world.ask(RedriveCommand{0, "test", id});
  CHECK(call_row(world, id).state == CallbackState::waiting);
  CHECK(world.stats().callbacks_owed == 0);
  settle(world, first[0], CallbackOutcome::failed);  // of an end that is none any more
  CHECK(call_row(world, id).state == CallbackState::waiting);
  world.fail_once(agent);
  REQUIRE(world.state(id) == State::dead);
  const auto second = calls(world);
  REQUIRE(second.size() == 1);
  CHECK(second[0].ends == 2);
  settle(world, first[0], CallbackOutcome::delivered);  // late: the second is owed all the same
  CHECK(call_row(world, id).state == CallbackState::owed);
  settle(world, second[0], CallbackOutcome::delivered);
  CHECK(call_row(world, id).state == CallbackState::delivered);
}

TEST_CASE("while calls to an origin fail there is one at a time, and others go on") {
  EngineConfig config = calling();
  config.callbacks.retry = {100, 60'000, 1.0, 60'000, 0.0};
  EngineWorld world(config);
  for (int i = 0; i < 10; ++i) ended(world);
  auto sent = calls(world);
  CHECK(sent.size() == limits::kCallbacksOfOneOrigin);
  for (const SendCallback& call : sent) settle(world, call, CallbackOutcome::failed);
  CHECK(calls(world).size() == 1);
  ended(world, kOther);
  const auto other = calls(world);
  REQUIRE(other.size() == 1);
  CHECK(other[0].url == kOther);
}

TEST_CASE("no more calls are on their way than there are threads, and each is made once") {
  EngineWorld world(calling());
  for (int i = 0; i < 60; ++i) ended(world, "https://host" + std::to_string(i % 12) + "/");
  std::set<CommandId> called;
  auto sent = calls(world);
  CHECK(sent.size() == limits::kCallbacksAtOnce);
  while (!sent.empty()) {
    const SendCallback call = sent.back();
    sent.pop_back();
    CHECK(called.insert(call.id).second);
    settle(world, call, CallbackOutcome::delivered);
    for (const SendCallback& next : calls(world)) sent.push_back(next);
    CHECK(sent.size() <= limits::kCallbacksAtOnce);
  }
  CHECK(called.size() == 60);
  CHECK(world.stats().callbacks_owed == 0);
}

TEST_CASE("what may not be called is refused, with the place and the reason, and nothing is stored") {
  EngineWorld world(calling());
  const auto refused = world.ask(Submit{0, "test", {{callback_spec("https://no/"), "", 0}}});
  const auto* problem = std::get_if<Problem>(&refused.what);
  REQUIRE(problem != nullptr);
  CHECK(problem->status == 400);
  CHECK(problem->pointer == "/commands/0/callback_url");
  CHECK(problem->detail == "is not allowed");
  EngineWorld off;
  const auto unsupported = off.ask(Submit{0, "test", {{callback_spec(), "", 0}}});
  problem = std::get_if<Problem>(&unsupported.what);
  REQUIRE(problem != nullptr);
  CHECK(problem->detail == "needs a server with --callback-secret-file");
  CHECK(off.store->count(State::scheduled) == 0);
}

TEST_CASE("without callbacks what is owed of before waits, and keeps nothing") {
  EngineWorld world(calling());
  const CommandId id = ended(world);
  calls(world);
  world.config = EngineConfig{};
  world.config.removal.retention = {kMinute, {}};
  world.restart();
  world.pass(seconds{30});
  CHECK(calls(world).empty());
  CHECK(call_row(world, id).state == CallbackState::owed);
  world.pass(seconds{60});
  CHECK_FALSE(world.store->find(id).has_value());
}

TEST_CASE("a command stays until its call is settled, and then goes") {
  EngineConfig config = calling();
  config.removal.retention = {kMinute, {}};
  EngineWorld world(config);
  const CommandId id = ended(world);
  const auto sent = calls(world);
  world.pass(seconds{90});
  CHECK(world.store->find(id).has_value());
  settle(world, sent.at(0), CallbackOutcome::delivered);
  CHECK_FALSE(world.store->find(id).has_value());
  CHECK_FALSE(world.store->callback(id).has_value());
}

}  // namespace duly
