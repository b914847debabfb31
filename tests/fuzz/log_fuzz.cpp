// Log lines: whatever a field holds, one line is one line, and in JSON one object.
#include <algorithm>

#include "common/base/log.h"
#include "common/wire/json.h"
#include "tests/fuzz/fuzz_input.h"

namespace duly::fuzz {

void run(Input input) {
  const auto level = static_cast<LogLevel>(input.byte() % 4);
  const std::int64_t number = input.number();
  const std::string first(input.text_until('\0'));
  const std::string second(input.rest());
  for (const LogFormat format : {LogFormat::text, LogFormat::json}) {
    const std::string line = format_log_line(format, level, "fuzz", "a message",
                                             {{"first", first}, {"number", number}, {"second", second}});
    FUZZ_CHECK(std::none_of(line.begin(), line.end(),
                            [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }));
    FUZZ_CHECK(line.size() < 8192);  // fields are capped
    if (format == LogFormat::text) continue;
    const auto object = parse_json("{" + line + "}", 2);
    FUZZ_CHECK(object.ok());
    FUZZ_CHECK((*object)["number"] == number);
    FUZZ_CHECK((*object)["msg"] == "a message");
    const bool ascii = std::all_of(first.begin(), first.end(), [](char c) { return c >= 0; });
    if (ascii && first.size() < 500) FUZZ_CHECK((*object)["first"] == first);
  }
}

}  // namespace duly::fuzz
