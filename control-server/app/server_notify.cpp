// What the server tells the world by itself: events and callbacks.
#include <utility>

#include "control-server/api/command_json.h"
#include "control-server/app/server.h"

namespace duly {
namespace {

// To wake a thread for the changes of each batch would cost more than what it does with them.
constexpr Duration kGatherEvents = milliseconds{5};

}  // namespace

void Server::start_notifier() {
  notifier_ = std::make_unique<RabbitNotifier>(
      loop_, config_.rabbit,
      RabbitNotices{[this](MonoTime now) { return outlet_.next(now); },
                    [this](const std::string& key, MonoTime now) { outlet_.unheard(key, now); }});
  notifier_->start();
}

void Server::start_callbacks() {
  pool_ = std::make_unique<CallbackPool>(config_.callbacks, [this](const CallbackSettled& settled) {
    loop_.post([this, settled] { tell_engine(settled); });
  });
}

// What is told is read here: the engine's thread has better to do.
void Server::call_back(const SendCallback& call) {
  const auto view = reader_->command(call.id);
  if (!view && view.error().code != Errc::not_found)
    return tell_engine(
        CallbackSettled{call.id, call.ends, CallbackOutcome::failed, "the command could not be read", 0});
  const bool told = view && view->callback && view->callback->state == CallbackState::owed &&
                    view->callback->ends == call.ends;
  if (!told || !pool_) return tell_engine(CallbackSettled{call.id, call.ends, CallbackOutcome::moot, "", 0});
  CallbackCall made{call.id, call.ends, call.attempt, call.url, ""};
  append_callback_json(made.body, *view);
  pool_->send(std::move(made));
}

void Server::tell(StateChanges& changes) {
  events_->publish(changes);
  if (!notifier_) return;
  outlet_.offer(std::move(changes));
  if (std::exchange(gathering_, true)) return;
  loop_.at(loop_.now() + kGatherEvents, [this] {
    gathering_ = false;
    notifier_->wake();
  });
}

}  // namespace duly
