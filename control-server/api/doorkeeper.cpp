#include "control-server/api/doorkeeper.h"

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

Doorkeeper::Verdict Doorkeeper::judge(Role least, const std::vector<HttpField>& fields,
                                      const std::string& peer) {
  if (!keys_ || least == Role::none) return {"anonymous", std::nullopt};
  const std::string_view text = bearer_of(fields);
  const ApiKey* key = keys_->find(text);
  if (text.empty()) return refuse(401, "an API key is needed: Authorization: Bearer KEY", peer);
  if (key == nullptr) return refuse(401, "this API key is not known", peer);
  if (key->role >= least) return {key->name, std::nullopt};
  return refuse(403,
                "this needs the role " + std::string(name_of(least)) + ", and the key " + key->name +
                    " has " + std::string(name_of(key->role)),
                peer);
}

Doorkeeper::Verdict Doorkeeper::refuse(int status, const std::string& detail, const std::string& peer) {
  HttpResponse response = make_problem(status, detail);
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
