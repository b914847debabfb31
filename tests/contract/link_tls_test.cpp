// Who is let in under TLS and who is not, and that those who stall hold up nobody.
#include <sys/stat.h>

#include <array>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/write.hpp>
#include <fstream>

#include "tests/contract/link_contract.h"
#include "tests/lib/authority.h"

namespace duly {
namespace {

using boost::asio::ip::tcp;
using testing::Authority;
using testing::IssuedFiles;

TlsFiles files(const IssuedFiles& issued, const std::string& authorities) {
  return {issued.certificate, issued.key, authorities};
}

// A server that wants certificates of `agents`, and a client of it.
class TlsPair {
 public:
  AsioWorld& serve(const IssuedFiles& shown, const TlsFiles& trust, const std::string& host = "127.0.0.1") {
    client = End();
    server_tls_ = tls_for_server(files(shown, agents.file())).value();
    client_tls_ = tls_for_client(trust).value();
    world_ = std::make_unique<AsioWorld>(server_tls_);
    connector_ =
        asio_connector(world_->loop(), {{host, world_->port()}}, seconds{10}, [this] { return client_tls_; });
    return *world_;
  }
  // The error; empty = connected, and the server has taken it.
  std::string connect() {
    std::string told = "nothing yet";
    client = End();
    std::unique_ptr<Link> made;
    connector_([&](std::unique_ptr<Link> link, const std::string& error) {
      made = std::move(link);
      told = error;
    });
    REQUIRE(world_->until([&] { return told != "nothing yet"; }));
    if (!told.empty()) return told;
    // Of TLS 1.3 the client hears only afterwards that its certificate was not taken.
    client.start(std::move(made));
    REQUIRE(world_->until([&] { return world_->accepted || !client.closed.empty(); }));
    return client.closed.empty() ? "" : client.closed.front();
  }
  void use(const TlsFiles& client_files) { use(tls_for_client(client_files).value()); }
  void use(TlsContext client_tls) { client_tls_ = std::move(client_tls); }

  Authority agents{"agents"}, servers{"servers"};

 private:
  TlsContext server_tls_, client_tls_;
  std::unique_ptr<AsioWorld> world_;
  LinkConnector connector_;

