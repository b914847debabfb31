// JSON that is read once and thrown away: the values of a text in one array, in the order of the text.
//
// A document of maps costs an allocation a field, which was a fifth of the processor time of a life
// (docs/benchmarks/profile.md). The same texts are accepted as by parse_json (json.h), and refused for the
// same reasons: what the quick reader does not take is left to nlohmann's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/base/result.h"
#include "common/wire/field_value.h"

namespace duly {

class FlatJson {
 public:
  // A value; of an array or object the values in it follow.
  struct Node {
    FieldKind kind = FieldKind::null;
    std::uint32_t end = 0;    // index of the first value that is not in it
    std::uint32_t count = 0;  // of an array or object: how many values are in it directly
    std::uint32_t key_at = 0, key_size = 0;
    std::uint32_t text_at = 0, text_size = 0;
    std::uint64_t bits = 0;  // of a number or boolean
  };

  // As parse_json (json.h): depth is capped, a key that comes twice is an error.
  static Result<FlatJson> parse(std::string_view text, int max_depth);

  [[nodiscard]] const Node& at(std::uint32_t index) const { return nodes_[index]; }
  [[nodiscard]] std::string_view key(const Node& node) const {
    return std::string_view(texts_).substr(node.key_at, node.key_size);
  }
  [[nodiscard]] std::string_view text(const Node& node) const {
    return std::string_view(texts_).substr(node.text_at, node.text_size);
  }

 private:
  friend class FlatBuilder;
  friend class FlatSink;
  // With nlohmann's parser: what the quick reader does not take, and why it is refused.
  static Result<FlatJson> parse_slowly(std::string_view text, int max_depth);

  std::vector<Node> nodes_;
  std::string texts_;  // keys and texts, unescaped: the whole text where nothing is escaped
};

// One value of a document; the document outlives it.
class FlatValue {
 public:
  FlatValue(const FlatJson& document, std::uint32_t index) : document_(&document), index_(index) {}
  FlatValue(const FlatJson& document) : FlatValue(document, 0) {}  // NOLINT: the whole of it

  [[nodiscard]] const FlatJson::Node& node() const { return document_->at(index_); }
  [[nodiscard]] bool is(FieldKind kind) const { return node().kind == kind; }
  [[nodiscard]] std::string_view text() const { return document_->text(node()); }
  [[nodiscard]] std::string_view key() const { return document_->key(node()); }
  [[nodiscard]] std::size_t size() const { return node().count; }

  // The values in an array or object.
  class Iterator {
   public:
    Iterator(const FlatJson& document, std::uint32_t index) : document_(&document), index_(index) {}
    FlatValue operator*() const { return {*document_, index_}; }
    Iterator& operator++() {
      index_ = document_->at(index_).end;
      return *this;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.index_ == b.index_; }

   private:
    const FlatJson* document_;
    std::uint32_t index_;
  };
  [[nodiscard]] Iterator begin() const { return {*document_, index_ + 1}; }
  [[nodiscard]] Iterator end() const { return {*document_, node().end}; }

 private:
  const FlatJson* document_;
  std::uint32_t index_;
};

// As FieldReader (json.h); quickest in the order in which the fields were written.
class FlatReader : public FieldProblem {
 public:
  explicit FlatReader(FlatValue object);

  std::int64_t integer(const char* name, std::int64_t least, std::int64_t most);
  std::uint64_t unsigned_integer(const char* name);
  bool boolean(const char* name);
  std::string text(const char* name, std::size_t max_bytes);
  // The array, or an empty one on error; at most `max_items` long.
  FlatValue array(const char* name, std::size_t max_items);
  [[nodiscard]] bool has(const char* name);

 private:
  std::optional<FlatValue> look(std::string_view name);
  std::optional<FieldValue> field(const char* name);

  FlatValue object_;
  FlatValue::Iterator next_;  // after what was found last
};

}  // namespace duly
