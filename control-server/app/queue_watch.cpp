#include "control-server/app/queue_watch.h"

#include <algorithm>
#include <utility>

#include "common/amqp/amqp_url.h"
#include "common/base/base64.h"
#include "common/base/log.h"
#include "common/runtime/asio_loop.h"
#include "control-server/app/queue_audit.h"

namespace duly {
namespace {

constexpr seconds kFirstLook{1};
constexpr seconds kRareLook{60};
constexpr seconds kAnswerTime{10};
constexpr std::size_t kAnswerBytes = std::size_t{4} << 20;
constexpr std::size_t kLinesAtOnce = 20;
constexpr const char* kColumns = "?columns=name,durable,auto_delete,arguments,effective_policy_definition";

std::string escaped(std::string_view text) {
  static constexpr char kHex[] = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (plain) {
      out += c;
    } else {
      out += '%';
      out += kHex[static_cast<unsigned char>(c) >> 4];
      out += kHex[static_cast<unsigned char>(c) & 15];
    }
  }
  return out;
}

// Takes USER:PASSWORD@ out of a URL; empty when it is not in it.
std::string take_user(std::string& url) {
  const std::size_t begin = url.find("://") == std::string::npos ? 0 : url.find("://") + 3;
  const std::size_t end = url.find('@', begin);
  if (end == std::string::npos || url.find('/', begin) < end) return "";
  std::string user = url.substr(begin, end - begin);
  url.erase(begin, end + 1 - begin);
  return user;
}

Result<ClientRequest> queues_request(std::string url, const std::string& amqp_url) {
  const auto broker = parse_amqp_url(amqp_url);
  if (!broker) return broker.error();
  std::string user = take_user(url);
  if (user.empty()) user = broker->user + ":" + broker->password;
  auto parsed = parse_http_url(url);
  if (!parsed) return parsed.error();
  ClientRequest request;
  request.method = "GET";
  request.url = std::move(*parsed);
  if (!request.url.query.empty()) return invalid("must not have a query");
  if (!request.url.path.ends_with('/')) request.url.path += '/';
  request.url.path += "api/queues/" + escaped(broker->vhost);
  request.url.query = kColumns;
  request.headers = {{"Authorization", "Basic " + to_base64(user)}, {"Accept", "application/json"}};
  return request;
}

// Why an answer tells nothing; empty = it does.
std::string failure_of(const HttpOutcome& outcome) {
  if (outcome.trouble != HttpTrouble::none) return outcome.error;
  if (outcome.answer.status != 200)
    return "the management API answered " + std::to_string(outcome.answer.status);
  return outcome.answer.truncated ? "the management API's answer is too long" : "";
}

}  // namespace

Result<std::unique_ptr<QueueWatch>> QueueWatch::start(const std::string& url, const std::string& amqp_url,
                                                      const std::string& ca_file) {
  auto request = queues_request(url, amqp_url);
  if (!request) return request.error();
  HttpClientConfig config;
  config.ca_file = ca_file;
  config.inner_networks = true;  // whoever starts the server says where
  config.body_bytes = kAnswerBytes;
  auto client = HttpClient::make(std::move(config));
  if (!client) return client.error();
  return std::unique_ptr<QueueWatch>(new QueueWatch(std::move(*client), std::move(*request)));
}

QueueWatch::QueueWatch(std::shared_ptr<const HttpClient> client, ClientRequest request)
    : client_(std::move(client)),
      request_(std::move(request)),
      thread_([this](const std::stop_token& stop) { watch(stop); }) {}

QueueWatch::~QueueWatch() {
  thread_.request_stop();
  {
    MutexLock lock(mutex_);
    stop_ = true;
  }
  stopped_.notify_all();
}

QueueReport QueueWatch::report() const {
  MutexLock lock(mutex_);
  return report_;
}

void QueueWatch::watch(const std::stop_token& stop) {
  Duration pause = kFirstLook;
  while (!stop.stop_requested()) {
    {
      MutexLock lock(mutex_);
      const MonoTime until = machine_now() + pause;
      while (!stop_ && machine_now() < until) stopped_.wait_for(mutex_, until - machine_now());
      if (stop_) return;
    }
    look(stop);
    pause = std::min<Duration>(2 * pause, kRareLook);
  }
}

void QueueWatch::look(const std::stop_token& stop) {
  const HttpOutcome outcome = client_->send(request_, machine_now() + kAnswerTime, stop);
  if (stop.stop_requested()) return;
  QueueReport report = this->report();
  const bool first = !std::exchange(report.asked, true);
  const std::string before = std::exchange(report.failure, failure_of(outcome));
  if (report.failure.empty()) {
    auto found = find_lossy_settings(outcome.answer.body);
    if (found) {
      report.problems = found->size();
      tell({found->begin(), found->end()});
    } else {
      report.failure = "the management API's answer " + found.error().what;
    }
  }
  if (!report.failure.empty() && (first || report.failure != before))
    log(LogLevel::warn, "server", "the settings of queues are not known", {{"reason", report.failure}});
  MutexLock lock(mutex_);
  report_ = std::move(report);
}

void QueueWatch::tell(std::set<std::string> found) {
  std::size_t lines = 0;
  for (const std::string& one : found) {
    if (!told_.contains(one) && ++lines <= kLinesAtOnce)
      log(LogLevel::error, "server", "a queue in the broker loses messages", {{"setting", one}});
  }
  for (const std::string& one : told_) {
    if (!found.contains(one) && ++lines <= kLinesAtOnce)
      log(LogLevel::info, "server", "a setting that lost messages is gone", {{"setting", one}});
  }
  told_ = std::move(found);
}

}  // namespace duly
