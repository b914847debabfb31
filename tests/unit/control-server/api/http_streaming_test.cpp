// Answers without an end, over real sockets.
#include <future>
#include <semaphore>

#include "tests/unit/control-server/api/raw_client.h"

namespace duly::testing {
namespace {

// Hands out one stream, and says what becomes of it.
struct Streamer {
  std::shared_ptr<HttpStream> stream;  // loop thread
  std::counting_semaphore<> left{0};   // pieces that are with the kernel
  std::promise<void> closed;

  void operator()(const HttpRequest& request, const Respond& respond) {
    if (request.target != "/stream") return respond({200, "ok"});
    HttpResponse response;
    response.content_type = "text/event-stream";
    response.body = "not sent";
    response.stream = [this](const std::shared_ptr<HttpStream>& begun) {
      stream = begun;
      stream->sent = [this] { left.release(); };
      stream->closed = [this] { closed.set_value(); };
    };
    respond(std::move(response));
  }
  bool is_closed() { return closed.get_future().wait_for(seconds{5}) == std::future_status::ready; }
};

struct StreamWorld {
  explicit StreamWorld(HttpConfig config = {})
      : edge(std::move(config), [this](const HttpRequest& r, const Respond& a) { streamer(r, a); }) {}
  // On the loop's thread, and done when it returns.
  void run(const std::function<void()>& task) {
    std::promise<void> done;
    edge.loop().post([&] {
      task();
      done.set_value();
    });
    done.get_future().wait();
  }
  // A stream takes the next piece when the one before has left it; the head is the first.
  void send(const std::string& piece) {
    REQUIRE(streamer.left.try_acquire_for(seconds{5}));
    run([&] { streamer.stream->send(piece); });
  }
  Streamer streamer;
  Edge edge;
};

constexpr std::string_view kStreamRequest = "GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n";

std::string begin_stream(RawClient& client) {
  client.send(kStreamRequest);
  return client.until("\r\n\r\n");
}

}  // namespace

TEST_CASE("a stream has a head without a length, and then what is sent, piece by piece") {
  StreamWorld w;
  RawClient client(w.edge.port());
  const std::string head = begin_stream(client);
  CHECK(status_of(head) == 200);
  CHECK(head.find("Content-Type: text/event-stream\r\n") != std::string::npos);
  CHECK(head.find("Cache-Control: no-store\r\n") != std::string::npos);
  CHECK(head.find("Connection: close\r\n") != std::string::npos);
  CHECK(head.find("X-Request-Id: ") != std::string::npos);
  CHECK(head.find("Content-Length") == std::string::npos);
  w.send("one\n\n");
  CHECK(client.until("\n\n") == "one\n\n");
  const std::string large(1U << 20, 'a');
  w.send(large + "\n\n");
  CHECK(client.until("\n\n") == large + "\n\n");
  CHECK(w.streamer.left.try_acquire_for(seconds{5}));
}

TEST_CASE("a stream outlives every deadline of requests, and ends when it is told to") {
  HttpConfig config;
  config.answer_time = config.write_time = config.idle_time = config.header_time = milliseconds{60};
  StreamWorld w(config);
  RawClient client(w.edge.port());
  CHECK(status_of(begin_stream(client)) == 200);
  std::promise<void> later;
  w.edge.loop().post(
      [&] { w.edge.loop().at(w.edge.loop().now() + milliseconds{300}, [&] { later.set_value(); }); });
  later.get_future().wait();
  w.send("still there\n\n");
  CHECK(client.until("\n\n") == "still there\n\n");
  w.run([&] { w.streamer.stream->end(); });
  CHECK(client.closed());
  CHECK(w.streamer.is_closed());
  w.run([&] { w.streamer.stream->send("nobody there"); });
}

TEST_CASE("a connection that carries a stream answers nothing else") {
  StreamWorld w;
  RawClient client(w.edge.port());
  client.send(std::string(kStreamRequest) + "GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
  CHECK(status_of(client.until("\r\n\r\n")) == 200);
  client.send("GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n");
  w.send("only this\n\n");
  CHECK(client.until("\n\n") == "only this\n\n");
  RawClient other(w.edge.port());
  CHECK(body_of(other.ask("GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")) == "ok");
}

TEST_CASE("a client that leaves its stream is noticed") {
  StreamWorld w;
  {
    RawClient client(w.edge.port());
    CHECK(status_of(begin_stream(client)) == 200);
  }
  CHECK(w.streamer.is_closed());
  w.run([&] { CHECK(w.edge.server().connection_count() == 0); });
}

TEST_CASE("a client that does not take what it is given is let go, and costs one piece meanwhile") {
  HttpConfig config;
  config.stream_write_time = milliseconds{200};
  StreamWorld w(config);
  RawClient client(w.edge.port());
  CHECK(status_of(begin_stream(client)) == 200);
  w.send(std::string(64U << 20, 'a'));  // more than the kernel holds
  CHECK(w.streamer.is_closed());
}

TEST_CASE("a piece that is on its way when a stream ends comes whole, and nothing after it") {
  StreamWorld w;
  RawClient client(w.edge.port());
  CHECK(status_of(begin_stream(client)) == 200);
  const std::string large(16U << 20, 'a');  // more than the kernel holds: the client reads only after the end
  w.send(large + "\n\n");
  std::promise<void> stopped;
  w.run([&] {
    w.streamer.stream->end();
    w.streamer.stream->end();
    w.streamer.stream->send("too late\n\n");
    w.edge.server().stop([&] { stopped.set_value(); });
  });
  CHECK((client.until("\n\n") == large + "\n\n"));
  CHECK(client.closed());
  CHECK(stopped.get_future().wait_for(seconds{5}) == std::future_status::ready);
  CHECK(w.streamer.is_closed());
}

TEST_CASE("who does not take the last piece of a stream holds its end up for a bounded time") {
  HttpConfig config;
  config.linger_time = milliseconds{200};
  StreamWorld w(config);
  RawClient client(w.edge.port());
  CHECK(status_of(begin_stream(client)) == 200);
  w.send(std::string(64U << 20, 'a'));
  w.run([&] { w.streamer.stream->end(); });
  CHECK(w.streamer.is_closed());
}

TEST_CASE("a stop ends streams at once") {
  StreamWorld w;
  RawClient client(w.edge.port());
  CHECK(status_of(begin_stream(client)) == 200);
  std::promise<void> stopped;
  w.edge.loop().post([&] { w.edge.server().stop([&] { stopped.set_value(); }); });
  CHECK(client.closed());
  CHECK(stopped.get_future().wait_for(seconds{2}) == std::future_status::ready);
  CHECK(w.streamer.is_closed());
}

}  // namespace duly::testing
