// The handlers every agent has: builtin.noop, echo, sleep, fail, append and exec (contract section 7).
//
// A payload that does not fit is a failure for good that names the field.  builtin.append and builtin.exec
// reach only what the agent's operator allowed; without that they refuse, and say which flag is missing.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "agent/handlers/handler.h"
#include "common/base/result.h"
#include "common/wire/json.h"

namespace duly {

struct BuiltinConfig {
  std::string append_dir;  // builtin.append writes only here; empty = off; made when it is missing
  std::vector<std::string> allow_exec;  // absolute paths, compared exactly; empty = off
};

// An error says which part of the configuration cannot be used; nothing was registered then.
Status register_builtins(HandlerRegistry& registry, const BuiltinConfig& config);

// --- parts, for register_builtins and the tests
// ---------------------------------------------------------------

// The payload as an object with no fields but `known`.
Result<Json> payload_object(const HandlerContext& context, std::initializer_list<std::string_view> known);
Handler make_append_handler(std::string append_dir);
Handler make_exec_handler(std::vector<std::string> allowed);

}  // namespace duly
