// What the tests of the store share: a row to insert, a folder for a real file.
#pragma once

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "control-server/store/store.h"

namespace duly::test {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "duly-store-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  [[nodiscard]] std::string file() const { return (path_ / "duly.db").string(); }

 private:
  std::filesystem::path path_;
};

inline std::unique_ptr<Store> open_store(const StoreOptions& options) {
  auto opened = Store::open(options);
  if (!opened) FAIL(opened.error().what);
  return std::move(opened).value();
}

// Inserts command `id`, due at 1000 + id, into queue q0 or q1 and shard 0 to 3; not committed.
inline StateRow insert(Store& store, std::int64_t id, const std::string& key = "", std::size_t bytes = 2) {
  StateRow row;
  row.id = CommandId{id};
  row.shard = ShardId{static_cast<std::int32_t>(id % 4)};
  row.queue = store.queue_number("q" + std::to_string(id % 2));
  row.type = store.type_number("t" + std::to_string(id % 3));
  row.due_ms = row.order_ms = 1000 + id;
  row.max_attempts = 3;
  row.key_hash = key_hash_of(key);
  CommandSpec spec;
  spec.type = "t" + std::to_string(id % 3);
  spec.queue = "q" + std::to_string(id % 2);
  spec.key = key;
  spec.payload = make_bytes(std::string(bytes, 'x'));
  spec.labels = {{"parity", id % 2 == 0 ? "even" : "odd"}};
  store.insert(row, spec, 500);
  return row;
}

}  // namespace duly::test
