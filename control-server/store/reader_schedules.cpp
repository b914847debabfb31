// Schedules and their versions, for the API.
#include "control-server/store/columns.h"
#include "control-server/store/database.h"
#include "control-server/store/reader.h"

namespace duly {

Result<ScheduleRow> Reader::schedule(const std::string& name) {
  std::optional<ScheduleRow> row;
  {
    Sql query = database().query("SELECT " DULY_SCHEDULE_COLUMNS " FROM schedule WHERE name = ?");
    if (query.bind(name).next()) row = columns::read_schedule(query);
  }
  if (const Status read = end_read(); !read) return read.error();
  if (!row) return Error{Errc::not_found, "there is no such schedule"};
  return std::move(*row);
}

Result<std::vector<ScheduleRow>> Reader::schedules(std::int64_t after, int limit) {
  std::vector<ScheduleRow> rows;
  {
    Sql query =
        database().query("SELECT " DULY_SCHEDULE_COLUMNS " FROM schedule WHERE id > ? ORDER BY id LIMIT ?");
    query.bind(after).bind(limit);
    while (query.next()) rows.push_back(columns::read_schedule(query));
  }
  if (const Status read = end_read(); !read) return read.error();
  return rows;
}

Result<std::vector<Reader::ScheduleVersion>> Reader::schedule_versions(const std::string& name,
                                                                       std::int64_t below, int limit) {
  const auto row = schedule(name);
  if (!row) return row.error();
  std::vector<ScheduleVersion> versions;
  {
    Sql query = database().query(
        "SELECT version, at_ms, who, what, enabled, spec FROM schedule_version"
        " WHERE schedule = ? AND version < ? ORDER BY version DESC LIMIT ?");
    query.bind(row->id).bind(below <= 0 ? INT64_MAX : below).bind(limit);
    while (query.next()) {
      versions.push_back({query.integer(0), query.integer(1), query.text(2), query.text(3),
                          query.integer(4) != 0, query.text(5)});
    }
  }
  if (const Status read = end_read(); !read) return read.error();
  return versions;
}

}  // namespace duly
