#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>
#include <sstream>

#include "agent/handlers/builtins.h"
#include "agent/handlers/process.h"
#include "common/model/limits.h"
#include "tests/unit/agent/handlers/handler_fixture.h"

namespace duly {
namespace {

using test::context_for;
using test::eventually;
using test::read_whole;
using test::TempDirectory;

HandlerResult exec(const Json& payload, std::stop_token stop = {}) {
  const Handler handler =
      make_exec_handler({"/bin/sh", "/usr/bin/yes", "/usr/bin/env", "/bin/cat", "/no/such/program"});
  return run_handler(handler, context_for("builtin.exec", dump_json(payload), std::move(stop)));
}

HandlerResult shell(const std::string& script, std::stop_token stop = {}) {
  return exec({{"program", "/bin/sh"}, {"args", {"-c", script}}}, std::move(stop));
}

Json result_of(const HandlerResult& result) {
  CAPTURE(result.error);
  REQUIRE(result.succeeded);
  auto json = parse_json(*result.result, limits::kJsonDepth);
  REQUIRE(json);
  return *json;
}

TEST_CASE("exit 0 is a success with both outputs") {
  const Json result = result_of(shell("echo out; echo err >&2"));
  CHECK(result == Json{{"exit_code", 0},
                       {"stdout", "out\n"},
                       {"stderr", "err\n"},
                       {"stdout_truncated", false},
                       {"stderr_truncated", false}});
}

TEST_CASE("another exit code is a failure that says so, with the last line of standard error") {
  const auto result = shell("echo first >&2; echo 'no disk' >&2; exit 3");
  CHECK_FALSE(result.succeeded);
  CHECK(result.retryable);
  CHECK(result.error == "/bin/sh exited with 3: no disk");
}

TEST_CASE("exit 100 must not be retried") {
  const auto result = shell("exit 100");
  CHECK_FALSE(result.succeeded);
  CHECK_FALSE(result.retryable);
}

TEST_CASE("a program killed by a signal is a failure that names it") {
  const auto result = shell("kill -KILL $$");
  CHECK(result.retryable);
  CHECK(result.error == "/bin/sh was killed by signal 9 (SIGKILL)");
}

TEST_CASE("a program that is not in the list, or is spelled otherwise, is not run") {
  for (const char* program : {"/bin/true", "sh", "/bin/../bin/sh", "/bin//sh", "/bin/sh ", ""}) {
    const auto result = exec({{"program", program}});
    CHECK_FALSE(result.succeeded);
    CHECK_FALSE(result.retryable);
    CHECK_THAT(result.error, Catch::StartsWith("program "));
  }
}

TEST_CASE("a program that cannot be started is a failure that may be retried") {
  const auto result = exec({{"program", "/no/such/program"}});
  CHECK_FALSE(result.succeeded);
  CHECK(result.retryable);
  CHECK_THAT(result.error, Catch::Contains("No such file"));
}

TEST_CASE("payload errors name the field") {
  CHECK_THAT(exec({{"args", Json::array()}}).error, Catch::Contains("program is missing"));
  CHECK_THAT(exec({{"program", "/bin/sh"}, {"args", "x"}}).error, Catch::Contains("args"));
  CHECK_THAT(exec({{"program", "/bin/sh"}, {"args", {"a", 1}}}).error, Catch::Contains("args[1]"));
  CHECK_THAT(exec({{"program", "/bin/sh"}, {"args", {std::string("a\0b", 3)}}}).error,
             Catch::Contains("args[0]"));
  CHECK_THAT(exec({{"program", "/bin/sh"}, {"stdin", 1}}).error, Catch::Contains("stdin"));
  CHECK_THAT(exec({{"program", "/bin/sh"}, {"shell", true}}).error, Catch::Contains("shell"));
}

TEST_CASE("arguments arrive as they are: no shell looks at them") {
  const Json hostile = {"a b", "; rm -rf /", "$(id)", "`id`", "new\nline", "*", "-n", "", "\"'\\"};
  Json args = {"-c", "printf '%s|' \"$@\"", "name"};
  args.insert(args.end(), hostile.begin(), hostile.end());
  std::string expected;
  for (const Json& each : hostile) expected += each.get<std::string>() + "|";
  CHECK(result_of(exec({{"program", "/bin/sh"}, {"args", args}}))["stdout"] == expected);
}

TEST_CASE("standard input is the field, or empty") {
  const std::string large(300'000, 'x');
  CHECK(result_of(exec({{"program", "/bin/cat"}, {"stdin", "hello"}}))["stdout"] == "hello");
  CHECK(result_of(exec({{"program", "/bin/cat"}}))["stdout"] == "");
  CHECK(result_of(exec({{"program", "/bin/sh"}, {"args", {"-c", "wc -c"}}, {"stdin", large}}))["stdout"] ==
        "300000\n");
  CHECK(result_of(
            exec({{"program", "/bin/sh"}, {"args", {"-c", "exit 0"}}, {"stdin", large}}))["exit_code"] == 0);
}

TEST_CASE("the environment is clean") {
  REQUIRE(::setenv("DULY_API_KEY", "canary", 1) == 0);
  const std::string seen = result_of(exec({{"program", "/usr/bin/env"}}))["stdout"];
  ::unsetenv("DULY_API_KEY");
  CHECK(seen == "PATH=/usr/bin:/bin\nLANG=C.UTF-8\nDULY_COMMAND_ID=" + format_command_id(CommandId{12'345}) +
                    "\nDULY_ATTEMPT=2\nDULY_TYPE=builtin.exec\n");
}

TEST_CASE("a program is told the trace of its command, if there is one") {
  HandlerContext context = context_for("builtin.exec", R"({"program": "/usr/bin/env"})");
  context.traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
  context.tracestate = "a=1";
  const HandlerResult result = make_exec_handler({"/usr/bin/env"})(context);
  REQUIRE(result.succeeded);
  CHECK_THAT(*result.result,
             Catch::Contains("TRACEPARENT=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01") &&
                 Catch::Contains("TRACESTATE=a=1"));
}

TEST_CASE("a program has no descriptor but its three, and default signals") {
  const Descriptor null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const Descriptor leak(::fcntl(null.get(), F_DUPFD, 50));  // without close-on-exec, as a library might
  REQUIRE(leak.get() >= 50);
  struct sigaction ignored {};
  struct sigaction before {};
  ignored.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &ignored, &before);
  const auto result =
      shell("cd /proc/self/fd && echo [0-9]*; grep -E '^Sig(Blk|Ign)|^NoNew' /proc/self/status");
  ::sigaction(SIGPIPE, &before, nullptr);
  std::istringstream lines(result_of(result)["stdout"].get<std::string>());
  std::string descriptors;
  std::getline(lines, descriptors);
  // The shell itself may hold the directory it reads.
  CHECK((descriptors == "0 1 2" || descriptors == "0 1 2 3"));
  std::string rest((std::istreambuf_iterator<char>(lines)), {});
  CHECK(rest == "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\nNoNewPrivs:\t1\n");
}

TEST_CASE("a flood is capped, the rest thrown away, and the flag says so") {
  const Json result = result_of(shell("yes | head -c 3000000; yes | head -c 3000000 >&2"));
  CHECK(result["stdout"].get<std::string>().size() == limits::kExecOutputBytes);
  CHECK(result["stderr"].get<std::string>().size() == limits::kExecOutputBytes);
  CHECK(result["stdout_truncated"] == true);
  CHECK(result["stderr_truncated"] == true);
}

TEST_CASE("output that grows when escaped still fits into a result") {
  const Json result = result_of(shell("head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2"));
  CHECK(result["stdout_truncated"] == true);
  CHECK_FALSE(result["stdout"].get<std::string>().empty());
}

TEST_CASE("output that is not UTF-8 is made so") {
  CHECK(result_of(shell("printf 'a\\377b'"))["stdout"] ==
        "a\xEF\xBF\xBD"
        "b");
}

// The pid in a file that a process of the script has written; 0 until it is there.
pid_t pid_in(const std::string& path) {
  pid_t pid = 0;
  std::istringstream(read_whole(path)) >> pid;
  return pid;
}

// Gone, or a zombie that only waits to be collected.
bool is_gone(pid_t pid) {
  const std::string status = read_whole("/proc/" + std::to_string(pid) + "/status");
  return status.empty() || status.find("State:\tZ") != std::string::npos;
}

TEST_CASE("a cancellation kills the whole group, grandchildren that ignore SIGTERM too") {
  const TempDirectory directory;
  const std::string child =
      "trap '' TERM; echo $$ > " + directory.file("child") + "; while :; do sleep 1; done";
  const std::string script = "trap '' TERM; sh -c '" + std::string("trap \"\" TERM; echo $$ > ") +
                             directory.file("grandchild") + "; while :; do sleep 1; done' & " + child;
  std::stop_source stop;
  std::thread canceller([&] {
    eventually(
        [&] { return pid_in(directory.file("child")) > 0 && pid_in(directory.file("grandchild")) > 0; });
    stop.request_stop();
  });
  const MonoTime begun = machine_now();
  const auto result = shell(script, stop.get_token());
  canceller.join();
  CHECK_FALSE(result.succeeded);
  CHECK(result.retryable);
  CHECK_THAT(result.error, Catch::Contains("SIGKILL") && Catch::Contains("told to stop"));
  CHECK(machine_now() - begun >= kExecGrace);
  REQUIRE(pid_in(directory.file("grandchild")) > 0);
  CHECK(eventually([&] { return is_gone(pid_in(directory.file("grandchild"))); }));
  CHECK(eventually([&] { return is_gone(pid_in(directory.file("child"))); }));
}

TEST_CASE("a program that ends on SIGTERM needs no force, and has not succeeded whatever it says") {
  const TempDirectory directory;
  std::stop_source stop;
  std::thread canceller([&] {
    eventually([&] { return pid_in(directory.file("pid")) > 0; });
    stop.request_stop();
  });
  const auto result =
      shell("trap 'exit 0' TERM; echo $$ > " + directory.file("pid") + "; while :; do sleep 0.05; done",
            stop.get_token());
  canceller.join();
  CHECK_FALSE(result.succeeded);
  CHECK_THAT(result.error, Catch::StartsWith("/bin/sh exited with 0 after it was told to stop"));
}

TEST_CASE("a flood does not hold up a cancellation") {
  std::stop_source stop;
  stop.request_stop();
  const auto result = exec({{"program", "/usr/bin/yes"}}, stop.get_token());
  CHECK_FALSE(result.succeeded);
  CHECK_THAT(result.error, Catch::Contains("SIGTERM"));
}

TEST_CASE("what a program leaves behind in its group ends with it, and does not hold up the result") {
  const TempDirectory directory;
  const Json result = result_of(shell("sleep 3600 & echo $! > " + directory.file("pid") + "; echo done"));
  CHECK(result["stdout"] == "done\n");
  CHECK(eventually([&] { return is_gone(pid_in(directory.file("pid"))); }));
}

TEST_CASE("a program dies with the process that started it") {
  const TempDirectory directory;
  const pid_t agent = ::fork();
  if (agent == 0) {
    ChildSpec spec;
    spec.program = "/bin/sh";
    spec.arguments = {"-c", "echo $$ > " + directory.file("pid") + "; exec sleep 3600"};
    spec.environment = {"PATH=/usr/bin:/bin"};
    const auto end = run_process(spec, 1, {});
    ::_exit(end ? 0 : 1);
  }
  REQUIRE(agent > 0);
  REQUIRE(eventually([&] { return pid_in(directory.file("pid")) > 0; }));
  ::kill(agent, SIGKILL);
  ::waitpid(agent, nullptr, 0);
  CHECK(eventually([&] { return is_gone(pid_in(directory.file("pid"))); }));
}

TEST_CASE("many programs at once, from many threads, each get their own") {
  HandlerRegistry registry;
  registry.add("builtin.exec", make_exec_handler({"/bin/cat"}));
  test::PoolFixture fixture(registry, 8);
  for (std::int64_t id = 1; id <= 60; ++id) {
    const Json payload{{"program", "/bin/cat"}, {"stdin", std::to_string(id)}};
    fixture.run(test::execution_of(id, "builtin.exec", dump_json(payload)));
  }
  for (std::int64_t id = 1; id <= 60; ++id) {
    const auto result = fixture.result({CommandId{id}, 1});
    REQUIRE(result);
    CHECK(result_of(*result)["stdout"] == std::to_string(id));
  }
}

}  // namespace
}  // namespace duly
