// One HTTP exchange as the routes see it: a whole request in, one whole answer out, possibly later.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace duly {

struct HttpField {
  std::string name;  // lower case
  std::string value;
};

struct HttpRequest {
  std::string method;
  std::string target;  // as sent: path and query
  std::vector<HttpField> fields;
  std::string body;
  std::string request_id;
  std::string peer;  // address of the client
  // refuse_early has let it in: it has been counted against the rate of its key.
  bool let_in = false;

  // The first field of that (lower case) name, or null.
  [[nodiscard]] const std::string* field(std::string_view name) const {
    for (const HttpField& f : fields) {
      if (f.name == name) return &f.value;
    }
    return nullptr;
  }
};

// A body that has no end of its own, as of server-sent events: written piece by piece.  Loop thread.
//
// The connection fills in the first two, who answers the other two, in HttpResponse::stream.  None of them is
// called after `closed`.
struct HttpStream {
  std::function<void(std::string piece)> send;  // only after each `sent`, and once
  std::function<void()> end;                    // closes the connection; leads to `closed`
  std::function<void()> sent;                   // the head, or a piece, is with the kernel
  std::function<void()> closed;                 // the client has gone, is too slow, or the server stops
};

struct HttpResponse {
  int status = 200;
  std::string body = {};
  std::string_view content_type = "application/json";
  std::vector<std::pair<std::string_view, std::string>> fields = {};
  std::function<void()> after_write = {};  // once the answer is with the kernel
  // The head is followed by what is sent there, instead of `body`; the connection is not used again.
  std::function<void(const std::shared_ptr<HttpStream>&)> stream = {};
};

// The way back to the client.  Loop thread; called exactly once, now or later.
class Respond {
 public:
  using Answer = std::function<void(HttpResponse)>;
  using Gone = std::function<void()>;
  Respond(Answer answer, std::function<void(Gone)> when_gone)
      : answer_(std::move(answer)), when_gone_(std::move(when_gone)) {}

  void operator()(HttpResponse response) const { answer_(std::move(response)); }
  // `gone` is called if the client goes away before the answer; after it an answer is dropped.
  void when_gone(Gone gone) const { when_gone_(std::move(gone)); }

 private:
  Answer answer_;
  std::function<void(Gone)> when_gone_;
};

struct HttpHandlers {
  std::function<void(HttpRequest, Respond)> handle;
  std::function<std::size_t(std::string_view method, std::string_view target)> max_body;
  // Whether a POST to it may come without a body and its length; empty = never.
  std::function<bool(std::string_view target)> body_optional = {};
  // Whether a request that announces a body is refused before any of it is read; empty = never.
  std::function<std::optional<HttpResponse>(std::string_view method, std::string_view target,
                                            const std::vector<HttpField>& fields, const std::string& peer)>
      refuse_early = {};
};

}  // namespace duly
