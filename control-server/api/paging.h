// Pages of lists that are walked by one number (contract: conventions).
#pragma once

#include <string>
#include <vector>

#include "common/model/limits.h"
#include "control-server/api/api_support.h"
#include "control-server/api/cursor.h"

namespace duly {

// limit and cursor of a list; false after having answered 400.
inline bool read_page(const ApiCall& call, CursorKind kind, int& limit, std::int64_t& position) {
  const std::string* limit_text = call.parameter("limit");
  const std::string* cursor = call.parameter("cursor");
  const auto number = limit_text == nullptr ? std::optional<std::int64_t>(100)
                                            : whole_number(*limit_text, 1, limits::kPageItems);
  const auto from = cursor == nullptr ? std::optional<std::int64_t>(0) : decode_cursor(kind, *cursor);
  if (!number || !from) {
    call.respond(bad_request(number ? "cursor is not one that this server has given out for this list"
                                    : "limit must be a whole number from 1 to 1000"));
    return false;
  }
  limit = static_cast<int>(*number);
  position = *from;
  return true;
}

template <class Row>
HttpResponse page_of(const std::vector<Row>& rows, int limit, CursorKind kind, std::int64_t last,
                     void (*append)(std::string&, const Row&)) {
  std::string body = "{\"items\":[";
  for (const Row& row : rows) {
    if (body.back() != '[') body += ',';
    append(body, row);
  }
  body += "],\"next_cursor\":";
  body += rows.size() == static_cast<std::size_t>(limit) ? '"' + encode_cursor(kind, last) + '"' : "null";
  return json_response(200, body + "}");
}

}  // namespace duly
