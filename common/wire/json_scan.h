// Reads a JSON text only to see that it is one, without building anything: a document of a payload that
// nobody looks into takes most of the time of a submit.
#pragma once

#include <string_view>

#include "common/wire/json.h"

namespace duly {

// True: parse_json(text, max_depth) would take it.  False: it may refuse it, or not (what is rare in
// messages is left to it: escaped names, numbers near the end of a double's range, objects with many
// members). So a caller that gets false asks parse_json, and gets the reason from it. Reads each byte once.
bool surely_json(std::string_view text, int max_depth);

// parse_json(text, max_depth) for a caller who does not look at the value of `member` of that object, but
// takes its bytes (raw_json.h): the value is null, or what it is.
Result<Json> parse_json_without(std::string_view member, std::string_view text, int max_depth);

}  // namespace duly
