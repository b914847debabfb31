// Schedules as JSON (contract section 4): what a client may ask for, and what it is shown.
#pragma once

#include <string>
#include <string_view>

#include "common/model/schedule.h"
#include "common/wire/json.h"
#include "control-server/api/complaints.h"
#include "control-server/store/reader.h"

namespace duly {

// Reads a schedule; `raw` is the object's text, for the payload's own bytes.  With `name` (from the path) the
// member may be left out and must not differ.  Every problem goes to `complaints`, and then the answer means
// nothing.
ScheduleSpec read_schedule(const Json& object, std::string_view raw, std::string_view name,
                           Complaints& complaints);

void append_schedule_json(std::string& out, const ScheduleRow& row);
void append_version_json(std::string& out, const Reader::ScheduleVersion& version);

}  // namespace duly
