// The HTTP API as the fuzz targets drive it: real routes and handlers, an engine that only listens, commands
// from memory.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "common/wire/json.h"
#include "control-server/api/api.h"
#include "tests/unit/control-server/api/fake_reader.h"
#include "tests/unit/control-server/api/manual_loop.h"

namespace duly::fuzz {

struct Asked {
  std::optional<HttpResponse> answer;
  std::vector<::duly::Input> inputs;  // what reached the engine
  CommandFilter filter;               // of the last list
};

// One request to an API of its own.  Checks what every answer must keep: one answer or one question to the
// engine, never both, JSON throughout, and an error that says what is wrong.
Asked ask(const std::string& method, const std::string& target, const std::string& body,
          std::vector<HttpField> fields = {});

// The commands that were submitted; nothing when the request was refused.
std::optional<std::vector<NewCommand>> submitted(const Asked& asked);

// Two commands that ask for the same (idempotency apart).
bool same(const CommandSpec& one, const CommandSpec& other);
// Every bound of the contract's table.
void check_bounds(const NewCommand& command);

}  // namespace duly::fuzz
