// One call of the HTTP API: tried until there is an answer, the call's time is up, or trying again could do
// it twice.  Any thread.
#pragma once

#include <duly/result.h>

#include <functional>
#include <optional>
#include <string>

#include "common/http/http_client.h"

namespace duly::client {

// What a call reaches out for; the tests put their own here.
struct Surroundings {
  std::function<HttpOutcome(const ClientRequest&, MonoTime deadline)> send;
  std::function<MonoTime()> now;
  std::function<void(Duration)> pause;
  std::function<double()> chance;  // 0 to 1
};

struct Call {
  std::string method = "GET";
  std::string path;  // with its query
  std::string body = {};
  std::string idempotency_key = {};
  bool repeatable = false;  // twice is as good as once
  Duration extra{0};        // the server may take so much longer for an answer
};

struct Reply {
  int status = 0;
  std::string body;
  bool replayed = false;
};

struct CallerConfig {
  HttpUrl server;
  std::string api_key;
  Duration timeout = seconds{30};
  Duration try_timeout = seconds{10};
};

class Caller {
 public:
  Caller(CallerConfig config, Surroundings around) : config_(std::move(config)), around_(std::move(around)) {}

  // A 2xx; every other answer is an Error.
  [[nodiscard]] Result<Reply> call(const Call& call) const;
  // Whatever the answer, tried once.
  [[nodiscard]] Result<Reply> once(const Call& call) const;
  [[nodiscard]] MonoTime now() const { return around_.now(); }

 private:
  [[nodiscard]] Result<ClientRequest> request_of(const Call& call) const;
  [[nodiscard]] Duration pause_after(int tries, Duration least) const;

  const CallerConfig config_;
  const Surroundings around_;
};

// The error that an answer other than 2xx, or the lack of one, stands for.
Error error_of(const HttpOutcome& outcome);

}  // namespace duly::client
