// The whole API on a loop that the test turns, with an engine that answers what the test says.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "common/wire/json.h"
#include "control-server/api/api.h"
#include "control-server/api/doorkeeper.h"
#include "control-server/api/event_hub.h"
#include "tests/unit/control-server/api/fake_reader.h"
#include "tests/unit/control-server/api/manual_loop.h"

namespace duly::testing {

struct ApiWorld {
  ManualLoop loop;
  std::shared_ptr<FakeStore> store = std::make_shared<FakeStore>();
  std::unique_ptr<Reader> reader = make_fake_reader(store);
  std::vector<Input> sent;
  Desk desk{loop, [this](Input&& input) {
              sent.push_back(std::move(input));
              return true;
            }};
  int replies = 0;
  std::vector<Strike> strikes;
  EventHub events{loop, "abc"};
  Doorkeeper doorkeeper{loop};
  Api api{desk,
          *reader,
          loop,
          /*fault_injection=*/true,
          [this] { ++replies; },
          [this](const Strike& strike) { strikes.push_back(strike); },
          {},
          {},
          nullptr,
          &events,
          &doorkeeper};
  Router router = make_router(api);

  std::optional<HttpResponse> answer;
  std::function<void()> gone;

  void ask(const std::string& method, const std::string& target, const std::string& body = {},
           std::vector<HttpField> fields = {}) {
    answer.reset();
    router.handle({method, target, std::move(fields), body, "id-1", "127.0.0.1"},
                  Respond([this](HttpResponse response) { answer = std::move(response); },
                          [this](Respond::Gone hook) { gone = std::move(hook); }));
  }
  template <class What>
  void engine_says(ReplyTo reply, What what) {
    desk.deliver(Answer{reply, std::move(what)});
  }
  void engine_says(ReplyTo reply, const StatsSnapshot& stats) {
    engine_says<StatsAnswer>(reply, std::make_shared<const StatsSnapshot>(stats));
  }
  template <class Kind>
  const Kind& last() {
    return std::get<Kind>(sent.back());
  }
  int status() { return answer ? answer->status : 0; }
  Json json() { return parse_json(answer->body, 32).value(); }
  std::string field(std::string_view name) {
    for (const auto& [known, value] : answer->fields) {
      if (known == name) return value;
    }
    return {};
  }
};

}  // namespace duly::testing
