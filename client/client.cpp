#include <duly/client.h>
#include <poll.h>

#include <algorithm>
#include <utility>

#include "client/caller.h"
#include "client/chance.h"
#include "client/texts.h"
#include "common/http/http_client.h"
#include "common/model/limits.h"
#include "common/runtime/asio_loop.h"

namespace duly::client {
namespace {

constexpr std::size_t kAnswerBytes = std::size_t{64} << 20;
constexpr milliseconds kLongPoll{30'000};

Error bad_option(const char* name, const std::string& what) {
  return {ErrorKind::invalid, 0, std::string(name) + ": " + what};
}

Error no_such_word(const char* what) {
  return {ErrorKind::invalid, 0, std::string(what) + ": is empty, or holds what no such name has"};
}

Surroundings surroundings(std::shared_ptr<const HttpClient> http) {
  return {[http = std::move(http)](const ClientRequest& request, MonoTime deadline) {
            return http->send(request, deadline, std::stop_token());
          },
          machine_now, [](Duration length) { ::poll(nullptr, 0, static_cast<int>(to_ms(length))); }, chance};
}

// The base of every path: ends with "/".
Result<HttpUrl> server_of(const Options& options) {
  auto url = parse_http_url(options.server);
  if (!url) return bad_option("server", url.error().what);
  if (!url->query.empty()) return bad_option("server", "has a query");
  if (url->path.back() != '/') url->path += '/';
  return std::move(*url);
}

Result<Command> command_of(Result<Reply> reply) {
  if (!reply) return reply.error();
  return read_command(std::move(reply->body));
}

Result<std::string> body_of(Result<Reply> reply) {
  if (!reply) return reply.error();
  return std::move(reply->body);
}

std::string command_path(const std::string& id) { return "/v1/commands/" + id; }
std::string schedule_path(const std::string& name) { return "/v1/schedules/" + name; }

}  // namespace

struct Client::Parts {
  Caller caller;

  [[nodiscard]] Result<Command> fetch(const std::string& id, milliseconds wait) const {
    if (!is_path_word(id)) return no_such_word("id");
    Call call{.path = command_path(id), .repeatable = true};
    if (wait > milliseconds{0}) call.path += "?wait_ms=" + std::to_string(wait.count());
    call.extra = wait;
    return command_of(caller.call(call));
  }

