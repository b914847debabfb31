// Asks RabbitMQ's management API now and then whether the settings of our queues lose messages
// (queue_audit.h).
//
// Operation.  A thread asks a second after the start, then after twice as long each time, up to a minute.
// What is new is logged as an error, what has gone as well; report() is the last answer. Limits.  One request
// at a time, ended after 10 s, its answer at most 4 MiB.  The destructor ends a request that is out.
#pragma once

#include <memory>
#include <set>
#include <stop_token>
#include <string>
#include <thread>

#include "common/base/mutex.h"
#include "common/base/result.h"
#include "common/http/http_client.h"

namespace duly {

struct QueueReport {
  bool asked = false;        // there has been an answer, or a failure to get one
  std::string failure;       // of the last request; empty = it was answered
  std::size_t problems = 0;  // by the last answer
};

class QueueWatch {
 public:
  // `url` is http(s)://[USER:PASSWORD@]HOST:PORT[/PREFIX]; without a user that of `amqp_url` is taken, whose
  // virtual host it is.  The error is for the person who wrote it, and holds no part of either.
  static Result<std::unique_ptr<QueueWatch>> start(const std::string& url, const std::string& amqp_url,
                                                   const std::string& ca_file);
  ~QueueWatch();
  QueueWatch(const QueueWatch&) = delete;
  QueueWatch& operator=(const QueueWatch&) = delete;

  [[nodiscard]] QueueReport report() const DULY_EXCLUDES(mutex_);

 private:
  QueueWatch(std::shared_ptr<const HttpClient> client, ClientRequest request);
  void watch(const std::stop_token& stop) DULY_EXCLUDES(mutex_);
  void look(const std::stop_token& stop) DULY_EXCLUDES(mutex_);
  void tell(std::set<std::string> found);

  const std::shared_ptr<const HttpClient> client_;
  const ClientRequest request_;
  std::set<std::string> told_;  // the thread's own

  mutable Mutex mutex_;
  Condition stopped_;
  QueueReport report_ DULY_GUARDED_BY(mutex_);
  bool stop_ DULY_GUARDED_BY(mutex_) = false;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace duly
