#include "control-server/notify/callback_pool.h"

#include <catch2/catch.hpp>
#include <deque>
#include <string>

#include "common/base/digest.h"
#include "common/base/mutex.h"

namespace duly {
namespace {

constexpr const char* kBody = R"({"id":"cmd_1P2Z8M40R8001"})";
constexpr std::int64_t kSecond = 1'795'251'600;

AllowedUrls allowing(const std::string& prefix) {
  auto allowed = AllowedUrls::parse({prefix});
  REQUIRE(allowed);
  return std::move(*allowed);
}

// What a pool has said, for the thread that waits for it.
class Said {
 public:
  void add(CallbackSettled settled) {
    MutexLock lock(mutex_);
    all_.push_back(std::move(settled));
    came_.notify_all();
  }
  CallbackSettled next() {
    MutexLock lock(mutex_);
    for (int i = 0; i < 100 && all_.empty(); ++i) came_.wait_for(mutex_, milliseconds{300});
    REQUIRE_FALSE(all_.empty());
    CallbackSettled first = std::move(all_.front());
    all_.pop_front();
    return first;
  }

 private:
  Mutex mutex_;
  Condition came_;
  std::deque<CallbackSettled> all_ DULY_GUARDED_BY(mutex_);
};

}  // namespace

TEST_CASE("HMAC-SHA-256 is that of RFC 4231") {
  CHECK(to_hex(hmac_sha256("Jefe", "what do ya want for nothing?")) ==
        "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
  CHECK(to_hex(hmac_sha256(std::string(131, '\xaa'),
                           "Test Using Larger Than Block-Size Key - Hash Key First")) ==
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

TEST_CASE("a signature says when it was made, and is made with every secret") {
  CHECK(callback_signature({"first-secret-of-two", "second-secret-of-two"}, kSecond, kBody) ==
        "t=1795251600"
        ",v1=a4e887f70e6bbd53158537cdb6e8579bacc676a04f1c61240f57fb5bd69669f3"
        ",v1=143b9c5071f0914564459a2a82f773f3ce0e11db9e72cc3d3d79a38cef399081");
}

TEST_CASE("a URL that may be called has an origin, and one that may not a reason") {
  const AllowedUrls allowed = allowing("https://one.example/ends");
  CHECK(callback_origin(allowed, "https://ONE.example:443/ends/5?x=1").value() == "https://one.example:443");
  CHECK(callback_origin(allowed, "https://one.example/other").error().what ==
        "is not allowed on this server (--allow-callback): https://one.example:443/other");
  CHECK_FALSE(callback_origin(allowed, "http://one.example/ends"));
  CHECK_FALSE(callback_origin(allowed, "https://one.example/ends/../other"));
  CHECK_FALSE(callback_origin(allowed, "https://user@one.example/ends"));
}

TEST_CASE("what is not allowed any more, or cannot be reached, has failed") {
  auto config = std::make_shared<CallbackConfig>();
  config->secrets = {"first-secret-of-two"};
  config->allowed = allowing("http://127.0.0.1:1/ends");
  config->client = HttpClient::make({}).value();
  Said said;
  CallbackPool pool(config, [&](CallbackSettled settled) { said.add(std::move(settled)); });
  pool.send({CommandId{7}, 2, 1, "http://127.0.0.1:1/other", kBody});
  const CallbackSettled refused = said.next();
  CHECK(refused.id == CommandId{7});
  CHECK(refused.ends == 2);
  CHECK(refused.outcome == CallbackOutcome::failed);
  CHECK(refused.error == "is not allowed (--allow-callback)");
  pool.send({CommandId{8}, 1, 1, "http://127.0.0.1:1/ends", kBody});
  const CallbackSettled unreachable = said.next();
  CHECK(unreachable.outcome == CallbackOutcome::failed);
  CHECK_FALSE(unreachable.error.empty());
}

}  // namespace duly
