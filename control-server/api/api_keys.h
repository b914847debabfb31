// The API keys of a server: who has which role.  Of the keys themselves only the hash is known.
//
// The file: one key a line, `name role sha256-of-key`, roles read, submit, operator and admin, the hash as 64
// hexadecimal digits; empty lines and those that begin with "#" do not count.  A key is 256 random bits, so a
// plain hash of it cannot be turned back.  A fourth word `rate=RATE` (request_rate.h) says how often the key
// may ask.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/digest.h"
#include "common/base/result.h"
#include "control-server/api/request_rate.h"
#include "control-server/api/role.h"

namespace duly {

struct ApiKey {
  std::string name;
  Role role = Role::read;
  Digest hash{};
  std::optional<RequestRate> rate = {};  // nothing = as any key
};

class ApiKeys {
 public:
  // All of the text, or the line that is wrong and why.  A text without any key is wrong, too: it would lock
  // everybody out.
  static Result<ApiKeys> parse(std::string_view text);

  // Null when nobody has this key.  Takes as long for one that is nearly right as for one that is not.
  [[nodiscard]] const ApiKey* find(std::string_view key) const;
  [[nodiscard]] std::size_t size() const { return keys_.size(); }
  [[nodiscard]] const std::vector<ApiKey>& all() const { return keys_; }

 private:
  std::vector<ApiKey> keys_;
};

// The line of the file for a key; the key is "duly_" and the secret in hexadecimal digits.
std::string api_key_text(const Digest& secret);
std::string api_key_line(const std::string& name, Role role, std::string_view key,
                         const std::optional<RequestRate>& rate = std::nullopt);
// What "rate=RATE" says.
Result<RequestRate> api_key_rate(std::string_view word);
// What is wrong with a name for a key; empty = nothing.
std::string bad_api_key_name(std::string_view name);

}  // namespace duly
