// builtin.http: one request to what the agent's operator allows (common/http/http_client.h says how).
//
// The same command says the same Idempotency-Key in each of its attempts.  While the target's circuit is open
// no request is made: the attempt is handed back, which costs the command none of its attempts.
#include <algorithm>

#include "agent/handlers/builtins.h"
#include "agent/handlers/circuit_breaker.h"
#include "agent/handlers/text.h"
#include "common/base/base64.h"
#include "common/http/http_client.h"
#include "common/http/http_fields.h"
#include "common/http/retry_after.h"
#include "common/model/limits.h"
#include "common/runtime/asio_loop.h"
#include "common/wire/json_text.h"
#include "common/wire/raw_json.h"

namespace duly {
namespace {

// When an attempt's time is over its executor says so, and stops the handler: that end is the one that is
// reported.  The request's own deadline only frees the thread when the stop is late.
constexpr Duration kStopGrace = seconds{1};

constexpr std::string_view kMethods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
// Of an answer, into the result; the others are the target's own business.
constexpr std::string_view kKeptFields[] = {"content-type", "etag", "last-modified", "location"};
constexpr std::size_t kKeptFieldBytes = 1024;
constexpr std::size_t kShownBodyBytes = 512;
// Each hand-back leaves a row: who was handed back so often is failed instead, until its attempts are used
// up.
constexpr int kHandedBackUpTo = 1000;

// ---- the request
// -----------------------------------------------------------------------------------------------

bool same_name(std::string_view one, std::string_view other) {
  return std::equal(one.begin(), one.end(), other.begin(), other.end(),
                    [](char a, char b) { return (a | 0x20) == (b | 0x20); });
}

bool has_field(const ClientRequest& request, std::string_view name) {
  return std::any_of(request.headers.begin(), request.headers.end(),
                     [&](const auto& field) { return same_name(field.first, name); });
}

Status read_url(FieldReader& fields, const AllowedUrls& allowed, ClientRequest& request) {
  const std::string text = fields.text("url", kUrlBytes);
  if (!fields.ok()) return fields.error();
  auto url = parse_http_url(text);
  if (!url) return invalid("url " + url.error().what);
  if (allowed.none()) return invalid("builtin.http is off: the agent was started without --allow-http");
  if (!allowed.allow(*url))
    return invalid("url is not allowed on this agent (--allow-http): " + url->shown());
  request.url = std::move(*url);
  return ok_status();
}

Status read_headers(const Json& payload, ClientRequest& request) {
  const auto headers = payload.find("headers");
  if (headers == payload.end()) return ok_status();
  if (!headers->is_object()) return invalid("headers is not an object");
  if (headers->size() > limits::kHttpJobHeaders)
    return invalid("headers has more than " + std::to_string(limits::kHttpJobHeaders) + " fields");
  for (const auto& [name, value] : headers->items()) {
    const std::string field = "headers." + clean_text(name, kFieldNameBytes);
    if (!value.is_string()) return invalid(field + " is not a text");
    const auto text = value.get<std::string>();
    if (auto checked = check_request_field(name, text); !checked)
      return invalid(field + " " + checked.error().what);
    if (has_field(request, name)) return invalid(field + " is there twice");
    request.headers.emplace_back(name, text);
  }
  return ok_status();
}

// A text is sent as it is, any other value as the JSON it was written as.
void read_body(const HandlerContext& context, const Json& payload, ClientRequest& request) {
  const auto body = payload.find("body");
  if (body == payload.end() || body->is_null()) return;
  const bool text = body->is_string();
  request.body = text ? body->get<std::string>() : std::string(*raw_member(context.payload, "body"));
  if (has_field(request, "content-type")) return;
  request.headers.emplace_back("Content-Type", text ? "text/plain; charset=utf-8" : "application/json");
}

Status read_method(FieldReader& fields, ClientRequest& request) {
  request.method = request.body.empty() ? "GET" : "POST";
  if (fields.has("method")) request.method = fields.text("method", 16);
  if (!fields.ok()) return fields.error();
  if (std::find(std::begin(kMethods), std::end(kMethods), request.method) == std::end(kMethods))
    return invalid("method is none of GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS");
  if (!request.body.empty() && (request.method == "GET" || request.method == "HEAD"))
    return invalid("body cannot be sent with " + request.method);
  return ok_status();
}

void add_own_headers(const HandlerContext& context, ClientRequest& request) {
  request.headers.emplace_back("Idempotency-Key", format_command_id(context.id));
  request.headers.emplace_back("Duly-Attempt", std::to_string(context.attempt));
  request.headers.emplace_back("Accept-Encoding", "identity");
  // A payload that names a trace of its own keeps it.
  if (!context.traceparent.empty() && !has_field(request, "traceparent")) {
    request.headers.emplace_back("traceparent", std::string(context.traceparent));
    if (!context.tracestate.empty() && !has_field(request, "tracestate"))
      request.headers.emplace_back("tracestate", std::string(context.tracestate));
  }
  if (!has_field(request, "user-agent")) request.headers.emplace_back("User-Agent", "duly/" DULY_VERSION);
}

Result<ClientRequest> read_request(const HandlerContext& context, const AllowedUrls& allowed) {
  const auto payload = payload_object(context, {"url", "method", "headers", "body"});
  if (!payload) return payload.error();
  FieldReader fields(*payload);
  ClientRequest request;
  if (auto read = read_url(fields, allowed, request); !read) return read.error();
  if (auto read = read_headers(*payload, request); !read) return read.error();
  read_body(context, *payload, request);
  if (auto read = read_method(fields, request); !read) return read.error();
  add_own_headers(context, request);
  return request;
}

// ---- the answer
// ------------------------------------------------------------------------------------------------

bool says_json(std::string_view content_type) {
  const std::string_view kind = content_type.substr(0, content_type.find_first_of("; \t"));
  return same_name(kind, "application/json") ||
         (kind.size() > 5 && same_name(kind.substr(kind.size() - 5), "+json"));
}

// Whether it can stand inside of the result as it is.
bool is_whole_json(const ClientAnswer& answer) {
  if (answer.body.starts_with("\xEF\xBB\xBF")) return false;  // a mark that may only begin a whole text
  return !answer.truncated && says_json(answer.header("content-type")) &&
         parse_json(answer.body, limits::kJsonDepth - 1).ok();
}

std::string answer_json(const ClientAnswer& answer, std::string_view body_name, std::string_view body) {
  std::string text;
  JsonObject object(text);
  object.number("status", answer.status);
  object.begin("headers");
  JsonObject headers(text);
  for (const std::string_view name : kKeptFields) {
    if (const auto value = answer.header(name); !value.empty())
      headers.text(name, clean_text(value, kKeptFieldBytes));
  }
  headers.end();
  if (!body_name.empty()) object.raw(body_name, body);
  if (answer.truncated) object.boolean("body_truncated", true);
  object.end();
  return text;
}

// JSON as it came, text as text, anything else, and text that escapes would make too long, as base64.
HandlerResult http_success(const ClientAnswer& answer) {
  if (answer.body.empty()) return HandlerResult::succeed(answer_json(answer, "", ""));
  if (is_whole_json(answer)) return HandlerResult::succeed(answer_json(answer, "body", answer.body));
  std::string quoted;
  append_json_string(quoted, answer.body);
  const bool is_text = clean_text(answer.body, std::string::npos) == answer.body;
  std::string result = answer_json(answer, "body", quoted);
  if (!is_text || result.size() > limits::kResultBytes)
    result = answer_json(answer, "body_base64", "\"" + to_base64(answer.body) + "\"");
  return HandlerResult::succeed(std::move(result));
}

bool is_retryable(int status) { return status >= 500 || status == 408 || status == 425 || status == 429; }

// Where a redirect leads, without what may be secret in it.
std::string redirect_host(const ClientAnswer& answer) {
  const auto location = parse_http_url(answer.header("location"));
  return location ? location->origin() : std::string("somewhere on the same host, or nowhere");
}

HandlerResult refusal(const ClientRequest& request, const ClientAnswer& answer) {
  std::string error =
      request.method + " " + request.url.shown() + " answered " + std::to_string(answer.status);
  if (answer.status >= 300 && answer.status < 400)
    return HandlerResult::fail_for_good(error + ", a redirect to " + redirect_host(answer) +
                                        ": redirects are not followed");
  if (!answer.body.empty()) error += ": " + clean_text(answer.body, kShownBodyBytes);
  if (!is_retryable(answer.status)) return HandlerResult::fail_for_good(std::move(error));
  HandlerResult result = HandlerResult::fail(std::move(error));
  result.retry_after_ms = retry_after_ms(answer.header("retry-after"), answer.header("date"), machine_wall(),
                                         limits::kRetryAfterMs);
  return result;
}

HandlerResult result_of(const ClientRequest& request, const HttpOutcome& outcome) {
  const int status = outcome.answer.status;
  if (outcome.trouble == HttpTrouble::none)
    return status >= 200 && status < 300 ? http_success(outcome.answer) : refusal(request, outcome.answer);
  std::string error = request.method + " " + request.url.shown() + ": " + outcome.error;
  return outcome.trouble == HttpTrouble::refused ? HandlerResult::fail_for_good(std::move(error))
                                                 : HandlerResult::fail(std::move(error));
}

// ---- the circuit
// -----------------------------------------------------------------------------------------------

// Reports once, also when the request ends in an exception.
class CircuitTurn {
 public:
  CircuitTurn(CircuitBoard& board, std::string target)
      : board_(board), target_(std::move(target)), leave_(board.ask(target_, machine_now())) {}
  ~CircuitTurn() {
    if (leave_.go) board_.report(target_, machine_now(), leave_.generation, health_);
  }
  CircuitTurn(const CircuitTurn&) = delete;
  CircuitTurn& operator=(const CircuitTurn&) = delete;

