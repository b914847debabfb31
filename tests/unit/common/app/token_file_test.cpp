#include "common/app/token_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace duly {
namespace {

class TokenFile {
 public:
  explicit TokenFile(const std::string& text, mode_t mode = 0600) {
    std::string name = (std::filesystem::temp_directory_path() / "duly-token-XXXXXX").string();
    const int handle = ::mkstemp(name.data());
    REQUIRE(handle >= 0);
    ::close(handle);
    path = name;
    std::ofstream(path) << text;
    REQUIRE(::chmod(path.c_str(), mode) == 0);
  }
  ~TokenFile() { ::unlink(path.c_str()); }
  TokenFile(const TokenFile&) = delete;
  TokenFile& operator=(const TokenFile&) = delete;
  std::string path;
};

std::string token_complaint(const std::string& text, mode_t mode = 0600) {
  const TokenFile file(text, mode);
  const auto tokens = read_token_file(file.path);
  if (tokens) return "";
  CHECK(tokens.error().what.find(file.path) == 0);
  return tokens.error().what.substr(file.path.size());
}

}  // namespace

TEST_CASE("a token file holds one token a line, the one to be said first") {
  const TokenFile file("# since monday\n\n  0123456789abcdef-new \r\n0123456789abcdef-old", 0640);
  const auto tokens = read_token_file(file.path);
  REQUIRE(tokens);
  CHECK(*tokens == std::vector<std::string>{"0123456789abcdef-new", "0123456789abcdef-old"});
}

TEST_CASE("a token file that is wrong, or that others see, is refused without telling what is in it") {
  const std::string good = "0123456789abcdef";
  CHECK(token_complaint("") == ": there is no token in it");
  CHECK(token_complaint("# none\n") == ": there is no token in it");
  for (const std::string& bad :
       {std::string("canary"), good + " " + good, std::string(257, 'x'), good + "\x01"}) {
    const std::string said = token_complaint(good + "\n" + bad + "\n");
    CHECK(said == ": line 2: a token must be 16 to 256 printable characters without blanks");
  }
  CHECK(token_complaint(good, 0644).find("others may read or write") != std::string::npos);
  CHECK(token_complaint(good, 0620).find("others may read or write") != std::string::npos);
  CHECK(token_complaint(good, 0602).find("others may read or write") != std::string::npos);
  CHECK(!read_token_file("/nonexistent/token"));
}

}  // namespace duly
