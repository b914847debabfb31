// Makes the calls: signed POSTs on threads of their own, to what the operator allows.
//
// Operation.  send() hands a call to a thread, which makes one request and says what became of it; the engine
// decides whether there is another (core/callbacks.h).  A request is what common/http/http_client.h makes of
// it: addresses checked, no redirects, at most limits::kCallbackTime.
// Concurrency.  send() from any thread; `settled` runs on the pool's threads.  The destructor stops what is
// on its way and waits for it.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "common/base/bounded_queue.h"
#include "common/http/http_client.h"
#include "common/model/limits.h"
#include "control-server/core/inputs.h"

namespace duly {

struct CallbackConfig {
  AllowedUrls allowed;
  std::vector<std::string> secrets;  // each of them signs: a receiver may know the old one or the new one
  std::shared_ptr<const HttpClient> client;
};

// What common/http says of a URL, in terms of core: its origin, or why it may not be called.
Result<std::string> callback_origin(const AllowedUrls& allowed, const std::string& url);

// "t=<unix seconds>,v1=<HMAC-SHA-256 of "<t>.<body>" in hexadecimal>", with one v1 for each secret.
std::string callback_signature(const std::vector<std::string>& secrets, std::int64_t unix_seconds,
                               std::string_view body);

struct CallbackCall {
  CommandId id;
  int ends = 0;
  int attempt = 0;
  std::string url;
  std::string body;
};

class CallbackPool {
 public:
  CallbackPool(std::shared_ptr<const CallbackConfig> config, std::function<void(CallbackSettled)> settled);
  ~CallbackPool();
  CallbackPool(const CallbackPool&) = delete;
  CallbackPool& operator=(const CallbackPool&) = delete;

  // The engine has no more on their way than there are threads; beyond that a call fails at once.
  void send(CallbackCall call);

 private:
  void work(const std::stop_token& stop);
  [[nodiscard]] CallbackSettled make(const CallbackCall& call, const std::stop_token& stop) const;

  const std::shared_ptr<const CallbackConfig> config_;
  const std::function<void(CallbackSettled)> settled_;
  BoundedQueue<CallbackCall> calls_{limits::kCallbacksAtOnce};
  std::vector<std::jthread> threads_;  // last: they use all of the above
};

}  // namespace duly
