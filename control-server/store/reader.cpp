#include "control-server/store/reader.h"

#include <algorithm>
#include <map>

#include "common/model/limits.h"
#include "control-server/store/columns.h"
#include "control-server/store/database.h"

namespace duly {
namespace {

constexpr const char* kViewColumns =
    "SELECT s.id, s.state, s.shard, s.queue, s.type, s.priority, s.due_ms, s.order_ms, s.token, s.attempt,"
    " s.base_attempt, s.max_attempts, s.losses, s.key_hash, s.expires_ms, s.queued_ms, s.started_ms, s.epoch,"
    " s.publisher, s.executor, s.nonce, s.finished_ms, s.reason,"
    " c.created_ms, t.text, q.text, c.key, c.retry, c.timeout_ms, c.on_lost, c.labels, c.payload, c.fire_ms, "
    "sc.name, n.workflow, n.name, c.opaque, c.content_type, c.deliver_exchange, c.deliver_key, "
    "c.deliver_properties, cb.url, cb.state, cb.ends, cb.attempts, cb.error, c.traceparent, c.tracestate, "
    "cb.next_ms"
    " FROM state s JOIN command c ON c.id = s.id JOIN name t ON t.number = s.type JOIN name q ON q.number = "
    "s.queue LEFT JOIN schedule sc ON sc.id = c.schedule LEFT JOIN node n ON n.command = s.id"
    " LEFT JOIN callback cb ON cb.id = s.id"
    " WHERE s.id = ?";

std::optional<std::int64_t> unless_zero(std::int64_t value) {
  if (value == 0) return std::nullopt;
  return value;
}

CommandView read_view(Sql& query, StateRow& row) {
  row = columns::read_state(query);
  CommandView view;
  view.id = row.id;
  view.state = row.state;
  view.shard = row.shard.value;
  const bool published = row.state == State::queued;
  view.attempt = row.attempt + (published ? 1 : 0);
  view.max_attempts = row.base_attempt + row.max_attempts;
  view.finished_at_ms = unless_zero(row.finished_ms);
  view.reason = name_of(row.reason);
  view.created_at_ms = query.integer(23);
  view.spec.type = query.text(24);
  view.spec.queue = query.text(25);
  view.spec.key = query.text(26);
  view.spec.retry = columns::read_retry(query.text(27));
  view.spec.timeout_ms = query.integer(28);
  view.spec.on_lost = static_cast<OnLost>(query.integer(29));
  view.spec.labels = columns::read_labels(query.text(30));
  view.spec.payload = make_bytes(query.text(31));
  view.spec.fire_at_ms = query.integer(32);
  view.schedule = query.text(33);
  view.workflow = CommandId{query.integer(34)};
  view.node = query.text(35);
  view.spec.opaque = query.integer(36) != 0;
  view.spec.content_type = query.text(37);
  view.spec.deliver = columns::read_deliver(query, 38);
  view.spec.callback_url = query.text(41);
  if (!view.spec.callback_url.empty())
    view.callback =
        CallbackView{static_cast<CallbackState>(query.integer(42)), static_cast<int>(query.integer(43)),
                     static_cast<int>(query.integer(44)), query.text(45), unless_zero(query.integer(48))};
  view.spec.trace = columns::read_stored_trace(query, 46);
  view.spec.due_at_ms = row.due_ms;
  view.spec.priority = row.priority;
  view.spec.expires_at_ms = unless_zero(row.expires_ms);
  return view;
}

}  // namespace

struct Reader::Impl {
  std::unique_ptr<Database> database;
  // Names are never removed or changed: each is looked up once.
  std::map<PartyNumber, std::string> parties;

  std::string party(PartyNumber number) {
    if (number == 0) return {};
    const auto known = parties.find(number);
    if (known != parties.end()) return known->second;
    Sql query = database->query("SELECT name FROM party WHERE number = ?");
    if (!query.bind(number).next()) return {};
    return parties.emplace(number, query.text(0)).first->second;
  }

  std::optional<std::int64_t> name(int kind, const std::string& text) {
    Sql query = database->query("SELECT number FROM name WHERE kind = ? AND text = ?");
    if (!query.bind(kind).bind(text).next()) return std::nullopt;
    return query.integer(0);
  }

  std::optional<CommandView> view(CommandId id, StateRow& row) {
    Sql query = database->query(kViewColumns);
    if (!query.bind(id.value).next()) return std::nullopt;
    auto view = read_view(query, row);
    Sql parents = database->query("SELECT parent FROM edge WHERE child = ? ORDER BY parent LIMIT ?");
    parents.bind(id.value).bind(static_cast<std::int64_t>(limits::kWorkflowNodes));
    while (parents.next()) view.spec.depends_on.push_back(CommandId{parents.integer(0)});
    return view;
  }

