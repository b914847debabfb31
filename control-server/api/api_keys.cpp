#include "control-server/api/api_keys.h"

#include <algorithm>
#include <array>
#include <set>

#include "common/model/limits.h"

namespace duly {
namespace {

constexpr std::string_view kRateIs = "rate=";
// In the record these mean something else.
constexpr std::array<std::string_view, 4> kReserved = {"anonymous", "server", "agent", "schedule"};

std::vector<std::string_view> words_of(std::string_view line) {
  constexpr std::string_view kBlank = " \t\r";
  std::vector<std::string_view> words;
  for (std::size_t at = line.find_first_not_of(kBlank); at != std::string_view::npos && words.size() < 5;) {
    const std::size_t end = std::min(line.find_first_of(kBlank, at), line.size());
    words.push_back(line.substr(at, end - at));
    at = line.find_first_not_of(kBlank, end);
  }
  return words;
}

Result<ApiKey> read_line(const std::vector<std::string_view>& words) {
  if (words.size() != 3 && words.size() != 4)
    return invalid("is not of the form: name role sha256-of-key [rate=RATE]");
  if (std::string wrong = bad_api_key_name(words[0]); !wrong.empty()) return invalid(std::move(wrong));
  const auto role = role_named(words[1]);
  if (!role)
    return invalid("'" + std::string(words[1].substr(0, 32)) +
                   "' is not a role: read, submit, operator or admin");
  const auto hash = digest_from_hex(words[2]);
  // What stands there is not repeated: somebody may have put the key itself.
  if (!hash) return invalid("the third word is not a SHA-256 in 64 hexadecimal digits");
  ApiKey key{std::string(words[0]), *role, *hash};
  if (words.size() == 3) return key;
  const auto rate = api_key_rate(words[3]);
  if (!rate) return rate.error();
  key.rate = *rate;
  return key;
}

}  // namespace

std::string bad_api_key_name(std::string_view name) {
  const bool plain = !name.empty() && name.size() <= limits::kApiKeyNameBytes &&
                     std::all_of(name.begin(), name.end(), [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                              c == '.' || c == '_' || c == '-';
                     });
  if (!plain) return "the name of a key must be 1 to 64 characters of [A-Za-z0-9._-]";
  if (std::find(kReserved.begin(), kReserved.end(), name) == kReserved.end()) return {};
  return "'" + std::string(name) + "' cannot be the name of a key: it means somebody else in the record";
}

Result<ApiKeys> ApiKeys::parse(std::string_view text) {
  ApiKeys keys;
  std::set<std::string> names;
  std::set<Digest> hashes;
  for (int number = 1; !text.empty(); ++number) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    const auto words = words_of(line);
    if (words.empty() || words[0].starts_with('#')) continue;
    const std::string at = "line " + std::to_string(number) + ": ";
    auto key = read_line(words);
    if (!key) return invalid(at + key.error().what);
    if (keys.size() >= limits::kApiKeys)
      return invalid(at + "there are at most " + std::to_string(limits::kApiKeys) + " keys");
    if (!names.insert(key->name).second)
      return invalid(at + "there is a key named '" + key->name + "' already");
    if (!hashes.insert(key->hash).second) return invalid(at + "this key is there already under another name");
    keys.keys_.push_back(*key);
  }
  if (keys.keys_.empty()) return invalid("there is no key in it");
  return keys;
}

const ApiKey* ApiKeys::find(std::string_view key) const {
  const Digest hash = sha256(key);
  const ApiKey* found = nullptr;
  for (const ApiKey& known : keys_) {
    if (same_digest(known.hash, hash)) found = &known;  // and on: no answer comes sooner than another
  }
  return found;
}

std::string api_key_text(const Digest& secret) { return "duly_" + to_hex(secret); }

std::string api_key_line(const std::string& name, Role role, std::string_view key,
                         const std::optional<RequestRate>& rate) {
  const std::string line = name + " " + std::string(name_of(role)) + " " + to_hex(sha256(key));
  return rate ? line + " " + std::string(kRateIs) + rate->text() : line;
}

Result<RequestRate> api_key_rate(std::string_view word) {
  // What stands there is not repeated either.
  if (!word.starts_with(kRateIs)) return invalid("the fourth word is not of the form: rate=200/s");
  return RequestRate::parse(word.substr(kRateIs.size()));
}

}  // namespace duly
