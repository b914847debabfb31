// Submits a command for in a second, and waits for its end:  hello [SERVER [AMQP_URL]]
//
// With the URL of a broker it publishes one more by message.
#include <duly/client.h>
#include <duly/publisher.h>

#include <iostream>

namespace {

using namespace std::chrono_literals;
namespace client = duly::client;

int fail(const client::Error& error) {
  std::cerr << error.message << "\n";
  // Nobody knows whether it was applied: the same again under the same key is one command.
  if (error.kind == client::ErrorKind::unknown)
    std::cerr << "to try again: key " << error.idempotency_key << "\n";
  return 1;
}

int submit_and_wait(const client::Client& duly) {
  client::CommandSpec command;
  command.type = "builtin.echo";
  command.payload = R"({"hello": "world"})";
  command.delay = 1s;
  const auto submitted = duly.submit(command);
  if (!submitted) return fail(submitted.error());
  std::cout << submitted->id << " is on disk\n";

  const auto end = duly.wait(submitted->id, 60s);
  if (!end) return fail(end.error());
  std::cout << end->state << ", result " << end->result << "\n";
  return end->succeeded() ? 0 : 1;
}

int publish(const std::string& amqp) {
  client::PublisherOptions options;
  options.amqp = amqp;
  const auto publisher = client::SubmitPublisher::make(options);
  if (!publisher) return fail(publisher.error());
  client::Message message;
  message.type = "builtin.echo";
  message.payload = R"({"hello": "by message"})";
  const auto id = publisher->publish(message);
  if (!id) return fail(id.error());
  std::cout << "message " << *id << " is confirmed\n";
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  client::Options options;
  if (argc > 1) options.server = argv[1];
  const auto duly = client::Client::make(options);
  if (!duly) return fail(duly.error());
  const int done = submit_and_wait(*duly);
  return done == 0 && argc > 2 ? publish(argv[2]) : done;
}
