// The server's HTTP interface, one request at a time.
//
// Any answer of the server is an Answer, also 4xx and 5xx; an Error is the lack of one: unavailable = the
// request was not sent, in_doubt = it may have been applied.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cli/session.h"
#include "common/base/result.h"
#include "common/base/time.h"
#include "common/wire/json.h"

namespace duly::cli {

struct Answer {
  int status = 0;
  std::string text;              // the body as it came
  Json body;                     // null when it is not JSON
  seconds retry_after{1};        // of 429 and 503
  std::string next_cursor = {};  // of an export; empty = the end

  [[nodiscard]] bool good() const { return status >= 200 && status < 300; }
  // Worth asking again: the server says it did not apply the request and may later.
  [[nodiscard]] bool busy() const { return status == 429 || status == 503; }
};

struct Request {
  std::string method = "GET";
  std::string path;  // with its query
  std::string body = {};
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers = {};
};

class Api {
 public:
  // An error when the URL is not one.
  static Result<Api> connect(const Session& session);
  ~Api();
  Api(Api&&) noexcept;
  Api& operator=(Api&&) = delete;

  // Refused for the rate of its key (429) it is sent again when the server says so, if that is soon: it was
  // not applied, and a script with a limited key goes on at the pace that the key has.
  Result<Answer> send(const Request& request);
  // A body without an end: `piece` gets each part of it as it comes, until it answers false.  Of an answer
  // that is not good the text is kept instead.
  Result<Answer> stream(const Request& request, const std::function<bool(std::string_view)>& piece);
  Result<Answer> get(const std::string& path) { return send({.path = path}); }
  Result<Answer> post(const std::string& path, const std::string& body = "{}") {
    return send({.method = "POST", .path = path, .body = body});
  }
  Result<Answer> put(const std::string& path, const std::string& body) {
    return send({.method = "PUT", .path = path, .body = body});
  }

 private:
  struct Http;
  Result<Answer> send_once(const Request& request);
  explicit Api(std::unique_ptr<Http> http);
  std::unique_ptr<Http> http_;
};

// For a part of a path or a query: everything but letters, digits and "-._~" is escaped.
std::string url_encode(std::string_view text);

// A query from pairs; empty values are left out.  "" or "?a=1&b=2".
std::string query_of(const std::vector<std::pair<std::string, std::string>>& pairs);

// Waits.  The command line has nothing else to do meanwhile.
void pause_for(milliseconds length);

}  // namespace duly::cli
