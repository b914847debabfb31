#include "control-server/api/report_json.h"

#include "common/model/limits.h"
#include "common/wire/raw_json.h"
#include "control-server/api/api_support.h"
#include "control-server/api/command_json.h"

namespace duly {
namespace {

void read_outcome(const Json& body, FinishItem& item, Complaints& complaints) {
  const auto outcome = body.find("outcome");
  if (outcome == body.end()) return complaints.add("/outcome", "is required");
  if (*outcome == "succeeded") {
    item.outcome = AttemptOutcome::succeeded;
  } else if (*outcome == "failed") {
    item.outcome = AttemptOutcome::failed;
  } else {
    complaints.add("/outcome", "must be \"succeeded\" or \"failed\"");
  }
}

void read_error(const Json& body, FinishItem& item, Complaints& complaints) {
  const auto error = body.find("error");
  if (error == body.end() || error->is_null()) return;
  if (!error->is_string() || error->get_ref<const std::string&>().size() > limits::kErrorBytes) {
    complaints.add("/error", "must be a string of at most " + std::to_string(limits::kErrorBytes) + " bytes");
  } else {
    item.error = error->get<std::string>();
  }
}

void read_retryable(const Json& body, FinishItem& item, Complaints& complaints) {
  const auto retryable = body.find("retryable");
  if (retryable == body.end()) return;
  if (!retryable->is_boolean()) return complaints.add("/retryable", "must be true or false");
  item.retryable = retryable->get<bool>();
}

void read_result(std::string_view raw, FinishItem& item, Complaints& complaints) {
  const auto result = raw_member(raw, "result");
  if (!result) return;
  if (result->size() > limits::kResultBytes) {
    complaints.add_too_large("/result", "is larger than " + std::to_string(limits::kResultBytes) + " bytes");
  } else {
    item.result = make_bytes(std::string(*result));
  }
}

}  // namespace

std::string read_executor(const Json& body, bool required, Complaints& complaints) {
  const auto field = body.find("executor");
  if (field == body.end()) {
    if (required) complaints.add("/executor", "is required");
    return {};
  }
  if (!field->is_string() || !is_valid_key(field->get_ref<const std::string&>()) ||
      field->get_ref<const std::string&>().size() > limits::kNameBytes) {
    complaints.add("/executor", "must be a string of 1 to 128 bytes without control characters");
    return {};
  }
  return field->get<std::string>();
}

Report read_report(const Json& body, std::string_view raw, Complaints& complaints) {
  refuse_unknown(body, {"outcome", "result", "error", "retryable", "executor"}, complaints);
  Report report;
  read_outcome(body, report.item, complaints);
  read_error(body, report.item, complaints);
  read_retryable(body, report.item, complaints);
  read_result(raw, report.item, complaints);
  report.executor = read_executor(body, /*required=*/false, complaints);
  return report;
}

}  // namespace duly
