#include <map>
#include <memory>
#include <optional>

#include "cli/requests.h"
#include "common/model/limits.h"

namespace duly::cli {
namespace {

struct DeliverFlags {
  std::optional<std::string> exchange;
  std::optional<std::string> routing_key;
  std::vector<std::string> headers;
};

struct SubmitFlags {
  std::string type;
  std::string payload;
  std::string queue;
  std::optional<std::int64_t> delay_ms;
  std::string due_at;
  std::optional<int> priority;
  std::string key;
  std::vector<std::string> labels;
  std::vector<std::string> depends_on;
  std::optional<int> max_attempts;
  std::optional<std::int64_t> timeout_ms;
  std::string expires_at;
  std::string on_lost;
  DeliverFlags deliver;
  std::string idempotency_key;
  std::string callback_url;
  std::optional<std::int64_t> wait_ms;
  bool quiet = false;
};

// Null when executors are to run it.  One of the two is enough: the other is then empty, which is the default
// exchange, or the routing key that a fanout does not look at.
Result<Json> delivery_of(const DeliverFlags& flags) {
  if (!flags.exchange && !flags.routing_key) {
    if (!flags.headers.empty())
      return invalid("--deliver-header needs --deliver-exchange or --deliver-routing-key");
    return Json();
  }
  Json delivery{{"exchange", flags.exchange.value_or("")}, {"routing_key", flags.routing_key.value_or("")}};
  auto headers = read_pairs("--deliver-header", flags.headers);
  if (!headers) return headers.error();
  if (!headers->empty()) delivery["headers"] = std::move(*headers);
  return delivery;
}

Result<std::string> request_body(const SubmitFlags& flags) {
  Json body{{"type", flags.type}};
  if (!flags.queue.empty()) body["queue"] = flags.queue;
  if (flags.delay_ms) body["delay_ms"] = *flags.delay_ms;
  if (!flags.due_at.empty()) body["due_at"] = flags.due_at;
  if (flags.priority) body["priority"] = *flags.priority;
  if (!flags.key.empty()) body["key"] = flags.key;
  if (!flags.depends_on.empty()) body["depends_on"] = flags.depends_on;
  if (flags.max_attempts) body["retry"] = {{"max_attempts", *flags.max_attempts}};
  if (!flags.callback_url.empty()) body["callback_url"] = flags.callback_url;
  if (flags.timeout_ms) body["timeout_ms"] = *flags.timeout_ms;
  if (!flags.expires_at.empty()) body["expires_at"] = flags.expires_at;
  if (!flags.on_lost.empty()) body["on_lost"] = flags.on_lost;
  auto labels = read_labels(flags.labels);
  if (!labels) return labels.error();
  if (!labels->empty()) body["labels"] = std::move(*labels);
  auto delivery = delivery_of(flags.deliver);
  if (!delivery) return delivery.error();
  if (!delivery->is_null()) body["deliver"] = std::move(*delivery);
  std::string text = dump_json(body);
  if (flags.payload.empty()) return text;

  const auto payload = payload_text(flags.payload);
  if (!payload) return payload.error();
  // As text, not as a value: a payload is passed on byte for byte.
  text.pop_back();
  return text + ",\"payload\":" + *payload + "}";
}

int show_command(const Session& session, const Answer& answer) {
  if (session.json()) {
    print_line(answer.text);
    return kDone;
  }
  Table table(command_columns());
  table.add(answer.body);
  table.flush(stdout);
  return kDone;
}

int wait_and_show(const Session& session, Api& api, const Answer& accepted, std::int64_t wait_ms) {
  const auto id = accepted.body.is_object() ? accepted.body.find("id") : accepted.body.end();
  if (id == accepted.body.end() || !id->is_string())
    return report({Errc::fatal, "the server's answer has no id"});
  const auto ended = wait_for_end(api, id->get<std::string>(), milliseconds{wait_ms},
                                  milliseconds{limits::kWaitMs}, [](const Answer&) {});
  if (!ended) return report(ended.error());
  if (!ended->good()) return report_problem(*ended);
  show_command(session, *ended);
  if (!has_ended(ended->body))
    std::fprintf(stderr, "duly: it has not ended within %lld ms\n", (long long)wait_ms);
  return has_succeeded(ended->body) ? kDone : kFailed;
}

int submit(const Session& session, const SubmitFlags& flags) {
  const auto body = request_body(flags);
  if (!body) return report(body.error());
  return with_api(session, [&](Api& api) {
    Request request{.method = "POST", .path = "/v1/commands", .body = *body};
    if (!flags.idempotency_key.empty())
      request.headers.emplace_back("Idempotency-Key", flags.idempotency_key);
    const auto answer = api.send(request);
    if (!answer) return report(answer.error());
    if (!answer->good()) return report_problem(*answer);
    if (flags.wait_ms) return wait_and_show(session, api, *answer, *flags.wait_ms);
    if (flags.quiet && answer->body.is_object()) {
      print_line(cell_text(answer->body.value("id", Json())));
      return kDone;
    }
    return show_command(session, *answer);
  });
}

void add_due_flags(CLI::App* command, SubmitFlags& flags) {
  CLI::Option* delay = command->add_option("--delay-ms", flags.delay_ms, "due in so many milliseconds");
  command->add_option("--due-at", flags.due_at, "due at this instant (RFC 3339)")->excludes(delay);
  command->add_option("--expires-at", flags.expires_at, "not started by this instant: expired");
  command
      ->add_option("--depends-on", flags.depends_on,
                   "run only after this command has succeeded (cmd_…), repeatable")
      ->type_name("ID")
      ->allow_extra_args(false);
}

void add_attempt_flags(CLI::App* command, SubmitFlags& flags) {
  command->add_option("--max-attempts", flags.max_attempts, "attempts before it is dead");
  command->add_option("--timeout-ms", flags.timeout_ms, "limit of one attempt");
  command->add_option("--on-lost", flags.on_lost, "after an attempt whose executor vanished: retry, or dead")
      ->check(CLI::IsMember({"retry", "dead"}));
}

void add_deliver_flags(CLI::App* command, DeliverFlags& flags) {
  command
      ->add_option("--deliver-exchange", flags.exchange,
                   "publish it to this exchange when it is due; nobody executes it")
      ->type_name("NAME");
  command
      ->add_option("--deliver-routing-key", flags.routing_key,
                   "with this routing key; without an exchange, to the queue of this name")
      ->type_name("KEY");
  command->add_option("--deliver-header", flags.headers, "NAME=VALUE of the message, repeatable")
      ->allow_extra_args(false);
}

}  // namespace

void add_submit(CLI::App& app, Session& session) {
  const auto flags = std::make_shared<SubmitFlags>();
  CLI::App* command = app.add_subcommand("submit", "Submit one command");
  command->add_option("TYPE", flags->type, "names the handler")->required();
  command->add_option("--payload", flags->payload, "JSON, @FILE, or - for standard input")->type_name("JSON");
  command->add_option("--queue", flags->queue, "queue")->type_name("NAME");
  add_due_flags(command, *flags);
  command->add_option("--priority", flags->priority, "0 (last) to 9 (first)")
      ->check(CLI::Range(0, limits::kPriority));
  command->add_option("--key", flags->key, "commands with one key run one at a time, in order");
  command->add_option("--label", flags->labels, "NAME=VALUE, repeatable")->allow_extra_args(false);
  add_attempt_flags(command, *flags);
  add_deliver_flags(command, flags->deliver);
  command->add_option("--idempotency-key", flags->idempotency_key,
                      "the same key again makes no second command");
  command->add_option("--callback-url", flags->callback_url, "tell this URL of its end (a signed POST)")
      ->type_name("URL");
  command->add_option("--wait", flags->wait_ms, "wait up to so many milliseconds for its end")
      ->type_name("MS")
      ->check(CLI::NonNegativeNumber);
  command->add_flag("--quiet,-q", flags->quiet, "print its id alone");
  command->callback([flags, &session] { session.exit_code = submit(session, *flags); });
}

}  // namespace duly::cli
