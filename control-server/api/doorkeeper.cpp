#include "control-server/api/doorkeeper.h"

#include <chrono>
#include <utility>

#include "common/base/log.h"
#include "control-server/api/http_response.h"

namespace duly {
namespace {

constexpr Duration kLogEvery = seconds{1};
constexpr std::string_view kScheme = "bearer ";

// The key of the one Authorization field; empty = there is none that we understand.
std::string_view bearer_of(const std::vector<HttpField>& fields) {
  const std::string* found = nullptr;
  for (const HttpField& field : fields) {
    if (field.name != "authorization") continue;
    if (found != nullptr) return {};
    found = &field.value;
  }
  if (found == nullptr || found->size() <= kScheme.size()) return {};
  for (std::size_t i = 0; i < kScheme.size(); ++i) {
    const char c = (*found)[i];
    if ((c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c) != kScheme[i]) return {};
  }
  std::string_view key = std::string_view(*found).substr(kScheme.size());
  while (key.starts_with(' ')) key.remove_prefix(1);
  return key;
}

}  // namespace

void Doorkeeper::use(ApiKeys keys, const RequestRate& usual) {
  std::map<Digest, TokenBucket> buckets;
  for (const ApiKey& key : keys.all()) {
    const RequestRate rate = key.rate.value_or(usual);
    if (!rate.limited()) continue;
    const auto before = buckets_.find(key.hash);
    const bool same = before != buckets_.end() && before->second.rate() == rate;
    buckets.emplace(key.hash, same ? before->second : TokenBucket(rate, loop_.now()));
  }
  buckets_ = std::move(buckets);
  keys_ = std::move(keys);
}

Doorkeeper::Verdict Doorkeeper::judge(Role least, const std::vector<HttpField>& fields,
                                      const std::string& peer, Count counts) {
  if (!keys_ || least == Role::none) return {"anonymous", std::nullopt};
  const std::string_view text = bearer_of(fields);
  const ApiKey* key = keys_->find(text);
  if (text.empty()) return refuse(401, "an API key is needed: Authorization: Bearer KEY", peer);
  if (key == nullptr) return refuse(401, "this API key is not known", peer);
  if (counts == Count::yes) {
    if (const auto wait = count(*key)) return refuse_for_now(*key, *wait, peer);
  }
  if (key->role >= least) return {key->name, std::nullopt};
  return refuse(403,
                "this needs the role " + std::string(name_of(least)) + ", and the key " + key->name +
                    " has " + std::string(name_of(key->role)),
                peer);
}

std::optional<Duration> Doorkeeper::count(const ApiKey& key) {
  const auto bucket = buckets_.find(key.hash);
  if (bucket == buckets_.end()) return std::nullopt;
  const Duration wait = bucket->second.take(loop_.now());
  if (wait == Duration{0}) return std::nullopt;
  return wait;
}

Doorkeeper::Verdict Doorkeeper::refuse_for_now(const ApiKey& key, Duration wait, const std::string& peer) {
  ++rate_limited_[key.role];
  const auto whole = static_cast<int>(std::chrono::ceil<seconds>(wait).count());
  const std::string rate = buckets_.at(key.hash).rate().text();
  return refuse(429, "the key " + key.name + " may ask at the rate " + rate, peer, whole);
}

Doorkeeper::Verdict Doorkeeper::refuse(int status, const std::string& detail, const std::string& peer,
                                       int retry_after_s) {
  HttpResponse response = make_problem(status, detail, {}, {}, retry_after_s);
  if (status == 401) response.fields.emplace_back("WWW-Authenticate", "Bearer");
  ++untold_;
  if (loop_.now() >= next_line_) {
    next_line_ = loop_.now() + kLogEvery;
    log(LogLevel::warn, "api", "refused",
        {{"peer", peer}, {"why", detail}, {"requests", std::exchange(untold_, 0)}});
  }
  return {"", std::move(response)};
}

}  // namespace duly
