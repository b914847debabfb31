#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "common/model/limits.h"
#include "common/wire/frame.h"
#include "common/wire/json.h"
#include "common/wire/messages.h"

namespace duly {
namespace {

const std::filesystem::path kExamples = std::filesystem::path(DULY_SOURCE_DIR) / "proto-schemas/examples";

std::string contents(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// The example of one kind: the line without its newline is the header.
Frame example(const std::string& kind) {
  Frame frame{contents(kExamples / (kind + ".json")), contents(kExamples / (kind + ".bytes"))};
  if (frame.header.ends_with('\n')) frame.header.pop_back();
  return frame;
}

const std::set<std::string> kAgentKinds = {"hello",    "heartbeat", "credit", "marks", "give_back",
                                           "released", "leaving",   "begin",  "finish"};
const std::set<std::string> kServerKinds = {"welcome",  "refused",    "heartbeat_ack", "lease",
                                            "revoke",   "hand_out",   "marks_ack",     "begun",
                                            "finished", "cancel_run", "strike",        "bundles"};

std::string problem(const Frame& frame, bool of_agent) {
  if (of_agent) {
    const auto decoded = decode_agent_message(frame);
    return decoded ? "" : decoded.error().what;
  }
  const auto decoded = decode_server_message(frame);
  return decoded ? "" : decoded.error().what;
}
bool decodes(const Frame& frame, bool of_agent) { return problem(frame, of_agent).empty(); }

// Encodes what a frame decodes to.
Frame again(const Frame& frame, bool of_agent) {
  if (of_agent) {
    const auto decoded = decode_agent_message(frame);
    REQUIRE(decoded);
    return encode(*decoded);
  }
  const auto decoded = decode_server_message(frame);
  REQUIRE(decoded);
  return encode(*decoded);
}

void each_kind(const std::function<void(const std::string&, bool)>& visit) {
  for (const auto& kind : kAgentKinds) visit(kind, true);
  for (const auto& kind : kServerKinds) visit(kind, false);
}

// Every place in a header that can be broken: its fields, and those of its first item.
void each_break(const Json& header, const Json& value,
                const std::function<void(const std::string&, const Json&, bool missing)>& visit) {
  for (const auto& [name, field] : header.items()) {
    if (name == "kind") continue;
    Json broken = header;
    broken[name] = value;
    visit(name, broken, false);
    broken.erase(name);
    visit(name, broken, true);
    if (!field.is_array() || field.empty() || !field[0].is_object()) continue;
    for (const auto& [inner, unused] : field[0].items()) {
      Json deep = header;
      deep[name][0][inner] = value;
      visit(name + "." + inner, deep, false);
      deep[name][0].erase(inner);
      visit(name + "." + inner, deep, true);
    }
  }
}

bool optional(const std::string& kind, const std::string& field) {
  return (kind == "hand_out" && field == "items.key") || (kind == "begun" && field == "items.reason") ||
         (kind == "welcome" && field == "bundles") || (kind == "heartbeat" && field == "circuits");
}

}  // namespace

TEST_CASE("every example is decoded and written again as the same bytes, and every kind has one") {
  std::set<std::string> found;
  for (const auto& entry : std::filesystem::directory_iterator(kExamples)) {
    if (entry.path().extension() == ".json") found.insert(entry.path().stem().string());
  }
  CHECK(found.erase("execution-message") == 1);
  CHECK(found.erase("submit-message") == 1);
  CHECK(found.erase("bundle-message") == 1);
  CHECK(found.erase("result-message") == 1);
  CHECK(found.erase("event-message") == 1);
  std::set<std::string> known = kAgentKinds;
  known.insert(kServerKinds.begin(), kServerKinds.end());
  CHECK(found == known);
  each_kind([](const std::string& kind, bool of_agent) {
    INFO(kind);
    const Frame frame = example(kind);
    CHECK(again(frame, of_agent) == frame);
    CHECK_FALSE(decodes(frame, !of_agent));  // nobody speaks the other side's words
  });
}

TEST_CASE("the example of a whole frame is what this version puts on the wire") {
  const Frame frame = example("begin");
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const char c : encode_frame(frame)) {
    hex += kDigits[static_cast<unsigned char>(c) >> 4];
    hex += kDigits[static_cast<unsigned char>(c) & 15];
  }
  std::string wanted = contents(kExamples / "begin.frame.hex");
  std::erase(wanted, '\n');
  CHECK(hex == wanted);
}

TEST_CASE("numbers at their limits, empty lists and raw payloads survive the way") {
  Hello hello;
  hello.name = std::string(limits::kNameBytes, 'n');
  hello.incarnation = Incarnation{UINT64_MAX};
  hello.holdings = {{ShardId{0}, Epoch{INT64_MAX}}};
  hello.attempts = {{CommandId{INT64_MAX}, INT32_MAX}};
  const auto back = decode_agent_message(encode(AgentMessage(hello)));
  REQUIRE(back);
  const auto& got = std::get<Hello>(*back);
  CHECK(got.name == hello.name);
  CHECK(got.incarnation == hello.incarnation);
  CHECK(got.holdings == hello.holdings);
  CHECK(got.attempts == hello.attempts);
  CHECK(got.queues.empty());

  Finish finish;
  finish.items = {
      {CommandId{1}, 1, AttemptOutcome::timed_out, false, "e\"\n", nullptr},
      {CommandId{2}, 2, AttemptOutcome::succeeded, true, "", make_bytes("")},
      {CommandId{3}, 3, AttemptOutcome::handed_back, true, "", make_bytes(std::string("\0{", 2))}};
  const auto ended = decode_agent_message(encode(AgentMessage(finish)));
  REQUIRE(ended);
  const auto& items = std::get<Finish>(*ended).items;
  REQUIRE(items.size() == 3);
  CHECK(items[0].outcome == AttemptOutcome::timed_out);
  CHECK_FALSE(items[0].retryable);
  CHECK(items[0].error == "e\"\n");
  CHECK_FALSE(items[0].result);
  CHECK(*items[1].result == "");
  CHECK(*items[2].result == std::string("\0{", 2));
}

TEST_CASE("the wait that a handler asks for is bounded") {
  for (const char* good : {"0", "1", "3600000"}) {
    const std::string text =
        R"({"kind":"finish","items":[{"id":"cmd_1P2Z8M40R8000","attempt":1,"outcome":"handed_back","retryable":true,"error":"","retry_after_ms":)";
    const auto read = decode_agent_message({text + good + "}]}", ""});
    REQUIRE(read);
    CHECK(std::get<Finish>(*read).items.at(0).retry_after_ms == std::stoll(good));
    for (const char* bad : {"-1", "3600001", "1.5", "\"1\"", "null", "1e3"})
      CHECK_FALSE(decodes({text + bad + "}]}", ""}, true));
  }
}

TEST_CASE("a field that is missing or of another type is refused, in every message") {
  each_kind([](const std::string& kind, bool of_agent) {
    const Frame frame = example(kind);
    for (const char* wrong : {"null", "{}", "1.5", "-9223372036854775808", "1e400"}) {
      const Json value = Json::parse(wrong, nullptr, false);
      if (value.is_discarded()) continue;
      each_break(Json::parse(frame.header), value,
                 [&](const std::string& field, const Json& broken, bool missing) {
                   INFO(kind << " " << field << (missing ? " missing" : wrong));
                   if (missing && optional(kind, field)) return;
                   if (missing && field == "items.result_bytes") return;  // then its bytes are left over
                   const bool any_time = field == "items.due_in_us" || field == "items.due_at_ms";
                   if (!missing && any_time && value.is_number_integer()) return;
                   CHECK_FALSE(decodes({broken.dump(), frame.bytes}, of_agent));
                 });
    }
  });
}

TEST_CASE("fields that nobody knows are ignored") {
  each_kind([](const std::string& kind, bool of_agent) {
    const Frame frame = example(kind);
    Json more = Json::parse(frame.header);
    more["of_a_later_version"] = {{"a", 1}};
    CHECK(again({more.dump(), frame.bytes}, of_agent) == frame);
  });
}

TEST_CASE("payload lengths that do not fit the frame are refused") {
  for (const char* kind : {"hand_out", "finish"}) {
    const bool of_agent = kind == std::string("finish");
    const char* field = of_agent ? "result_bytes" : "payload_bytes";
    const Frame frame = example(kind);
    for (const std::int64_t length :
         {std::int64_t{-1}, std::int64_t{0}, std::int64_t{1'000'000}, INT64_MAX, INT64_MIN}) {
      Json header = Json::parse(frame.header);
      header["items"][0][field] = length;
      CHECK_FALSE(decodes({header.dump(), frame.bytes}, of_agent));
    }
    CHECK_FALSE(decodes({frame.header, frame.bytes + "x"}, of_agent));
    CHECK_FALSE(decodes({frame.header, frame.bytes.substr(1)}, of_agent));
    CHECK_FALSE(decodes({frame.header, ""}, of_agent));
  }
  CHECK_FALSE(decodes({R"({"kind":"leaving"})", "left over"}, true));
}

TEST_CASE("hostile headers are refused") {
  for (const bool of_agent : {true, false}) {
    for (const char* header : {"", "null", "[]", "{}", R"({"kind":1})", R"({"kind":"nonsense"})",
                               R"({"kind":"leaving","kind":"leaving"})", R"({"kind":"credit","room":-1})",
                               R"({"kind":"credit","room":99999999999999999999999})",
                               R"({"kind":"marks","sequence":1,"items":{}})", "{\"kind\":\"\xFF\"}"}) {
      INFO(header);
      CHECK_FALSE(decodes({header, ""}, of_agent));
    }
    CHECK_FALSE(decodes({R"({"kind":"leaving","x":)" + std::string(200'000, '[') + "}", ""}, of_agent));
    CHECK_FALSE(decodes({R"({"kind":"leaving","x":[[[[]]]]})", ""}, of_agent));  // deeper than 4
  }
  CHECK(decodes({R"({"kind":"leaving","x":[[[]]]})", ""}, true));
}

TEST_CASE("more items than the limit are refused") {
  const auto refs = [](std::size_t count) {
    CancelRun cancel;
    cancel.items.resize(count, AttemptRef{CommandId{1}, 1});
    return encode(ServerMessage(cancel));
  };
  CHECK(decodes(refs(limits::kFrameItems), false));
  CHECK_FALSE(decodes(refs(limits::kFrameItems + 1), false));
}

}  // namespace duly
