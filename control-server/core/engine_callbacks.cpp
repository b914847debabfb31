// Where the engine and its callbacks meet (core/callbacks.h decides).
#include <utility>

#include "control-server/core/engine.h"

namespace duly {

std::optional<Problem> Engine::refuse_callback(const CommandSpec& spec, const std::string& at) const {
  if (spec.callback_url.empty()) return std::nullopt;
  std::string why = callbacks_.refuses(spec.callback_url);
  if (why.empty()) return std::nullopt;
  return Problem{400, "Invalid request", std::move(why), at + "/callback_url", 0};
}

void Engine::on(CallbackSettled& input) {
  if (input.outcome == CallbackOutcome::delivered) ++stats_.callbacks_delivered;
  if (input.outcome == CallbackOutcome::failed) ++stats_.callbacks_failed;
  if (callbacks_.settled(input, now_ms())) ++stats_.callbacks_given_up;
  stats_.removed += remover_.look_again(input.id);
}

// What has ended stays while somebody is still to be told of it.
Remover::Config Engine::removal() {
  Remover::Config config = config_.removal;
  config.needed = [this](CommandId id) { return callbacks_.needs(id); };
  return config;
}

}  // namespace duly
