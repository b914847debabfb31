// The rules that every Link keeps, and the worlds they are run in.
#pragma once

#include <catch2/catch.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "common/link/asio_link.h"
#include "common/model/limits.h"

namespace duly {

// Two ends of one connection, and a way to let their loop run.
class LinkWorld {
 public:
  virtual ~LinkWorld() = default;
  virtual LinkConnector connector() = 0;
  // Runs the loop until `done`, or for a time that is long for the test; whether it came.
  virtual bool until(const std::function<bool()>& done) = 0;
  // Runs the loop for long enough that what was on its way has arrived.
  virtual void settle() = 0;

  std::unique_ptr<Link> accepted;
};

class AsioWorld final : public LinkWorld {
 public:
  // Without these in clear text.
  explicit AsioWorld(TlsContext server = nullptr, TlsSource client = {}) : client_(std::move(client)) {
    const auto take = [this](std::unique_ptr<Link> link) { accepted = std::move(link); };
    listener_ = AsioListener::open(loop_, "127.0.0.1", 0, take, std::move(server)).value();
  }
  ~AsioWorld() override {
    accepted.reset();
    listener_.reset();
    loop_.context().poll();
  }
  LinkConnector connector() override {
    return asio_connector(loop_, {{"127.0.0.1", listener_->port()}}, seconds{10}, client_);
  }
  bool until(const std::function<bool()>& done) override {
    const MonoTime limit = loop_.now() + seconds{20};
    while (!done() && loop_.now() < limit) loop_.context().run_one_for(milliseconds{100});
    return done();
  }
  void settle() override {
    while (loop_.context().run_one_for(milliseconds{50}) > 0) {}
  }
  AsioLoop& loop() { return loop_; }
  AsioListener& listener() { return *listener_; }
  [[nodiscard]] std::uint16_t port() const { return listener_->port(); }

 private:
  AsioLoop loop_;
  TlsSource client_;
  std::unique_ptr<AsioListener> listener_;
};

// What one end hears.
struct End {
  void start(std::unique_ptr<Link> made) {
    link = std::move(made);
    link->start({[this](Frame frame) { frames.push_back(std::move(frame)); },
                 [this](const std::string& reason) { closed.push_back(reason); }});
  }
  std::unique_ptr<Link> link;
  std::vector<Frame> frames;
  std::vector<std::string> closed;
};

inline void connect(LinkWorld& world, End& client, End& server) {
  std::unique_ptr<Link> made;
  world.connector()([&](std::unique_ptr<Link> link, const std::string& error) {
    CHECK(error.empty());
    made = std::move(link);
  });
  REQUIRE(world.until([&] { return made && world.accepted; }));
  client.start(std::move(made));
  server.start(std::move(world.accepted));
}

inline Frame frame(int number) { return {"{\"n\":" + std::to_string(number) + "}", std::string(3, '\0')}; }

inline void keeps_the_rules(LinkWorld& world) {
  End client, server;
  connect(world, client, server);

  SECTION("frames arrive whole and in order, in both directions") {
    std::vector<Frame> sent;
    for (int i = 0; i < 500; ++i) {
      sent.push_back(frame(i));
      client.link->send(sent.back());
      server.link->send(sent.back());
    }
    CHECK((server.frames.empty() && client.frames.empty()));  // never inside send()
    REQUIRE(world.until([&] { return server.frames.size() == 500 && client.frames.size() == 500; }));
    CHECK(server.frames == sent);
    CHECK(client.frames == sent);
  }
  SECTION("a frame of 8 MiB arrives as it was sent, and its neighbours with it") {
    std::string bytes(8U << 20, '\0');
    for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 31 >> 3);
    client.link->send(frame(1));
    client.link->send({"{}", bytes});
    client.link->send(frame(2));
    REQUIRE(world.until([&] { return server.frames.size() == 3; }));
    CHECK(server.frames[1].bytes == bytes);
    CHECK(server.frames[2] == frame(2));
  }
  SECTION("the peer sees a close once, and the one who closed hears nothing more") {
    server.link->send(frame(1));
    client.link->close("done");
    client.link->close("again");
    REQUIRE(world.until([&] { return !server.closed.empty(); }));
    server.link->send(frame(2));
    client.link->send(frame(3));
    world.settle();
    CHECK(server.closed.size() == 1);
    CHECK((client.frames.empty() && client.closed.empty() && server.frames.empty()));
  }
}

inline void is_destroyed_safely(LinkWorld& world) {
  End client, server;
  connect(world, client, server);

  SECTION("the peer sees the destruction of a link as well") {
    client.link.reset();
    REQUIRE(world.until([&] { return !server.closed.empty(); }));
    world.settle();
    CHECK(server.closed.size() == 1);
    CHECK(client.closed.empty());
  }
  SECTION("an end may be destroyed inside its own event, and other connections go on") {
    std::unique_ptr<Link> made;
    world.connector()([&](std::unique_ptr<Link> link, const std::string&) { made = std::move(link); });
    REQUIRE(world.until([&] { return made && world.accepted; }));
    int heard = 0;
    made->start({[&](const Frame&) {
                   ++heard;
                   made.reset();
                 },
                 [&](const std::string&) { ++heard; }});
    End peer;
    peer.start(std::move(world.accepted));
    peer.link->send(frame(1));
    peer.link->send(frame(2));
    REQUIRE(world.until([&] { return !peer.closed.empty(); }));
    CHECK(heard == 1);
    client.link->send(frame(3));
    CHECK(world.until([&] { return server.frames.size() == 1; }));
  }
}

}  // namespace duly
