// POST /v1/clock/advance: time for users' tests, moved by hand from event to event.
//
// The clock never jumps over anything: it goes to the next fire, due time or expiry, lets what is due there
// run to its end, and goes on.  So a schedule sees each of its fire times, and what one command leads to
// happens before the next one's time comes.  Bounds: kSettle at one moment, kUnserved where nobody takes from
// a queue that work is in, kPatience in all.
#include <memory>
#include <utility>

#include "common/runtime/asio_loop.h"
#include "common/wire/json_text.h"
#include "control-server/api/api_support.h"
#include "control-server/api/routes.h"

namespace duly {
namespace {

constexpr Duration kPoll = milliseconds{2};
constexpr Duration kSettle = seconds{10};  // real time that what is due gets at one moment
constexpr Duration kUnserved = seconds{2};
constexpr Duration kPatience = seconds{30};

class Advance : public std::enable_shared_from_this<Advance> {
 public:
  Advance(Api& api, Respond respond, std::int64_t target_ms)
      : api_(api),
        respond_(std::move(respond)),
        target_ms_(target_ms),
        moved_at_(api.loop.now()),
        until_(moved_at_ + kPatience) {}

  void step() {
    api_.desk.ask([](ReplyTo reply) { return Input(AskClock{reply}); },
                  [self = shared_from_this()](const Answer& answer) { self->answered(answer); });
  }

 private:
  void answered(const Answer& answer) {
    const auto* state = std::get_if<ClockState>(&answer.what);
    const auto* problem = std::get_if<Problem>(&answer.what);
    if (state == nullptr)
      return respond_(problem != nullptr ? problem_response(*problem)
                                         : make_problem(500, "unexpected answer of the engine"));
    const MonoTime now = api_.loop.now();
    const Duration patience = state->served ? kSettle : kUnserved;
    if (state->busy && now - moved_at_ < patience && now < until_)
      return api_.loop.at(now + kPoll, [self = shared_from_this()] { self->step(); });
    const std::int64_t at = to_ms(api_.clock->now());
    if (at >= target_ms_ || now >= until_) return tell(at);
    api_.clock->move_to(wall_from_ms(std::min(state->next_ms.value_or(target_ms_), target_ms_)));
    moved_at_ = now;
    step();
  }

  void tell(std::int64_t at) {
    std::string body;
    JsonObject object(body);
    object.instant("now", at);
    object.number("behind_ms", target_ms_ - at);
    object.end();
    respond_(json_response(200, std::move(body)));
  }

  Api& api_;
  const Respond respond_;
  const std::int64_t target_ms_;
  MonoTime moved_at_;
  const MonoTime until_;
};

void advance(Api& api, ApiCall&& call) {
  if (api.clock == nullptr)
    return call.respond(
        make_problem(409, "the server runs on the machine's clock: start it with --clock virtual"));
  const auto body = object_body(call);
  if (!body) return;
  Complaints complaints;
  refuse_unknown(*body, {"ms"}, complaints);
  const auto ms = body->find("ms");
  const bool good = ms != body->end() && ms->is_number_unsigned() &&
                    ms->get<std::uint64_t>() <= static_cast<std::uint64_t>(limits::kDelayMs);
  if (!good) complaints.add("/ms", "must be a whole number from 0 to " + std::to_string(limits::kDelayMs));
  if (!complaints.empty()) return call.respond(complaints.response());
  const auto by_ms = ms->get<std::int64_t>();
  const auto make = [who = call.actor, by_ms](ReplyTo reply) {
    return Input(RecordAct{reply, who, "clock.advance", "clock", std::to_string(by_ms) + " ms"});
  };
  api.desk.ask(make, [&api, respond = call.respond, by_ms](const Answer& answer) {
    const auto* problem = std::get_if<Problem>(&answer.what);
    if (problem != nullptr) return respond(problem_response(*problem));
    std::make_shared<Advance>(api, respond, to_ms(api.clock->now()) + by_ms)->step();
  });
}

}  // namespace

std::vector<Route> clock_routes(Api& api) {
  return {{"POST",
           "/v1/clock/advance",
           Role::admin,
           [&api](ApiCall&& call) { advance(api, std::move(call)); },
           {}}};
}

}  // namespace duly