 public:
  End client;  // goes before its loop
};

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string refusal(const Result<TlsContext>& made) { return made ? "taken" : made.error().what; }

// Of a client that does not look at what it shows.
TlsContext show_anything(const IssuedFiles& issued, const std::string& authorities) {
  auto context = std::make_shared<boost::asio::ssl::context>(boost::asio::ssl::context::tls_client);
  context->load_verify_file(authorities);
  context->use_certificate_chain_file(issued.certificate);
  context->use_private_key_file(issued.key, boost::asio::ssl::context::pem);
  return context;
}

std::string write(const std::string& path, const std::string& text) {
  std::ofstream(path) << text;
  return path;
}

}  // namespace

TEST_CASE("a peer's names are those of its certificate, DNS names and URIs of agents") {
  TlsPair pair;
  const std::string names = "DNS:a-1,DNS:b.example,URI:urn:duly:agent:c_3,URI:https://d,IP:127.0.0.1";
  const IssuedFiles agent = pair.agents.issue(names);
  AsioWorld& world = pair.serve(pair.servers.issue("IP:127.0.0.1"), files(agent, pair.servers.file()));
  CHECK(pair.connect().empty());
  REQUIRE(world.accepted);
  CHECK(world.accepted->peer_names() == std::vector<std::string>{"a-1", "b.example", "c_3"});
  CHECK(pair.client.link->peer_names().empty());
}

TEST_CASE("a client without a certificate, or with a wrong one, is not let in") {
  TlsPair pair;
  const IssuedFiles good = pair.agents.issue("DNS:a");
  const IssuedFiles gone = pair.agents.issue("DNS:b");
  const IssuedFiles late = pair.agents.issue("DNS:d", seconds{-60});
  pair.agents.revoke(gone);
  Authority strangers("strangers");
  const std::string trusted = pair.servers.file();
  AsioWorld& world = pair.serve(pair.servers.issue("IP:127.0.0.1"), files(good, trusted));
  CHECK(pair.connect().empty());
  CHECK(std::exchange(world.accepted, nullptr) != nullptr);
  pair.use({"", "", trusted});
  CHECK(has(pair.connect(), "certificate required"));
  pair.use(files(strangers.issue("DNS:a"), trusted));
  CHECK(has(pair.connect(), "unknown ca"));
  pair.use(files(gone, trusted));
  CHECK(has(pair.connect(), "certificate revoked"));
  CHECK(has(refusal(tls_for_client(files(late, trusted))), "has expired"));
  pair.use(show_anything(late, trusted));
  CHECK_THAT(pair.connect(), Catch::Contains("certificate expired"));
  CHECK(world.accepted == nullptr);
}

TEST_CASE("a server whose certificate is for another host, or of another authority, is not trusted") {
  TlsPair pair;
  const IssuedFiles agent = pair.agents.issue("DNS:a");
  const std::string trusted = pair.servers.file();
  Authority strangers("strangers");
  struct Case {
    std::string names, host, authorities, error;
  };
  const std::vector<Case> cases = {
      {"IP:127.0.0.1", "127.0.0.1", trusted, ""},
      {"DNS:localhost", "localhost", trusted, ""},
      {"DNS:localhost", "127.0.0.1", trusted, "IP address mismatch"},
      {"DNS:127.0.0.1", "127.0.0.1", trusted, "IP address mismatch"},
      {"IP:127.0.0.1", "localhost", trusted, "hostname mismatch"},
      {"DNS:other.example", "localhost", trusted, "hostname mismatch"},
      {"IP:127.0.0.1", "127.0.0.1", strangers.file(), "unable to get local issuer certificate"},
  };
  for (const Case& each : cases) {
    CAPTURE(each.names, each.host, each.error);
    pair.serve(pair.servers.issue(each.names), files(agent, each.authorities), each.host);
    const std::string error = pair.connect();
    CHECK(error.empty() == each.error.empty());
    CHECK(has(error, each.error));
  }
}

TEST_CASE("TLS before 1.2, and peers that do not speak TLS, are closed") {
  TlsPair pair;
  const IssuedFiles agent = pair.agents.issue("DNS:a");
  AsioWorld& world = pair.serve(pair.servers.issue("IP:127.0.0.1"), files(agent, pair.servers.file()));
  tcp::socket raw(world.loop().context());
  const tcp::endpoint there{boost::asio::ip::make_address("127.0.0.1"), world.port()};
  raw.connect(there);
  const std::string bytes = encode_frame(frame(1));
  boost::asio::write(raw, boost::asio::buffer(bytes));
  bool ended = false;
  char byte = 0;
  raw.async_read_some(boost::asio::buffer(&byte, 1), [&](const auto& error, std::size_t) {
    ended = !!error || byte == 0x15;  // the end, or an alert
  });
  CHECK(world.until([&] { return ended; }));

  boost::asio::ssl::context old(boost::asio::ssl::context::tls_client);
  SSL_CTX_set_security_level(old.native_handle(), 0);
  SSL_CTX_set_min_proto_version(old.native_handle(), TLS1_VERSION);
  SSL_CTX_set_max_proto_version(old.native_handle(), TLS1_1_VERSION);
  boost::asio::ssl::stream<tcp::socket> stream(world.loop().context(), old);
  stream.next_layer().connect(there);
  std::string told;
  stream.async_handshake(boost::asio::ssl::stream_base::client,
                         [&](const auto& error) { told = error ? error.message() : "agreed"; });
  REQUIRE(world.until([&] { return !told.empty(); }));
  CHECK(has(told, "protocol version"));
  CHECK(world.accepted == nullptr);
}

TEST_CASE("connections that say nothing keep nobody out: beyond a number of them the oldest goes") {
  TlsPair pair;
  const IssuedFiles agent = pair.agents.issue("DNS:a");
  AsioWorld& world = pair.serve(pair.servers.issue("IP:127.0.0.1"), files(agent, pair.servers.file()));
  const tcp::endpoint there{boost::asio::ip::make_address("127.0.0.1"), world.port()};
  std::vector<tcp::socket> silent;
  for (std::size_t i = 0; i < kTlsHandshakes; ++i) silent.emplace_back(world.loop().context()).connect(there);
  // The loop, which goes last, ends what is still being read.
  struct Reading {
    bool ended = false;
    char byte = 0;
  };
  const std::array<std::shared_ptr<Reading>, 2> reads{std::make_shared<Reading>(),
                                                      std::make_shared<Reading>()};
  for (std::size_t i = 0; i < reads.size(); ++i)
    silent[i].async_read_some(boost::asio::buffer(&reads[i]->byte, 1),
                              [read = reads[i]](const auto&, std::size_t) { read->ended = true; });
  CHECK(pair.connect().empty());
  REQUIRE(world.until([&] { return reads[0]->ended; }));
  world.settle();
  CHECK_FALSE(reads[1]->ended);  // whose time is not over
}

TEST_CASE("new certificates hold for the connections that come after them") {
  TlsPair pair;
  const IssuedFiles agent = pair.agents.issue("DNS:a");
  AsioWorld& world = pair.serve(pair.servers.issue("IP:127.0.0.1"), files(agent, pair.servers.file()));
  CHECK(pair.connect().empty());
  End server, before;
  server.start(std::exchange(world.accepted, nullptr));
  std::swap(before, pair.client);

  Authority newer("newer");
  world.listener().use_tls(tls_for_server(files(newer.issue("IP:127.0.0.1"), newer.file())).value());
  CHECK(has(pair.connect(), "certificate is refused"));
  pair.use(files(newer.issue("DNS:a"), newer.file()));
  CHECK(pair.connect().empty());
  CHECK(server.closed.empty());
}

TEST_CASE("files that cannot be used are refused by flag and name") {
  Authority authority("one"), other("other");
  const IssuedFiles good = authority.issue("DNS:a"), another = authority.issue("DNS:b");
  const IssuedFiles expired = authority.issue("DNS:c", seconds{-60});
  const std::string trusted = authority.file();
  const auto server = [&](const TlsFiles& f) { return refusal(tls_for_server(f)); };
  CHECK(server(files(good, trusted)) == "taken");
  CHECK(server(files(good, "")) == "taken");
  CHECK(server({good.certificate + "x", good.key, ""}) ==
        "--tls-cert " + good.certificate + "x: No such file or directory");
  CHECK(server({good.certificate, good.key + "x", ""}) ==
        "--tls-key " + good.key + "x: No such file or directory");
  CHECK(has(server({good.certificate, another.key, ""}), "is not the key of the certificate"));
  CHECK(has(server({good.key, good.key, ""}), "holds no certificate"));
  CHECK(has(server({good.certificate, good.certificate, ""}), "holds no private key"));
  CHECK(
      has(server(files(expired, "")), "--tls-cert " + expired.certificate + ": the certificate has expired"));
  CHECK(has(server({good.certificate, good.key, write(trusted + ".none", "none"), "--tls-client-ca"}),
            "--tls-client-ca " + trusted + ".none: holds no certificate"));
  CHECK(has(server({good.certificate, write(good.key + ".none", "none"), ""}), "others may read"));
  ::chmod((good.key + ".none").c_str(), 0600);
  CHECK(has(server({good.certificate, good.key + ".none", ""}), "holds no private key"));
}

}  // namespace duly
