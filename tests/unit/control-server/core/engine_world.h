// An Engine on a store on a disk in memory, with agents made of a few lines: inputs in, effects kept.
#pragma once

#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "control-server/core/engine.h"
#include "tests/sim/base/crash_vfs.h"

namespace duly::test {

inline constexpr std::int64_t kMinute = 60'000;  // ms

class EngineWorld {
 public:
  explicit EngineWorld(EngineConfig config = {}, int shards = 1);

  // One batch; its effects are appended to `effects`.
  Status run(std::vector<Input> inputs);
  // Time passes in steps of 100 ms, each with a Tick and a heartbeat of every agent that is `alive`.
  void pass(Duration length);
  // A new process on the same store.
  void restart();

  // Connects an agent that does everything, with room for `room` commands.
  SessionId connect(const std::string& name, std::uint64_t incarnation = 1, std::int64_t room = 100,
                    Hello hello = {});
  void close(SessionId session);
  void say(SessionId session, AgentMessage message) {
    REQUIRE(run({SessionSaid{session, std::move(message)}}));
  }

  CommandId submit(CommandSpec spec);
  static CommandSpec spec(const std::string& key = "");
  // The last answer to `input`, whose reply number is set here.
  template <class Request>
  Answer ask(Request input) {
    input.reply = ++last_reply_;
    const ReplyTo reply = input.reply;
    REQUIRE(run({std::move(input)}));
    for (auto at = effects.rbegin(); at != effects.rend(); ++at) {
      if (const auto* answer = std::get_if<Answer>(&*at); answer && answer->reply == reply) return *answer;
    }
    FAIL("no answer");
    return {};
  }

  // Everything of this kind that was sent to the session and not yet taken here.
  template <class Message>
  std::vector<Message> take(SessionId session) {
    std::vector<Message> found;
    std::erase_if(effects, [&](const Effect& effect) {
      const auto* sent = std::get_if<SendMessage>(&effect);
      if (sent == nullptr || sent->session != session) return false;
      const auto* message = std::get_if<Message>(&sent->message);
      if (message != nullptr) found.push_back(*message);
      return message != nullptr;
    });
    return found;
  }
  template <class Kind>
  [[nodiscard]] std::vector<Kind> all() const {
    std::vector<Kind> found;
    for (const Effect& effect : effects) {
      if (const auto* one = std::get_if<Kind>(&effect)) found.push_back(*one);
    }
    return found;
  }
  // What was handed out to the session and not yet taken here.
  std::vector<HandOutItem> handed(SessionId session);
  // The only one of them.
  HandOutItem the_one(SessionId session);
  void mark(SessionId session, const HandOutItem& item);
  BegunItem begin(SessionId session, const HandOutItem& item, std::uint64_t nonce = 1);
  void finish(SessionId session, const HandOutItem& item, AttemptOutcome outcome, bool retryable = true);
  // Hands out, permits and ends the next attempt.
  void fail_once(SessionId session);

  StateRow row(CommandId id) { return *store->find(id); }
  State state(CommandId id) { return row(id).state; }
  StatsSnapshot stats();

  sim::CrashVfs vfs{1};
  std::unique_ptr<Store> store;
  std::unique_ptr<Engine> engine;
  EngineConfig config;
  Moment now{MonoTime{seconds{1000}}, WallTime{seconds{1'767'225'600}}};
  std::vector<Effect> effects;
  std::map<SessionId, bool> alive;

 private:
  std::uint64_t last_session_ = 0;
  ReplyTo last_reply_ = 0;
};

}  // namespace duly::test
