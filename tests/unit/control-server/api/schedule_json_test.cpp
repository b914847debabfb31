// What a client may ask of a schedule, and what it is told.
#include "control-server/api/schedule_json.h"

#include <catch2/catch.hpp>

namespace duly {
namespace {

struct ScheduleRead {
  ScheduleSpec spec;
  std::vector<FieldError> errors;
};

ScheduleRead read(const std::string& text, std::string_view name = "") {
  Complaints complaints;
  ScheduleRead out;
  out.spec = read_schedule(parse_json(text, 32).value(), text, name, complaints);
  out.errors = complaints.items();
  return out;
}

// The one thing that is wrong, as "pointer: detail".
std::string wrong(const std::string& members) {
  const ScheduleRead out = read(R"({"name":"s","command":{"type":"t"},)" + members + "}");
  REQUIRE(out.errors.size() == 1);
  return out.errors[0].pointer + ": " + out.errors[0].detail;
}

bool begins(const std::string& text, const std::string& with) { return text.rfind(with, 0) == 0; }

}  // namespace

TEST_CASE("a schedule is read whole, with the command's own bytes") {
  const ScheduleRead out = read(R"({"name":"month-end","cron":"0 9 L * *","time_zone":"Europe/Berlin",
    "command":{"type":"report","payload":{"n": 1.0},"queue":"q","labels":{"a":"b"}},
    "overlap":"buffer_one","catch_up":{"policy":"all","window_ms":1000,"max":5},"jitter_ms":7,
    "start_at":"2026-01-01T00:00:00Z","end_at":"2027-01-01T00:00:00Z","enabled":false})");
  REQUIRE(out.errors.empty());
  CHECK(out.spec.name == "month-end");
  CHECK(out.spec.timing.cron == "0 9 L * *");
  CHECK(*out.spec.command.payload == R"({"n": 1.0})");
  CHECK(out.spec.overlap == Overlap::buffer_one);
  CHECK(out.spec.catch_up == CatchUp::all);
  CHECK(out.spec.catch_up_window_ms == 1000);
  CHECK(out.spec.catch_up_max == 5);
  CHECK(out.spec.jitter_ms == 7);
  CHECK_FALSE(out.spec.enabled);
}

TEST_CASE("what is shown can be put back, and means the same") {
  const ScheduleRead first = read(R"({"name":"s","every_ms":60000,"command":{"type":"t","payload":[1,2]}})");
  REQUIRE(first.errors.empty());
  const ScheduleRead again = read(first.spec.text, "s");
  REQUIRE(again.errors.empty());
  CHECK(again.spec.text == first.spec.text);
  CHECK(again.spec.timing == first.spec.timing);
}

TEST_CASE("everything that is wrong is named") {
  CHECK(begins(wrong(R"("cron":"61 * * * *")"), "/cron: "));
  CHECK(begins(wrong(R"("cron":"0 0 30 2 *")"), "/cron: "));
  CHECK(begins(wrong(R"("cron":"* * * * *","time_zone":"Europe/Nowhere")"), "/time_zone: "));
  CHECK(begins(wrong(R"("cron":"* * * * *","every_ms":1000)"), "/every_ms: cannot"));
  CHECK(begins(wrong(R"("jitter_ms":0)"), "/cron: cron or every_ms is required"));
  CHECK(begins(wrong(R"("every_ms":99)"), "/every_ms: must be a whole number from 100"));
  CHECK(begins(wrong(R"("every_ms":1000,"overlap":"maybe")"), "/overlap: "));
  CHECK(begins(wrong(R"("every_ms":1000,"catch_up":{"policy":"most"})"), "/catch_up/policy: "));
  CHECK(begins(wrong(R"("every_ms":1000,"catch_up":{"mx":1})"), "/catch_up/mx: unknown field"));
  CHECK(begins(wrong(R"("every_ms":1000,"end_at":"tomorrow")"), "/end_at: must be an RFC 3339"));
  CHECK(begins(wrong(R"("every_ms":1000,"every":1)"), "/every: unknown field"));
  CHECK(begins(wrong(R"("every_ms":1000,"start_at":"2026-02-01T00:00:00Z","end_at":"2026-01-01T00:00:00Z")"),
               "/end_at: must not be before"));
  CHECK(begins(
      wrong(R"("every_ms":86400000,"start_at":"2026-01-01T00:00:01Z","end_at":"2026-01-01T00:00:00.5Z")"),
      "/end_at: "));
}

TEST_CASE("a command of a schedule has no time of its own") {
  for (const char* const field : {R"("due_at":"2026-01-01T00:00:00Z")", R"("delay_ms":5)",
                                  R"("expires_at":"2027-01-01T00:00:00Z")", R"("idempotency_key":"k")"}) {
    const ScheduleRead out =
        read(R"({"name":"s","every_ms":1000,"command":{"type":"t",)" + std::string(field) + "}}");
    REQUIRE(out.errors.size() == 1);
    CHECK(begins(out.errors[0].pointer, "/command/"));
  }
  const ScheduleRead out = read(R"({"name":"s","every_ms":1000,"command":{"queue":"q"}})");
  REQUIRE(out.errors.size() == 1);
  CHECK(out.errors[0].pointer == "/command/type");
}

TEST_CASE("a schedule keeps its name") {
  const std::string text = R"({"name":"other","every_ms":1000,"command":{"type":"t"}})";
  CHECK(read(text, "s").errors.at(0).pointer == "/name");
  CHECK(read(R"({"every_ms":1000,"command":{"type":"t"}})", "s").errors.empty());
  CHECK(read(R"({"every_ms":1000,"command":{"type":"t"}})").errors.at(0).pointer == "/name");
}

}  // namespace duly
