// The route table: which method and path is answered by what, and who may ask.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "control-server/api/http_types.h"

namespace duly {

enum class Role : std::uint8_t { none, read, submit, operate, admin };

// One request on its way to a handler.
struct ApiCall {
  HttpRequest request;
  Respond respond;
  std::vector<std::string> args;                           // what each {…} of the pattern matched, decoded
  std::vector<std::pair<std::string, std::string>> query;  // decoded; only names the route knows, each once

  [[nodiscard]] const std::string* parameter(std::string_view name) const {
    for (const auto& [known, value] : query) {
      if (known == name) return &value;
    }
    return nullptr;
  }
};

using ApiHandler = std::function<void(ApiCall&&)>;

struct Route {
  std::string_view method;   // GET answers HEAD, too, unless it is a stream
  std::string_view pattern;  // "/v1/commands/{id}"
  Role role = Role::none;    // the least that may ask (checked once there are API keys)
  ApiHandler handler;
  std::vector<std::string_view> query;  // parameter names; "label.*" = any with that prefix, "*" = anything
  bool stream = false;                  // its answer has no end: HEAD is not answered
};

class Router {
 public:
  explicit Router(std::vector<Route> routes);

  // Answers 404, 405 (with Allow) and unknown query parameters itself.
  void handle(HttpRequest request, Respond respond) const;
  [[nodiscard]] const std::vector<Route>& routes() const { return routes_; }

 private:
  struct Compiled {
    std::vector<std::string_view> segments;
  };
  [[nodiscard]] std::optional<std::vector<std::string>> match(std::size_t route,
                                                              const std::vector<std::string>& segments) const;

  std::vector<Route> routes_;
  std::vector<Compiled> compiled_;  // parallel to routes_
};

// Percent-decoded, nothing when malformed.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);

}  // namespace duly
