// What the client library promises, asked of a real server:  consumer SERVER AMQP_URL DEAD_SERVER
// BARE_AMQP_URL
//
// Nobody listens at the dead server; no Duly server has been at the bare broker.//
// Each line of `check` that does not hold is named, and the exit code says how many there were.
#include <duly/client.h>
#include <duly/publisher.h>

#include <iostream>
#include <string>
#include <thread>

namespace {

using namespace std::chrono_literals;
using namespace duly::client;

int g_failed = 0;

void check(bool holds, const std::string& what) {
  if (holds) return;
  ++g_failed;
  std::cerr << "FAILED: " << what << "\n";
}

template <class T>
bool good(const Result<T>& result, const std::string& what) {
  if (!result) std::cerr << what << ": " << result.error().message << "\n";
  check(result.ok(), what);
  return result.ok();
}

template <class T>
void check_error(const Result<T>& result, ErrorKind kind, const std::string& what) {
  check(!result && result.error().kind == kind, what);
}

CommandSpec echo(const std::string& payload) {
  CommandSpec command;
  command.type = "builtin.echo";
  command.payload = payload;
  return command;
}

void one_command(const Client& duly) {
  CommandSpec command = echo("{ \"a\" :1}");
  command.labels = {{"made", "by \"hand\""}};
  command.retry = Retry{};
  command.timeout = 30s;
  command.due_at = std::chrono::system_clock::now() + 50ms;
  const auto submitted = duly.submit(command);
  if (!good(submitted, "submit")) return;
  check(!submitted->replayed && !submitted->idempotency_key.empty(), "a new command has a key of its own");
  const auto end = duly.wait(submitted->id, 60s);
  if (!good(end, "wait")) return;
  check(end->ended() && end->succeeded(), "it has succeeded");
  check(end->result == "{ \"a\" :1}", "the result is the payload, byte for byte: " + end->result);
  check(end->json.find("by \\\"hand\\\"") != std::string::npos, "the label is there");
  command.idempotency_key = submitted->idempotency_key;
  const auto again = duly.submit(command);
  if (good(again, "submit again"))
    check(again->replayed && again->id == submitted->id, "one key, one command");
  check_error(duly.cancel(submitted->id), ErrorKind::conflict, "what has ended cannot be cancelled");
}

void many(const Client& duly) {
  std::vector<CommandSpec> commands(200, echo("[1,2]"));
  commands[7].delay = 24h;
  const auto submitted = duly.submit_all(commands);
  if (!good(submitted, "submit_all")) return;
  check(submitted->size() == commands.size(), "as many as were sent");
  check((*submitted)[0].id != (*submitted)[1].id, "each is a command of its own");
  check(duly.wait((*submitted)[199].id, 60s)->succeeded(), "the last of them ends");
  const std::string late = (*submitted)[7].id;
  check(!duly.wait(late, 10ms)->ended(), "a wait that is over tells how it is");
  const auto cancelled = duly.cancel(late);
  if (good(cancelled, "cancel")) check(cancelled->state == "cancelled", "it is cancelled");
}

void redriven(const Client& duly) {
  CommandSpec command;
  command.type = "builtin.fail";
  command.payload = R"({"times": 1})";
  command.retry = Retry{};
  command.retry->max_attempts = 1;
  const auto submitted = duly.submit(command);
  if (!good(submitted, "submit what fails")) return;
  check(duly.wait(submitted->id, 60s)->state == "dead", "it is dead");
  if (!good(duly.redrive(submitted->id), "redrive")) return;
  check(duly.wait(submitted->id, 60s)->succeeded(), "its second set of attempts succeeds");
}

void schedules(const Client& duly) {
  const auto document = [](const std::string& every) {
    return R"({"name": "of-consumer", "every_ms": )" + every +
           R"(, "command": {"type": "builtin.echo", "payload": 1}})";
  };
  if (!good(duly.put_schedule(document("86400000")), "make a schedule")) return;
  if (!good(duly.put_schedule(document("43200000")), "replace it")) return;
  const auto seen = duly.get_schedule("of-consumer");
  if (good(seen, "get it")) check(seen->find("43200000") != std::string::npos, "it is the second version");
  const auto made = duly.trigger_schedule("of-consumer");
  if (good(made, "trigger")) check(duly.wait(made->id, 60s)->succeeded(), "what was triggered runs");
  check(duly.remove_schedule("of-consumer").ok(), "remove");
  check_error(duly.get_schedule("of-consumer"), ErrorKind::not_found, "it is gone");
}

void refusals(const Client& duly) {
  check_error(duly.submit(echo("{")), ErrorKind::invalid, "a payload that is not JSON");
  check_error(duly.submit(echo(R"(1, "queue": "elsewhere")")), ErrorKind::invalid,
              "a payload that brings fields of its own");
  const auto wrong = duly.submit(CommandSpec{});
  check_error(wrong, ErrorKind::invalid, "a command without a type");
  check(
      !wrong && wrong.error().http_status == 400 && wrong.error().message.find("/type") != std::string::npos,
      "the error names the field");
  check_error(duly.get("cmd_0000000000000"), ErrorKind::not_found, "an id nobody has");
  check_error(duly.get("../stats"), ErrorKind::invalid, "an id that is a path");
  const auto stats = duly.request("GET", "/v1/stats", "");
  check(stats && stats->status == 200 && stats->body.front() == '{', "anything else of the API");
}

void nobody_there(const std::string& dead) {
  Options options;
  options.server = dead;
  options.timeout = 300ms;
  const auto duly = Client::make(options);
  if (!good(duly, "make")) return;
  const auto result = duly->submit(echo("1"));
  check_error(result, ErrorKind::unreachable, "a server that is not there");
  check(!result && !result.error().idempotency_key.empty(), "the error has the key");
}

void by_message(const std::string& amqp) {
  PublisherOptions options;
  options.amqp = amqp;
  options.timeout = 60s;
  const auto publisher = SubmitPublisher::make(options);
  if (!good(publisher, "make a publisher")) return;
  std::vector<Message> messages(300);
  for (std::size_t i = 0; i < messages.size(); ++i) {
    messages[i].type = "builtin.echo";
    messages[i].payload = R"({"by": "message"})";
    messages[i].queue = "by-message";
    messages[i].message_id = "of-consumer-" + std::to_string(i);
  }
  messages[3].type.clear();
  std::vector<Result<std::string>> other;
  std::thread second([&] { other = publisher->publish_all(messages); });
  const auto results = publisher->publish_all(messages);
  second.join();
  check(results.size() == messages.size() && other.size() == messages.size(), "a result for each message");
  for (std::size_t i = 0; i < results.size(); ++i) {
    check((i != 3) == results[i].ok(), "message " + std::to_string(i) + " is confirmed, or refused");
    if (results[i].ok()) check(*results[i] == messages[i].message_id, "under its own id");
  }
}

void no_exchange(const std::string& amqp) {
  PublisherOptions options;
  options.amqp = amqp;
  options.timeout = 60s;
  const auto publisher = SubmitPublisher::make(options);
  if (!good(publisher, "make a publisher")) return;
  Message message;
  message.type = "builtin.echo";
  const auto result = publisher->publish(message);
  check_error(result, ErrorKind::unreachable, "a broker without the exchange");
  check(!result && !result.error().idempotency_key.empty(), "the error has the message id");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) return 2;
  Options options;
  options.server = argv[1];
  auto made = Client::make(options);
  if (!good(made, "make")) return 1;
  const Client duly = std::move(*made);
  one_command(duly);
  many(duly);
  redriven(duly);
  schedules(duly);
  refusals(duly);
  nobody_there(argv[3]);
  by_message(argv[2]);
  no_exchange(argv[4]);
  std::cout << (g_failed == 0 ? "all holds" : "something does not hold") << "\n";
  return g_failed == 0 ? 0 : 1;
}
