// Pieces that several subcommands share.
#pragma once

#include <functional>
#include <string>

#include "cli/api.h"
#include "cli/output.h"
#include "cli/session.h"

namespace duly::cli {

// Calls `work` with a connection; prints and answers a usage error when the server's URL is not one.
int with_api(const Session& session, const std::function<int(Api&)>& work);

// All of a file, or of standard input for "-"; an error when it cannot be read or has more than `most` bytes.
Result<std::string> read_input(const std::string& path, std::size_t most);

// Of --payload: JSON as given, from @FILE, or from standard input for "-"; checked.  Empty stays empty.
Result<std::string> payload_text(const std::string& given);

inline std::string command_path(const std::string& id) { return "/v1/commands/" + url_encode(id); }

// "NAME=VALUE" pairs as an object; `flag` is what they were given with.
Result<Json> read_pairs(const std::string& flag, const std::vector<std::string>& pairs);
inline Result<Json> read_labels(const std::vector<std::string>& pairs) {
  return read_pairs("--label", pairs);
}

// Whether the command in `body` has reached an end, and whether that end is a success.
bool has_ended(const Json& body);
bool has_succeeded(const Json& body);

// Between two questions while the server is away.
inline constexpr seconds kAwayPause{1};

// Whether asking the same again later may bring a better answer; not whether the request was applied.
bool worth_another_try(const Result<Answer>& answer);

// Asks until the command has ended or `limit` is over; a server that is away for a moment is asked again.
// `seen` is called with each answer.
Result<Answer> wait_for_end(Api& api, const std::string& id, milliseconds limit, milliseconds step,
                            const std::function<void(const Answer&)>& seen);

std::vector<Column> command_columns();

}  // namespace duly::cli
