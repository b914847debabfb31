#include "tests/unit/control-server/api/fake_reader.h"

namespace duly {

// This program is linked with this Reader instead of the store's: same class, answers from memory.
struct Reader::Impl {
  std::shared_ptr<testing::FakeStore> store;
};

Reader::Reader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Reader::~Reader() = default;

namespace {
std::shared_ptr<testing::FakeStore>& next_store() {
  static std::shared_ptr<testing::FakeStore> store;
  return store;
}
}  // namespace

Result<std::unique_ptr<Reader>> Reader::open(const std::string&, const std::string&) {
  return std::unique_ptr<Reader>(new Reader(std::make_unique<Impl>(Impl{next_store()})));
}

Result<CommandView> Reader::command(CommandId id) {
  const auto found = impl_->store->commands.find(id);
  if (found == impl_->store->commands.end()) return Error{Errc::not_found, "no such command"};
  return found->second;
}

Result<CommandPage> Reader::list(const CommandFilter& filter, std::optional<CommandId> below, int limit) {
  impl_->store->last_filter = filter;
  CommandPage page;
  for (auto it = impl_->store->commands.rbegin(); it != impl_->store->commands.rend(); ++it) {
    if (below && it->first >= *below) continue;
    if (static_cast<int>(page.items.size()) == limit) {
      page.next = page.items.back().id;
      break;
    }
    page.items.push_back(it->second);
  }
  return page;
}

Result<std::vector<Reader::Revision>> Reader::revisions(CommandId id) {
  if (!impl_->store->commands.contains(id)) return Error{Errc::not_found, "no such command"};
  return std::vector<Revision>{{1, 5, "api", "{\"old\": 1.0}"}};
}

// In the order of their ids, each ended at its id.
Result<EndedPage> Reader::ended(const EndedFilter& filter, EndedPlace after, int limit) {
  impl_->store->last_ended = filter;
  EndedPage page;
  for (const auto& [id, view] : impl_->store->commands) {
    const EndedPlace place{id.value, id};
    if (!is_end(view.state) || place <= after) continue;
    page.items.push_back(place);
    if (static_cast<int>(page.items.size()) < limit) continue;
    page.next = place;
    break;
  }
  return page;
}

Result<std::vector<Reader::AuditRow>> Reader::audit(std::int64_t below, int limit) {
  std::vector<AuditRow> rows;
  for (std::int64_t i = below == 0 ? 5 : below - 1; i > 0 && static_cast<int>(rows.size()) < limit; --i) {
    rows.push_back({i, 0, "ann", "drain", "agent-1", "", "id-7"});
  }
  return rows;
}

Result<ScheduleRow> Reader::schedule(const std::string& name) {
  const auto found = impl_->store->schedules.find(name);
  if (found == impl_->store->schedules.end()) return Error{Errc::not_found, "no such schedule"};
  return found->second;
}

Result<std::vector<ScheduleRow>> Reader::schedules(std::int64_t after, int limit) {
  std::vector<ScheduleRow> rows;
  for (const auto& [name, row] : impl_->store->schedules) {
    if (row.id > after && static_cast<int>(rows.size()) < limit) rows.push_back(row);
  }
  return rows;
}

Result<std::vector<Reader::ScheduleVersion>> Reader::schedule_versions(const std::string& name,
                                                                       std::int64_t below, int) {
  const auto row = schedule(name);
  if (!row) return row.error();
  std::vector<ScheduleVersion> versions;
  if (below == 0 || below > row->version)
    versions.push_back({row->version, 0, "api", "created", row->spec.enabled, row->spec.text});
  return versions;
}

namespace testing {

std::unique_ptr<Reader> make_fake_reader(std::shared_ptr<FakeStore> store) {
  next_store() = std::move(store);
  return std::move(Reader::open("")).value();
}

}  // namespace testing
Result<Reader::WorkflowView> Reader::workflow(CommandId id) {
  const auto found = impl_->store->workflows.find(id);
  if (found == impl_->store->workflows.end()) return Error{Errc::not_found, "no such workflow"};
  return found->second;
}

Result<std::vector<WorkflowRow>> Reader::workflows(std::optional<WorkflowState> state, CommandId below,
                                                   int limit) {
  std::vector<WorkflowRow> rows;
  for (auto it = impl_->store->workflows.rbegin(); it != impl_->store->workflows.rend(); ++it) {
    const WorkflowRow& row = it->second.row;
    if (row.id >= below || (state && row.state != *state)) continue;
    if (static_cast<int>(rows.size()) < limit) rows.push_back(row);
  }
  return rows;
}

}  // namespace duly
