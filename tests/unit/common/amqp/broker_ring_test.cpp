#include "common/amqp/broker_ring.h"

#include <catch2/catch.hpp>
#include <set>
#include <vector>

#include "common/amqp/amqp_url.h"
#include "common/amqp/rabbit_config.h"

namespace duly {

TEST_CASE("brokers are tried in turn, and only after all of them is it time to wait") {
  BrokerRing ring(3, 1);
  std::vector<std::size_t> tried;
  std::vector<bool> waits;
  for (int i = 0; i < 6; ++i) {
    tried.push_back(ring.current());
    waits.push_back(ring.failed());
  }
  CHECK(tried == std::vector<std::size_t>{1, 2, 0, 1, 2, 0});
  CHECK(waits == std::vector<bool>{false, false, true, false, false, true});
}

TEST_CASE("a broker that was lost is tried again last") {
  BrokerRing ring(3, 0);
  CHECK_FALSE(ring.failed());
  REQUIRE(ring.current() == 1);  // this one works, for a while
  ring.lost();
  CHECK(ring.current() == 2);
  CHECK_FALSE(ring.failed());
  CHECK(ring.current() == 0);
  CHECK_FALSE(ring.failed());
  CHECK(ring.current() == 1);
  CHECK(ring.failed());
}

TEST_CASE("a broker alone is tried again and again, with a wait each time") {
  BrokerRing ring(1, 12345);
  CHECK(ring.current() == 0);
  CHECK(ring.failed());
  ring.lost();
  CHECK(ring.current() == 0);
}

TEST_CASE("where processes begin is spread over all brokers") {
  std::set<std::size_t> begun;
  for (std::uint64_t draw = 0; draw < 30; ++draw) begun.insert(BrokerRing(3, draw).current());
  CHECK(begun.size() == 3);
}

TEST_CASE("settings of the broker are checked before they are used") {
  RabbitConfig config;
  CHECK(check_rabbit_config(config).ok());
  const auto complaint = [&config] { return check_rabbit_config(config).error().what; };

  SECTION("no URL") {
    config.urls.clear();
    CHECK(complaint() == "names no broker, or more than 16");
  }
  SECTION("too many") {
    config.urls.assign(17, "amqp://localhost");
    CHECK(complaint() == "names no broker, or more than 16");
  }
  SECTION("one that is none, and its password is not told") {
    config.urls.emplace_back("amqp://me:secret@[::1");
    CHECK(complaint() == "URL 2 is not an AMQP URL (amqp://user:password@host:port/vhost)");
  }
  SECTION("certificates where nothing is encrypted") {
    config.ca_file = "/dev/null";
    CHECK(complaint() == "certificates are for amqps://, and no URL is");
  }
  SECTION("no authorities in the file") {
    config.urls.emplace_back("amqps://localhost");
    config.ca_file = "/dev/null";
    CHECK(complaint() == "no certificates of authorities can be read from /dev/null");
  }
  SECTION("a key without its certificate") {
    config.urls.emplace_back("amqps://localhost");
    config.key_file = "/dev/null";
    CHECK(complaint() == "a client's certificate and its key go together");
  }
}

TEST_CASE("of a URL only host and port are shown") {
  CHECK(shown_address("amqp://me:secret@rabbit.example:5673/%2f") == "rabbit.example:5673");
  CHECK(shown_address("amqps://me:secret@rabbit.example") == "rabbit.example:5671");
  CHECK(shown_address("rabbit.example") == "");
}

}  // namespace duly
