#include "tests/contract/rabbit_world.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <vector>

#include "common/amqp/rabbit_broker.h"
#include "common/runtime/asio_loop.h"

namespace duly::test {
namespace {

std::string setting(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr)
    FAIL("this test wants a RabbitMQ node: " << name << " is not set (see CMakeLists.txt)");
  return value;
}

class RabbitWorld final : public BrokerWorld {
 public:
  RabbitWorld() : url_(setting("DULY_TEST_AMQP")), folder_(setting("DULY_TEST_RABBIT_DIR")) {}

  // What a test that failed half-way left behind must not fail the next one.
  ~RabbitWorld() override {
    if (paused_) resume_node();
    if (stopped_) start_node();
    if (blocked_) set_blocked(false);
  }

  std::unique_ptr<Broker> make_broker() override {
    RabbitConfig config;
    config.urls = {url_};
    config.connection_name = "contract-test";
    config.publish_window = kWindow;
    config.publish_deadline = kPublishDeadline;
    config.confirm_deadline = kConfirmDeadline;
    return std::make_unique<RabbitBroker>(loop_, config);
  }

  bool run_until(const std::function<bool()>& done, Duration limit) override {
    const MonoTime end = machine_now() + limit;
    while (!done()) {
      const Duration left = end - machine_now();
      if (left <= Duration{0}) return false;
      loop_.context().restart();
      // A timer, so that an io_context without work waits too.
      boost::asio::steady_timer wake(loop_.context(), std::min<Duration>(left, milliseconds{20}));
      wake.async_wait([](const boost::system::error_code&) {});
      loop_.context().run_one();
    }
    return true;
  }

  std::string fresh_queue() override {
    static int count = 0;
    return "contract-" + std::to_string(::getpid()) + "-" + std::to_string(++count);
  }

  void delete_queue(const std::string& broker_queue) override {
    rabbit("ctl", {"delete_queue", broker_queue});
  }
  void stop_node() override {
    rabbit("kill");
    stopped_ = true;
  }
  void start_node() override {
    rabbit("start", {url_.substr(url_.rfind(':') + 1, url_.rfind('/') - url_.rfind(':') - 1)});
    stopped_ = false;
  }
  void pause_node() override {
    rabbit("pause");
    paused_ = true;
  }
  void resume_node() override {
    rabbit("resume");
    paused_ = false;
  }
  void set_blocked(bool blocked) override {
    rabbit("ctl", {"set_vm_memory_high_watermark", blocked ? "0.000001" : "0.4"});
    blocked_ = blocked;
  }

 private:
  // `rabbit ACTION FOLDER ARGUMENTS...`, quietly, since what it starts must not hold our output open.
  void rabbit(const std::string& action, std::vector<std::string> arguments = {}) const {
    arguments.insert(arguments.begin(), {DULY_SOURCE_DIR "/scripts/lib/rabbit", action, folder_});
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t files;
    ::posix_spawn_file_actions_init(&files);
    ::posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    pid_t child = 0;
    const int failed = ::posix_spawn(&child, argv[0], &files, nullptr, argv.data(), environ);
    ::posix_spawn_file_actions_destroy(&files);
    int status = 0;
    if (failed != 0 || ::waitpid(child, &status, 0) != child || status != 0)
      FAIL("failed: rabbit " << action);
  }

  const std::string url_;
  const std::string folder_;
  bool paused_ = false;
  bool stopped_ = false;
  bool blocked_ = false;
  AsioLoop loop_;
};

}  // namespace

std::unique_ptr<BrokerWorld> make_rabbit_world() { return std::make_unique<RabbitWorld>(); }

}  // namespace duly::test
