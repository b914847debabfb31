// Commands by message: published to the exchange duly.submit, with the broker's confirm.
//
// A confirmed message is in RabbitMQ's durable queue, and becomes a command when the server takes it from
// there, also when the server is down just now.  What the server cannot understand is parked in duly.dead
// with the reason: a message gets no answer.  Use Client where you need one. Nothing is declared: the
// exchange is there once a server has been started on this broker. Threads.  One SubmitPublisher serves any
// number of threads; it keeps one connection, on a thread of its own, and opens it again when it breaks.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <duly/export.h>
#include <duly/result.h>

namespace duly::client {

struct Message {
  std::string type;     // of the command
  std::string payload;  // any bytes, at most 1 MiB
  std::string content_type = "application/json";
  std::string queue;
  std::optional<std::chrono::milliseconds> delay;               // when; or:
  std::optional<std::chrono::system_clock::time_point> due_at;  // neither = now
  std::optional<int> priority;
  std::string key;
  // To be delivered there when it is due, and run by nobody (docs/delayed-messages.md).  Empty = not.
  std::string deliver_exchange, deliver_routing_key;
  // What makes it one command however often it is published.  Empty: each call makes up one of its own.
  std::string message_id;
};

struct PublisherOptions {
  std::string amqp = "amqp://guest:guest@127.0.0.1:5672/%2f";  // or amqps://
  std::string ca_file;                                         // amqps: who may have signed
  std::string name = "duly-client";                            // as the broker lists the connection
  std::chrono::milliseconds timeout{10'000};                   // to get out, and again for the confirm
};

class DULY_CLIENT_API SubmitPublisher {
 public:
  // Checks the options and begins to connect.
  static Result<SubmitPublisher> make(PublisherOptions options);
  ~SubmitPublisher();
  SubmitPublisher(SubmitPublisher&&) noexcept;
  SubmitPublisher& operator=(SubmitPublisher&&) noexcept;

  // The message id, once the broker has confirmed it.  unknown: publish it again with the id in the Error.
  // unreachable: the broker has no such exchange, or no way from there.
  Result<std::string> publish(const Message& message) const;
  // Many under way at once: far faster than one after the other.  One result each, in their order.
  std::vector<Result<std::string>> publish_all(const std::vector<Message>& messages) const;

 private:
  struct Parts;
  explicit SubmitPublisher(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace duly::client
