// Lets a request in, or says what it lacks: an API key, or a higher role.
//
// Without keys everybody may do everything, as "anonymous".  Loop thread only.
#pragma once

#include <cstdint>
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

  // From now on, in the place of those before.
  void use(ApiKeys keys) { keys_ = std::move(keys); }

  // There are no keys: nobody is refused.
  [[nodiscard]] bool open() const { return !keys_; }

  struct Verdict {
    std::string name;                     // who it is
    std::optional<HttpResponse> refusal;  // 401 or 403; nothing = let in
  };
  // `least` is the role that is needed, Role::none = no key either.
  Verdict judge(Role least, const std::vector<HttpField>& fields, const std::string& peer);

 private:
  Verdict refuse(int status, const std::string& detail, const std::string& peer);

  Loop& loop_;
  std::optional<ApiKeys> keys_;
  MonoTime next_line_{};     // in the log, of refusals
  std::int64_t untold_ = 0;  // refusals since the last one
};

}  // namespace duly
