#include "agent/handlers/handler.h"

#include <algorithm>
#include <exception>
#include <utility>

#include "agent/handlers/text.h"
#include "common/base/assert.h"
#include "common/base/mutex.h"
#include "common/model/limits.h"
#include "common/runtime/asio_loop.h"
#include "common/wire/json.h"

namespace duly {
namespace {

HandlerResult checked_success(HandlerResult result) {
  if (!result.result) return result;
  const std::string& text = *result.result;
  if (text.size() > limits::kResultBytes) {
    return HandlerResult::fail_for_good("the handler's result has " + std::to_string(text.size()) +
                                        " bytes; at most " + std::to_string(limits::kResultBytes) +
                                        " are allowed");
  }
  const auto parsed = parse_json(text, limits::kJsonDepth);
  if (parsed) return result;
  return HandlerResult::fail_for_good(
      clean_text("the handler's result is not valid JSON: " + parsed.error().what, limits::kErrorBytes));
}

HandlerResult checked_failure(HandlerResult result) {
  if (result.error.empty()) result.error = "the handler failed without saying why";
  result.error = clean_text(result.error, limits::kErrorBytes);
  result.result = nullptr;
  return result;
}

}  // namespace

bool HandlerContext::wait_cancelled(Duration limit) const {
  constexpr Duration kLongest = std::chrono::hours{24 * 365};  // so that the sum below cannot overflow
  const MonoTime until = machine_now() + std::clamp(limit, Duration{0}, kLongest);
  Mutex mutex;
  Condition woken;
  const std::stop_callback wake(stop, [&] {
    const MutexLock lock(mutex);  // so that the notification cannot fall between the look and the wait
    woken.notify_all();
  });
  const MutexLock lock(mutex);
  for (MonoTime now = machine_now(); !cancelled() && now < until; now = machine_now()) {
    woken.wait_for(mutex, until - now);
  }
  return cancelled();
}

HandlerResult HandlerResult::succeed() { return {}; }

HandlerResult HandlerResult::succeed(std::string json_text) {
  HandlerResult result;
  result.result = make_bytes(std::move(json_text));
  return result;
}

HandlerResult HandlerResult::fail(std::string error) {
  HandlerResult result;
  result.succeeded = false;
  result.error = std::move(error);
  return result;
}

HandlerResult HandlerResult::hand_back(std::string why, std::int64_t retry_after_ms) {
  HandlerResult result = fail(std::move(why));
  result.handed_back = true;
  result.retry_after_ms = retry_after_ms;
  return result;
}

HandlerResult HandlerResult::fail_for_good(std::string error) {
  HandlerResult result = fail(std::move(error));
  result.retryable = false;
  return result;
}

void HandlerRegistry::add(std::string type, Handler handler) {
  DULY_ASSERT(!type.empty() && type.size() <= limits::kTypeBytes);
  DULY_ASSERT(handler);
  const bool added = handlers_.emplace(std::move(type), std::move(handler)).second;
  DULY_ASSERT(added);
}

const Handler* HandlerRegistry::find(std::string_view type) const {
  const auto at = handlers_.find(type);
  return at == handlers_.end() ? nullptr : &at->second;
}

HandlerResult run_handler(const Handler& handler, const HandlerContext& context) {
  try {
    HandlerResult result = handler(context);
    return result.succeeded ? checked_success(std::move(result)) : checked_failure(std::move(result));
  } catch (const std::exception& thrown) {
    return checked_failure(HandlerResult::fail(std::string("the handler threw: ") + thrown.what()));
  } catch (...) {
    return HandlerResult::fail("the handler threw something that is not a std::exception");
  }
}

}  // namespace duly
