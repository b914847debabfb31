// Commands as JSON: what a client may ask for (contract section 2), and what it is shown.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/wire/json.h"
#include "control-server/api/complaints.h"
#include "control-server/core/inputs.h"
#include "control-server/store/reader.h"

namespace duly {

// A name of a type or a queue: [A-Za-z0-9._-], 1 to `most` characters.
bool is_plain_name(std::string_view text, std::size_t most);
// 1 to limits::kKeyBytes bytes without control characters.
bool is_valid_key(std::string_view text);

// Where a command stands in its request: pointers of complaints begin with `at` ("", "/commands/3", "/3").
struct CommandSource {
  std::string_view raw;  // the text of the object, for the payload's own bytes
  std::string at;
  bool in_batch = false;  // may carry idempotency_key
  std::int64_t now_ms = 0;
  bool depends_on_names = false;  // a node of a workflow: `name` and `depends_on` are read with the workflow
  Bytes payload = nullptr;  // the payload's own bytes where they stand apart from the object: in a message
};

// Reads one command; every problem goes to `complaints`, and then the answer means nothing.
NewCommand read_command(const Json& object, const CommandSource& source, Complaints& complaints);

// Reads an instant no more than ten years ahead; complains at `pointer` otherwise.
std::int64_t read_due(const Json& value, const std::string& pointer, std::int64_t now_ms,
                      Complaints& complaints);

// Of the request's meaning: neither spelling, order of members nor idempotency_key matter.
std::uint64_t meaning_hash(const Json& object);

// What a receiver of callbacks is told: a command as lists show it, without its payload.
void append_callback_json(std::string& out, const CommandView& view);

enum class CommandDetail : std::uint8_t {
  brief,  // in lists: without attempts and events
  full,
};
void append_command_json(std::string& out, const CommandView& view, CommandDetail detail);

}  // namespace duly
