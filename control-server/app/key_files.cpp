#include "control-server/app/key_files.h"

#include <sys/random.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <optional>

namespace duly {
namespace {

constexpr std::size_t kFileBytes = 1U << 20;

int complain(int code, const std::string& line) {
  std::fprintf(stderr, "duly-server: %s\n", line.c_str());
  return code;
}

Result<std::string> read_file(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return invalid(path + ": " + std::strerror(errno));
  // Who may write to it may make himself an admin.
  if ((status.st_mode & S_IWOTH) != 0) return invalid(path + ": everybody may write to this file; chmod o-w");
  std::ifstream file(path, std::ios::binary);
  std::string text(kFileBytes + 1, '\0');
  file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.eof() || file.bad()) return invalid(path + ": cannot be read, or is larger than 1 MiB");
  text.resize(static_cast<std::size_t>(file.gcount()));
  return text;
}

Result<Digest> random_secret() {
  Digest secret{};
  const ssize_t got = ::getrandom(secret.data(), secret.size(), 0);
  if (got != static_cast<ssize_t>(secret.size()))
    return Error{Errc::fatal, "the system gives no random bytes"};
  return secret;
}

}  // namespace

Result<ApiKeys> read_api_keys(const std::string& path) {
  const auto text = read_file(path);
  if (!text) return text.error();
  auto keys = ApiKeys::parse(*text);
  if (!keys) return invalid(path + ": " + keys.error().what);
  return keys;
}

int run_keys(const std::vector<std::string>& words) {
  if ((words.size() != 4 && words.size() != 5) || words[1] != "new")
    return complain(2, "keys is not understood: keys new NAME ROLE [rate=RATE]");
  if (const std::string wrong = bad_api_key_name(words[2]); !wrong.empty()) return complain(2, wrong);
  const auto role = role_named(words[3]);
  if (!role) return complain(2, "'" + words[3] + "' is not a role: read, submit, operator or admin");
  std::optional<RequestRate> rate;
  if (words.size() == 5) {
    const auto given = api_key_rate(words[4]);
    if (!given) return complain(2, given.error().what);
    rate = *given;
  }
  const auto secret = random_secret();
  if (!secret) return complain(1, secret.error().what);
  const std::string key = api_key_text(*secret);
  std::printf("key:  %s\nline: %s\n", key.c_str(), api_key_line(words[2], *role, key, rate).c_str());
  std::fprintf(stderr,
               "the key is not kept and not shown again; what is behind \"line: \" goes into the file of "
               "--api-keys, and SIGHUP makes the server read it\n");
  return 0;
}

}  // namespace duly
