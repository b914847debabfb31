#include "control-server/notify/callback_pool.h"

#include <utility>

#include "common/base/digest.h"
#include "common/base/log.h"
#include "common/http/retry_after.h"
#include "common/runtime/asio_loop.h"

namespace duly {
namespace {

constexpr seconds kLook{60};  // for work; closing the queue ends the wait

CallbackSettled failed(const CallbackCall& call, std::string error) {
  CallbackSettled settled{call.id, call.ends, CallbackOutcome::failed, std::move(error), 0};
  return settled;
}

ClientRequest request_of(const CallbackCall& call, HttpUrl url, const std::string& signature) {
  const std::string event = format_command_id(call.id) + ".end." + std::to_string(call.ends);
  ClientRequest request;
  request.method = "POST";
  request.url = std::move(url);
  request.body = call.body;
  request.headers = {{"Content-Type", "application/json"},
                     {"User-Agent", "duly/" DULY_VERSION},
                     {"Accept-Encoding", "identity"},
                     {"Duly-Signature", signature},
                     {"Duly-Event-Id", event},
                     {"Idempotency-Key", event},
                     {"Duly-Attempt", std::to_string(call.attempt)}};
  return request;
}

CallbackSettled heard(const CallbackCall& call, const ClientAnswer& answer) {
  if (answer.status / 100 == 2) return {call.id, call.ends, CallbackOutcome::delivered, "", 0};
  CallbackSettled settled = failed(call, "answered " + std::to_string(answer.status));
  settled.retry_after_ms = retry_after_ms(answer.header("retry-after"), answer.header("date"), machine_wall(),
                                          limits::kRetryAfterMs);
  return settled;
}

}  // namespace

Result<std::string> callback_origin(const AllowedUrls& allowed, const std::string& url) {
  const auto parsed = parse_http_url(url);
  if (!parsed) return parsed.error();
  if (!allowed.allow(*parsed))
    return invalid("is not allowed on this server (--allow-callback): " + parsed->shown());
  return parsed->origin();
}

std::string callback_signature(const std::vector<std::string>& secrets, std::int64_t unix_seconds,
                               std::string_view body) {
  const std::string time = std::to_string(unix_seconds);
  const std::string what = time + "." + std::string(body);
  std::string signature = "t=" + time;
  for (const std::string& secret : secrets) signature += ",v1=" + to_hex(hmac_sha256(secret, what));
  return signature;
}

CallbackPool::CallbackPool(std::shared_ptr<const CallbackConfig> config,
                           std::function<void(CallbackSettled)> settled)
    : config_(std::move(config)), settled_(std::move(settled)) {
  for (std::size_t i = 0; i < limits::kCallbacksAtOnce; ++i)
    threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
}

CallbackPool::~CallbackPool() {
  for (std::jthread& thread : threads_) thread.request_stop();
  calls_.close();
}

void CallbackPool::send(CallbackCall call) {
  CallbackSettled no_room = failed(call, "no room");
  if (!calls_.try_push(std::move(call))) settled_(std::move(no_room));
}

void CallbackPool::work(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::vector<CallbackCall> calls;
    calls_.take(calls, 1, kLook);
    for (const CallbackCall& call : calls) {
      CallbackSettled settled = make(call, stop);
      // Cut short by our own end: it is made again by who comes after us.
      if (!stop.stop_requested()) settled_(std::move(settled));
    }
  }
}

CallbackSettled CallbackPool::make(const CallbackCall& call, const std::stop_token& stop) const {
  auto url = parse_http_url(call.url);
  // Asked again: what was stored by an older start may be allowed no more.
  if (!url || !config_->allowed.allow(*url)) return failed(call, "is not allowed (--allow-callback)");
  const std::string shown = url->shown();
  const std::int64_t now_s = to_ms(machine_wall()) / 1000;
  const ClientRequest request =
      request_of(call, std::move(*url), callback_signature(config_->secrets, now_s, call.body));
  const HttpOutcome outcome = config_->client->send(request, machine_now() + limits::kCallbackTime, stop);
  CallbackSettled settled =
      outcome.trouble == HttpTrouble::none ? heard(call, outcome.answer) : failed(call, outcome.error);
  if (settled.outcome == CallbackOutcome::failed && !stop.stop_requested()) {
    log(LogLevel::warn, "callback", "a callback was not taken",
        {{"command", call.id}, {"attempt", call.attempt}, {"url", shown}, {"error", settled.error}});
  }
  return settled;
}

}  // namespace duly
