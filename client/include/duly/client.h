// Duly's HTTP API for C++ programs: submit commands, wait for them, cancel them, keep schedules.
//
// Retries.  What certainly was not applied (no connection, 429, 503) is asked again with growing pauses until
// the call's time is up.  What may have been applied is asked again only where that cannot do it twice:
// reads, and submits, which always carry an idempotency key.  So a submit that ends in ErrorKind::unknown may
// be repeated with the key in its Error. Threads.  One Client serves any number of threads at once; each call
// blocks the thread it is made on, until its time is up at the latest (a name server that is silent can take
// longer).  Each request has a connection of its own: submit many at once with submit_all(), or by message
// (publisher.h). Limits.  Answers beyond 64 MiB are refused.  Redirects are not followed.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include <duly/command.h>
#include <duly/export.h>
#include <duly/result.h>

namespace duly::client {

struct Options {
  std::string server = "http://127.0.0.1:8080";  // or https://
  std::string api_key;
  std::string ca_file;                        // https: who may have signed; empty = whom the system trusts
  std::chrono::milliseconds timeout{30'000};  // of a call, all its tries together
  std::chrono::milliseconds try_timeout{10'000};  // of one try
};

// An answer to request().
struct Answer {
  int status = 0;
  std::string body;
};

class DULY_CLIENT_API Client {
 public:
  // Checks the options; nothing is connected to.
  static Result<Client> make(Options options);
  ~Client();
  Client(Client&&) noexcept;
  Client& operator=(Client&&) noexcept;

  // On disk when it is answered.
  Result<Submitted> submit(const CommandSpec& command) const;
  // 1 to 10,000 in one request: all of them or none, in their order.  An Error names no key: give them keys
  // of your own to repeat a request whose end is unknown.
  Result<std::vector<Submitted>> submit_all(const std::vector<CommandSpec>& commands) const;

  Result<Command> get(const std::string& id) const;
  // Until it has ended, or `limit` is over: then as it is.  A server that is away meanwhile is asked again.
  Result<Command> wait(const std::string& id, std::chrono::milliseconds limit) const;
  // conflict: it has ended.
  Result<Command> cancel(const std::string& id) const;
  // A dead one gets a fresh set of attempts.
  Result<Command> redrive(const std::string& id) const;

  // A schedule is a JSON document with its name in it (docs/schedules.md); so are the answers.  put: it is
  // made, or replaced by another version.
  Result<std::string> put_schedule(const std::string& document) const;
  Result<std::string> get_schedule(const std::string& name) const;
  Result<Done> remove_schedule(const std::string& name) const;
  // Makes its command now.
  Result<Command> trigger_schedule(const std::string& name) const;

  // Anything else of the API, once: `path` begins with "/v1/" and has its query, `body` is JSON or empty.
  // Every answer is one, 4xx and 5xx too; an Error is the lack of one.
  Result<Answer> request(const std::string& method, const std::string& path, const std::string& body) const;

 private:
  struct Parts;
  explicit Client(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace duly::client
