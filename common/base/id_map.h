// Values by command id, for what each step of a life looks up.
//
// Operation.  An open-addressing table of (id, place), linear probing, erased by shifting back (Knuth, TAOCP
// vol. 3, 6.4, algorithm R), over values in chunks that do not move.  A lookup is two cache lines where a
// tree of 10,000 is a dozen, and nothing is allocated for each value.
// Order.  There is deliberately no walk in the order of the table: what runs must not depend on a hash.
// ids() gives all of them ascending, for what happens seldom.
// Limits.  Any number of values; room is given back when the last value goes.  One thread at a time.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <variant>
#include <vector>

#include "common/base/ids.h"

namespace duly {

template <class Value>
class IdMap {
 public:
  // The value of `id`, valid until it is erased; nullptr when there is none.
  [[nodiscard]] Value* find(CommandId id) {
    const std::size_t at = slot_of(id);
    return at == kNone ? nullptr : &value(slots_[at].place);
  }
  [[nodiscard]] const Value* find(CommandId id) const { return const_cast<IdMap*>(this)->find(id); }
  [[nodiscard]] bool contains(CommandId id) const { return slot_of(id) != kNone; }

  // The value of `id`, and whether it was put there: one that is there stays as it is.
  std::pair<Value*, bool> try_emplace(CommandId id, Value&& made) {
    if (Value* known = find(id)) return {known, false};
    if ((size_ + 1) * 2 > slots_.size()) grow();
    const std::uint32_t place = take_place();
    value(place) = std::move(made);
    put({id.value, place});
    ++size_;
    return {&value(place), true};
  }
  // False when there is none.
  bool erase(CommandId id) {
    const std::size_t at = slot_of(id);
    if (at == kNone) return false;
    value(slots_[at].place) = Value{};
    free_.push_back(slots_[at].place);
    close_gap(at);
    if (--size_ == 0 && chunks_.size() > kKept) clear();
    return true;
  }
  void clear() { *this = IdMap{}; }

  [[nodiscard]] std::size_t size() const { return size_; }
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::vector<CommandId> ids() const {
    std::vector<CommandId> ids;
    ids.reserve(size_);
    for (const Slot& slot : slots_) {
      if (slot.place != kFree) ids.push_back(CommandId{slot.id});
    }
    std::sort(ids.begin(), ids.end());
    return ids;
  }

 private:
  static constexpr std::size_t kNone = SIZE_MAX;
  static constexpr std::uint32_t kFree = UINT32_MAX;
  static constexpr std::size_t kChunk = 32;  // values
  static constexpr std::size_t kKept = 1;    // chunks of an empty table
  struct Slot {
    std::int64_t id = 0;
    std::uint32_t place = kFree;
  };

  Value& value(std::uint32_t place) { return chunks_[place / kChunk][place % kChunk]; }
  // Fibonacci hashing (Knuth, 6.4): the upper bits of a product with 2^64 / φ spread ids made one by one.
  [[nodiscard]] std::size_t home(std::int64_t id) const {
    return (static_cast<std::uint64_t>(id) * 0x9E3779B97F4A7C15U) >> shift_;
  }
  [[nodiscard]] std::size_t slot_of(CommandId id) const {
    if (size_ == 0) return kNone;
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t at = home(id.value); slots_[at].place != kFree; at = (at + 1) & mask) {
      if (slots_[at].id == id.value) return at;
    }
    return kNone;
  }
  void put(Slot slot) {
    const std::size_t mask = slots_.size() - 1;
    std::size_t at = home(slot.id);
    while (slots_[at].place != kFree) at = (at + 1) & mask;
    slots_[at] = slot;
  }
  // What follows moves up, unless it would come to stand before its home.
  void close_gap(std::size_t gap) {
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t at = (gap + 1) & mask; slots_[at].place != kFree; at = (at + 1) & mask) {
      const std::size_t from_home = (at - home(slots_[at].id)) & mask;
      const std::size_t from_gap = (at - gap) & mask;
      if (from_home < from_gap) continue;
      slots_[gap] = slots_[at];
      gap = at;
    }
    slots_[gap] = Slot{};
  }
  void grow() {
    std::vector<Slot> old(std::max<std::size_t>(slots_.size() * 2, 16));
    old.swap(slots_);
    shift_ = 64 - std::countr_zero(slots_.size());
    for (const Slot& slot : old) {
      if (slot.place != kFree) put(slot);
    }
  }
  std::uint32_t take_place() {
    if (free_.empty()) {
      const auto first = static_cast<std::uint32_t>(chunks_.size() * kChunk);
      chunks_.push_back(std::make_unique<Value[]>(kChunk));
      for (std::uint32_t place = first + kChunk; place-- > first;) free_.push_back(place);
    }
    const std::uint32_t place = free_.back();
    free_.pop_back();
    return place;
  }

  std::vector<Slot> slots_;  // a power of two of them, at most half of them taken
  int shift_ = 64;
  std::size_t size_ = 0;
  std::vector<std::unique_ptr<Value[]>> chunks_;
  std::vector<std::uint32_t> free_;  // places without a value
};

using IdSet = IdMap<std::monostate>;

}  // namespace duly
