// Text from outside (a program's output, an exception) made fit to be stored and shown.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace duly {

// At most `most` bytes of `text`, cut between characters, with every byte that is not part of valid UTF-8
// replaced by U+FFFD.  Linear in `most`.
std::string clean_text(std::string_view text, std::size_t most);

// The last line that is not blank, without its line end; empty when there is none.
std::string_view last_line(std::string_view text);

}  // namespace duly
