#include "common/trace/span_exporter.h"

#include <algorithm>
#include <utility>

#include "common/base/log.h"
#include "common/model/limits.h"
#include "common/runtime/asio_loop.h"

namespace duly {
namespace {

constexpr int kTries = 3;
constexpr Duration kLastWait = milliseconds{500};  // for a request that was told to stop
constexpr std::string_view kPath = "/v1/traces";
constexpr std::size_t kAnswerBytes = 4096;

Result<HttpUrl> traces_url(const std::string& endpoint) {
  auto url = parse_http_url(endpoint);
  if (!url) return url.error();
  if (!url->query.empty()) return invalid("must not have a query");
  while (url->path.ends_with('/')) url->path.pop_back();
  if (!url->path.ends_with(kPath)) url->path += kPath;
  return url;
}

// Empty = the collector has them.
std::string trouble_of(const HttpOutcome& outcome) {
  if (outcome.trouble != HttpTrouble::none) return outcome.error;
  const int status = outcome.answer.status;
  return status >= 200 && status < 300 ? "" : "answered " + std::to_string(status);
}

// As OTLP says which answers may change.
bool may_change(const HttpOutcome& outcome) {
  switch (outcome.trouble) {
    case HttpTrouble::none: break;
    case HttpTrouble::unreachable:
    case HttpTrouble::broken:
    case HttpTrouble::timed_out: return true;
    case HttpTrouble::refused:
    case HttpTrouble::stopped: return false;
  }
  const int status = outcome.answer.status;
  return status == 429 || status == 502 || status == 503 || status == 504;
}

}  // namespace

Result<std::unique_ptr<SpanExporter>> SpanExporter::start(Config config) {
  auto url = traces_url(config.endpoint);
  if (!url) return url.error();
  HttpClientConfig client;
  client.inner_networks = true;  // the operator says where, not a command
  client.body_bytes = kAnswerBytes;
  auto made = HttpClient::make(std::move(client));
  if (!made) return made.error();
  std::unique_ptr<SpanExporter> exporter(
      new SpanExporter(std::move(config), std::move(*url), std::move(*made)));
  exporter->thread_ = std::thread([raw = exporter.get()] { raw->run(); });
  return exporter;
}

SpanExporter::SpanExporter(Config config, HttpUrl url, std::shared_ptr<const HttpClient> client)
    : config_(std::move(config)), url_(std::move(url)), client_(std::move(client)) {}

SpanExporter::~SpanExporter() {
  (void)stop(Duration{0});
  if (thread_.joinable()) thread_.join();
}

void SpanExporter::add(Span span) {
  bool full_batch = false;
  {
    const MutexLock lock(mutex_);
    if (stopping_ || waiting_.size() >= limits::kSpansWaiting) {
      ++counts_.dropped;
      return;
    }
    waiting_.push_back(std::move(span));
    full_batch = waiting_.size() == limits::kSpansPerRequest;
  }
  if (full_batch) wake_.notify_one();
}

SpanCounts SpanExporter::counts() const {
  const MutexLock lock(mutex_);
  return counts_;
}

bool SpanExporter::stop(Duration limit) {
  {
    const MutexLock lock(mutex_);
    if (!std::exchange(stopping_, true)) stop_by_ = machine_now() + limit;
    wake_.notify_all();
    wait_for_end(stop_by_);
  }
  hurry_.request_stop();  // outside of the lock: it wakes the request that is out
  const MutexLock lock(mutex_);
  wait_for_end(machine_now() + kLastWait);
  return ended_;
}

void SpanExporter::wait_for_end(MonoTime until) {
  for (MonoTime now = machine_now(); !ended_ && now < until; now = machine_now()) {
    left_.wait_for(mutex_, until - now);
  }
}

// ---- the thread
// ------------------------------------------------------------------------------------------------

void SpanExporter::run() {
  std::vector<Span> batch;
  while (next_batch(batch)) {
    if (!batch.empty()) send(batch);
    batch.clear();
  }
  const MutexLock lock(mutex_);
  ended_ = true;
  left_.notify_all();
}

// False when it is the end.
bool SpanExporter::next_batch(std::vector<Span>& batch) {
  const MutexLock lock(mutex_);
  if (waiting_.size() < limits::kSpansPerRequest && !stopping_) wake_.wait_for(mutex_, config_.gather);
  if (stopping_ && machine_now() >= stop_by_) {
    counts_.dropped += waiting_.size();
    waiting_.clear();
  }
  if (stopping_ && waiting_.empty()) return false;
  const std::size_t count = std::min(waiting_.size(), limits::kSpansPerRequest);
  for (std::size_t i = 0; i < count; ++i) {
    batch.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  return true;
}

void SpanExporter::send(const std::vector<Span>& batch) {
  ClientRequest request;
  request.method = "POST";
  request.url = url_;
  request.headers = {{"Content-Type", "application/json"}, {"User-Agent", "duly/" DULY_VERSION}};
  request.body = otlp_json(config_.source, batch);
  Duration wait = config_.first_pause;
  for (int attempt = 1;; ++attempt) {
    const HttpOutcome outcome = client_->send(request, deadline(), hurry_.get_token());
    const std::string trouble = trouble_of(outcome);
    const bool again = !trouble.empty() && may_change(outcome) && attempt < kTries;
    if (!again || !pause(wait)) return sent(batch.size(), trouble);
    wait *= 2;
  }
}

// Of a request that begins now.
MonoTime SpanExporter::deadline() {
  const MonoTime usual = machine_now() + config_.patience;
  const MutexLock lock(mutex_);
  return stopping_ ? std::min(usual, stop_by_) : usual;
}

// False when it is time to leave.
bool SpanExporter::pause(Duration length) {
  const MonoTime until = machine_now() + length;
  const MutexLock lock(mutex_);
  for (MonoTime now = machine_now(); !stopping_ && now < until; now = machine_now()) {
    wake_.wait_for(mutex_, until - now);
  }
  return !stopping_;
}

// One line when it begins to fail, one when it goes again: a collector that is away is no news each second.
void SpanExporter::sent(std::size_t spans, const std::string& trouble) {
  const bool failed = !trouble.empty();
  if (failed != std::exchange(failing_, failed)) {
    if (failed) {
      log(LogLevel::warn, "trace", "spans are dropped: the collector does not take them",
          {{"collector", url_.shown()}, {"error", trouble}});
    } else {
      log(LogLevel::info, "trace", "the collector takes spans again", {{"collector", url_.shown()}});
    }
  }
  const MutexLock lock(mutex_);
  (failed ? counts_.dropped : counts_.exported) += spans;
}

}  // namespace duly
