#include "common/app/token_file.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

namespace duly {
namespace {

constexpr std::size_t kTokens = 100;
constexpr std::size_t kLeastBytes = 16;
constexpr std::size_t kMostBytes = 256;

bool usable(const std::string& token) {
  return token.size() >= kLeastBytes && token.size() <= kMostBytes &&
         std::all_of(token.begin(), token.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

std::string bare(const std::string& line) {
  constexpr const char* kBlank = " \t\r";
  const std::size_t begin = line.find_first_not_of(kBlank);
  if (begin == std::string::npos) return {};
  return line.substr(begin, line.find_last_not_of(kBlank) - begin + 1);
}

}  // namespace

Result<std::vector<std::string>> read_token_file(const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) return invalid(path + ": " + std::strerror(errno));
  if ((status.st_mode & (S_IROTH | S_IWOTH | S_IWGRP)) != 0)
    return invalid(path + ": others may read or write this file; chmod 600");
  std::ifstream file(path);
  std::vector<std::string> tokens;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    std::string token = bare(line);
    if (token.empty() || token[0] == '#') continue;
    const std::string at = path + ": line " + std::to_string(number) + ": ";
    if (!usable(token)) return invalid(at + "a token must be 16 to 256 printable characters without blanks");
    if (tokens.size() >= kTokens) return invalid(at + "there are at most 100 tokens");
    tokens.push_back(std::move(token));
  }
  if (!file.eof()) return invalid(path + ": cannot be read");
  if (tokens.empty()) return invalid(path + ": there is no token in it");
  return tokens;
}

}  // namespace duly
