// POST /v1/commands/batch: an array and lines of the same commands mean the same.
#include "common/wire/raw_json.h"
#include "tests/fuzz/api_world.h"
#include "tests/fuzz/fuzz_input.h"

namespace duly::fuzz {
namespace {

constexpr const char* kBatch = "/v1/commands/batch";

std::optional<std::vector<NewCommand>> ask_lines(const std::string& body) {
  return submitted(ask("POST", kBatch, body, {{"content-type", "application/x-ndjson"}}));
}
std::optional<std::vector<NewCommand>> ask_array(const std::string& body) {
  return submitted(ask("POST", kBatch, body));
}

// Line breaks between tokens mean nothing, and inside strings there are none.
std::string as_lines(const std::string& body) {
  std::string lines;
  for (const std::string_view item : raw_items(*raw_member(body, "commands"))) {
    for (const char c : item) lines += c == '\n' ? ' ' : c;
    lines += '\n';
  }
  return lines;
}

std::string as_array(const std::string& lines) {
  std::string body = "{\"commands\":[";
  for (std::size_t at = 0; at < lines.size();) {
    const std::size_t end = std::min(lines.find('\n', at), lines.size());
    std::string line = lines.substr(at, end - at);
    at = end + 1;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    if (line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);  // allowed before a text, not inside one
    body += (body.back() == '[' ? "" : ",") + line;
  }
  return body + "]}";
}

void check_same(const std::vector<NewCommand>& one, const std::optional<std::vector<NewCommand>>& other) {
  FUZZ_CHECK(other && one.size() == other->size());
  for (std::size_t i = 0; i < one.size(); ++i) {
    check_bounds(one[i]);
    FUZZ_CHECK(one[i].idempotency_key == (*other)[i].idempotency_key &&
               one[i].body_hash == (*other)[i].body_hash);
    NewCommand mine = one[i];
    NewCommand theirs = (*other)[i];
    // A payload over several lines differs in exactly these bytes.
    mine.spec.payload = make_bytes(dump_json(parse_json(*mine.spec.payload, limits::kJsonDepth).value()));
    theirs.spec.payload = make_bytes(dump_json(parse_json(*theirs.spec.payload, limits::kJsonDepth).value()));
    FUZZ_CHECK(same(mine.spec, theirs.spec));
  }
}

// The same commands, nested two levels less.
bool deep_enough_for_an_array(const std::string& array) { return parse_json(array, limits::kJsonDepth).ok(); }

}  // namespace

void run(Input input) {
  const bool lines = input.byte() % 2 == 0;
  const std::string body(input.rest());
  const auto commands = lines ? ask_lines(body) : ask_array(body);
  if (!commands) return;
  FUZZ_CHECK(!commands->empty() && commands->size() <= limits::kBatchCommands);
  if (!lines) return check_same(*commands, ask_lines(as_lines(body)));
  const std::string array = as_array(body);
  if (deep_enough_for_an_array(array)) check_same(*commands, ask_array(array));
}

}  // namespace duly::fuzz