  void add_attempts(CommandView& view);
  void add_current_attempt(CommandView& view, const StateRow& row);
  void add_last_outcome(CommandView& view);
  void add_events(CommandView& view);
  std::vector<CommandId> candidates(const CommandFilter& filter, std::int64_t below, int limit,
                                    std::optional<CommandId>* next);
};

void Reader::Impl::add_attempts(CommandView& view) {
  Sql query = database->query(
      "SELECT attempt, epoch, publisher, executor, queued_ms, started_ms, finished_ms, outcome, error FROM "
      "attempt"
      " WHERE id = ? ORDER BY attempt");
  query.bind(view.id.value);
  while (query.next()) {
    AttemptView attempt;
    attempt.attempt = static_cast<int>(query.integer(0));
    attempt.epoch = query.integer(1);
    attempt.agent = party(static_cast<PartyNumber>(query.integer(2)));
    attempt.executor = party(static_cast<PartyNumber>(query.integer(3)));
    attempt.queued_at_ms = unless_zero(query.integer(4));
    attempt.started_at_ms = unless_zero(query.integer(5));
    attempt.finished_at_ms = unless_zero(query.integer(6));
    attempt.outcome = static_cast<AttemptOutcome>(query.integer(7));
    attempt.error = query.text(8);
    view.attempts.push_back(std::move(attempt));
  }
}

void Reader::Impl::add_current_attempt(CommandView& view, const StateRow& row) {
  if (row.state != State::queued && row.state != State::running) return;
  AttemptView attempt;
  attempt.attempt = view.attempt;
  attempt.epoch = row.epoch.value;
  attempt.agent = party(row.publisher);
  attempt.queued_at_ms = unless_zero(row.queued_ms);
  if (row.state == State::running) {
    attempt.executor = party(row.executor);
    attempt.started_at_ms = unless_zero(row.started_ms);
  }
  view.attempts.push_back(std::move(attempt));
}

void Reader::Impl::add_last_outcome(CommandView& view) {
  Sql query = database->query(
      "SELECT error, result, outcome FROM attempt WHERE id = ? ORDER BY attempt DESC LIMIT 1");
  if (!query.bind(view.id.value).next()) return;
  view.error = query.text(0);
  if (view.state == State::succeeded && !query.is_null(1)) view.result = make_bytes(query.text(1));
}

void Reader::Impl::add_events(CommandView& view) {
  Sql query =
      database->query("SELECT at_ms, kind, who, detail FROM event WHERE id = ? ORDER BY sequence LIMIT 1000");
  query.bind(view.id.value);
  while (query.next()) view.events.push_back({query.integer(0), query.text(1), query.text(2), query.text(3)});
}

// Walks one index downwards from `below` and keeps what matches, looking at no more than kPageScanRows rows.
std::vector<CommandId> Reader::Impl::candidates(const CommandFilter& filter, std::int64_t below, int limit,
                                                std::optional<CommandId>* next) {
  std::vector<CommandId> ids;
  const auto queue = filter.queue.empty() ? std::optional<std::int64_t>(-1) : name(1, filter.queue);
  const auto type = filter.type.empty() ? std::optional<std::int64_t>(-1) : name(2, filter.type);
  if (!queue || !type) return ids;  // no command has ever had that name
  const char* walk = "SELECT id, state, queue, type, due_ms FROM state WHERE id < ? ORDER BY id DESC LIMIT ?";
  if (!filter.schedule.empty()) {
    walk =
        "SELECT s.id, s.state, s.queue, s.type, s.due_ms FROM schedule c JOIN fire f ON f.schedule = c.id"
        " JOIN state s ON s.id = f.command WHERE c.name = ?3 AND f.command > 0 AND f.command < ?1"
        " ORDER BY f.command DESC LIMIT ?2";
  } else if (filter.workflow) {
    walk =
        "SELECT s.id, s.state, s.queue, s.type, s.due_ms FROM node n JOIN state s ON s.id = n.command"
        " WHERE n.workflow = ?3 AND n.command < ?1 ORDER BY n.command DESC LIMIT ?2";
  } else if (!filter.labels.empty()) {
    walk =
        "SELECT s.id, s.state, s.queue, s.type, s.due_ms FROM label l JOIN state s ON s.id = l.id"
        " WHERE l.id < ? AND l.name = ?3 AND l.value = ?4 ORDER BY l.id DESC LIMIT ?2";
  } else if (!filter.key.empty()) {
    walk =
        "SELECT id, state, queue, type, due_ms FROM state WHERE key_hash = ?3 AND id < ?1 ORDER BY id DESC "
        "LIMIT ?2";
  }
  Sql query = database->query(walk);
  query.bind(below).bind(limits::kPageScanRows);
  if (!filter.schedule.empty()) {
    query.bind(filter.schedule);
  } else if (filter.workflow) {
    query.bind(filter.workflow->value);
  } else if (!filter.labels.empty()) {
    query.bind(filter.labels.front().first).bind(filter.labels.front().second);
  } else if (!filter.key.empty()) {
    query.bind(key_hash_of(filter.key));
  }
  int seen = 0;
  CommandId last{0};
  while (query.next()) {
    ++seen;
    last = CommandId{query.integer(0)};
    const bool match = (!filter.state || query.integer(1) == static_cast<std::int64_t>(*filter.state)) &&
                       (*queue < 0 || query.integer(2) == *queue) &&
                       (*type < 0 || query.integer(3) == *type) &&
                       (!filter.due_before_ms || query.integer(4) < *filter.due_before_ms) &&
                       (!filter.due_after_ms || query.integer(4) > *filter.due_after_ms);
    if (!match) continue;
    ids.push_back(last);
    if (static_cast<int>(ids.size()) == limit) {
      *next = last;
      return ids;
    }
  }
  if (seen == limits::kPageScanRows) *next = last;
  return ids;
}

Reader::Reader(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Reader::~Reader() = default;
Database& Reader::database() { return *impl_->database; }

Result<std::unique_ptr<Reader>> Reader::open(const std::string& path, const std::string& vfs) {
  auto database = Database::open(path, vfs, Database::Role::reader);
  if (!database) return database.error();
  auto impl = std::make_unique<Impl>();
  impl->database = std::move(*database);
  return std::unique_ptr<Reader>(new Reader(std::move(impl)));
}

// Ends a read: a remembered failure must not outlive the request that met it.
Status Reader::end_read() {
  if (!impl_->database->failed()) return ok_status();
  impl_->database->rollback();
  return Error{Errc::unavailable, "the store could not be read"};
}

Result<CommandView> Reader::command(CommandId id) {
  StateRow row;
  auto view = impl_->view(id, row);
  if (view) {
    impl_->add_attempts(*view);
    impl_->add_current_attempt(*view, row);
    impl_->add_last_outcome(*view);
    impl_->add_events(*view);
  }
  if (const Status read = end_read(); !read) return read.error();
  if (!view) return Error{Errc::not_found, "there is no such command"};
  return std::move(*view);
}

Result<CommandPage> Reader::list(const CommandFilter& filter, std::optional<CommandId> below, int limit) {
  CommandPage page;
  const std::int64_t start = below ? below->value : INT64_MAX;
  for (const CommandId id : impl_->candidates(filter, start, limit, &page.next)) {
    StateRow row;
    auto view = impl_->view(id, row);
    if (!view) continue;
    if (!filter.key.empty() && view->spec.key != filter.key) continue;  // another key with the same hash
    const bool labelled = std::all_of(filter.labels.begin(), filter.labels.end(), [&](const auto& wanted) {
      const auto at = view->spec.labels.find(wanted.first);
      return at != view->spec.labels.end() && at->second == wanted.second;
    });
    if (!labelled) continue;
    impl_->add_last_outcome(*view);
    page.items.push_back(std::move(*view));
  }
  if (const Status read = end_read(); !read) return read.error();
  return page;
}

Result<std::vector<Reader::Revision>> Reader::revisions(CommandId id) {
  std::vector<Revision> items;
  bool known = false;
  {
    Sql command = database().query("SELECT 1 FROM state WHERE id = ?");
    known = command.bind(id.value).next();
    Sql query = database().query(
        "SELECT revision, at_ms, who, payload, opaque FROM revision WHERE id = ? ORDER BY revision");
    query.bind(id.value);
    while (query.next()) {
      items.push_back(
          {query.integer(0), query.integer(1), query.text(2), query.text(3), query.integer(4) != 0});
    }
  }
  if (const Status read = end_read(); !read) return read.error();
  if (!known) return Error{Errc::not_found, "there is no such command"};
  return items;
}

Result<std::vector<Reader::AuditRow>> Reader::audit(std::int64_t below, int limit) {
  std::vector<AuditRow> rows;
  {
    Sql query = impl_->database->query(
        "SELECT sequence, at_ms, who, what, subject, detail, request FROM audit WHERE sequence < ? ORDER BY "
        "sequence "
        "DESC LIMIT ?");
    query.bind(below <= 0 ? INT64_MAX : below).bind(limit);
    while (query.next()) {
      rows.push_back({query.integer(0), query.integer(1), query.text(2), query.text(3), query.text(4),
                      query.text(5), query.text(6)});
    }
  }
  if (const Status read = end_read(); !read) return read.error();
  return rows;
}

}  // namespace duly
