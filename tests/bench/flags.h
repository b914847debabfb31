// The flags of a benchmark's program: `--name value`, each as often as it likes; anything else ends it
// with 2.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>

namespace duly::bench {

class Flags {
 public:
  // `known` are the names without the dashes; argv from `first` on is read.
  Flags(int argc, char** argv, int first, std::initializer_list<std::string_view> known) {
    for (int i = first; i < argc; i += 2) {
      const std::string_view word = argv[i];
      bool is_known = false;
      if (word.starts_with("--")) {
        for (const std::string_view name : known) is_known = is_known || word.substr(2) == name;
      }
      if (!is_known || i + 1 >= argc) {
        std::fprintf(stderr, "%s: '%s' is no flag, or has no value\n", argv[0], argv[i]);
        std::exit(2);
      }
      values_.emplace(word.substr(2), argv[i + 1]);
    }
  }

  [[nodiscard]] std::string text(const std::string& name, const std::string& fallback = {}) const {
    const auto at = values_.find(name);
    return at == values_.end() ? fallback : at->second;
  }
  [[nodiscard]] double number(const std::string& name, double fallback) const {
    const auto at = values_.find(name);
    return at == values_.end() ? fallback : std::strtod(at->second.c_str(), nullptr);
  }
  [[nodiscard]] auto all(const std::string& name) const { return values_.equal_range(name); }

 private:
  std::multimap<std::string, std::string> values_;
};

}  // namespace duly::bench
