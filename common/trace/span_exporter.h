// Sends spans to a collector, by OTLP over HTTP, and holds nobody up with it.
//
// Operation.  A thread of its own gathers spans for a second, or until there are
// limits::kSpansPerRequest, and posts them.  A collector that cannot be reached or has no room is asked
// again, a few times and ever later; then those spans are dropped and counted.  So are those that come while
// limits::kSpansWaiting wait. Concurrency.  add() and counts() from any thread; they never wait for the
// network. Limits.  stop() keeps to its time, but for a name server that is silent: then it answers false,
// and the process must leave with _exit(), without destroying the exporter, whose destructor waits for its
// thread.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "common/base/mutex.h"
#include "common/base/result.h"
#include "common/http/http_client.h"
#include "common/trace/otlp_json.h"

namespace duly {

struct SpanCounts {
  std::uint64_t exported = 0, dropped = 0;
};

class SpanExporter {
 public:
  struct Config {
    std::string endpoint;  // of the collector, as OpenTelemetry's programs are told: "http://host:4318"
    SpanSource source;
    Duration gather = seconds{1};
    Duration patience = seconds{5};     // with one request
    Duration first_pause = seconds{1};  // before it is sent again; doubled each time
  };
  // The error says what is wrong with the endpoint.
  static Result<std::unique_ptr<SpanExporter>> start(Config config);
  ~SpanExporter();
  SpanExporter(const SpanExporter&) = delete;
  SpanExporter& operator=(const SpanExporter&) = delete;

  void add(Span span) DULY_EXCLUDES(mutex_);
  [[nodiscard]] SpanCounts counts() const DULY_EXCLUDES(mutex_);
  // Sends what is there within `limit`; the rest is dropped.  Takes nothing more.
  [[nodiscard]] bool stop(Duration limit) DULY_EXCLUDES(mutex_);

 private:
  SpanExporter(Config config, HttpUrl url, std::shared_ptr<const HttpClient> client);

  void run() DULY_EXCLUDES(mutex_);
  bool next_batch(std::vector<Span>& batch) DULY_EXCLUDES(mutex_);
  void send(const std::vector<Span>& batch) DULY_EXCLUDES(mutex_);
  MonoTime deadline() DULY_EXCLUDES(mutex_);
  bool pause(Duration length) DULY_EXCLUDES(mutex_);
  void sent(std::size_t spans, const std::string& trouble) DULY_EXCLUDES(mutex_);
  void wait_for_end(MonoTime until) DULY_REQUIRES(mutex_);

  const Config config_;
  const HttpUrl url_;
  const std::shared_ptr<const HttpClient> client_;
  std::stop_source hurry_;  // the time to stop is over
  mutable Mutex mutex_;
  Condition wake_;  // of the thread
  Condition left_;
  std::deque<Span> waiting_ DULY_GUARDED_BY(mutex_);
  SpanCounts counts_ DULY_GUARDED_BY(mutex_);
  bool stopping_ DULY_GUARDED_BY(mutex_) = false;
  bool ended_ DULY_GUARDED_BY(mutex_) = false;
  MonoTime stop_by_ DULY_GUARDED_BY(mutex_){};
  bool failing_ = false;  // of the thread: what was tried last
  std::thread thread_;
};

}  // namespace duly
