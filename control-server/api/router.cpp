#include "control-server/api/router.h"

#include <algorithm>

#include "control-server/api/doorkeeper.h"
#include "control-server/api/http_response.h"

namespace duly {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// "/a/b" → {"a", "b"}; "/" → {""}.
template <class Take>
bool split_path(std::string_view path, const Take& take) {
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::size_t end = std::min(path.find('/'), path.size());
    if (!take(path.substr(0, end))) return false;
    path.remove_prefix(end);
  }
  return true;
}

std::optional<std::vector<std::string>> decoded_segments(std::string_view path) {
  std::vector<std::string> segments;
  const bool whole = split_path(path, [&](std::string_view part) {
    auto text = percent_decode(part, /*plus_is_space=*/false);
    if (text) segments.push_back(std::move(*text));
    return text.has_value();
  });
  if (!whole) return std::nullopt;
  return segments;
}

bool takes(const Route& route, std::string_view method) {
  return route.method == method || (method == "HEAD" && route.method == "GET" && !route.stream);
}

bool knows(const Route& route, std::string_view name) {
  return std::any_of(route.query.begin(), route.query.end(), [&](std::string_view known) {
    if (known.ends_with('*'))
      return name.size() >= known.size() && name.starts_with(known.substr(0, known.size() - 1));
    return name == known;
  });
}

HttpResponse bad_parameter(const std::string& name, std::string_view what) {
  const std::string detail = name + ": " + std::string(what);
  return make_problem(400, detail, {{"", detail}});
}

// Fills in call.query, or says what is wrong with it.
std::optional<HttpResponse> read_query(std::string_view text, const Route& route, ApiCall& call) {
  const bool anything = route.query.size() == 1 && route.query[0] == "*";
  while (!text.empty() && !anything) {
    const std::string_view pair = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(pair.size() + 1, text.size()));
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const auto name = percent_decode(pair.substr(0, equals), true);
    const auto value = percent_decode(pair.substr(std::min(equals + 1, pair.size())), true);
    if (!name || !value) return bad_parameter("query", "malformed percent-encoding");
    if (!knows(route, *name)) return bad_parameter(*name, "unknown query parameter");
    if (call.parameter(*name) != nullptr) return bad_parameter(*name, "given more than once");
    call.query.emplace_back(*name, *value);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%') {
      const int high = i + 2 < text.size() ? hex_digit(text[i + 1]) : -1;
      const int low = i + 2 < text.size() ? hex_digit(text[i + 2]) : -1;
      if (high < 0 || low < 0) return std::nullopt;
      out += static_cast<char>(high * 16 + low);
      i += 2;
    } else {
      out += text[i] == '+' && plus_is_space ? ' ' : text[i];
    }
  }
  return out;
}

Router::Router(std::vector<Route> routes, Doorkeeper* doorkeeper)
    : routes_(std::move(routes)), doorkeeper_(doorkeeper) {
  for (const Route& route : routes_) {
    Compiled compiled;
    split_path(route.pattern, [&](std::string_view part) {
      compiled.segments.push_back(part);
      return true;
    });
    compiled_.push_back(std::move(compiled));
  }
}

std::optional<std::vector<std::string>> Router::match(std::size_t route,
                                                      const std::vector<std::string>& segments) const {
  const auto& pattern = compiled_[route].segments;
  if (pattern.size() != segments.size()) return std::nullopt;
  std::vector<std::string> args;
  for (std::size_t i = 0; i < segments.size(); ++i) {
    if (pattern[i].starts_with('{') && !segments[i].empty()) {
      args.push_back(segments[i]);
    } else if (pattern[i] != segments[i]) {
      return std::nullopt;
    }
  }
  return args;
}

Router::Found Router::find(std::string_view method, std::string_view target) const {
  Found found;
  const auto segments = decoded_segments(target.substr(0, target.find('?')));
  if (!segments) {
    found.problem = make_problem(400, "malformed percent-encoding in the path");
    return found;
  }
  std::string allow;
  for (std::size_t i = 0; i < routes_.size(); ++i) {
    auto args = match(i, *segments);
    if (!args) continue;
    if (takes(routes_[i], method)) {
      found.route = &routes_[i];
      found.args = std::move(*args);
      return found;
    }
    allow.append(allow.empty() ? "" : ", ").append(routes_[i].method);
    if (takes(routes_[i], "HEAD")) allow += ", HEAD";
  }
  if (allow.empty()) {
    found.problem = make_problem(404, "there is nothing at this path");
  } else {
    found.problem = make_problem(405, "this path does not take this method");
    found.problem.fields.emplace_back("Allow", std::move(allow));
  }
  return found;
}

std::optional<HttpResponse> Router::refuse_early(std::string_view method, std::string_view target,
                                                 const std::vector<HttpField>& fields,
                                                 const std::string& peer) const {
  if (doorkeeper_ == nullptr || doorkeeper_->open()) return std::nullopt;
  Found found = find(method, target);
  if (found.route == nullptr) return std::move(found.problem);
  return doorkeeper_->judge(found.route->role, fields, peer, Doorkeeper::Count::yes).refusal;
}

void Router::handle(HttpRequest request, Respond respond) const {
  Found found = find(request.method, request.target);
  if (found.route == nullptr) return respond(std::move(found.problem));
  Actor actor("anonymous");
  if (doorkeeper_ != nullptr) {
    const auto count = request.let_in ? Doorkeeper::Count::no : Doorkeeper::Count::yes;
    auto verdict = doorkeeper_->judge(found.route->role, request.fields, request.peer, count);
    if (verdict.refusal) return respond(std::move(*verdict.refusal));
    actor.name = std::move(verdict.name);
  }
  actor.request = request.request_id;
  const std::string target = request.target;
  const std::size_t query = std::min(target.find('?'), target.size() - 1) + 1;
  ApiCall call{std::move(request), std::move(respond), std::move(found.args), {}, std::move(actor)};
  if (auto problem = read_query(std::string_view(target).substr(query), *found.route, call))
    return call.respond(std::move(*problem));
  found.route->handler(std::move(call));
}

}  // namespace duly
