// The handlers every agent has: builtin.noop, echo, sleep, fail, append, exec and http (contract section 7).
//
// A payload that does not fit is a failure for good that names the field.  builtin.append, exec and http
// reach only what the agent's operator allowed; without that they refuse, and say which flag is missing.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "agent/handlers/circuit_breaker.h"
#include "agent/handlers/handler.h"
#include "common/base/result.h"
#include "common/http/http_client.h"
#include "common/http/http_url.h"
#include "common/wire/json.h"

namespace duly {

// Without an allowed URL it is off, and the other two may be null.
struct HttpHandlerConfig {
  AllowedUrls allowed;
  std::shared_ptr<const HttpClient> client;  // keeps limits::kHttpJobBodyBytes of an answer
  std::shared_ptr<CircuitBoard> circuits;
};

struct BuiltinConfig {
  std::string append_dir;  // builtin.append writes only here; empty = off; made when it is missing
  std::vector<std::string> allow_exec;  // absolute paths, compared exactly; empty = off
  HttpHandlerConfig http = {};
};

// An error says which part of the configuration cannot be used; nothing was registered then.
Status register_builtins(HandlerRegistry& registry, const BuiltinConfig& config);

// --- parts, for register_builtins and the tests
// ---------------------------------------------------------------

// The payload as an object with no fields but `known`.
Result<Json> payload_object(const HandlerContext& context, std::initializer_list<std::string_view> known);
Handler make_append_handler(std::string append_dir);
Handler make_exec_handler(std::vector<std::string> allowed);
Handler make_http_handler(HttpHandlerConfig config);

}  // namespace duly
