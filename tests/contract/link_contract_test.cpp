// The rules that every Link keeps: run against the simulated network, against TCP, and under TLS.
#include "tests/contract/link_contract.h"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include "tests/lib/authority.h"
#include "tests/sim/base/sim_link.h"

namespace duly {
namespace {

class SimWorld final : public LinkWorld {
 public:
  SimWorld() {
    net_.listen([this](std::unique_ptr<Link> link) { accepted = std::move(link); });
  }
  LinkConnector connector() override { return net_.connector("a"); }
  bool until(const std::function<bool()>& done) override {
    while (!done() && loop_.run_one()) {}
    return done();
  }
  void settle() override { loop_.run_for(seconds{1}); }

 private:
  sim::SimLoop loop_;
  sim::SimNet net_{loop_, 1};
};

// Each side shows a certificate of the same authority.
class TlsWorld {
 public:
  AsioWorld& world() { return world_; }

 private:
  testing::Authority authority_{"the authority"};
  testing::IssuedFiles server_ = authority_.issue("IP:127.0.0.1");
  testing::IssuedFiles agent_ = authority_.issue("DNS:a");
  AsioWorld world_{tls_for_server({server_.certificate, server_.key, authority_.file()}).value(), [this] {
                     return tls_for_client({agent_.certificate, agent_.key, authority_.file()}).value();
                   }};
};

}  // namespace

TEST_CASE("a link of the simulated network keeps the rules") {
  SimWorld world;
  keeps_the_rules(world);
}

TEST_CASE("a link of the simulated network is destroyed safely") {
  SimWorld world;
  is_destroyed_safely(world);
}

TEST_CASE("a link over TCP keeps the rules") {
  AsioWorld world;
  keeps_the_rules(world);
}

TEST_CASE("a link over TCP is destroyed safely") {
  AsioWorld world;
  is_destroyed_safely(world);
}

TEST_CASE("a link under TLS keeps the rules") {
  TlsWorld tls;
  keeps_the_rules(tls.world());
}

TEST_CASE("a link under TLS is destroyed safely") {
  TlsWorld tls;
  is_destroyed_safely(tls.world());
}

TEST_CASE("bytes that are no frame end their own connection, once, and no other") {
  AsioWorld world;
  End client, server;
  connect(world, client, server);
  boost::asio::ip::tcp::socket raw(world.loop().context());
  raw.connect({boost::asio::ip::make_address("127.0.0.1"), world.port()});
  REQUIRE(world.until([&] { return world.accepted != nullptr; }));
  End attacked;
  attacked.start(std::move(world.accepted));
  const std::string good = encode_frame(frame(1));
  boost::asio::write(raw, boost::asio::buffer(good + "GET / HTTP/1.1\r\n\r\n" + good));
  REQUIRE(world.until([&] { return !attacked.closed.empty(); }));
  world.settle();
  CHECK(attacked.closed.size() == 1);
  CHECK(attacked.frames == std::vector{frame(1)});
  client.link->send(frame(2));
  CHECK(world.until([&] { return server.frames.size() == 1; }));
  CHECK(server.closed.empty());
}

TEST_CASE("a peer that does not read is given up when too much is unsent") {
  AsioWorld world;
  End client;
  std::unique_ptr<Link> made;
  world.connector()([&](std::unique_ptr<Link> link, const std::string&) { made = std::move(link); });
  REQUIRE(world.until([&] { return made && world.accepted; }));
  client.start(std::move(made));
  const Frame large{"{}", std::string(8U << 20, 'x')};
  const std::size_t enough = limits::kLinkSendBytes / large.bytes.size() + 2;
  for (std::size_t i = 0; i < enough; ++i) client.link->send(large);
  CHECK(client.closed.empty());  // never inside send()
  REQUIRE(world.until([&] { return !client.closed.empty(); }));
  client.link->send(large);
  world.settle();
  CHECK(client.closed.size() == 1);
}

TEST_CASE("a connector says why there is no link, once, and tries the next address the next time") {
  AsioWorld world;
  const std::uint16_t port = world.port();
  const std::uint16_t nobody = 1;  // needs root to listen on
  const auto connector =
      asio_connector(world.loop(), {{"127.0.0.1", nobody}, {"127.0.0.1", port}}, seconds{10});
  std::vector<std::string> errors;
  std::unique_ptr<Link> made;
  const auto done = [&](std::unique_ptr<Link> link, const std::string& error) {
    errors.push_back(error);
    made = std::move(link);
  };
  connector(done);
  CHECK(errors.empty());  // never inside the call
  REQUIRE(world.until([&] { return errors.size() == 1; }));
  CHECK_FALSE(errors[0].empty());
  CHECK(made == nullptr);
  connector(done);
  REQUIRE(world.until([&] { return errors.size() == 2; }));
  CHECK(errors[1].empty());
  CHECK(made != nullptr);
}

}  // namespace duly
