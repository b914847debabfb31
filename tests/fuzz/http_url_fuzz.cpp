// URLs of builtin.http: a normal form stays what it is, nothing in it can be read in two ways, and whatever
// is allowed lies below the prefix that allows it.
#include <algorithm>

#include "common/http/http_url.h"
#include "common/http/ip_address.h"
#include "common/http/retry_after.h"
#include "tests/fuzz/fuzz_input.h"

namespace duly::fuzz {
namespace {

bool has_dots(std::string_view path) {
  for (std::size_t at = 0; at != std::string_view::npos; at = path.find('/', at + 1)) {
    const std::string_view segment = path.substr(at + 1, path.find('/', at + 1) - at - 1);
    if (segment == "." || segment == "..") return true;
  }
  return false;
}

void check_url(const HttpUrl& url) {
  const std::string text = url.origin() + url.path + url.query;
  FUZZ_CHECK(!url.host.empty() && url.port != 0 && url.path.starts_with('/') && !has_dots(url.path));
  FUZZ_CHECK(url.path.find_first_of("?#\\ \r\n") == std::string::npos);
  FUZZ_CHECK(url.host.find_first_of("/?#@%\\ \r\n") == std::string::npos);
  FUZZ_CHECK(std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; }));
  const auto again = parse_http_url(text);
  FUZZ_CHECK(again && again->origin() == url.origin() && again->path == url.path &&
             again->query == url.query);
}

void check_allowed(const std::string& prefix, const HttpUrl& url) {
  const auto allowed = AllowedUrls::parse({prefix});
  if (!allowed || !allowed->allow(url)) return;
  const auto base = parse_http_url(prefix);
  FUZZ_CHECK(base && base->origin() == url.origin() && url.path.starts_with(base->path));
  const std::string rest = url.path.substr(base->path.size());
  FUZZ_CHECK(rest.empty() || rest.starts_with('/') || base->path.ends_with('/'));
}

}  // namespace

void run(Input input) {
  const std::string prefix(input.text_until('\n'));
  const std::string_view text = input.rest();
  if (const auto address = parse_ip(text)) {
    FUZZ_CHECK(parse_ip(ip_text(*address)) == address);
    FUZZ_CHECK(range_of(*address).name.empty() == (range_of(*address).reach == Reach::anyone));
  }
  const std::int64_t wait = retry_after_ms(text, prefix, wall_from_ms(1'700'000'000'000), 3'600'000);
  FUZZ_CHECK(wait >= 0 && wait <= 3'600'000);
  const auto url = parse_http_url(text);
  if (!url) return;
  check_url(*url);
  check_allowed(prefix, *url);
}

}  // namespace duly::fuzz
