// Ended commands as lines of JSON, the longest ended first: what an archive takes before retention does.
//
// An answer is bounded in commands and in bytes, and its header Duly-Next-Cursor goes on from there.  It is
// made in pieces, with room for everything else of this thread in between.
#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "control-server/api/api_support.h"
#include "control-server/api/command_json.h"
#include "control-server/api/cursor.h"
#include "control-server/api/routes.h"

namespace duly {
namespace {

constexpr std::size_t kPiece = 50;
constexpr std::string_view kNextCursor = "Duly-Next-Cursor";

struct ExportRequest {
  EndedFilter filter;
  EndedPlace after;
  int limit = limits::kPageItems;
};

// Two numbers, each with its own check sum.
std::string cursor_of(EndedPlace place) {
  return encode_cursor(CursorKind::exported, place.finished_ms) +
         encode_cursor(CursorKind::exported, place.id.value);
}

std::optional<EndedPlace> place_of(std::string_view cursor) {
  const std::size_t half = cursor.size() / 2;
  const auto finished_ms = decode_cursor(CursorKind::exported, cursor.substr(0, half));
  const auto id = decode_cursor(CursorKind::exported, cursor.substr(half));
  if (!finished_ms || !id) return std::nullopt;
  return EndedPlace{*finished_ms, CommandId{*id}};
}

// Each reads one parameter into the request; false = its value is bad.
bool read_state(ExportRequest& request, const std::string& value) {
  request.filter.state = state_named(value);
  return request.filter.state && is_end(*request.filter.state);
}
bool read_type(ExportRequest& request, const std::string& value) {
  request.filter.type = value;
  return is_plain_name(value, limits::kTypeBytes);
}
bool read_queue(ExportRequest& request, const std::string& value) {
  request.filter.queue = value;
  return is_plain_name(value, limits::kQueueBytes);
}
bool read_after(ExportRequest& request, const std::string& value) {
  request.filter.finished_after_ms = parse_instant(value);
  return request.filter.finished_after_ms.has_value();
}
bool read_before(ExportRequest& request, const std::string& value) {
  request.filter.finished_before_ms = parse_instant(value);
  return request.filter.finished_before_ms.has_value();
}
bool read_limit(ExportRequest& request, const std::string& value) {
  const auto number = whole_number(value, 1, limits::kPageItems);
  request.limit = static_cast<int>(number.value_or(1));
  return number.has_value();
}
bool read_cursor(ExportRequest& request, const std::string& value) {
  const auto place = place_of(value);
  if (place) request.after = *place;
  return place.has_value();
}

struct Parameter {
  std::string_view name;
  bool (*read)(ExportRequest&, const std::string&);
  std::string_view complaint;
};
constexpr std::array kParameters = {
    Parameter{"state", &read_state, "state is not one in which commands end"},
    Parameter{"type", &read_type, "type must be 1 to 128 characters of [A-Za-z0-9._-]"},
    Parameter{"queue", &read_queue, "queue must be 1 to 64 characters of [A-Za-z0-9._-]"},
    Parameter{"finished_after", &read_after, "finished_after must be an RFC 3339 instant"},
    Parameter{"finished_before", &read_before, "finished_before must be an RFC 3339 instant"},
    Parameter{"limit", &read_limit, "limit must be a whole number from 1 to 1000"},
    Parameter{"cursor", &read_cursor, "cursor is not one that this server has given out for an export"},
};

// One answer on its way.
struct Exporting {
  Api& api;
  Respond respond;
  EndedPage page;
  std::size_t at = 0;  // of page.items
  HttpResponse response;
  bool gone = false;  // the client is

  [[nodiscard]] bool full() const { return response.body.size() >= limits::kExportBytes; }
};

// A payload is kept as it was given, line ends between its values included: here they would end the line.
void append_line(std::string& out, const CommandView& view) {
  const auto begin = static_cast<std::ptrdiff_t>(out.size());
  append_command_json(out, view, CommandDetail::full);
  std::replace_if(
      out.begin() + begin, out.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  out += '\n';
}

void finish(Exporting& job) {
  const bool all = job.at == job.page.items.size();
  const auto next = all ? job.page.next : std::optional<EndedPlace>(job.page.items[job.at - 1]);
  if (next) job.response.fields.emplace_back(kNextCursor, cursor_of(*next));
  job.respond(std::move(job.response));
}

// Appends some lines, then lets others go first.
void go_on(const std::shared_ptr<Exporting>& job) {
  if (job->gone) return;
  for (std::size_t lines = 0; lines < kPiece && job->at < job->page.items.size() && !job->full(); ++lines) {
    const auto view = job->api.reader.command(job->page.items[job->at++].id);
    if (!view && view.error().code == Errc::not_found) continue;  // removed meanwhile
    if (!view) return job->respond(reader_problem(view.error(), "export"));
    if (!is_end(view->state)) continue;  // redriven meanwhile
    append_line(job->response.body, *view);
  }
  if (job->at == job->page.items.size() || job->full()) return finish(*job);
  job->api.loop.post([job] { go_on(job); });
}

void export_commands(Api& api, ApiCall&& call) {
  ExportRequest request;
  Complaints complaints;
  for (const auto& [name, value] : call.query) {
    for (const Parameter& parameter : kParameters) {
      if (parameter.name == name && !parameter.read(request, value))
        complaints.add("", std::string(parameter.complaint));
    }
  }
  if (!complaints.empty()) return call.respond(complaints.response());
  auto page = api.reader.ended(request.filter, request.after, request.limit);
  if (!page) return call.respond(reader_problem(page.error(), "export"));
  const auto job = std::make_shared<Exporting>(Exporting{api, call.respond, std::move(*page), 0, {}, false});
  job->response.content_type = "application/x-ndjson";
  call.respond.when_gone([weak = std::weak_ptr<Exporting>(job)] {
    if (const auto left = weak.lock()) left->gone = true;
  });
  go_on(job);
}

}  // namespace

std::vector<Route> export_routes(Api& api) {
  return {{"GET",
           "/v1/commands/export",
           Role::read,
           [&api](ApiCall&& call) { export_commands(api, std::move(call)); },
           {"state", "type", "queue", "finished_after", "finished_before", "limit", "cursor"}}};
}

}  // namespace duly
