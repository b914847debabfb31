#include "control-server/ingest/result_message.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "common/model/limits.h"
#include "common/wire/json.h"
#include "control-server/api/report_json.h"
#include "control-server/ingest/header_value.h"

namespace duly {
namespace {

constexpr std::int64_t kLargestNumber = INT32_MAX;  // of an attempt or a token

// A whole number of `least` or more, or text that is one; nothing when the header is not there.
Result<std::optional<std::int64_t>> number_in(const AmqpMessage& message, const std::string& name,
                                              std::int64_t least) {
  using Number = std::optional<std::int64_t>;
  const auto at = message.headers.find(name);
  if (at == message.headers.end()) return Number{};
  const Number number = whole(at->second);
  if (!number || *number < least || *number > kLargestNumber)
    return invalid("header " + name + ": must be a whole number from " + std::to_string(least));
  return number;
}

// `<id>.<attempt>`, as the execution message's message_id is, or `<id>`, as its correlation_id is.
Status put_attempt(const AmqpMessage& message, FinishItem& item) {
  const std::string_view text = message.correlation_id;
  const auto dot = text.find('.');
  const auto id = parse_command_id(text.substr(0, dot));
  if (!id) return invalid("property correlation_id: must be <id>.<attempt> of a command");
  item.id = *id;
  if (dot != std::string_view::npos) {
    const auto attempt = whole(text.substr(dot + 1));
    if (!attempt || *attempt < 1 || *attempt > kLargestNumber)
      return invalid("property correlation_id: must be <id>.<attempt> of a command");
    item.attempt = static_cast<int>(*attempt);
  }
  const auto header = number_in(message, "duly-attempt", 1);
  if (!header) return header.error();
  if (*header && item.attempt != 0 && item.attempt != **header)
    return invalid("header duly-attempt: is another attempt than that of correlation_id");
  if (*header) item.attempt = static_cast<int>(**header);
  return ok_status();
}

// Of ours one knows those that an execution message has, for who copies them all into the answer.
Status refuse_unknown_headers(const AmqpMessage& message) {
  static constexpr std::string_view kKnown[] = {
      "duly-id",    "duly-attempt", "duly-max-attempts", "duly-queue",  "duly-shard",      "duly-epoch",
      "duly-token", "duly-due-at",  "duly-key",          "duly-reason", "duly-routing-key"};
  for (const auto& [name, value] : message.headers) {
    const bool known = std::find(std::begin(kKnown), std::end(kKnown), name) != std::end(kKnown);
    if (name.starts_with("duly-") && !known)
      return invalid("header " + name.substr(0, 64) + ": is not known");
  }
  return ok_status();
}

}  // namespace

Result<ResultMessage> read_result_message(const AmqpMessage& message) {
  DULY_ASSERT(message.body);
  ResultMessage result;
  FinishItem of;
  if (const Status put = put_attempt(message, of); !put) return put.error();
  if (const Status known = refuse_unknown_headers(message); !known) return known.error();
  const auto token = number_in(message, "duly-token", 0);
  if (!token) return token.error();
  if (*token) result.token = Token{static_cast<std::int32_t>(**token)};
  const auto body = parse_json(*message.body, limits::kJsonDepth);
  if (!body) return invalid("the body: " + body.error().what);
  if (!body->is_object()) return invalid("the body: must be a JSON object");
  Complaints complaints;
  Report report = read_report(*body, *message.body, complaints);
  if (!complaints.empty()) {
    const FieldError& first = complaints.items().front();
    return invalid("the body, " + first.pointer + ": " + first.detail);
  }
  result.item = std::move(report.item);
  result.item.id = of.id;
  result.item.attempt = of.attempt;
  result.executor = std::move(report.executor);
  return result;
}

}  // namespace duly
