#include "cli/requests.h"

#include <algorithm>
#include <fstream>
#include <iostream>

#include "common/model/limits.h"
#include "common/model/state_table.h"
#include "common/wire/json.h"

namespace duly::cli {
namespace {

std::optional<State> state_of(const Json& body) {
  const auto at = body.is_object() ? body.find("state") : body.end();
  if (at == body.end() || !at->is_string()) return std::nullopt;
  return state_named(at->get_ref<const std::string&>());
}

}  // namespace

int with_api(const Session& session, const std::function<int(Api&)>& work) {
  auto api = Api::connect(session);
  if (!api) return report(api.error());
  return work(*api);
}

Result<std::string> read_input(const std::string& path, std::size_t most) {
  std::ifstream file;
  if (path != "-") file.open(path, std::ios::binary);
  std::istream& from = path == "-" ? std::cin : file;
  std::string text(most + 1, '\0');
  from.read(text.data(), static_cast<std::streamsize>(text.size()));
  // At its end is where a reading should stop; a folder opens, too, but cannot be read.
  if (!from.eof() && static_cast<std::size_t>(from.gcount()) <= most) return invalid("cannot read " + path);
  if (static_cast<std::size_t>(from.gcount()) > most)
    return invalid(path + " has more than " + std::to_string(most) + " bytes");
  text.resize(static_cast<std::size_t>(from.gcount()));
  return text;
}

Result<std::string> payload_text(const std::string& given) {
  const bool file = given == "-" || given.rfind('@', 0) == 0;
  auto text = file ? read_input(given == "-" ? given : given.substr(1), limits::kPayloadBytes)
                   : Result<std::string>(given);
  if (!text) return invalid("--payload: " + text.error().what);
  if (text->empty()) return text;
  const auto checked = parse_json(*text, limits::kJsonDepth);
  if (!checked) return invalid("--payload is not valid JSON: " + checked.error().what);
  return text;
}

Result<Json> read_pairs(const std::string& flag, const std::vector<std::string>& pairs) {
  Json object = Json::object();
  for (const std::string& pair : pairs) {
    const std::size_t equals = pair.find('=');
    if (equals == std::string::npos || equals == 0)
      return invalid(flag + " \"" + pair + "\" is not NAME=VALUE");
    object[pair.substr(0, equals)] = pair.substr(equals + 1);
  }
  return object;
}

bool has_ended(const Json& body) {
  const auto state = state_of(body);
  return state && is_end(*state);
}

bool has_succeeded(const Json& body) {
  const auto state = state_of(body);
  return state == State::succeeded || state == State::delivered;
}

bool worth_another_try(const Result<Answer>& answer) {
  if (!answer) return answer.error().code != Errc::invalid;
  return answer->busy();
}

Result<Answer> wait_for_end(Api& api, const std::string& id, milliseconds limit, milliseconds step,
                            const std::function<void(const Answer&)>& seen) {
  for (milliseconds left = limit;;) {
    const milliseconds wait = std::min(left, step);
    auto answer = api.get(command_path(id) + "?wait_ms=" + std::to_string(wait.count()));
    left -= wait;
    if (worth_another_try(answer) && left > milliseconds{0}) {
      pause_for(kAwayPause);
      left -= std::min<milliseconds>(left, kAwayPause);
      continue;
    }
    if (!answer || !answer->good()) return answer;
    seen(*answer);
    if (has_ended(answer->body) || left <= milliseconds{0}) return answer;
  }
}

std::vector<Column> command_columns() {
  return {{"ID", "id"},       {"TYPE", "type"},       {"QUEUE", "queue"},
          {"STATE", "state"}, {"ATTEMPT", "attempt"}, {"DUE AT", "due_at"}};
}

}  // namespace duly::cli
