#include "client/caller.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "common/model/limits.h"
#include "common/wire/json.h"

namespace duly::client {
namespace {

constexpr milliseconds kFirstPause{100};
constexpr milliseconds kLongestPause{2000};
constexpr int kDoublings = 5;  // then it is beyond the longest
constexpr seconds kLongestAskedFor{60};
constexpr int kProblemDepth = 8;
constexpr std::size_t kMessageBytes = 1024;

bool good(int status) { return status >= 200 && status < 300; }

ErrorKind kind_of(int status) {
  switch (status) {
    case 401:
    case 403: return ErrorKind::denied;
    case 404: return ErrorKind::not_found;
    case 409:
    case 412: return ErrorKind::conflict;
    case 429:
    case 503:
    case 507: return ErrorKind::busy;
    default: break;
  }
  return status >= 400 && status < 500 ? ErrorKind::invalid : ErrorKind::unknown;
}

std::string word_in(const Json& object, const char* name) {
  const auto found = object.find(name);
  return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

// "HTTP 400: is not valid; /type: must be …" of the server's problem details, which are for people.
std::string message_of(const ClientAnswer& answer) {
  std::string text = "HTTP " + std::to_string(answer.status);
  const auto problem = parse_json(answer.body, kProblemDepth);
  if (!problem || !problem->is_object()) return text;
  if (const std::string detail = word_in(*problem, "detail"); !detail.empty()) text += ": " + detail;
  const auto errors = problem->find("errors");
  if (errors == problem->end() || !errors->is_array()) return text;
  for (const Json& each : *errors) {
    if (each.is_object() && text.size() < kMessageBytes)
      text += "; " + word_in(each, "pointer") + " " + word_in(each, "detail");
  }
  return text;
}

Duration asked_for(const HttpOutcome& outcome) {
  int whole = 0;
  const std::string_view text = outcome.answer.header("retry-after");
  std::from_chars(text.data(), text.data() + text.size(), whole);
  return std::clamp<Duration>(seconds{whole}, Duration{0}, kLongestAskedFor);
}

// Whether the same may be sent again after this.
bool worth_another(const Call& call, const Error& error) {
  switch (error.kind) {
    case ErrorKind::unreachable: return true;
    case ErrorKind::busy: return error.http_status != 507;  // a full disk is not empty in a moment
    case ErrorKind::unknown: return call.repeatable;
    default: return false;
  }
}

// What an earlier try may have done is not undone by the answer to a later one, unless that is a verdict on
// this very request.
Error with_doubt(Error error, bool in_doubt) {
  const bool verdict = error.kind == ErrorKind::invalid || error.kind == ErrorKind::conflict ||
                       error.kind == ErrorKind::not_found;
  if (!in_doubt || verdict || error.kind == ErrorKind::unknown) return error;
  error.kind = ErrorKind::unknown;
  error.message += "; an earlier try may have been applied";
  return error;
}

}  // namespace

Error error_of(const HttpOutcome& outcome) {
  switch (outcome.trouble) {
    case HttpTrouble::none: break;
    case HttpTrouble::refused:
    case HttpTrouble::unreachable: return {ErrorKind::unreachable, 0, outcome.error};
    case HttpTrouble::broken:
    case HttpTrouble::timed_out:
    case HttpTrouble::stopped:
      return {ErrorKind::unknown, 0, outcome.error + "; the request may have been applied"};
  }
  const int status = outcome.answer.status;
  if (good(status)) return {ErrorKind::unknown, status, "the answer is too long, or not to be understood"};
  return {kind_of(status), status, message_of(outcome.answer)};
}

Result<ClientRequest> Caller::request_of(const Call& call) const {
  ClientRequest request;
  request.method = call.method;
  auto url = parse_http_url(config_.server.origin() + config_.server.path + call.path.substr(1));
  if (!url) return Error{ErrorKind::invalid, 0, "the path " + url.error().what};
  request.url = std::move(*url);
  if (!config_.api_key.empty()) request.headers.emplace_back("Authorization", "Bearer " + config_.api_key);
  if (!call.idempotency_key.empty()) request.headers.emplace_back("Idempotency-Key", call.idempotency_key);
  if (call.method != "GET") request.headers.emplace_back("Content-Type", "application/json");
  request.body = call.body;
  return request;
}

// Equal jitter, so that those whom one outage stopped do not come back together.
Duration Caller::pause_after(int tries, Duration least) const {
  const Duration whole =
      std::min<Duration>(kFirstPause * (1 << std::min(tries - 1, kDoublings)), kLongestPause);
  const auto random = static_cast<Duration::rep>(static_cast<double>(whole.count() / 2) * around_.chance());
  return std::max(whole / 2 + Duration{random}, least);
}

Result<Reply> Caller::call(const Call& call) const {
  const auto request = request_of(call);
  if (!request) return request.error();
  const MonoTime deadline = around_.now() + config_.timeout + call.extra;
  bool in_doubt = false;
  for (int tries = 1;; ++tries) {
    HttpOutcome outcome =
        around_.send(*request, std::min(deadline, around_.now() + config_.try_timeout + call.extra));
    ClientAnswer& answer = outcome.answer;
    if (outcome.trouble == HttpTrouble::none && good(answer.status) && !answer.truncated)
      return Reply{answer.status, std::move(answer.body), answer.header("idempotency-replayed") == "true"};
    Error error = error_of(outcome);
    const Duration pause = pause_after(tries, asked_for(outcome));
    if (!worth_another(call, error) || around_.now() + pause >= deadline)
      return with_doubt(std::move(error), in_doubt);
    in_doubt = in_doubt || error.kind == ErrorKind::unknown;
    around_.pause(pause);
  }
}

Result<Reply> Caller::once(const Call& call) const {
  const auto request = request_of(call);
  if (!request) return request.error();
  HttpOutcome outcome = around_.send(*request, around_.now() + config_.timeout);
  if (outcome.trouble != HttpTrouble::none || outcome.answer.truncated) return error_of(outcome);
  return Reply{outcome.answer.status, std::move(outcome.answer.body), false};
}

}  // namespace duly::client
