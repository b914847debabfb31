// Ended commands in the order of their ends, for the export.
#include <algorithm>

#include "common/model/limits.h"
#include "control-server/store/columns.h"
#include "control-server/store/database.h"
#include "control-server/store/reader.h"

namespace duly {
namespace {

constexpr std::int64_t kAny = -1;

// The number of a name, kAny for no name; nothing when no command has ever had it.
std::optional<std::int64_t> number_of(Database& database, int kind, const std::string& text) {
  if (text.empty()) return kAny;
  Sql query = database.query("SELECT number FROM name WHERE kind = ? AND text = ?");
  if (!query.bind(kind).bind(text).next()) return std::nullopt;
  return query.integer(0);
}

// A place that lies before everything that ended after this instant.
EndedPlace after_instant(std::int64_t ms) { return {ms, CommandId{INT64_MAX}}; }

}  // namespace

Result<EndedPage> Reader::ended(const EndedFilter& filter, EndedPlace after, int limit) {
  EndedPage page;
  if (filter.finished_after_ms) after = std::max(after, after_instant(*filter.finished_after_ms));
  const std::int64_t until_ms = filter.finished_before_ms.value_or(INT64_MAX) - 1;
  const auto queue = number_of(database(), 1, filter.queue);
  const auto type = number_of(database(), 2, filter.type);
  if (queue && type) {
    Sql query = database().query(kWalkEnded);
    query.bind(after.finished_ms).bind(after.id.value).bind(until_ms).bind(limits::kPageScanRows);
    for (int seen = 1; query.next(); ++seen) {
      const EndedRow row = columns::read_ended(query);
      const bool match = (!filter.state || row.state == *filter.state) &&
                         (*queue == kAny || row.queue == *queue) && (*type == kAny || row.type == *type);
      if (match) page.items.push_back(row.place);
      const bool full = static_cast<int>(page.items.size()) == limit || seen == limits::kPageScanRows;
      if (!full) continue;
      page.next = row.place;
      break;
    }
  }
  if (const Status read = end_read(); !read) return read.error();
  return page;
}

}  // namespace duly