  [[nodiscard]] Result<Command> act(const std::string& id, const char* act) const {
    if (!is_path_word(id)) return no_such_word("id");
    return command_of(caller.call({.method = "POST", .path = command_path(id) + act, .body = "{}"}));
  }
};

Client::Client(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Client::~Client() = default;
Client::Client(Client&&) noexcept = default;
Client& Client::operator=(Client&&) noexcept = default;

Result<Client> Client::make(Options options) {
  auto server = server_of(options);
  if (!server) return server.error();
  const std::string& key = options.api_key;
  if (!key.empty() && !is_key(key)) return bad_option("api_key", "holds what no key has");
  if (options.timeout <= milliseconds{0}) return bad_option("timeout", "must be more than 0");
  if (options.try_timeout <= milliseconds{0}) return bad_option("try_timeout", "must be more than 0");
  // Whoever wrote the server's name here means it, wherever it leads.
  HttpClientConfig config{.ca_file = options.ca_file, .inner_networks = true, .body_bytes = kAnswerBytes};
  auto http = HttpClient::make(std::move(config));
  if (!http) return bad_option("ca_file", http.error().what);
  CallerConfig caller{std::move(*server), options.api_key, options.timeout, options.try_timeout};
  return Client(std::unique_ptr<Parts>(new Parts{Caller(std::move(caller), surroundings(std::move(*http)))}));
}

Result<Submitted> Client::submit(const CommandSpec& command) const {
  CommandSpec keyed = command;
  if (keyed.idempotency_key.empty()) keyed.idempotency_key = new_key();
  const auto text = command_text(keyed);
  if (!text) return text.error();
  auto reply = parts_->caller.call({.method = "POST",
                                    .path = "/v1/commands",
                                    .body = *text,
                                    .idempotency_key = keyed.idempotency_key,
                                    .repeatable = true});
  Error error;
  if (reply) {
    auto read = read_command(std::move(reply->body));
    if (read) return Submitted{std::move(read->id), reply->replayed, keyed.idempotency_key};
    error = read.error();
  } else {
    error = reply.error();
  }
  error.idempotency_key = keyed.idempotency_key;
  return error;
}

Result<std::vector<Submitted>> Client::submit_all(const std::vector<CommandSpec>& commands) const {
  std::vector<CommandSpec> keyed = commands;
  for (CommandSpec& command : keyed) {
    if (command.idempotency_key.empty()) command.idempotency_key = new_key();
  }
  const auto text = batch_text(keyed);
  if (!text) return text.error();
  const auto reply = parts_->caller.call(
      {.method = "POST", .path = "/v1/commands/batch", .body = *text, .repeatable = true});
  if (!reply) return reply.error();
  return read_batch(reply->body, keyed);
}

Result<Command> Client::get(const std::string& id) const { return parts_->fetch(id, milliseconds{0}); }

Result<Command> Client::wait(const std::string& id, std::chrono::milliseconds limit) const {
  const MonoTime until = parts_->caller.now() + std::max(limit, milliseconds{0});
  for (;;) {
    const auto left = std::chrono::floor<milliseconds>(until - parts_->caller.now());
    auto seen = parts_->fetch(id, std::clamp(left, milliseconds{0}, kLongPoll));
    const bool ended = seen ? seen->ended()
                            : seen.error().kind != ErrorKind::unreachable &&
                                  seen.error().kind != ErrorKind::busy &&
                                  seen.error().kind != ErrorKind::unknown;
    if (ended || parts_->caller.now() >= until) return seen;
  }
}

Result<Command> Client::cancel(const std::string& id) const { return parts_->act(id, "/cancel"); }
Result<Command> Client::redrive(const std::string& id) const { return parts_->act(id, "/retry"); }

Result<std::string> Client::put_schedule(const std::string& document) const {
  const auto name = name_in(document);
  if (!name) return name.error();
  const Call replace{.method = "PUT", .path = schedule_path(*name), .body = document};
  auto replaced = parts_->caller.call(replace);
  if (replaced || replaced.error().kind != ErrorKind::not_found) return body_of(std::move(replaced));
  auto made = parts_->caller.call({.method = "POST", .path = "/v1/schedules", .body = document});
  // Somebody made it in between.
  if (!made && made.error().kind == ErrorKind::conflict) return body_of(parts_->caller.call(replace));
  return body_of(std::move(made));
}

Result<std::string> Client::get_schedule(const std::string& name) const {
  if (!is_path_word(name)) return no_such_word("name");
  return body_of(parts_->caller.call({.path = schedule_path(name), .repeatable = true}));
}

Result<Done> Client::remove_schedule(const std::string& name) const {
  if (!is_path_word(name)) return no_such_word("name");
  const auto reply = parts_->caller.call({.method = "DELETE", .path = schedule_path(name)});
  if (!reply) return reply.error();
  return Done{};
}

Result<Command> Client::trigger_schedule(const std::string& name) const {
  if (!is_path_word(name)) return no_such_word("name");
  return command_of(
      parts_->caller.call({.method = "POST", .path = schedule_path(name) + "/trigger", .body = "{}"}));
}

Result<Answer> Client::request(const std::string& method, const std::string& path,
                               const std::string& body) const {
  if (path.rfind("/v1/", 0) != 0) return bad_option("path", "does not begin with /v1/");
  for (const char* known : {"GET", "POST", "PUT", "DELETE"}) {
    if (method != known) continue;
    auto reply = parts_->caller.once({.method = method, .path = path, .body = body});
    if (!reply) return reply.error();
    return Answer{reply->status, std::move(reply->body)};
  }
  return bad_option("method", "must be GET, POST, PUT or DELETE");
}

}  // namespace duly::client