  [[nodiscard]] const CircuitLeave& leave() const { return leave_; }
  void found(Health health) { health_ = health; }

 private:
  CircuitBoard& board_;
  const std::string target_;
  const CircuitLeave leave_;
  Health health_ = Health::unknown;
};

// Stopped: by its time-out, which is the target's doing, or by hand, which is not.
Health health_of(const HttpOutcome& outcome, Duration took, Duration timeout) {
  switch (outcome.trouble) {
    case HttpTrouble::none: return outcome.answer.status >= 500 ? Health::ill : Health::well;
    case HttpTrouble::refused: return Health::unknown;
    case HttpTrouble::unreachable:
    case HttpTrouble::broken:
    case HttpTrouble::timed_out: return Health::ill;
    case HttpTrouble::stopped: break;
  }
  return took * 10 >= timeout * 9 ? Health::ill : Health::unknown;
}

// Spread over one more wait: they would otherwise all come back at the same moment, and all but one in vain.
HandlerResult wait_for_circuit(const HandlerContext& context, const std::string& target, Duration wait) {
  const std::string error = "no request was made: " + target + " fails (circuit open)";
  const std::int64_t wait_ms = std::max<std::int64_t>(to_ms(wait), 1) + 1;
  const auto seed = static_cast<std::uint64_t>(context.id.value) ^ static_cast<std::uint64_t>(context.attempt)
                                                                       << 48;
  const std::int64_t spread_ms = static_cast<std::int64_t>(mix(seed) % static_cast<std::uint64_t>(wait_ms));
  const std::int64_t after_ms = std::min(wait_ms + spread_ms, limits::kRetryAfterMs);
  if (context.attempt < kHandedBackUpTo) return HandlerResult::hand_back(error, after_ms);
  HandlerResult result = HandlerResult::fail(error);
  result.retry_after_ms = after_ms;
  return result;
}

HandlerResult run_http(const HttpHandlerConfig& config, const HandlerContext& context) {
  const auto request = read_request(context, config.allowed);
  if (!request) return HandlerResult::fail_for_good(request.error().what);
  const std::string target = request->url.origin();
  CircuitTurn turn(*config.circuits, target);
  if (!turn.leave().go) return wait_for_circuit(context, target, turn.leave().wait);
  const MonoTime begun = machine_now();
  const MonoTime deadline = begun + context.timeout + kStopGrace;
  const HttpOutcome outcome = config.client->send(*request, deadline, context.stop);
  turn.found(health_of(outcome, machine_now() - begun, context.timeout));
  return result_of(*request, outcome);
}

}  // namespace

Handler make_http_handler(HttpHandlerConfig config) {
  return [kept = std::move(config)](const HandlerContext& context) { return run_http(kept, context); };
}

}  // namespace duly
