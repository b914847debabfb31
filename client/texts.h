// Commands as JSON, and what the server says of them.  Pure.
#pragma once

#include <duly/command.h>
#include <duly/result.h>

#include <string>
#include <string_view>
#include <vector>

namespace duly::client {

// The body of POST /v1/commands.  An error names the field that cannot be sent.
Result<std::string> command_text(const CommandSpec& command);
// The body of POST /v1/commands/batch; each has its key.
Result<std::string> batch_text(const std::vector<CommandSpec>& commands);

Result<Command> read_command(std::string text);
// The ids of a batch's answer; an error unless there are as many as were sent.
Result<std::vector<Submitted>> read_batch(const std::string& text, const std::vector<CommandSpec>& sent);
// Of a schedule's document.
Result<std::string> name_in(const std::string& document);

// What may stand in a path as it is: an id or a name.
bool is_path_word(std::string_view text);
// As the value of a header, and as the server takes it.
bool is_key(std::string_view text);

}  // namespace duly::client
