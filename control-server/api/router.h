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
#include "control-server/api/role.h"
#include "control-server/core/inputs.h"

namespace duly {

class Doorkeeper;

// One request on its way to a handler.
struct ApiCall {
  HttpRequest request;
  Respond respond;
  std::vector<std::string> args;                           // what each {…} of the pattern matched, decoded
  std::vector<std::pair<std::string, std::string>> query;  // decoded; only names the route knows, each once
  Actor actor;                                             // who asks, for the record

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
  Role role = Role::none;    // the least that may ask, where there are API keys
  ApiHandler handler;
  std::vector<std::string_view> query;  // parameter names; "label.*" = any with that prefix, "*" = anything
  bool stream = false;                  // its answer has no end: HEAD is not answered
};

class Router {
 public:
  // `doorkeeper` null = everybody may do everything.
  explicit Router(std::vector<Route> routes, Doorkeeper* doorkeeper = nullptr);

  // Answers 404, 405 (with Allow), 401, 403, 429 and unknown query parameters itself.
  void handle(HttpRequest request, Respond respond) const;
  // What handle() would refuse whatever the body is, so that nothing of it need be read.  Counts the request
  // against the rate of its key; handle() does not do so again (HttpRequest::let_in).
  [[nodiscard]] std::optional<HttpResponse> refuse_early(std::string_view method, std::string_view target,
                                                         const std::vector<HttpField>& fields,
                                                         const std::string& peer) const;
  [[nodiscard]] const std::vector<Route>& routes() const { return routes_; }

 private:
  struct Compiled {
    std::vector<std::string_view> segments;
  };
  struct Found {
    const Route* route = nullptr;
    std::vector<std::string> args;
    HttpResponse problem;  // without a route
  };
  [[nodiscard]] Found find(std::string_view method, std::string_view target) const;
  [[nodiscard]] std::optional<std::vector<std::string>> match(std::size_t route,
                                                              const std::vector<std::string>& segments) const;

  std::vector<Route> routes_;
  std::vector<Compiled> compiled_;  // parallel to routes_
  Doorkeeper* doorkeeper_;
};

// Percent-decoded, nothing when malformed.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space);

}  // namespace duly
