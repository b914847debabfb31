// Finds a key that comes twice in one object, while the text is read.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace duly {

// The keys of the objects that are open, each once.  A look through a few texts is quicker than a tree of
// them; an object with many keys gets a tree, or a hostile one would cost the square of its size.
class OpenKeys {
 public:
  void open() { begins_.push_back(keys_.size()); }
  void close() {
    many_.erase(begins_.size());
    keys_.resize(begins_.back());
    begins_.pop_back();
  }
  // False = the innermost object has it already.
  bool add(const std::string& key) {
    const auto begin = keys_.begin() + static_cast<std::ptrdiff_t>(begins_.back());
    if (keys_.end() - begin < kFew) {
      if (std::find(begin, keys_.end(), key) != keys_.end()) return false;
      keys_.push_back(key);
      return true;
    }
    auto& tree = many_[begins_.size()];
    if (tree.empty()) tree.insert(begin, keys_.end());
    return tree.insert(key).second;
  }

 private:
  static constexpr std::ptrdiff_t kFew = 24;
  std::vector<std::string> keys_;                      // of all open objects, the outermost first
  std::vector<std::size_t> begins_;                    // where each object's keys begin
  std::map<std::size_t, std::set<std::string>> many_;  // of objects with more than kFew, by their depth
};

}  // namespace duly
