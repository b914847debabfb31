// Lets a request in, or says what it lacks: an API key, a higher role, or patience.
//
// Without keys everybody may do everything, as "anonymous", and as often as he likes: rates are of keys, so
// that there are as many buckets as keys.  A request of a key counts, whatever it leads to; that of a
// stranger does not, who is told 401 from the head of his request.  Loop thread only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "common/runtime/loop.h"
#include "control-server/api/api_keys.h"
#include "control-server/api/http_types.h"

namespace duly {

class Doorkeeper {
 public:
  explicit Doorkeeper(Loop& loop) : loop_(loop) {}

  // From now on, in the place of those before; `usual` is the rate of keys that have none of their own.  Who
  // stays, at the rate he had, has used up what he had used up.
  void use(ApiKeys keys, const RequestRate& usual = {});

  // There are no keys: nobody is refused.
  [[nodiscard]] bool open() const { return !keys_; }

  struct Verdict {
    std::string name;                     // who it is
    std::optional<HttpResponse> refusal;  // 401, 403 or 429; nothing = let in
  };
  // Whether the request counts against its key's rate: each does once, however often it is judged.
  enum class Count : std::uint8_t { yes, no };
  // `least` is the role that is needed, Role::none = no key either.
  Verdict judge(Role least, const std::vector<HttpField>& fields, const std::string& peer, Count counts);

  // Requests refused for the rate of their key, by its role.
  [[nodiscard]] const std::map<Role, std::uint64_t>& rate_limited() const { return rate_limited_; }

 private:
  // Counts a request of this key; answers how long it is too early, nothing = it is not.
  std::optional<Duration> count(const ApiKey& key);
  Verdict refuse_for_now(const ApiKey& key, Duration wait, const std::string& peer);
  Verdict refuse(int status, const std::string& detail, const std::string& peer, int retry_after_s = 0);

  Loop& loop_;
  std::optional<ApiKeys> keys_;
  std::map<Digest, TokenBucket> buckets_;  // of the keys that have a rate
  std::map<Role, std::uint64_t> rate_limited_;
  MonoTime next_line_{};     // in the log, of refusals
  std::int64_t untold_ = 0;  // refusals since the last one
};

}  // namespace duly
