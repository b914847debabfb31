#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

#include "common/base/bounded_queue.h"
#include "common/base/result.h"

namespace duly {

using Words = std::vector<std::string>;

TEST_CASE("a result is its value or its error, also when both have one type") {
  const Result<std::string> good(std::string("text"));
  CHECK(good.ok());
  CHECK(*good == "text");
  CHECK(good->size() == 4);
  const Result<std::string> bad(Error{Errc::stale, "another holds it"});
  CHECK_FALSE(bad);
  CHECK(bad.error().code == Errc::stale);
  CHECK(bad.error().what == "another holds it");
  CHECK(ok_status().ok());
  CHECK(invalid("x").code == Errc::invalid);
}

TEST_CASE("a value that cannot be copied is moved out of its result") {
  Result<std::unique_ptr<int>> result(std::make_unique<int>(7));
  const std::unique_ptr<int> out = std::move(result).value();
  CHECK(*out == 7);
}

TEST_CASE("a full queue says so and leaves the item with its owner") {
  BoundedQueue<std::string> queue(2);
  CHECK(queue.try_push("a"));
  CHECK(queue.try_push("b"));
  std::string third = "a text long enough not to fit into the object itself";
  CHECK_FALSE(queue.try_push(std::move(third)));
  CHECK(third == "a text long enough not to fit into the object itself");  // NOLINT: that is the promise
  CHECK(queue.size() == 2);
}

TEST_CASE("items come out in the order they went in, at most as many as asked for, after what is there") {
  BoundedQueue<std::string> queue(10);
  for (const char* word : {"a", "b", "c"}) CHECK(queue.try_push(word));
  Words out{"before"};
  queue.take(out, 2, Duration{0});
  CHECK(out == Words{"before", "a", "b"});
  CHECK(queue.size() == 1);
  queue.take(out, 0, Duration{0});
  CHECK(out.size() == 3);
  CHECK(queue.try_push("d"));
  queue.take(out, 100, seconds{3600});  // does not wait: something is there
  CHECK(out == Words{"before", "a", "b", "c", "d"});
}

TEST_CASE("a closed queue takes nothing in, gives out what it has, and lets nobody wait") {
  BoundedQueue<std::string> queue(10);
  CHECK(queue.try_push("a"));
  CHECK_FALSE(queue.closed());
  queue.close();
  CHECK(queue.closed());
  CHECK_FALSE(queue.try_push("b"));
  Words out;
  queue.take(out, 10, seconds{3600});
  CHECK(out == Words{"a"});
  queue.take(out, 10, seconds{3600});
  CHECK(out.size() == 1);
}

}  // namespace duly
