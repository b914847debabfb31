#include "cli/output.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <string>
#include <vector>

namespace duly::cli {
namespace {

// What the table prints of the items, without colours wherever the test runs.
std::string printed(const std::vector<Column>& columns, const std::vector<Json>& items) {
  ::setenv("NO_COLOR", "1", 1);
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* memory = ::open_memstream(&text, &size);
  REQUIRE(memory != nullptr);
  Table table(columns);
  for (const Json& item : items) table.add(item);
  table.flush(memory);
  std::fclose(memory);
  const std::string all(text, size);
  std::free(text);
  return all;
}

}  // namespace

TEST_CASE("a column may show a field of a field") {
  const Json item{{"name", "a"}, {"counts", {{"open", 3}, {"total", 12}}}};
  CHECK(printed({{"NAME", "name"}, {"OPEN", "counts.open"}, {"ODD", "name.open"}, {"NONE", "counts.none"}},
                {item}) ==
        "NAME  OPEN  ODD  NONE\n"
        "a     3     -    -\n");
}

TEST_CASE("a field whose own name has a dot in it is found first") {
  const Json item{{"counts.open", 7}, {"counts", {{"open", 3}}}};
  CHECK(printed({{"OPEN", "counts.open"}}, {item}) == "OPEN\n7\n");
  CHECK(printed({{"OPEN", "counts.open"}}, {Json(5), Json()}) == "OPEN\n-\n-\n");
}

}  // namespace duly::cli
