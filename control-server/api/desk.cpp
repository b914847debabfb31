#include "control-server/api/desk.h"

#include <utility>
#include <vector>

namespace duly {
namespace {

Answer overloaded(ReplyTo reply) {
  return {reply, Problem{503, "", "the server has too many requests in hand; try again", "", 1}};
}

Answer unknown(ReplyTo reply) {
  return {reply,
          Problem{504, "", "no answer in time: the outcome is unknown; the request may have been applied", "",
                  0}};
}

}  // namespace

Desk::Desk(Loop& loop, Send send, std::size_t most) : loop_(loop), send_(std::move(send)), most_(most) {}

ReplyTo Desk::ask(const Make& make, Then then, Duration patience) {
  const ReplyTo reply = ++last_;
  if (waiting_.size() >= most_ || !send_(make(reply))) {
    then(overloaded(reply));
    return 0;
  }
  waiting_.emplace_hint(waiting_.end(), reply, Waiter{std::move(then), loop_.now() + patience});
  schedule_sweep();
  return reply;
}

void Desk::tell(Input input) { static_cast<void>(send_(std::move(input))); }

void Desk::deliver(const Answer& answer) {
  auto found = waiting_.extract(answer.reply);
  if (!found.empty()) found.mapped().then(answer);
}

void Desk::forget(ReplyTo reply) { waiting_.erase(reply); }

void Desk::schedule_sweep() {
  if (sweeping_ || waiting_.empty()) return;
  sweeping_ = true;
  loop_.at(loop_.now() + kSweep, [this] { sweep(); });
}

void Desk::sweep() {
  sweeping_ = false;
  const MonoTime now = loop_.now();
  std::vector<ReplyTo> late;
  for (const auto& [reply, waiter] : waiting_) {
    if (waiter.deadline <= now) late.push_back(reply);
  }
  for (const ReplyTo reply : late) deliver(unknown(reply));
  schedule_sweep();
}

}  // namespace duly
